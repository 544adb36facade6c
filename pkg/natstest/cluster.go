package natstest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Nodes is a cluster of nodes that all run JetStream, on loopback. It can not run inside a synctest bubble.
type Nodes struct {
	nodes []*Server
}

// Cluster starts n nodes (three, as a rule) that are stopped when the test ends, and waits until JetStream has a leader
// that knows all of them.
func Cluster(t testing.TB, n int, options ...Option) *Nodes {
	t.Helper()
	var c config
	for _, o := range options {
		o(&c)
	}
	if c.dir == "" {
		c.dir = t.TempDir()
	}
	ports, err := freePorts(n)
	if err != nil {
		t.Fatalf("natstest: ports for the cluster: %v", err)
	}
	var routes []*url.URL
	for _, p := range ports {
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", p)})
	}
	cl := &Nodes{}
	for i := range n {
		s := &Server{name: fmt.Sprintf("n%d", i)}
		dir := filepath.Join(c.dir, s.name)
		s.opts = func() (*server.Options, error) {
			o, err := c.options(s.name, dir)
			if err != nil {
				return nil, err
			}
			if o.Port = s.port; o.Port == 0 {
				o.Port = server.RANDOM_PORT
			}
			if o.Cluster.Name == "" {
				o.Cluster.Name = "natstest"
			}
			o.Cluster.Host, o.Cluster.Port = "127.0.0.1", ports[i]
			o.Routes = nil
			for _, r := range routes {
				to := *r
				if o.Cluster.Username != "" {
					to.User = url.UserPassword(o.Cluster.Username, o.Cluster.Password)
				}
				o.Routes = append(o.Routes, &to)
			}
			return c.configured(o)
		}
		cl.nodes = append(cl.nodes, s)
	}
	t.Cleanup(cl.stop)
	failed := make(chan error, n)
	for _, s := range cl.nodes {
		go func() { failed <- s.start() }()
	}
	for range n {
		err = errors.Join(err, <-failed)
	}
	if err != nil {
		t.Fatalf("natstest: %v", err)
	}
	cl.Wait(t)
	return cl
}

func (c *Nodes) stop() {
	for _, s := range c.nodes {
		s.Stop()
	}
}

// Ports are looked for below those that a system gives to whoever connects (from 32768 on Linux, from 49152 elsewhere): there
// the first node's route could be given the port that the second is about to listen on.
const (
	firstPort = 10_000
	lastPort  = 32_000
)

// FreeAddress is an address on loopback that nobody listens on, and that whoever connects somewhere is not given: for a program that is
// started in a moment.
func FreeAddress(t testing.TB) string {
	t.Helper()
	ports, err := freePorts(1)
	if err != nil {
		t.Fatalf("natstest: a free port: %v", err)
	}
	return fmt.Sprintf("127.0.0.1:%d", ports[0])
}

// freePorts finds ports that are free now. Routes must be known before the first node starts, so the nodes can not pick
// them; all are found before one is given back, so that they differ.
func freePorts(n int) ([]int, error) {
	var ports []int
	var held []net.Listener
	defer func() {
		for _, l := range held {
			_ = l.Close()
		}
	}()
	for tries := 0; len(ports) < n; tries++ {
		port := firstPort + rand.IntN(lastPort-firstPort) //nolint:gosec // any free one will do
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			held, ports = append(held, l), append(ports, port)
		} else if tries == 1000 {
			return nil, err
		}
	}
	return ports, nil
}

// Node returns node i, counted from 0: to Stop, Start and connect to.
func (c *Nodes) Node(i int) *Server { return c.nodes[i] }

// Len is the number of nodes.
func (c *Nodes) Len() int { return len(c.nodes) }

// StopNode shuts node i down; its store stays.
func (c *Nodes) StopNode(i int) { c.nodes[i].Stop() }

// StartNode starts node i again on the same store and ports. It does not wait for the node to catch up; [Nodes.Wait] does.
func (c *Nodes) StartNode(t testing.TB, i int) {
	t.Helper()
	c.nodes[i].Start(t)
}

