package e2e_test

import (
	"fmt"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/evidence"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// The file that the releases have, and its changes.
const (
	wasWatched = `soak: { delay: 1h }
watch:
  - { name: errors, signal: { max: 1 } }
  - { name: health, http: { url: "http://staging.test/healthz" }, interval: 10s, failures: %d }
`
	wouldWatch = wasWatched + `  - { name: disk, http: { url: "http://disk.test/" } }
`
)

func (w *world) evidence(id string) evidence.Release {
	w.Helper()
	r, err := evidence.Read(w.Context(), w.journal, id, time.Now())
	if err != nil {
		w.Fatal(err)
	}
	return r
}

func parsed(t testing.TB, name, src string) *project.Project {
	t.Helper()
	p, err := project.Parse(name, []byte("project: tracer\n"+src))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestEvidence: what releases of the past stored is judged again, by their own policy with the same end, by others with another, and
// as often as one likes with the same answer. One release is sound, one fails twice, one is stopped, and one has no watcher.
func TestEvidence(t *testing.T) {
	bubble(t, func(w *world) {
		src := fmt.Sprintf(wasWatched, 3)
		w.apply("tracer", src)
		w.start(all()...)

		sound := w.promotes("tracer", "1.4.0")

		twice, s := w.soaks("tracer", "1.5.0")
		w.sleepTo(s.StagedAt.Add(20*time.Minute + 5*time.Second))
		w.outside.says("staging.test", http.StatusBadGateway)
		time.Sleep(20 * time.Second)
		w.outside.says("staging.test", http.StatusOK)
		time.Sleep(5 * time.Minute)
		if _, err := w.js.Publish(w.Context(), topology.Signal("tracer", ""), []byte("one is allowed")); err != nil {
			t.Fatal(err)
		}
		w.kill(theWatcher)
		w.start(theWatcher)
		w.untilPhase(twice, release.Promoted)

		stopped, s := w.soaks("tracer", "1.6.0")
		w.sleepTo(s.StagedAt.Add(30*time.Minute + 5*time.Second))
		w.outside.says("staging.test", http.StatusServiceUnavailable)
		w.untilPhase(stopped, release.Cancelled)
		w.outside.says("staging.test", http.StatusOK)
		w.laneIsFree("tracer")

		w.kill(theWatcher)
		unwatched, _ := w.soaks("tracer", "1.7.0")
		w.untilPhase(unwatched, release.Held)
		w.ask("cancel", unwatched, "ana", "nobody watches")
		w.untilPhase(unwatched, release.Cancelled)

		own, stricter, laxer := parsed(t, "own", src), parsed(t, "stricter", fmt.Sprintf(wouldWatch, 2)), parsed(t, "laxer", fmt.Sprintf(wasWatched, 4))
		hasty := parsed(t, "hasty", fmt.Sprintf(wasWatched, 1))
		for name, c := range map[string]struct {
			id       string
			policy   *project.Project
			was, now judge.Word
			change   evidence.Change
			by       time.Duration
		}{
			"a sound one":                          {sound, hasty, judge.Pass, judge.Pass, evidence.Same, 0},
			"a sound one with a check that is new": {sound, stricter, judge.Pass, judge.Inconclusive, evidence.NotJudged, 0},
			"two failures in a row, two allowed":   {twice, own, judge.Pass, judge.Pass, evidence.Same, 0},
			"two failures in a row, one allowed":   {twice, stricter, judge.Pass, judge.Fail, evidence.Fails, 0},
			"stopped, sooner":                      {stopped, stricter, judge.Fail, judge.Fail, evidence.Sooner, 10 * time.Second},
			"stopped, at once":                     {stopped, hasty, judge.Fail, judge.Fail, evidence.Sooner, 20 * time.Second},
			"not stopped":                          {stopped, laxer, judge.Fail, judge.Inconclusive, evidence.Spared, 0},
			"not watched":                          {unwatched, own, judge.Inconclusive, judge.Inconclusive, evidence.Same, 0},
		} {
			r := w.evidence(c.id)
			one := evidence.Try(r, own, c.policy)
			change, by := one.Change()
			if one.Was.Word != c.was || one.Would.Word != c.now || change != c.change || by != c.by {
				t.Errorf("%s: %s by %s\nwas   %+v\nwould %+v", name, change, by, one.Was, one.Would)
			}
			if again := evidence.Try(w.evidence(c.id), own, c.policy); !reflect.DeepEqual(again.Was, one.Was) || !reflect.DeepEqual(again.Would, one.Would) {
				t.Errorf("%s: another time %+v", name, again)
			}
		}

		r := w.evidence(stopped)
		told := r.State.End.Reason
		if d := r.Decide(own); d.Why != told || d.Check != "health" {
			t.Errorf("it was stopped because %q, and the evidence says %q", told, d.Why)
		}
		if span := w.evidence(twice).Spans[0]; span.Coverage() < 0.98 || len(span.Gaps) != 0 || len(span.Checks) != 2 {
			t.Errorf("covered %.2f, gaps %v, %d checks", span.Coverage(), span.Gaps, len(span.Checks))
		}
		none := w.evidence(unwatched).Spans[0]
		if none.Coverage() != 0 || len(none.Gaps) != 1 || none.Gaps[0].From != none.From {
			t.Errorf("nobody watched: %.2f, %v", none.Coverage(), none.Gaps)
		}
	})
}
