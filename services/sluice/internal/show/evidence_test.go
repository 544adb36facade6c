package show_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/evidence"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

func policy(t *testing.T, watch string) *project.Project {
	t.Helper()
	p, err := project.Parse("tracer.yaml", []byte("project: tracer\nsoak: { delay: 2h }\nwatch:\n"+watch))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const (
	measuredThen = `
  - { name: health, http: { url: "http://staging.test/" }, interval: 1m, failures: 3 }
  - { name: errors, signal: { max: 2 } }
  - { name: latency, json: { url: "http://staging.test/p99", value: body.p99 }, interval: 1m, condition: value < 0.5, no_data: ignore }
`
	measuredNow = `
  - { name: health, http: { url: "http://staging.test/" }, interval: 1m, failures: 2 }
  - { name: bugs, signal: { max: 1 } }
  - { name: latency, json: { url: "http://staging.test/p99", value: body.p99 }, interval: 1m, condition: value < 0.2, no_data: ignore }
`
	measuredNever = measuredNow + `
  - { name: queue, json: { url: "http://staging.test/queue", value: body.n }, condition: value < 1.0 }
`
)

// minutes are a look for each minute of a soak: p well, f not, a digit for a value in tenths, n for no data, and a blank for none.
func minutes(from time.Time, looks string) []judge.Measurement {
	var out []judge.Measurement
	for i, letter := range looks {
		m := judge.Measurement{At: from.Add(time.Duration(i) * time.Minute), OK: true}
		switch {
		case letter == ' ':
			continue
		case letter == 'f':
			m.OK, m.Said = false, "GET http://staging.test/ answered 500"
		case letter == 'n':
			m.Lack, m.Said = judge.NoData, "GET http://staging.test/p99 answered 404"
		case letter >= '0' && letter <= '9':
			value := float64(letter-'0') / 10
			m.Value = &value
		}
		out = append(out, m)
	}
	return out
}

// measured is a release with a soak of two hours, or as long as it has looks.
func measured(t *testing.T, id, version string, phase release.Phase, by string, health, errors, latency string) evidence.Release {
	t.Helper()
	from := base().Add(-24 * time.Hour)
	checks := policy(t, measuredThen).Stages[0].Watch
	span := evidence.Span{
		Stretch: judge.Stretch{From: from}, Name: "staging", To: from.Add(time.Duration(max(len(health), len(latency))) * time.Minute), Beats: 121,
	}
	span.Watched = span.Length()
	for i, looks := range []string{health, errors, latency} {
		span.Checks = append(span.Checks, evidence.Check{Name: checks[i].Name, Source: judge.Source(checks[i]), Looks: minutes(from, looks)})
	}
	return evidence.Release{
		State: release.State{
			Release: id, Project: "tracer", Version: version, Phase: phase, End: release.Said{By: by},
			Policy: release.Policy{Delay: 2 * time.Hour},
		},
		Spans: []evidence.Span{span},
	}
}

func written(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is:\n%s\nwant\n%s", file, got, want)
	}
}

func pick(times int, looks string) string { return strings.Repeat(looks, times) }

// What people read of evidence, word for word.
func TestEvidenceGolden(t *testing.T) {
	p := policy(t, measuredThen)
	var b strings.Builder
	well := measured(t, "01970000-0000-7000-8000-000000000001", "1.4.0", release.Promoted, "promoter",
		pick(60, "p")+"ff"+pick(58, "p"), pick(30, " ")+"f", pick(30, "1")+"4"+pick(29, "2")+"nn"+pick(58, "1"))
	b.WriteString(show.Evidence(well, p, base(), show.Style{}, 0))
	gone := measured(t, "01970000-0000-7000-8000-000000000002", "1.5.0", release.Cancelled, "watcher", pick(29, "p")+"fff", "", pick(10, "1")+pick(20, "n"))
	gone.Spans[0].Gaps = []evidence.Gap{{From: gone.Spans[0].From.Add(5 * time.Minute), To: gone.Spans[0].From.Add(15 * time.Minute)}}
	gone.Spans[0].Watched, gone.Spans[0].Lost, gone.Unread = 22*time.Minute, 3, 1
	gone.Spans[0].Checks = gone.Spans[0].Checks[:2]
	b.WriteString("\n")
	b.WriteString(show.Evidence(gone, p, base(), show.Style{}, 0))
	b.WriteString("\n")
	b.WriteString(show.Evidence(evidence.Release{State: release.State{Project: "tracer", Version: "1.6.0", Phase: release.Failed}}, p, base(), show.Style{}, 0))
	written(t, "testdata/evidence.txt", b.String())

	data, err := json.Marshal(show.EvidenceJSONOf(gone, p))
	if err != nil || !strings.Contains(string(data), `"check":"latency","verdict":"inconclusive","why":"it was not there then"`) {
		t.Errorf("%s: %v", data, err)
	}
}

// What people read of a backtest, word for word.
func TestBacktestGolden(t *testing.T) {
	own := policy(t, measuredThen)
	releases := []evidence.Release{
		measured(t, "01970000-0001-7000-8000-000000000001", "1.4.0", release.Promoted, "promoter", pick(120, "p"), "", pick(120, "1")),
		measured(t, "01970000-0002-7000-8000-000000000001", "1.5.0", release.Promoted, "promoter", pick(60, "p")+"ff"+pick(58, "p"), "", pick(120, "1")),
		measured(t, "01970000-0003-7000-8000-000000000001", "1.6.0", release.Cancelled, "watcher", pick(29, "p")+"fff", "", pick(31, "1")),
		measured(t, "01970000-0004-7000-8000-000000000001", "1.7.0", release.Cancelled, "watcher", pick(29, "p")+"fff", "", pick(10, "1")+"333"+pick(19, "1")),
		measured(t, "01970000-0005-7000-8000-000000000001", "1.8.0", release.Cancelled, "ana", pick(29, "p"), "", pick(10, "1")),
		measured(t, "01970000-0006-7000-8000-000000000001", "1.9.0", release.Promoted, "promoter", pick(29, "p")+"fff", "", pick(10, "1")),
		measured(t, "01970000-0007-7000-8000-000000000001", "1.10.0", release.Cancelled, "watcher", pick(29, "p"), "", pick(10, "1")),
		{State: release.State{Release: "01970000-0008-7000-8000-000000000001", Version: "1.11.0", Phase: release.Promoted}},
	}
	var b strings.Builder
	for name, watch := range map[string]string{"now": measuredNow} {
		b.WriteString(name + "\n")
		b.WriteString(tried(releases, own, policy(t, watch)))
	}
	b.WriteString("\nnever\n" + tried(releases, own, policy(t, measuredNever)))
	lax := policy(t, strings.ReplaceAll(measuredThen, "failures: 3", "failures: 4"))
	b.WriteString("\nlax\n" + tried(releases, own, lax))
	human := policy(t, strings.ReplaceAll(measuredThen, "failures: 3", "failures: 3, require_human: true"))
	b.WriteString("\nfor people\n" + tried(releases[:6], human, own))
	b.WriteString("\nthe same\n" + tried(releases, own, own))
	b.WriteString("\nnothing\n" + tried(nil, own, own))
	written(t, "testdata/backtest.txt", b.String())
}

func tried(releases []evidence.Release, own, other *project.Project) string {
	var cases []evidence.Case
	for _, r := range releases {
		cases = append(cases, evidence.Try(r, own, other))
	}
	return show.Backtest("tracer", base().AddDate(0, 0, -30), cases, base(), show.Style{}, 0)
}
