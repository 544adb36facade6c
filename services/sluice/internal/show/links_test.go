package show_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

// `sluice log` says where to look when the watcher stopped a release.
func TestWhereToLookIsTold(t *testing.T) {
	v := judge.Verdict{Check: "latency", Tally: judge.Tally{Failed: true, Count: 1}, Links: judge.Links{
		Check: "https://wiki.example/latency", Source: "https://prometheus.example", Merge: "https://forge.example/pull/7",
	}}
	for _, e := range []release.Event{
		release.WasCancelled{Said: release.Said{By: "watcher", Reason: v.Reason()}, Evidence: v.Evidence()},
		release.WasRecalled{Said: release.Said{By: "watcher", Reason: v.Reason()}, Evidence: v.Evidence()},
	} {
		r := journal.Record{Record: releasepb.Record{Event: e}, Seq: 7, At: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)}
		got := show.Moment(r, show.Style{Zone: time.UTC})
		for _, want := range []string{
			"by watcher", "see https://wiki.example/latency\n", "see https://prometheus.example\n", "see https://forge.example/pull/7\n", `"check":"latency"`,
		} {
			if !strings.Contains(got, want) {
				t.Errorf("%q lacks %q", got, want)
			}
		}
	}
}
