package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

const (
	kills    = 50
	projects = 6
)

// TestKill9 kills a `sluice up` at random moments, fifty times, while releases of six projects are in flight, some of which
// are cancelled. Afterwards everything that the broker acknowledged has happened, and happened once.
func TestKill9(t *testing.T) {
	t.Parallel()
	k := newKill9(t)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		var workers sync.WaitGroup
		for i := range projects {
			workers.Go(func() { k.work(fmt.Sprintf("p%d", i), stop) })
		}
		workers.Wait()
	}()
	for i := range kills {
		<-time.After(time.Duration(200+rand.IntN(700)) * time.Millisecond)
		k.kill()
		k.start()
		if i == kills-1 {
			close(stop)
		}
	}
	<-done
	k.judge()
}

type kill9 struct {
	*up
	site    string
	js      jetstream.JetStream
	journal *journal.Journal
	catalog *catalog.Catalog

	mu       sync.Mutex
	merged   map[string][]string // by project: the acknowledged releases in order
	versions map[string]string
	cancels  map[string]uint64 // by release: the sequence of the acknowledged cancel
}

func newKill9(t *testing.T) *kill9 {
	t.Helper()
	site := t.TempDir()
	files := map[string]string{}
	for i := range projects {
		name := fmt.Sprintf("p%d", i)
		files[name] = fmt.Sprintf("project: %s\npublish: { files: { dir: %q } }\nstage: { exec: { command: [\"true\"] } }\n"+
			"soak: { delay: 1s, collision: queue }\npromote: { files: { dir: %q } }\n", name, site, site)
	}
	k := &kill9{up: newUp(t, files), merged: map[string][]string{}, versions: map[string]string{}, cancels: map[string]uint64{}}
	k.site = site
	k.start()
	k.ready("p0")
	_, k.js = k.connect()
	var err error
	if k.journal, err = journal.Open(t.Context(), k.js, "test"); err != nil {
		t.Fatal(err)
	}
	if k.catalog, err = catalog.Open(t.Context(), k.js); err != nil {
		t.Fatal(err)
	}
	return k
}

// work merges version after version until it is told to stop; every third release is cancelled at some moment.
func (k *kill9) work(project string, stop <-chan struct{}) {
	for n := 1; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		id, version := uuid.Must(uuid.NewV7()).String(), fmt.Sprintf("1.%d.0", n)
		k.publish(project, id, version)
		if n%3 == 0 {
			<-time.After(time.Duration(rand.IntN(1500)) * time.Millisecond)
			seq := k.insist(topology.Request("cancel", id, "ana"), []byte("no"))
			k.mu.Lock()
			k.cancels[id] = seq
			k.mu.Unlock()
		}
		<-time.After(time.Duration(300+rand.IntN(900)) * time.Millisecond)
	}
}

// publish hands in an artifact and a merge, and insists until both are acknowledged, as CI does.
func (k *kill9) publish(project, id, version string) {
	artifact := project + "-" + version + ".bin"
	for {
		ctx, cancel := context.WithTimeout(k.t.Context(), 2*time.Second)
		_, err := k.catalog.Put(ctx, artifact, strings.NewReader(project+version))
		cancel()
		if err == nil {
			break
		}
	}
	data, err := releasepb.EncodeMergeEvent(releasepb.MergeEvent{
		ID: id, Commit: strings.ReplaceAll(version, ".", "-"), Version: version, Artifact: artifact,
	})
	if err != nil {
		k.t.Error(err)
		return
	}
	k.insist(topology.Merge(project), data)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.merged[project] = append(k.merged[project], id)
	k.versions[id] = version
}

// insist publishes until the broker acknowledges. What was not acknowledged may be stored all the same; the same merge, or
// cancel, twice is one.
func (k *kill9) insist(subject string, data []byte) uint64 {
	for {
		ctx, cancel := context.WithTimeout(k.t.Context(), time.Second)
		ack, err := k.js.Publish(ctx, subject, data, jetstream.WithExpectStream(topology.StreamSluice), jetstream.WithRetryAttempts(0))
		cancel()
		if err == nil {
			return ack.Sequence
		}
	}
}

