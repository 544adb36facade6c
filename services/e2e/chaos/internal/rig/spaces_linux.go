package rig

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// spaces is a network with a namespace for each node, a bridge between them, and this host on the bridge.
type spaces struct {
	prefix string // of the names of all that is made here; a link's name has at most 15 characters
	subnet string // its first three bytes
	nodes  int
}

// newNetwork makes namespaces where the machine allows it, and loopback ports where it does not.
func newNetwork(n, number int, onLoopback bool) (network, error) {
	if onLoopback {
		return newLoopback(n, "they were asked for")
	}
	s, err := newSpaces(n, number)
	if err != nil {
		return newLoopback(n, fmt.Sprintf("namespaces are not to be had here (%v)", err))
	}
	return s, nil
}

func newSpaces(n, number int) (*spaces, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("this is not root")
	}
	subnet, err := freeSubnet()
	if err != nil {
		return nil, err
	}
	s := &spaces{prefix: fmt.Sprintf("sc%d%c", os.Getpid()%1_000_000, 'a'+number%26), subnet: subnet, nodes: n}
	bridge := s.prefix + "br"
	steps := [][]string{
		{"link", "add", bridge, "type", "bridge"},
		{"addr", "add", subnet + ".1/24", "dev", bridge},
		{"link", "set", bridge, "up"},
	}
	for i := range n {
		ns, veth := s.space(i), s.veth(i)
		steps = append(steps,
			[]string{"netns", "add", ns},
			[]string{"link", "add", veth, "type", "veth", "peer", "name", "eth0", "netns", ns},
			[]string{"link", "set", veth, "master", bridge, "up"},
			[]string{"-n", ns, "addr", "add", s.host(i) + "/24", "dev", "eth0"},
			[]string{"-n", ns, "link", "set", "eth0", "up"},
			[]string{"-n", ns, "link", "set", "lo", "up"},
		)
	}
	for _, args := range steps {
		if err := ip(args...); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	return s, nil
}

// freeSubnet finds one of the range for benchmarks (RFC 2544) that this host has no address in.
func freeSubnet() (string, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return "", err
	}
	for k := range 200 {
		subnet := fmt.Sprintf("198.18.%d", (os.Getpid()+k)%250)
		taken := false
		for _, a := range addresses {
			taken = taken || strings.HasPrefix(a.String(), subnet+".")
		}
		if !taken {
			return subnet, nil
		}
	}
	return "", errors.New("every subnet of 198.18.0.0/16 is taken")
}

func ip(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

func (s *spaces) space(i int) string { return fmt.Sprintf("%sn%d", s.prefix, i) }
func (s *spaces) veth(i int) string  { return fmt.Sprintf("%sv%d", s.prefix, i) }
func (s *spaces) host(i int) string  { return fmt.Sprintf("%s.%d", s.subnet, 10+i) }

func (s *spaces) says() string {
	return fmt.Sprintf("a namespace for each node, joined by a bridge on %s.0/24", s.subnet)
}
func (s *spaces) address(i int) string { return s.host(i) + ":4222" }
func (s *spaces) cluster(i int) string { return s.host(i) + ":6222" }
func (s *spaces) route(_, j int) string {
	return s.cluster(j)
}

func (s *spaces) inside(i int, argv []string) []string {
	return append([]string{"ip", "netns", "exec", s.space(i)}, argv...)
}

func (s *spaces) isolate(i int, cut bool) error {
	state := "up"
	if cut {
		state = "down"
	}
	return ip("link", "set", s.veth(i), state)
}

// part sends what one of the nodes has for the other into a black hole; each forgets how to reach the other.
func (s *spaces) part(i, j int, cut bool) error {
	verb := "del"
	if cut {
		verb = "add"
	}
	return errors.Join(
		ip("-n", s.space(i), "route", verb, "blackhole", s.host(j)+"/32"),
		ip("-n", s.space(j), "route", verb, "blackhole", s.host(i)+"/32"),
	)
}

func (s *spaces) close() error {
	var err error
	for i := range s.nodes {
		if _, stat := os.Stat("/var/run/netns/" + s.space(i)); stat == nil {
			err = errors.Join(err, ip("netns", "del", s.space(i)))
		}
	}
	if _, missing := net.InterfaceByName(s.prefix + "br"); missing == nil {
		err = errors.Join(err, ip("link", "del", s.prefix+"br"))
	}
	return err
}

// mortal makes the kernel kill the process when this one dies.
func mortal(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
