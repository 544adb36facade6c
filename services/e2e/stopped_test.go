package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/files"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/services/promoter"
)

// TestStoppedForAnHour stops a promoter between its claim and its driver: nothing of it moves for an hour, nor does anything reach
// it. The other one promotes when the attempt's time is over. When the first one goes on, it is too late, and it changes nothing.
func TestStoppedForAnHour(t *testing.T) {
	bubble(t, func(w *world) {
		w.apply("tracer", "soak: { delay: 2h }")
		w.start(thePublisher, theStager, theWatcher)
		s := &stopper{world: w, freeze: newFreezer(w.server), opens: map[string]int{}}
		endA, endB := s.promoter("promoter-a"), s.promoter("promoter-b")
		defer endB()
		defer endA()

		id := w.merge("tracer", "1.4.0")
		w.untilPhase(id, release.Promoted)
		s.mu.Lock()
		if s.stopped == "" || len(s.effects) != 1 || s.effects[0] == s.stopped {
			t.Errorf("stopped was %q, promoted was by %v", s.stopped, s.effects)
		}
		s.mu.Unlock()
		time.Sleep(2 * time.Hour)
		s.mu.Lock()
		if len(s.effects) != 1 || s.tooLate == 0 {
			t.Errorf("after the stop: promoted by %v; it went on %d times", s.effects, s.tooLate)
		}
		s.mu.Unlock()
		w.endsRight14(id)
	})
}

// TestStoppedForAnHourCatches is the test of that test: without the deadline of an attempt the one that was stopped promotes, too.
func TestStoppedForAnHourCatches(t *testing.T) {
	if raceDetector {
		t.Log("the flawed build runs without the race detector, in the other run of this package")
		return
	}
	out, err := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-tags=flaw_deadline", "-run=^TestStoppedForAnHour$", ".").CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("after the stop: promoted by")) {
		t.Errorf("without its protection nothing happens: %v\n%s", err, out)
	}
}

// endsRight14 checks the end of the only release there is.
func (w *world) endsRight14(id string) {
	w.Helper()
	w.equal("latest", w.channel("tracer", "latest"), "1.4.0")
	ends := 0
	for _, r := range w.records(id) {
		if p := release.Phase(r.Type); p.Ended() {
			ends++
		}
	}
	w.equal("the number of ends", ends, 1)
}

// stopper runs promoters, and stops the first that is about to promote.
type stopper struct {
	*world
	freeze *freezer

	mu      sync.Mutex
	opens   map[string]int
	stopped string   // the instance
	effects []string // the instance of every promotion that was made in time
	tooLate int      // promotions that were tried when the time was over
}

func (s *stopper) promoter(instance string) (end func()) {
	s.Helper()
	nc, err := s.server.Connect(nats.InProcessServer(s.freeze.of(instance)))
	if err != nil {
		s.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		s.Fatal(err)
	}
	env, err := service.Open(s.Context(), "promoter", instance, js, s.log, service.NewMetrics())
	if err != nil {
		s.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := promoter.Run(ctx, env, promoter.Config{Open: s.opener(instance)}); err != nil && ctx.Err() == nil {
			s.Errorf("%s: %v", instance, err)
		}
	}()
	return func() { stop(); <-done; nc.Close() }
}

// opener opens the promote action. It is opened once for the look before the claim, and a second time for the driver after it.
func (s *stopper) opener(instance string) func(*project.Project, project.Action, driver.Role) (driver.Driver, error) {
	return func(_ *project.Project, a project.Action, role driver.Role) (driver.Driver, error) {
		s.mu.Lock()
		s.opens[instance]++
		stop := s.opens[instance] == 2 && s.stopped == ""
		if stop {
			s.stopped = instance
		}
		s.mu.Unlock()
		if stop {
			thaw := s.freeze.stop(instance)
			time.Sleep(time.Hour)
			thaw()
		}
		d, err := files.New(*a.Files, role)
		return &counted{Driver: d, stopper: s, instance: instance}, err
	}
}

// counted is a driver that tells who used it.
type counted struct {
	driver.Driver
	stopper  *stopper
	instance string
}

func (c *counted) Do(ctx context.Context, f driver.Facts) (driver.Done, error) {
	done, err := c.Driver.Do(ctx, f)
	c.stopper.mu.Lock()
	defer c.stopper.mu.Unlock()
	switch {
	case err == nil && !done.Existed:
		c.stopper.effects = append(c.stopper.effects, c.instance)
	case ctx.Err() != nil:
		c.stopper.tooLate++
	}
	return done, err
}

// freezer holds up what goes to and from an instance.
type freezer struct {
	server *natstest.Server
	mu     sync.Mutex
	gates  map[string]chan struct{} // closed: passes
}

func newFreezer(s *natstest.Server) *freezer {
	return &freezer{server: s, gates: map[string]chan struct{}{}}
}

func (f *freezer) gate(instance string) chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gates[instance] == nil {
		f.gates[instance] = make(chan struct{})
		close(f.gates[instance])
	}
	return f.gates[instance]
}

// stop freezes an instance until thaw.
func (f *freezer) stop(instance string) (thaw func()) {
	gate := make(chan struct{})
	f.mu.Lock()
	f.gates[instance] = gate
	f.mu.Unlock()
	return func() { close(gate) }
}

func (f *freezer) of(instance string) *frozen { return &frozen{f, instance} }

// frozen is the way of an instance to the broker.
type frozen struct {
	*freezer
	instance string
}

// InProcessConn fails while the instance is frozen: the client asks for a connection with its lock in hand, and for a lock
// a bubble's clock does not go on.
func (f *frozen) InProcessConn() (net.Conn, error) {
	select {
	case <-f.gate(f.instance):
	default:
		return nil, errors.New("frozen")
	}
	conn, err := f.server.InProcessConn()
	if err != nil {
		return nil, err
	}
	c := &frozenConn{Conn: conn, way: f, out: make(chan []byte, 1<<16), closed: make(chan struct{})}
	go c.send()
	return c, nil
}

// frozenConn passes on what is written when it is not frozen; the writer does not wait for that.
type frozenConn struct {
	net.Conn
	way    *frozen
	out    chan []byte
	closed chan struct{}
	once   sync.Once
}

func (c *frozenConn) send() {
	for {
		select {
		case <-c.closed:
			return
		case b := <-c.out:
			<-c.way.gate(c.way.instance)
			if _, err := c.Conn.Write(b); err != nil {
				_ = c.Close()
			}
		}
	}
}

func (c *frozenConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	<-c.way.gate(c.way.instance)
	return n, err
}

func (c *frozenConn) Write(b []byte) (int, error) {
	select {
	case <-c.closed:
		return 0, net.ErrClosed
	case c.out <- bytes.Clone(b):
		return len(b), nil
	}
}

func (c *frozenConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
