package rig

import (
	"errors"
	"fmt"
	"net"
)

// network is what the nodes of a cluster reach each other and their clients by.
type network interface {
	// says is one line for the report.
	says() string
	// address is where node i listens for clients, cluster where it listens for other nodes.
	address(i int) string
	cluster(i int) string
	// route is where node i finds node j.
	route(i, j int) string
	// inside makes argv run where node i is.
	inside(i int, argv []string) []string
	// isolate cuts node i off from all other nodes, and from clients where it can; or lets it back.
	isolate(i int, cut bool) error
	// part cuts two nodes off from each other only.
	part(i, j int, cut bool) error
	close() error
}

// loopback is a network of ports on 127.0.0.1. Between nodes there are links; clients reach every node at any time.
type loopback struct {
	why     string
	clients []string
	nodes   []string
	links   [][]*Link // from, to
}

func newLoopback(n int, why string) (*loopback, error) {
	l := &loopback{why: why}
	var held []net.Listener
	defer func() {
		for _, h := range held {
			_ = h.Close()
		}
	}()
	for range 2 * n { // all are found before one is given back, so that they differ
		h, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		held = append(held, h)
	}
	for i := range n {
		l.clients, l.nodes = append(l.clients, held[2*i].Addr().String()), append(l.nodes, held[2*i+1].Addr().String())
	}
	for i := range n {
		row := make([]*Link, n)
		for j := range n {
			if i == j {
				continue
			}
			link, err := NewLink(l.nodes[j])
			if err != nil {
				return nil, errors.Join(err, l.close())
			}
			row[j] = link
		}
		l.links = append(l.links, row)
	}
	return l, nil
}

func (l *loopback) says() string {
	return "ports on loopback, because " + l.why + ": a partition of nodes is made by proxies between them"
}
func (l *loopback) address(i int) string                 { return l.clients[i] }
func (l *loopback) cluster(i int) string                 { return l.nodes[i] }
func (l *loopback) route(i, j int) string                { return l.links[i][j].Addr() }
func (l *loopback) inside(_ int, argv []string) []string { return argv }

func (l *loopback) isolate(i int, cut bool) error {
	for j := range l.links {
		if j != i {
			if err := l.part(i, j, cut); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *loopback) part(i, j int, cut bool) error {
	if i == j {
		return fmt.Errorf("node %d can not be parted from itself", i)
	}
	for _, link := range []*Link{l.links[i][j], l.links[j][i]} {
		if cut {
			link.Stall()
		} else {
			link.Pass()
		}
	}
	return nil
}

func (l *loopback) close() error {
	for _, row := range l.links {
		for _, link := range row {
			if link != nil {
				link.Close()
			}
		}
	}
	return nil
}
