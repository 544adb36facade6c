package show_test

import (
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

func TestStopped(t *testing.T) {
	now := base().In(time.FixedZone("CET", 3600))
	said := release.Said{By: "lee", Reason: "the fair", At: base().Add(-time.Hour)}
	for want, c := range map[string]struct {
		project string
		stop    release.Stop
	}{
		"tracer is paused by lee since 14:00:00: the fair": {"tracer", release.Stop{Kind: release.Pause, Said: said}},
		"all projects are paused by somebody since 14:00:00": {"", release.Stop{
			Kind: release.Pause, Said: release.Said{At: said.At}, All: true,
		}},
		"tracer is frozen by lee since 14:00:00 until Wed 15:00: the fair": {"tracer", release.Stop{
			Kind: release.Freeze, Said: said, Until: now.Add(48 * time.Hour),
		}},
		"tracer is frozen by lee since 14:30:00: the fair": {"tracer", release.Stop{
			Kind: release.Freeze, Said: said, From: now.Add(-30 * time.Minute),
		}},
		"all projects will be frozen by lee from Tue 15:00 until Wed 15:00: the fair": {"", release.Stop{
			Kind: release.Freeze, Said: said, From: now.Add(24 * time.Hour), Until: now.Add(48 * time.Hour), All: true,
		}},
	} {
		if got := show.Stopped(c.project, c.stop, now); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
