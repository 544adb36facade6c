package catalog_test

import (
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"

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
