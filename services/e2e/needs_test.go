package e2e_test

import (
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// TestNeeds: what another project must have promoted first, by the project file and by the merge.
func TestNeeds(t *testing.T) {
	bubble(t, func(w *world) {
		const limits = "limits: { hold: 15m }\n"
		w.apply("api", tenMinutes)
		w.apply("file", tenMinutes+limits+"needs: [ api@1.4.0 ]\n")
		w.apply("merge", tenMinutes+limits)
		w.apply("never", tenMinutes+limits+"needs: [ nothing@1.0.0 ]\n")
		w.apply("met", tenMinutes+"needs: [ api@1.2.0 ]\n")
		w.start(all()...)
		w.promotes("api", "1.3.0")
		file := w.merge("file", "1.0.0")
		merge := w.merge("merge", "1.0.0", func(m *releasepb.MergeEvent) {
			m.Needs = []release.Need{{Project: "api", Version: "1.4.0"}, {Project: "met", Version: "2.0.0"}}
		})
		never, met := w.merge("never", "1.0.0"), w.merge("met", "2.0.0")
		w.promotedAt(met, w.untilPhase(met, release.Soaking).Due, time.Second)
		w.equal("why it waits", w.untilPostponed(file, release.ByNeed).Postponed.Why, "needs api@1.4.0, promoted is 1.3.0")
		w.contains("why it waits", w.untilPostponed(merge, release.ByNeed).Postponed.Why, "needs api@1.4.0, promoted is 1.3.0")
		since := w.untilPostponed(never, release.ByNeed).Postponed
		w.equal("why it waits", since.Why, "needs nothing@1.0.0, nothing of it is promoted")

		api, s := w.soaks("api", "1.5.0") // newer is good enough
		w.equal("still waiting", w.load(file).Phase, release.Soaking)
		s = w.promotedAt(api, s.Due, time.Second)
		w.promotedAt(file, s.PhaseAt, 16*time.Second)
		w.promotedAt(merge, s.PhaseAt, 16*time.Second)

		s = w.untilPhase(never, release.Failed)
		w.contains("why it failed", s.End.Reason, "waited for too long", "needs nothing@1.0.0")
		if late := s.End.At.Sub(since.Since.Add(15 * time.Minute)); late < 0 || late > 16*time.Second {
			w.Errorf("it failed %s after its deadline", late)
		}
		w.equal("postponements", w.count(never, "postponed"), 1)
		w.until(never, "put back", putBack)
		w.laneIsFree("never")
	})
}
