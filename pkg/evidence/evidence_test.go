package evidence_test

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-gate/sluice/pkg/evidence"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
)

func noon() time.Time { return time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC) }

func policy(t testing.TB, src string) *project.Project {
	t.Helper()
	p, err := project.Parse("x.yaml", []byte("project: x\n"+src))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const (
	plain = `watch: [ { name: up, http: { url: "http://x" }, interval: 1m, failures: 2 } ]`
	two   = `stages:
  - { name: one, delay: 1h, watch: [ { name: up, http: { url: "http://x" }, interval: 1m, failures: 2 } ] }
  - { name: two, delay: 1h, watch: [ { name: up, http: { url: "http://x" }, interval: 1m, failures: 2 } ] }
bake: { for: 1h, watch: [ { name: live, http: { url: "http://y" }, interval: 1m, failures: 2 } ] }
`
)

// span has a look for each minute: p well, f not, and a blank for none.
func span(name string, from time.Time, c project.Check, looks string) evidence.Span {
	s := evidence.Span{Name: name, Beats: 1}
	s.From, s.To = from, from.Add(time.Hour)
	s.Watched = s.Length()
	check := evidence.Check{Name: c.Name, Source: judge.Source(c)}
	for i, letter := range looks {
		if letter != ' ' {
			look := judge.Measurement{At: from.Add(time.Duration(i) * time.Minute), OK: letter == 'p', Said: string(letter)}
			check.Looks = append(check.Looks, look.Normal())
		}
	}
	s.Checks = []evidence.Check{check}
	return s
}

func one(t testing.TB, phase release.Phase, looks string) evidence.Release {
	t.Helper()
	return evidence.Release{
		State: release.State{Phase: phase, Policy: release.Policy{Delay: time.Hour}},
		Spans: []evidence.Span{span("staging", noon(), policy(t, plain).Stages[0].Watch[0], looks)},
	}
}

func TestDecide(t *testing.T) {
	sound := one(t, release.Promoted, "pppp")
	unwatched := one(t, release.Promoted, "pppp")
	unwatched.Spans[0].Watched = 53 * time.Minute
	lost := one(t, release.Promoted, "pppp")
	lost.Spans[0].Lost = 2
	live := one(t, release.Soaking, "pppp")
	live.Spans[0].Live = true
	graced := one(t, release.Promoted, "ffppp")
	delay := time.Hour
	overridden := one(t, release.Promoted, "ppppffp")
	overridden.State.Merge.Delay = &delay
	for name, c := range map[string]struct {
		release evidence.Release
		policy  string
		word    judge.Word
		why     string
		at      time.Duration
	}{
		"well":                    {sound, plain, judge.Pass, "", 0},
		"failed":                  {one(t, release.Cancelled, "ppff"), plain, judge.Fail, "check up failed 2 times in a row: f (since 12:02:00 UTC)", 3 * time.Minute},
		"not until it ended":      {one(t, release.Cancelled, "ppf"), plain, judge.Inconclusive, "nothing failed until 13:00:00 UTC, when it was cancelled: nobody knows what would have come", 0},
		"not yet":                 {live, plain, judge.Inconclusive, "it goes on", 0},
		"not watched":             {unwatched, plain, judge.Inconclusive, "only 88% of it was watched", 0},
		"not all stored":          {lost, plain, judge.Inconclusive, "2 looks could not be stored", 0},
		"nothing":                 {evidence.Release{}, plain, judge.Inconclusive, "it was never to be watched", 0},
		"no looks":                {one(t, release.Promoted, ""), plain, judge.Inconclusive, "check up: it never looked", 0},
		"not kept":                {evidence.Release{Spans: []evidence.Span{{}}}, plain, judge.Inconclusive, "check up: nothing was measured, or it is not kept any more", 0},
		"another URL":             {sound, strings.Replace(plain, "http://x", "http://y", 1), judge.Inconclusive, "check up: it measured something else then", 0},
		"another name":            {sound, strings.Replace(plain, "name: up", "name: alive", 1), judge.Pass, "", 0},
		"another check":           {sound, `watch: [ { name: disk, exec: { command: [df] } } ]`, judge.Inconclusive, "check disk: it was not there then", 0},
		"no checks":               {sound, ``, judge.Pass, "", 0},
		"in its grace":            {graced, strings.Replace(plain, "failures: 2", "failures: 2, grace: 2m", 1), judge.Pass, "", 0},
		"all in its grace":        {graced, strings.Replace(plain, "failures: 2", "failures: 2, grace: 30m", 1), judge.Inconclusive, "check up: none of its looks counts", 0},
		"a shorter soak":          {one(t, release.Promoted, "ppppffp"), "soak: { delay: 5m }\n" + plain, judge.Pass, "", 0},
		"a longer one":            {one(t, release.Promoted, "ppppffp"), "soak: { delay: 6m }\n" + plain, judge.Fail, "check up failed 2 times in a row: f (since 12:04:00 UTC)", 5 * time.Minute},
		"a soak of the merge's":   {overridden, "soak: { delay: 5m }\n" + plain, judge.Fail, "check up failed 2 times in a row: f (since 12:04:00 UTC)", 5 * time.Minute},
		"no such stage, of stage": {sound, two, judge.Pass, "", 0}, // of a file with one stage, the first one
	} {
		d := c.release.Decide(policy(t, c.policy))
		if d.Word != c.word || d.Why != c.why || (c.at == 0) != d.At.IsZero() || c.at != 0 && d.At.Sub(noon()) != c.at {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// What fails first counts, in whichever stage, and the bake comes last.
func TestDecideThroughStages(t *testing.T) {
	p := policy(t, two)
	release := func(looks ...string) evidence.Release {
		r := evidence.Release{State: release.State{Phase: release.Promoted, Policy: release.Policy{
			Stages: []release.StagePolicy{{Name: "one", Delay: time.Hour}, {Name: "two", Delay: time.Hour}},
		}}}
		for i, l := range looks {
			c := p.Bake.Watch[0]
			name := "two"
			if i < 2 {
				c, name = p.Stages[i].Watch[0], p.Stages[i].Name
			}
			s := span(name, noon().Add(time.Duration(i)*time.Hour), c, l)
			s.Bake, s.Stage = i == 2, min(i, 1)
			r.Spans = append(r.Spans, s)
		}
		return r
	}
	for name, c := range map[string]struct {
		looks []string
		word  judge.Word
		stage string
		bake  bool
	}{
		"well":         {[]string{"pp", "pp", "pp"}, judge.Pass, "", false},
		"the first":    {[]string{"ff", "ff", "ff"}, judge.Fail, "one", false},
		"the second":   {[]string{"pp", "pff", "pp"}, judge.Fail, "two", false},
		"the bake":     {[]string{"pp", "pp", "pff"}, judge.Fail, "two", true},
		"not measured": {[]string{"pp", "", "pff"}, judge.Fail, "two", true},
	} {
		d := release(c.looks...).Decide(p)
		if d.Word != c.word || d.Stage != c.stage || d.Bake != c.bake {
			t.Errorf("%s: %+v", name, d)
		}
	}
	if d := release("pp", "pp", "pp").Decide(policy(t, strings.Replace(two, "name: two", "name: three", 1))); d.Why != "the policy has no stage two" {
		t.Errorf("%+v", d)
	}
	without, _, _ := strings.Cut(two, "bake:")
	if d := release("pp", "pp", "pp").Decide(policy(t, without)); d.Why != "the policy has no bake" {
		t.Errorf("%+v", d)
	}
}

// The same evidence and policy always come to the same; deciding changes nothing.
func TestDecidingIsPure(t *testing.T) {
	p, other := policy(t, plain), policy(t, "soak: { delay: 5m }\n"+strings.Replace(plain, "failures: 2", "failures: 3", 1))
	rapid.Check(t, func(t *rapid.T) {
		looks := rapid.StringOfN(rapid.SampledFrom([]rune("ppf ")), 0, 60, -1).Draw(t, "looks")
		r, again := evidence.Release{}, evidence.Release{}
		for _, to := range []*evidence.Release{&r, &again} {
			to.State = release.State{Phase: release.Promoted, Policy: release.Policy{Delay: time.Hour}}
			to.Spans = []evidence.Span{span("staging", noon(), p.Stages[0].Watch[0], looks)}
		}
		first := evidence.Try(r, p, other)
		if second := evidence.Try(r, p, other); !reflect.DeepEqual(first, second) {
			t.Fatalf("%+v and %+v", first, second)
		}
		if !reflect.DeepEqual(r, again) {
			t.Fatal("the evidence was changed")
		}
		if failed := strings.Contains(strings.ReplaceAll(looks, " ", ""), "ff"); failed != (first.Was.Word == judge.Fail) {
			t.Fatalf("%q: %+v", looks, first.Was)
		}
	})
}

func TestFiguresAndPicture(t *testing.T) {
	p := policy(t, `watch: [ { name: n, json: { url: "http://x", value: body.n }, interval: 1m, condition: value < 4.0 } ]`)
	c := p.Stages[0].Watch[0]
	s := span("staging", noon(), c, "")
	for i, n := range []float64{1, 2, 3, 5, math.NaN(), 1, 1, 1} {
		s.Checks[0].Looks = append(s.Checks[0].Looks, judge.Measurement{At: noon().Add(time.Duration(i) * time.Minute), OK: true, Value: &n})
	}
	s.Checks[0].Looks = append(s.Checks[0].Looks, judge.Measurement{At: noon().Add(50 * time.Minute), Lack: judge.NoData})
	j := s.Judge(c)
	f := j.Figures(s)
	if want := (evidence.Figures{Looks: 9, Failed: 1, NoData: 2, Gaps: 2, Last: 1, Min: 1, Median: 1, Max: 5}); f != want {
		t.Errorf("%+v, want %+v", f, want)
	}
	cells := j.Picture(s, 6)
	if cells[0].Looks != 8 || cells[0].Height != 0 || cells[1].Looks != 0 || cells[5].Looks != 1 || !math.IsNaN(cells[5].Height) {
		t.Errorf("%+v", cells)
	}
}
