package dash

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
)

// TestAnswered: whoever asked is told what came of their request, and not of another one that was answered in its place.
func TestAnswered(t *testing.T) {
	cancelled := entry("shop", "a", 1, release.Cancelled, 30).State
	cancelled.End = release.Said{By: "ben", Reason: "login is broken"}
	held := entry("shop", "a", 1, release.Held, 30).State
	held.Held = &release.Holding{Said: release.Said{By: "ben", Reason: "QA"}}
	soaking := entry("shop", "a", 1, release.Soaking, 30).State
	for _, c := range []struct {
		verb release.Verb
		s    release.State
		e    release.Event
		done bool
		said string
	}{
		{release.Cancel, cancelled, release.WasCancelled{Seq: 9}, true, "login is broken"},
		{release.Cancel, cancelled, release.WasCancelled{Seq: 10}, true, "login is broken"}, // somebody else's, and it is so
		{release.Expedite, cancelled, release.WasCancelled{Seq: 10}, false, "Too late to expedite it."},
		{release.Extend, cancelled, release.WasCancelled{Seq: 10}, false, "login is broken"},
		{release.Approve, cancelled, release.WasCancelled{Seq: 10}, false, "Too late"},
		{release.Expedite, held, release.WasHeld{Seq: 10}, false, "overtaken"},
		{release.Hold, held, release.WasHeld{Seq: 10}, true, "Held"},
		{release.Hold, soaking, release.WasResumed{Seq: 10}, false, "overtaken"},
		{release.Extend, soaking, release.WasExtended{Seq: 10, By: time.Hour}, false, "overtaken"},
		{release.Extend, soaking, release.WasExtended{Seq: 9, By: time.Hour}, true, "Extended by 1h"},
		{release.Cancel, soaking, release.WasRefused{Seq: 10}, false, "overtaken"},
	} {
		c.s.Folded = max(9, release.Answers(c.e))
		r := journal.Record{At: at(31)}
		r.Event, r.State = c.e, c.s
		got := answered(r, c.verb, Answer{Seq: 9})
		if got.Done != c.done || !strings.Contains(got.Outcome.String(), c.said) {
			t.Errorf("%s, answered by %T of %d: done %t, %s", c.verb, c.e, release.Answers(c.e), got.Done, got.Outcome.String())
		}
	}
}
