package promoter_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/promoter"
)

// howMany releases race: 20,000, or 1,000 with the race detector, or as many as SLUICE_RACE_RELEASES says.
func howMany(t *testing.T) int {
	t.Helper()
	if text := os.Getenv("SLUICE_RACE_RELEASES"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if raceDetector {
		return 1000
	}
	return 20_000
}

// TestRace lets several actors stop releases at the moment when the alarm has them promoted: on a stream of three replicas,
// with two promoters, step-downs of the stream's leader, and a broker that is stopped and started again. Whether all went
// well is read from the stream alone (see judge).
func TestRace(t *testing.T) {
	r := newRace(t)
	n := howMany(t)
	r.t.Logf("%d releases", n)
	faults, every := make(chan int, 1), max(1, min(n/4, 2000))
	var faulty sync.WaitGroup
	faulty.Go(func() { r.breakThings(faults) })

	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(atOnce())
	for i := range n {
		if i%every == every/2 { // by the releases that began, however fast they are
			faults <- i / every
		}
		group.Go(func() error { return r.one(ctx) })
	}
	err := group.Wait()
	close(faults)
	faulty.Wait()
	if err != nil {
		t.Fatal(err)
	}
	v := r.judge()
	t.Logf("%d releases, %d promoted, %d cancelled, %d held; %d requests, %d stored before a claim that they stopped; %d links; %d step-downs, %d broker restarts",
		v.releases, v.promoted, v.cancelled, v.held, v.requests, v.ineffective, v.links, r.stepDowns.Load(), r.restarts.Load())
	slices.Sort(v.violations) // "promoted although …" before what follows from it
	slices.Reverse(v.violations)
	for _, violation := range v.violations[:min(20, len(v.violations))] {
		t.Errorf("violation: %s", violation)
	}
	if len(v.violations) > 0 {
		t.Errorf("%d violations", len(v.violations))
	}
	if v.releases != n || v.promoted == 0 || v.cancelled == 0 || v.held == 0 || v.ineffective == 0 || v.links == 0 || r.stepDowns.Load() == 0 ||
		r.restarts.Load() == 0 {
		t.Error("this was no race")
	}
}

// TestRaceCatches is the test of the test: with either protection taken out (see journal/flaw_*.go) the same race must
// report violations.
func TestRaceCatches(t *testing.T) {
	if raceDetector {
		t.Log("the flawed builds run without the race detector, in the other run of this package")
		return
	}
	for _, flaw := range []string{"flaw_stale", "flaw_wildcard"} {
		t.Run(flaw, func(t *testing.T) {
			said := ""
			for range 4 { // the flaw shows in one release of a thousand or so
				cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-tags="+flaw, "-run=^TestRace$", ".")
				cmd.Env = append(os.Environ(), "SLUICE_RACE_RELEASES=3000")
				if flaw == "flaw_wildcard" { // its guard sees requests without a name only
					cmd.Env = append(cmd.Env, "SLUICE_RACE_ACTORS=,")
				}
				out, err := cmd.CombinedOutput()
				var exit *exec.ExitError
				if err != nil && !errors.As(err, &exit) {
					t.Fatal(err)
				}
				if said = string(out); strings.Contains(said, "violation: promoted although") {
					return
				}
			}
			t.Errorf("the race does not catch %s:\n%s", flaw, said)
		})
	}
}

const (
	projects = 200                    // a project's lane would let one of its releases come due at a time; they share the project's record
	spread   = 400 * time.Millisecond // some requests come within this time of the due time,
	moment   = 5 * time.Millisecond   // and most within this time of the claim
)

// atOnce is how many releases race at once. With the race detector, which makes this five times slower, more of them would be
// so slow that everybody has asked before anybody claims.
func atOnce() int {
	if raceDetector {
		return 150
	}
	return 1000
}

type race struct {
	t         *testing.T
	cluster   *natstest.Nodes
	conns     []*nats.Conn
	js        []jetstream.JetStream
	journal   *journal.Journal
	revisions [projects]string // of their project files
	effects   *effects
	actors    []string

	mu     sync.Mutex
	onLook map[string]chan struct{} // by release: closed when a promoter is about to claim it
	acked  map[uint64]string        // by sequence: the subject of every request that the broker acknowledged

	stepDowns, restarts atomic.Int64
}

func newRace(t *testing.T) *race {
	t.Helper()
	r := &race{
		t: t, cluster: natstest.Cluster(t, 3), effects: &effects{done: map[string]int{}},
		actors: strings.Split(cmp.Or(os.Getenv("SLUICE_RACE_ACTORS"), ",ana,lee"), ","),
		onLook: map[string]chan struct{}{}, acked: map[uint64]string{},
	}
	r.effects.look = r.looked
	for range 3 {
		nc := r.cluster.Conn(t, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond),
			nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})) // brokers come and go here
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		r.conns, r.js = append(r.conns, nc), append(r.js, js)
	}
	natstest.Topology(t, r.conns[0], topology.Options{Replicas: 3})
	var err error
	if r.journal, err = journal.Open(t.Context(), r.js[2], "race"); err != nil {
		t.Fatal(err)
	}
	files, err := catalog.Open(t.Context(), r.js[2])
	if err != nil {
		t.Fatal(err)
	}
	for i := range r.revisions {
		src := fmt.Sprintf("project: race-%d\npromote: { exec: { command: [counted] } }\n", i)
		if _, r.revisions[i], err = files.Apply(t.Context(), "race.yaml", []byte(src)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 2 {
		r.startPromoter(i)
	}
	return r
}

func (r *race) startPromoter(i int) {
	env, err := service.Open(r.t.Context(), "promoter", fmt.Sprintf("promoter-%d", i), r.js[i], zap.NewNop(), service.NewMetrics())
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	open := func(*project.Project, project.Action, driver.Role) (driver.Driver, error) { return r.effects, nil }
	go func() {
		defer close(done)
		if err := promoter.Run(ctx, env, promoter.Config{Open: open}); err != nil {
			r.t.Errorf("promoter %d: %v", i, err)
		}
	}()
	r.t.Cleanup(func() { stop(); <-done })
}

// one lets a release come due, with its stoppers, and waits until it has ended or is held.
func (r *race) one(ctx context.Context) error {
	id := uuid.Must(uuid.NewV7()).String()
	due := time.Now().Add(spread)
	n := rand.IntN(projects)
	name := fmt.Sprintf("race-%d", n)
	seeded := journal.Entry{State: release.State{
		Release: id, Project: name, Phase: release.Staged, Version: "1.0.0", StagedAt: due, SoakFrom: due,
		Policy: release.Policy{Revision: r.revisions[n], Lane: name},
	}}
	about := make(chan struct{})
	r.mu.Lock()
	r.onLook[id] = about
	r.mu.Unlock()
	var stoppers sync.WaitGroup
	for range rand.IntN(4) {
		verb := []release.Verb{release.Cancel, release.Hold, release.Extend}[rand.IntN(3)]
		actor := r.actors[rand.IntN(len(r.actors))]
		wait := time.Duration(rand.Int64N(int64(spread)))
		if rand.IntN(4) > 0 { // most of them come within a moment of the claim
			wait = time.Duration(rand.Int64N(int64(moment)))
			stoppers.Go(func() {
				select {
				case <-about:
				case <-time.After(4 * spread):
				}
				<-time.After(wait)
				r.stop(ctx, verb, id, actor)
			})
			continue
		}
		stoppers.Go(func() {
			<-time.After(time.Until(due.Add(wait)))
			r.stop(ctx, verb, id, actor)
		})
	}
	if err := again(ctx, func() error {
		_, err := r.journal.Append(ctx, seeded, release.WasSoaked{Due: due, At: time.Now()}, "race")
		if errors.Is(err, journal.ErrConflict) { // an earlier try was stored, its acknowledgement lost
			return nil
		}
		return err
	}); err != nil {
		return err
	}
	stoppers.Wait()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(4 * time.Minute) // the broker is often without a leader, and forgets what it was asked
	for {
		e, err := r.journal.Load(ctx, id)
		if err == nil && (e.State.Phase.Ended() || e.State.Phase == release.Held) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-limit:
			return fmt.Errorf("release %s is still %s", id, e.State.Phase)
		}
	}
}

