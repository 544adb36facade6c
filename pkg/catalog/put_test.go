package catalog_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// TestPutOnASlowLine: what was written long ago arrives when the line has room for it. It is not given up while something arrives.
func TestPutOnASlowLine(t *testing.T) {
	runtime.GC() // nats.go keeps timers in a pool, and one of another bubble must not be used here
	runtime.GC()
	synctest.Test(t, func(t *testing.T) {
		s := natstest.One(t)
		line := &slowLine{Server: s}
		nc, err := s.Connect(nats.InProcessServer(line), nats.NoReconnect(), nats.FlusherTimeout(time.Hour), nats.PingInterval(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Stop()
		defer nc.Close()
		c, err := catalog.Open(t.Context(), natstest.Topology(t, nc, topology.Options{}))
		if err != nil {
			t.Fatal(err)
		}
		const size = 10 << 17 // ten chunks, at 20 seconds each
		line.slow.Store(true)
		began := time.Now()
		if _, err := c.Put(t.Context(), "a.bin", io.LimitReader(rand.Reader, size)); err != nil {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		line.slow.Store(false)
		if took := time.Since(began); took < 3*time.Minute {
			t.Errorf("the line was not slow: %s", took)
		}
	})
}

// TestWhatDidNotComeWhole: of an artifact whose reader fails, or whose sender was told to stop, nothing is left but an empty message; and
// one that comes whole is there, whatever the size, for every client.
func TestWhatDidNotComeWhole(t *testing.T) {
	js := natstest.One(t).JetStream(t)
	natstest.Topology(t, js.Conn())
	c, err := catalog.Open(t.Context(), js)
	if err != nil {
		t.Fatal(err)
	}
	size := func() uint64 {
		stream, err := js.Stream(t.Context(), topology.StreamArtifacts)
		if err != nil {
			t.Fatal(err)
		}
		return stream.CachedInfo().State.Bytes
	}
	const half = 3 << 17
	broken := errors.New("the disk is broken")
	if _, err := c.Put(t.Context(), "a.bin", io.MultiReader(io.LimitReader(rand.Reader, half), failing{broken})); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	if _, err := c.Put(ctx, "a.bin", io.MultiReader(io.LimitReader(rand.Reader, half), stopping(stop), io.LimitReader(rand.Reader, half))); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if n := size(); n > 2000 {
		t.Errorf("%d bytes are left", n)
	}
	store, err := js.ObjectStore(t.Context(), topology.BucketArtifacts)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 1 << 17, 1<<17 + 1, 40<<17 + 7} {
		want := strings.Repeat("beta ", n/5+1)[:n]
		if _, err := c.Put(t.Context(), "b.bin", strings.NewReader(want)); err != nil {
			t.Fatal(err)
		}
		if got, err := store.GetBytes(t.Context(), "b.bin"); err != nil || string(got) != want {
			t.Errorf("%d bytes: %d, %v", n, len(got), err)
		}
	}
	if n := size(); n > 41<<17 {
		t.Errorf("%d bytes are stored: what was replaced is left", n)
	}
	if _, err := store.GetInfo(t.Context(), "a.bin"); !errors.Is(err, jetstream.ErrObjectNotFound) {
		t.Errorf("half an artifact: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

type stopping func()

func (s stopping) Read([]byte) (int, error) {
	s()
	return 0, io.EOF
}

// slowLine is a way to the broker that takes everything at once, and brings it there slowly.
type slowLine struct {
	*natstest.Server
	slow atomic.Bool
}

func (s *slowLine) InProcessConn() (net.Conn, error) {
	c, err := s.Server.InProcessConn()
	out := &slowConn{Conn: c, by: s, buffer: make(chan []byte, 1000)}
	go out.carry()
	return out, err
}

type slowConn struct {
	net.Conn
	by     *slowLine
	buffer chan []byte
}

func (c *slowConn) Write(p []byte) (int, error) {
	c.buffer <- append([]byte(nil), p...)
	return len(p), nil
}

func (c *slowConn) Close() error {
	close(c.buffer)
	return c.Conn.Close()
}

func (c *slowConn) carry() {
	for p := range c.buffer {
		if c.by.slow.Load() {
			time.Sleep(time.Duration(len(p)) * 20 * time.Second / (1 << 17)) // in a bubble
		}
		if _, err := c.Conn.Write(p); err != nil {
			continue
		}
	}
}
