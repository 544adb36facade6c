// Package natstest starts real NATS servers with JetStream inside the test process: one node, also inside a
// testing/synctest bubble, or a cluster of three on loopback.
//
// A bubble's clock moves only when every goroutine of the bubble waits. The server has one goroutine per process that
// would live in whichever bubble started it first and keep that bubble from ending: the ticker of its access time
// service. A package whose tests use bubbles therefore starts it outside of them:
//
//	func TestMain(m *testing.M) { natstest.Main(m) }
//
// Inside a bubble use [One] without [Listen] (no sockets), and no t.Run and no t.Parallel.
package natstest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats-server/v2/server/ats"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/topology"
)

// startTimeout bounds a node's start. It is generous: two slow cores may build and test at once.
const startTimeout = 30 * time.Second

// Main is a TestMain for packages that run servers inside synctest bubbles.
func Main(m *testing.M) {
	ats.Register()
	code := m.Run()
	ats.Unregister()
	os.Exit(code)
}

// Option changes the server that [One] or [Cluster] starts.
type Option func(*config)

type config struct {
	syncAlways bool
	listen     bool
	text       string
	dir        string
	configure  []func(*server.Options) error
}

// SyncAlways makes the server fsync every message, as production does. Tests are faster without.
func SyncAlways() Option { return func(c *config) { c.syncAlways = true } }

// Listen gives the server a TCP port on 127.0.0.1, for the nats command and for users of a [Config]. The port stays the
// same over restarts. A cluster's nodes always listen.
func Listen() Option { return func(c *config) { c.listen = true } }

// Config adds a server configuration text: accounts and users, for one. Listeners, the store and the server's name are
// natstest's own and override what the text says.
func Config(text string) Option { return func(c *config) { c.text = text } }

// Configure changes the server's options at each start, after all else. Returning an error fails the start.
func Configure(change func(*server.Options) error) Option {
	return func(c *config) { c.configure = append(c.configure, change) }
}

// Dir keeps JetStream's files there instead of in a directory of the test.
func Dir(dir string) Option { return func(c *config) { c.dir = dir } }

// Server is one node. Its methods are safe for concurrent use.
type Server struct {
	name string
	opts func() (*server.Options, error) // a fresh copy at each start: the server keeps and changes what it is given

	mu   sync.Mutex
	srv  *server.Server
	port int // 0 until the first start with a listener
}

// One starts a single node that is stopped when the test ends.
func One(t testing.TB, options ...Option) *Server {
	t.Helper()
	var c config
	for _, o := range options {
		o(&c)
	}
	if c.dir == "" {
		c.dir = t.TempDir()
	}
	s := &Server{name: "one"}
	s.opts = func() (*server.Options, error) {
		o, err := c.options(s.name, c.dir)
		if err != nil {
			return nil, err
		}
		if !c.listen {
			o.DontListen = true
		} else if o.Port = s.port; o.Port == 0 {
			o.Port = server.RANDOM_PORT
		}
		return c.configured(o)
	}
	if err := s.start(); err != nil {
		t.Fatalf("natstest: %v", err)
	}
	t.Cleanup(s.Stop)
	return s
}

func (c *config) options(name, dir string) (*server.Options, error) {
	o := &server.Options{}
	if c.text != "" {
		if err := o.ProcessConfigString(c.text); err != nil {
			return nil, fmt.Errorf("server configuration: %w", err)
		}
	}
	o.ServerName = name
	o.Host, o.HTTPPort, o.HTTPHost = "127.0.0.1", 0, ""
	o.Port, o.JetStream, o.StoreDir = 0, true, dir
	o.SyncAlways = c.syncAlways
	o.NoSigs, o.NoLog = true, true
	return o, nil
}

// configured is the last step, when all else is set.
func (c *config) configured(o *server.Options) (*server.Options, error) {
	for _, change := range c.configure {
		if err := change(o); err != nil {
			return nil, fmt.Errorf("server %s: %w", o.ServerName, err)
		}
	}
	return o, nil
}

// start starts the node; callers hold no lock.
func (s *Server) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.srv != nil {
		return nil
	}
	o, err := s.opts()
	if err != nil {
		return err
	}
	srv, err := server.NewServer(o)
	if err != nil {
		return fmt.Errorf("server %s: %w", s.name, err)
	}
	srv.Start()
	if !srv.ReadyForConnections(startTimeout) {
		srv.Shutdown()
		srv.WaitForShutdown()
		return fmt.Errorf("server %s: not ready for connections after %v", s.name, startTimeout)
	}
	if !o.DontListen {
		s.port = srv.Addr().(*net.TCPAddr).Port
	}
	s.srv = srv
	return nil
}

// Stop shuts the node down and waits until it is gone. Its store stays. Stopping a stopped node does nothing.
func (s *Server) Stop() {
	s.mu.Lock()
	srv := s.srv
	s.srv = nil
	s.mu.Unlock()
	if srv != nil {
		srv.Shutdown()
		srv.WaitForShutdown()
	}
}

// Start starts a stopped node again, on the same store and, if it listens, the same port.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if err := s.start(); err != nil {
		t.Fatalf("natstest: %v", err)
	}
}

// Restart is Stop and Start.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop()
	s.Start(t)
}

// NATS is the running server, or nil while it is stopped.
func (s *Server) NATS() *server.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.srv
}

// InProcessConn makes a Server usable with nats.InProcessServer. It connects to whichever server runs now, so that a
// client survives a restart.
func (s *Server) InProcessConn() (net.Conn, error) {
	srv := s.NATS()
	if srv == nil {
		return nil, errors.New("natstest: the server is stopped")
	}
	return srv.InProcessConn()
}

// URL is where the node listens, or "" without [Listen].
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.port == 0 {
		return ""
	}
	return fmt.Sprintf("nats://127.0.0.1:%d", s.port)
}

// Connect opens a connection that reconnects for ever and quickly; the caller closes it. It is in-process unless the
// server listens.
func (s *Server) Connect(options ...nats.Option) (*nats.Conn, error) {
	all := []nats.Option{
		nats.MaxReconnects(-1), nats.CustomReconnectDelay(reconnectDelay), nats.IgnoreDiscoveredServers(),
	}
	url := s.URL()
	if url == "" {
		all = append(all, nats.InProcessServer(s))
	}
	return nats.Connect(url, append(all, options...)...)
}

// reconnectDelay is short at first, for restarts, and reaches a second, so that hours of downtime in a bubble are not
// hundreds of thousands of attempts.
func reconnectDelay(attempts int) time.Duration {
	return min(time.Duration(attempts+1)*20*time.Millisecond, time.Second)
}

// Conn is Connect for a test: it fails the test on an error and closes the connection when the test ends.
func (s *Server) Conn(t testing.TB, options ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := s.Connect(options...)
	if err != nil {
		t.Fatalf("natstest: connect to %s: %v", s.name, err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// JetStream is Conn with JetStream's client on it.
func (s *Server) JetStream(t testing.TB, options ...nats.Option) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(s.Conn(t, options...))
	if err != nil {
		t.Fatalf("natstest: %v", err)
	}
	return js
}

// Topology makes all streams and consumers, with one replica unless the options say otherwise.
func Topology(t testing.TB, nc *nats.Conn, options ...topology.Options) jetstream.JetStream {
	t.Helper()
	var o topology.Options
	if len(options) > 0 {
		o = options[0]
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatalf("natstest: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := topology.Ensure(ctx, js, o); err != nil {
		t.Fatalf("natstest: %v", err)
	}
	return js
}