// stop publishes a request as anybody's nats command would. When the broker does not acknowledge it, nothing was promised.
func (r *race) stop(ctx context.Context, verb release.Verb, id, actor string) {
	subject := topology.Request(string(verb), id, actor)
	ack, err := r.js[rand.IntN(len(r.js))].Publish(ctx, subject, []byte("50ms because"))
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.acked[ack.Sequence] = subject
}

// looked is called when a promoter looks at the target, which is the last that it does before it claims.
func (r *race) looked(id string) {
	r.mu.Lock()
	about := r.onLook[id]
	delete(r.onLook, id)
	r.mu.Unlock()
	if about != nil {
		close(about)
	}
}

// breakThings makes the stream's leader step down again and again, and once in a while stops a broker and starts it again.
func (r *race) breakThings(faults <-chan int) {
	for i := range faults {
		if i%5 == 3 {
			node := i % r.cluster.Len()
			r.cluster.StopNode(node)
			r.cluster.StartNode(r.t, node)
			r.restarts.Add(1)
			continue
		}
		if err := r.cluster.StepDown(r.t.Context(), r.conns[2], topology.StreamSluice); err == nil {
			r.stepDowns.Add(1)
		}
	}
}

func again(ctx context.Context, f func() error) error {
	for {
		err := f()
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
}

// effects is a target that counts how often a release was really promoted.
type effects struct {
	look func(id string)
	mu   sync.Mutex
	done map[string]int
}

func (e *effects) Look(_ context.Context, f driver.Facts) (driver.Seen, error) {
	e.look(f.Release)
	<-time.After(time.Duration(rand.Int64N(int64(moment))))
	return driver.Seen{}, nil
}

func (e *effects) Do(_ context.Context, f driver.Facts) (driver.Done, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.done[f.Release] > 0 {
		return driver.Done{Value: f.Version, Existed: true}, nil
	}
	e.done[f.Release]++
	return driver.Done{Value: f.Version}, nil
}

func (e *effects) Undo(context.Context, driver.Facts, driver.Back) (driver.Done, error) {
	return driver.Done{}, errors.New("nobody rolls back here")
}