// judge waits until every acknowledged release has ended, and checks it against its own messages and the site.
func (k *kill9) judge() {
	promoted, cancelled, overtaken := 0, 0, 0
	for project, ids := range k.merged {
		last := ""
		for _, id := range ids {
			s := k.ended(id)
			switch s.Phase {
			case release.Promoted:
				promoted++
				last = k.versions[id] // in the order of their merges, so the newest
				if seq, ok := k.cancels[id]; ok && seq < s.Claim {
					k.t.Errorf("%s was promoted by the claim %d, after its cancel %d", id, s.Claim, seq)
				}
			case release.Cancelled:
				cancelled++
				if _, ok := k.cancels[id]; !ok {
					k.t.Errorf("%s was cancelled by nobody", id)
				}
			case release.Superseded: // a service was killed with its merge in hand, and a newer one overtook it
				overtaken++
				if !slices.ContainsFunc(ids, func(o string) bool { return s.End.Reason == "superseded by "+k.versions[o] && newer(ids, o, id) }) {
					k.t.Errorf("%s is superseded by no newer one: %s", id, s.End.Reason)
				}
			default:
				k.t.Errorf("%s is %s: %s", id, s.Phase, s.End.Reason)
			}
			if n := k.ends(id); n != 1 {
				k.t.Errorf("%s ended %d times", id, n)
			}
		}
		if got := k.latest(project); got != last {
			k.t.Errorf("latest of %s is %q, want %q", project, got, last)
		}
	}
	k.t.Logf("%d kills; %d releases promoted, %d cancelled, %d overtaken by a newer one", kills, promoted, cancelled, overtaken)
	if promoted < kills/2 || cancelled < 5 {
		k.t.Errorf("too little was in flight")
	}
}

// newer tells whether release a was merged after release b.
func newer(ids []string, a, b string) bool { return slices.Index(ids, a) > slices.Index(ids, b) }

// ended waits for the end of a release, and resumes it when nobody watched it, which a killed watcher could not.
func (k *kill9) ended(id string) release.State {
	resumed := uint64(0)
	deadline := time.Now().Add(2 * time.Minute)
	for {
		ctx, cancel := context.WithTimeout(k.t.Context(), 5*time.Second)
		e, err := k.journal.Load(ctx, id)
		cancel()
		if err == nil && putBack(e.State) {
			return e.State
		}
		if err == nil && e.State.Phase == release.Held && e.State.Folded >= resumed {
			resumed = k.insist(topology.Request("resume", id, "ana"), nil)
		}
		if time.Now().After(deadline) {
			k.t.Fatalf("release %s is still %s (%v)", id, e.State.Phase, err)
		}
		<-time.After(50 * time.Millisecond)
	}
}

func (k *kill9) ends(id string) int {
	stream, err := k.js.Stream(k.t.Context(), topology.StreamSluice)
	if err != nil {
		k.t.Fatal(err)
	}
	ends := 0
	for seq := uint64(1); ; seq++ {
		m, err := stream.GetMsg(k.t.Context(), seq, jetstream.WithGetMsgSubject(topology.Release(id)))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return ends
		}
		if err != nil {
			k.t.Fatal(err)
		}
		if p := release.Phase(m.Header.Get(journal.HeaderEvent)); p.Ended() {
			ends++
		}
		seq = m.Sequence
	}
}

func (k *kill9) latest(project string) string {
	data, err := os.ReadFile(filepath.Join(k.site, "channels", project, "latest.json"))
	if err != nil {
		k.t.Fatal(err)
	}
	var channel struct{ Version string }
	if err := json.Unmarshal(data, &channel); err != nil {
		k.t.Fatal(err)
	}
	return channel.Version
}
