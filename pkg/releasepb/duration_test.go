package releasepb_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// TestDurationsAreThoseOfAProjectFile: what sluice takes, the plain nats command may write, wherever a body has a length of time.
func TestDurationsAreThoseOfAProjectFile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`([0-9]{1,2}d)?([0-9]{1,2}h)?([0-9]{1,2}m)?([0-9]{1,3}s)?`).Draw(t, "length")
		want, err := project.ParseDuration(text)
		if err != nil || want <= 0 || want > release.MaxExtend {
			return
		}
		said := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
		if s := releasepb.DecodeStop(release.Freeze, "ana", 7, said, []byte(text+" the fair")); !s.Until.Equal(said.Add(want)) {
			t.Errorf("a freeze of %s lasts until %s", text, s.Until)
		}
		if r := releasepb.DecodeRequest(release.Extend, "ana", 7, said, []byte(text+" QA")); r.By != want || r.Invalid != "" {
			t.Errorf("an extend of %s is by %s: %s", text, r.By, r.Invalid)
		}
		m, err := releasepb.DecodeMergeEvent([]byte(`{"commit":"c","delay":"` + text + `"}`))
		if err != nil || m.Delay == nil || *m.Delay != want {
			t.Errorf("a delay of %s: %v %v", text, m.Delay, err)
		}
	})
}
