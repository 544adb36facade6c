package catalog_test

import (
	"context"
	"fmt"
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
	"golang.org/x/sync/errgroup"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/topology"
)

func TestMain(m *testing.M) { natstest.Main(m) }

// What is put anew while somebody reads it loses the chunks that are being read. The reader is told soon, and not at the end of all the
// time that it has.
func TestReplacedWhileItIsRead(t *testing.T) {
	runtime.GC() // nats.go keeps timers in a pool, and one of another bubble must not be used here
	runtime.GC()
	synctest.Test(t, func(t *testing.T) {
		s := natstest.One(t)
		nc, err := s.Connect()
		if err != nil {
			t.Fatal(err)
		}
		js := natstest.Topology(t, nc, topology.Options{})
		defer s.Stop()
		defer nc.Close()
		c, err := catalog.Open(t.Context(), js)
		if err != nil {
			t.Fatal(err)
		}
		digest, err := c.Put(t.Context(), "a.bin", strings.NewReader(strings.Repeat("beta", 1000)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Pin(t.Context(), "a.bin"); err != nil {
			t.Fatal(err)
		}
		stream, err := js.Stream(t.Context(), topology.StreamArtifacts)
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Purge(t.Context(), jetstream.WithPurgeSubject("$O."+topology.BucketArtifacts+".C.>")); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		err = c.Artifact("a.bin", digest).Read(t.Context(), func(r io.Reader) error {
			_, err := io.ReadAll(r)
			return err
		})
		if err == nil || !strings.Contains(err.Error(), "nothing more of it came for 30s") {
			t.Errorf("%v", err)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("it took %s", took)
		}
	})
}

// Releases that share an artifact pin it at the same moment, and it is copied once: a second copy would take the chunks of the first away.
func TestPinnedOnce(t *testing.T) {
	js := natstest.One(t).JetStream(t)
	natstest.Topology(t, js.Conn())
	c, err := catalog.Open(t.Context(), js)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := c.Put(t.Context(), "a.bin", strings.NewReader(strings.Repeat("beta", 1000)))
	if err != nil {
		t.Fatal(err)
	}
	before := lastArtifact(t, js)
	var group errgroup.Group
	for range 16 {
		group.Go(func() error {
			got, err := c.Pin(t.Context(), "a.bin")
			if err == nil && got != digest {
				err = fmt.Errorf("pinned %s instead of %s", got, digest)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if stored := lastArtifact(t, js) - before; stored != 2 {
		t.Errorf("%d messages were stored, not one chunk and its record", stored)
	}
}

// A broker that acknowledges nothing more is told of in half a minute, not at the end of all the time that a release has.
func TestPutIsNotAcknowledged(t *testing.T) {
	runtime.GC() // see above
	runtime.GC()
	synctest.Test(t, func(t *testing.T) {
		s := natstest.One(t)
		silent := &silencing{Server: s, closed: make(chan struct{})}
		nc, err := s.Connect(nats.InProcessServer(silent), nats.NoReconnect())
		if err != nil {
			t.Fatal(err)
		}
		c, err := catalog.Open(t.Context(), natstest.Topology(t, nc, topology.Options{}))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Stop()
		defer nc.Close()
		defer close(silent.closed)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		began := time.Now()
		_, err = c.Put(ctx, "a.bin", io.MultiReader(strings.NewReader("beta"), silent))
		if err == nil || !strings.Contains(err.Error(), "took nothing more of it for 30s") {
			t.Errorf("%v", err)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("it took %s", took)
		}
	})
}

// silencing is a broker of which nothing is heard any more once silencing was read to its end.
type silencing struct {
	*natstest.Server
	silent atomic.Bool
	closed chan struct{}
}

func (s *silencing) Read([]byte) (int, error) {
	s.silent.Store(true)
	return 0, io.EOF
}

func (s *silencing) InProcessConn() (net.Conn, error) {
	c, err := s.Server.InProcessConn()
	return &silenced{c, s}, err
}

type silenced struct {
	net.Conn
	by *silencing
}

func (c *silenced) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.by.silent.Load() {
		<-c.by.closed
	}
	return n, err
}

// lastArtifact is the sequence of what was stored last in the bucket of artifacts.
func lastArtifact(t *testing.T, js jetstream.JetStream) uint64 {
	t.Helper()
	stream, err := js.Stream(t.Context(), topology.StreamArtifacts)
	if err != nil {
		t.Fatal(err)
	}
	return stream.CachedInfo().State.LastSeq
}
