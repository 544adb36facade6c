package rig

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// Service is one instance of a service: a process, and the links by which it reaches the nodes.
type Service struct {
	*Process
	Kind     string // promoter
	Instance string // promoter-0
	links    []*Link
	offset   atomic.Int64
}

// NewService makes an instance of a service of the cluster. It keeps its name over restarts, as a StatefulSet's does.
func (c *Cluster) NewService(kind string, number int) (*Service, error) {
	s := &Service{Kind: kind, Instance: fmt.Sprintf("%s-%d", kind, number)}
	var urls []string
	for i := range c.nodes {
		l, err := NewLink(c.net.address(i))
		if err != nil {
			s.Close()
			return nil, err
		}
		s.links = append(s.links, l)
		urls = append(urls, "nats://"+l.Addr())
	}
	var err error
	s.Process, err = newProcess(s.Instance, filepath.Join(c.dir, s.Instance+".log"), func() *exec.Cmd {
		cmd := exec.Command(c.bin.Path(servicePrefix+kind), "--server", strings.Join(urls, ","), "--user", kind, "--instance", s.Instance)
		cmd.Env = append(os.Environ(), "NATS_PASSWORD="+Password, fmt.Sprintf("%s=%d", ClockEnv, s.offset.Load()))
		return cmd
	})
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// SetClock moves the wall clock of the process from its next start on.
func (s *Service) SetClock(by time.Duration) { s.offset.Store(int64(by / time.Second)) }

// Isolate cuts it off from all nodes, or lets it back.
func (s *Service) Isolate(cut bool) {
	for _, l := range s.links {
		if cut {
			l.Stall()
		} else {
			l.Pass()
		}
	}
}

// Slow makes everything that it sends and gets late; 0 ends that.
func (s *Service) Slow(by time.Duration) {
	for _, l := range s.links {
		if by == 0 {
			l.Pass()
		} else {
			l.Slow(by)
		}
	}
}

// Cut breaks its connections.
func (s *Service) Cut() {
	for _, l := range s.links {
		l.Cut()
	}
}

// Close stops it.
func (s *Service) Close() {
	if s.Process != nil {
		s.close()
	}
	for _, l := range s.links {
		l.Close()
	}
}

// Panics looks through a log for what no program should say.
func Panics(log string) ([]string, error) {
	data, err := os.ReadFile(log)
	if err != nil {
		return nil, err
	}
	var out []string
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:") || strings.Contains(line, "a handler panicked") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out, nil
}
