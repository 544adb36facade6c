package watcher_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sluice-gate/sluice/pkg/awstest"
)

// staging answers http probes without a network, by path.
type staging struct {
	mu     sync.Mutex
	status map[string]int
	slow   map[string]time.Duration
	asked  map[string]int
	busy   map[string]string   // Retry-After
	cloud  *awstest.CloudWatch // what AWS is
	// numbers answers the queries of Prometheus; false: there is no result.
	numbers func(query string) (float64, bool)
}

func newStaging() *staging {
	return &staging{status: map[string]int{}, slow: map[string]time.Duration{}, asked: map[string]int{}, busy: map[string]string{}}
}

func (s *staging) set(path string, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status[path] = status
}

// wait makes the path ask to be left alone for so many seconds; "" ends that.
func (s *staging) wait(path, seconds string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy[path] = seconds
}

// delay lets the path answer only after a time.
func (s *staging) delay(path string, by time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slow[path] = by
}

func (s *staging) count() (all int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.asked {
		all += n
	}
	return all
}

// of is how often a path was asked.
func (s *staging) of(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[path]
}

// RoundTrip answers 200 unless told otherwise; 0 hangs until the probe gives up.
func (s *staging) RoundTrip(req *http.Request) (*http.Response, error) {
	if strings.HasSuffix(req.URL.Host, ".amazonaws.com") {
		return s.cloud.RoundTrip(req)
	}
	if strings.HasSuffix(req.URL.Path, "/api/v1/query") {
		return s.prometheus(req)
	}
	s.mu.Lock()
	header := http.Header{}
	if after := s.busy[req.URL.Path]; after != "" {
		header.Set("Retry-After", after)
	}
	s.asked[req.URL.Path]++
	status, ok := s.status[req.URL.Path]
	slow := s.slow[req.URL.Path]
	s.mu.Unlock()
	if !ok {
		status = http.StatusOK
	}
	if status == 0 {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	select {
	case <-req.Context().Done():
		return nil, req.Context().Err()
	case <-time.After(slow):
	}
	return &http.Response{
		StatusCode: status, Body: io.NopCloser(strings.NewReader("{}")), Header: header, Request: req, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

// prometheus answers an instant query.
func (s *staging) prometheus(req *http.Request) (*http.Response, error) {
	if err := req.ParseForm(); err != nil {
		return nil, err
	}
	result := "[]"
	if n, ok := s.numbers(req.PostForm.Get("query")); ok {
		result = fmt.Sprintf(`[{"metric":{},"value":[0,"%g"]}]`, n)
	}
	body := fmt.Sprintf(`{"status":"success","data":{"resultType":"vector","result":%s}}`, result)
	return &http.Response{
		StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{}, Request: req, Proto: "HTTP/1.1", ProtoMajor: 1,
		ProtoMinor: 1,
	}, nil
}

// outOfFiles is what a host says that has no file descriptors left.
type outOfFiles struct{}

func (outOfFiles) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", syscall.EMFILE)}
}