// URLs returns every node's address, joined by commas as nats.Connect takes them.
func (c *Nodes) URLs() string {
	var all []string
	for _, s := range c.nodes {
		all = append(all, s.URL())
	}
	return strings.Join(all, ",")
}

// Conn connects to any node and moves on to another when that one stops. The connection is closed when the test ends.
func (c *Nodes) Conn(t testing.TB, options ...nats.Option) *nats.Conn {
	t.Helper()
	all := []nats.Option{nats.MaxReconnects(-1), nats.CustomReconnectDelay(reconnectDelay)}
	nc, err := nats.Connect(c.URLs(), append(all, options...)...)
	if err != nil {
		t.Fatalf("natstest: connect to the cluster: %v", err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// ConnTo connects to node i and stays with it.
func (c *Nodes) ConnTo(t testing.TB, i int, options ...nats.Option) *nats.Conn {
	t.Helper()
	return c.nodes[i].Conn(t, options...)
}

// Wait returns when JetStream has a leader that sees every running node as current, and each running node agrees.
func (c *Nodes) Wait(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if err := poll(ctx, c.settled); err != nil {
		t.Fatalf("natstest: the cluster has no JetStream leader that knows all nodes: %v", err)
	}
}

func (c *Nodes) settled() error {
	for _, s := range c.nodes {
		srv := s.NATS()
		if srv == nil {
			continue
		}
		if h := srv.Healthz(&server.HealthzOptions{JSEnabledOnly: false}); h.StatusCode != 200 {
			return fmt.Errorf("node %s: %s", s.name, h.Error)
		}
		if srv.JetStreamIsLeader() {
			if peers := srv.JetStreamClusterPeers(); len(peers) < c.running() {
				return fmt.Errorf("the leader knows %d nodes", len(peers))
			}
		}
	}
	return nil
}

func (c *Nodes) running() int {
	n := 0
	for _, s := range c.nodes {
		if s.NATS() != nil {
			n++
		}
	}
	return n
}

// Leader returns the node that leads a stream, or -1 while nobody does.
func (c *Nodes) Leader(ctx context.Context, nc *nats.Conn, stream string) int {
	js, err := jetstream.New(nc)
	if err != nil {
		return -1
	}
	s, err := js.Stream(ctx, stream)
	if err != nil || s.CachedInfo().Cluster == nil {
		return -1
	}
	for i, n := range c.nodes {
		if n.name == s.CachedInfo().Cluster.Leader {
			return i
		}
	}
	return -1
}

// StepDown makes a stream's leader give up leading and returns when the stream has another leader. The same node is elected again
// while the others have not caught up, which takes a leader: so it asks again after a while, and after twice that while the next
// time.
func (c *Nodes) StepDown(ctx context.Context, nc *nats.Conn, stream string) error {
	before := c.Leader(ctx, nc, stream)
	for patience := 2 * time.Second; ; patience *= 2 {
		if err := poll(ctx, func() error { return stepDown(ctx, nc, stream) }); err != nil {
			return fmt.Errorf("natstest: step-down of %s: %w", stream, err)
		}
		within, cancel := context.WithTimeout(ctx, patience)
		err := poll(within, func() error {
			if now := c.Leader(within, nc, stream); now < 0 || now == before {
				return fmt.Errorf("natstest: %s has no new leader yet", stream)
			}
			return nil
		})
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
}

func stepDown(ctx context.Context, nc *nats.Conn, stream string) error {
	within, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	m, err := nc.RequestWithContext(within, "$JS.API.STREAM.LEADER.STEPDOWN."+stream, nil)
	if err != nil {
		return err
	}
	var answer struct {
		Error *struct {
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return err
	}
	if answer.Error != nil {
		return errors.New(answer.Error.Description)
	}
	return nil
}

// poll asks until the answer is nil, for the states of a cluster that nothing announces.
func poll(ctx context.Context, ask func() error) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", err, ctx.Err())
		case <-tick.C:
		}
	}
}
