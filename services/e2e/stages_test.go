package e2e_test

import (
	"slices"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/release"
)

const threeStages = `publish: { files: { dir: DIR } }
stages:
  - { name: staging, files: {}, delay: 10m, watch: [ { name: errors, signal: { max: 0 } } ] }
  - { name: canary, files: {}, delay: 20m, watch: [ { name: health, http: { url: "http://canary.test/" } } ] }
  - { name: people, files: {}, delay: 5m, approvals: 1 }
promote: { files: {} }
`

func newStages(w *world) {
	w.applies("tracer", threeStages)
	w.start(all()...)
}

// channels is what staging, canary, people, beta and latest are at.
func (w *world) channels(name string) [5]string {
	w.Helper()
	var out [5]string
	for i, c := range []string{"staging", "canary", "people", "beta", "latest"} {
		out[i] = w.channel(name, c)
	}
	return out
}

// untilStage waits until the release soaks in a stage.
func (w *world) untilStage(id, name string) release.State {
	w.Helper()
	return w.until(id, "soaking in "+name, func(s release.State) bool { return s.Phase == release.Soaking && s.StageName() == name })
}

// promotesThrough takes a release through all stages as fast as that is possible.
func (w *world) promotesThrough(name, version string) {
	w.Helper()
	id := w.merge(name, version)
	w.untilPhase(id, release.Soaking)
	w.ask("expedite", id, "ana", `{"force":true,"reason":"the first one"}`)
	w.untilStage(id, "people")
	w.ask("approve", id, "ana", "")
	w.untilPhase(id, release.Promoted)
}

// TestStages: each stage gets the release after the soak in the one before, and the last one has to be approved.
func TestStages(t *testing.T) {
	bubble(t, func(w *world) {
		newStages(w)
		id := w.merge("tracer", "1.4.0")
		s := w.untilStage(id, "staging")
		w.equal("after the first", w.channels("tracer"), [5]string{"1.4.0", "", "", "1.4.0", ""})
		w.equal("the first soak", s.Due.Sub(s.StagedAt), 10*time.Minute)
		first := s.Due
		w.contains("an approval where none is asked for", w.refused(id, w.ask("approve", id, "lee", "")), "stage staging needs no approval")
		s = w.untilStage(id, "canary")
		w.equal("after the second", w.channels("tracer"), [5]string{"1.4.0", "1.4.0", "", "1.4.0", ""})
		if s.StagedAt.Before(first) || s.StagedAt.After(first.Add(time.Second)) {
			w.Errorf("it came to canary at %s, due was %s", s.StagedAt, first)
		}
		w.equal("the second soak", s.Due.Sub(s.StagedAt), 20*time.Minute)
		s = w.untilStage(id, "people")
		w.equal("the third soak", s.Due.Sub(s.StagedAt), 5*time.Minute)
		w.untilPostponed(id, release.ByApproval)
		w.equal("after the third", w.channels("tracer"), [5]string{"1.4.0", "1.4.0", "1.4.0", "1.4.0", ""})
		w.ask("approve", id, "lee", "")
		w.promotedAt(id, time.Now(), time.Second)
		w.equal("latest", w.channel("tracer", "latest"), "1.4.0")
		w.laneIsFree("tracer")
	})
}

// TestCancelledInTheSecondStage: what was touched is put back, the last stage first; the third was never touched.
func TestCancelledInTheSecondStage(t *testing.T) {
	bubble(t, func(w *world) {
		newStages(w)
		w.promotesThrough("tracer", "1.3.0")
		before := w.channels("tracer")
		w.equal("all", before, [5]string{"1.3.0", "1.3.0", "1.3.0", "1.3.0", "1.3.0"})
		id := w.merge("tracer", "1.4.0")
		w.untilStage(id, "canary")
		w.equal("then", w.channels("tracer"), [5]string{"1.4.0", "1.4.0", "1.3.0", "1.4.0", "1.3.0"})
		var order []string
		undone := func() { order = append(order, w.channel("tracer", "staging")+" and "+w.channel("tracer", "canary")) }
		w.outside.first("tracer", driver.Deploy, undo, func() {
			undone()
			w.outside.first("tracer", driver.Deploy, undo, undone)
		})
		w.ask("cancel", id, "ana", "login is broken")
		w.untilPhase(id, release.Cancelled)
		s := w.until(id, "put back", putBack)
		if want := []string{"1.4.0 and 1.4.0", "1.4.0 and 1.3.0"}; !slices.Equal(order, want) {
			w.Errorf("staging and canary were %q before each step back, want %q", order, want)
		}
		w.equal("in the end", w.channels("tracer"), before)
		w.equal("the first stage is put back", len(s.Passed) == 1 && s.Passed[0].Restored && s.Staging.Restored, true)
		w.laneIsFree("tracer")
	})
}

// TestWatchedInEveryStage: a check of the second stage fails: it is cancelled, and put back. What is not watched is held.
func TestWatchedInEveryStage(t *testing.T) {
	bubble(t, func(w *world) {
		newStages(w)
		w.outside.says("canary.test", 500) // nobody asks it while the release is in the first stage
		id := w.merge("tracer", "1.4.0")
		w.untilStage(id, "canary")
		s := w.untilPhase(id, release.Cancelled)
		w.equal("who", s.End.By, theWatcher)
		w.contains("why", s.End.Reason, "health")
		w.until(id, "put back", putBack)
		w.equal("in the end", w.channels("tracer"), [5]string{})

		w.outside.says("canary.test", 200)
		id = w.merge("tracer", "1.5.0")
		w.untilStage(id, "canary")
		w.kill(theWatcher)
		s = w.untilPhase(id, release.Held)
		w.contains("why it is held", s.Held.Reason, "watched for")
		w.start(theWatcher)
		w.ask("resume", id, "ana", "")
		w.untilStage(id, "people")
	})
}

// TestExpeditedThroughAllStages: whoever is in a hurry still goes everywhere, and is looked at and approved there.
func TestExpeditedThroughAllStages(t *testing.T) {
	bubble(t, func(w *world) {
		newStages(w)
		id := w.merge("tracer", "1.4.0")
		w.untilStage(id, "staging")
		asked := time.Now()
		w.ask("expedite", id, "ana", "hotfix")
		s := w.untilPostponed(id, release.ByApproval)
		w.equal("where it waits", s.StageName(), "people")
		if took := s.Postponed.Since.Sub(asked); took > 2*time.Minute {
			w.Errorf("it took %s to the last stage\n%s", took, w.story(id))
		}
		w.equal("how often it was deployed", w.count(id, "staged"), 3)
		w.ask("approve", id, "lee", "")
		s = w.promotedAt(id, time.Now(), 2*time.Minute)
		w.equal("all", w.channels("tracer"), [5]string{"1.4.0", "1.4.0", "1.4.0", "1.4.0", "1.4.0"})
		w.equal("who was in a hurry", s.Expedited.By, "ana")
	})
}
