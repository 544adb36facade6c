package watcher_test

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/lane"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// soaking is a release in its soak, or in its bake.
type soaking struct {
	*world
	id      string
	project string
	entry   journal.Entry
}

// soak makes a release that was staged and soaks for so long; watch is the project file's.
func (w *world) soak(project string, delay time.Duration, watch string) *soaking {
	w.Helper()
	return w.soakAt(project, w.apply(project, fmt.Sprintf("soak: { delay: %s }\n%s", delay, watch)), delay)
}

// apply stores a project file and returns its revision.
func (w *world) apply(project, src string) string {
	w.Helper()
	_, revision, err := w.catalog.Apply(w.Context(), project+".yaml", fmt.Appendf(nil, "project: %s\n%s\n", project, src))
	if err != nil {
		w.Fatal(err)
	}
	return revision
}

func (w *world) soakAt(project, revision string, delay time.Duration) *soaking {
	w.Helper()
	s := w.merged(project, release.Policy{Revision: revision, Delay: delay})
	s.staged()
	return s
}

// merged makes a release that occupies its lane and is published.
func (w *world) merged(project string, policy release.Policy) *soaking {
	w.Helper()
	policy.Lane = project
	s := &soaking{world: w, id: uuid.Must(uuid.NewV7()).String(), project: project}
	if _, err := w.journal.SetLane(w.Context(), project, lane.Record{Owner: s.id, Project: project}, w.lane(project)); err != nil {
		w.Fatal(err)
	}
	s.do(release.WasMerged{
		Release: s.id, Project: project, At: time.Now(), Merge: release.Merge{Commit: "c0ffee", Version: "1.4.0"}, Policy: policy,
	})
	s.do(release.WasBegun{Work: release.Publish, Plan: release.Plan{Version: "1.4.0", Beta: "1.4.0-beta.0"}})
	s.do(release.WasDone{Work: release.Publish})
	return s
}

// staged deploys the beta to its stage and begins the soak.
func (s *soaking) staged() {
	s.Helper()
	s.do(release.WasBegun{Work: release.Stage})
	s.do(release.WasDone{Work: release.Stage})
	s.do(release.WasSoaked{Due: s.entry.State.StagedAt.Add(s.entry.State.Delay())})
}

func (w *world) lane(name string) uint64 {
	_, seq, err := w.journal.Lane(w.Context(), name)
	if err != nil {
		w.Fatal(err)
	}
	return seq
}

// do appends an event.
func (s *soaking) do(ev release.Event) {
	s.Helper()
	var err error
	if s.entry, err = s.journal.Append(s.Context(), s.entry, ev, "test"); err != nil {
		s.Fatal(err)
	}
}

// first connects to a broker that was just started, before the watcher is back: what is appended then, it hears nothing of.
func (s *soaking) first() (end func()) {
	s.Helper()
	nc, err := s.server.Connect()
	if err != nil {
		s.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		s.Fatal(err)
	}
	if s.journal, err = journal.Open(s.Context(), js, "test"); err != nil {
		s.Fatal(err)
	}
	return nc.Close
}

// ended appends the end of the soak.
func (s *soaking) ended() {
	s.Helper()
	s.do(release.WasBegun{Work: release.Promote})
	s.do(release.WasDone{Work: release.Promote})
}

func (s *soaking) beats() []time.Time {
	s.Helper()
	beats, err := s.journal.Beats(s.Context(), s.id, s.from())
	if err != nil {
		s.Fatal(err)
	}
	return beats.At
}

// clean are the times of the heartbeats after a time that saw no check failing, and of those that did.
func (s *soaking) clean(after time.Time) (clean, failing []time.Time) {
	s.Helper()
	for _, m := range s.stored(topology.StreamEvidence, topology.Heartbeat(s.id)) {
		h, err := releasepb.DecodeHeartbeat(m.Data)
		switch {
		case err != nil:
			s.Fatal(err)
		case !m.Time.After(after):
		case h.Failing:
			failing = append(failing, m.Time)
		default:
			clean = append(clean, m.Time)
		}
	}
	return clean, failing
}

// from is when the soak or the bake began.
func (s *soaking) from() time.Time {
	if s.entry.State.Phase == release.Baking {
		return s.entry.State.PhaseAt
	}
	return s.entry.State.StagedAt
}

// watched is how much of the soak was watched, in percent; after the soak began so long ago.
func (s *soaking) watched(soak time.Duration) float64 {
	s.Helper()
	from := s.from()
	return 100 * release.Watched(s.beats(), from, from.Add(soak), s.entry.State.BeatEvery()).Hours() / soak.Hours()
}

// tombstones are the stored cancels of the watcher.
func (s *soaking) tombstones() []release.Request {
	s.Helper()
	return s.requests(release.Cancel)
}

// requests are the watcher's.
func (s *soaking) requests(verb release.Verb) []release.Request {
	s.Helper()
	var out []release.Request
	for _, m := range s.stored(topology.StreamSluice, topology.Request(string(verb), s.id, "watcher")) {
		out = append(out, releasepb.DecodeRequest(verb, "watcher", m.Sequence, m.Time, m.Data))
	}
	return out
}

// tombstone is the only one.
func (s *soaking) tombstone() release.Request {
	s.Helper()
	all := s.tombstones()
	if len(all) != 1 {
		s.Fatalf("%d tombstones, want 1: %+v", len(all), all)
	}
	return all[0]
}

func (s *soaking) judgements(subject string) []releasepb.Judgement {
	s.Helper()
	var out []releasepb.Judgement
	for _, m := range s.stored(topology.StreamEvidence, subject) {
		j, err := releasepb.DecodeJudgement(m.Data)
		if err != nil {
			s.Fatal(err)
		}
		out = append(out, j)
	}
	return out
}
