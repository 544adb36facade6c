package judge_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-gate/sluice/pkg/alert"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/project"
)

// came is when the release of these tests came.
var came = time.Date(2026, 3, 2, 15, 0, 0, 0, time.UTC) //nolint:gochecknoglobals // a constant, if times could be

// heard is a measurement so long after the release came, or before it.
func heard(after time.Duration, status alert.Status, of string, more ...func(*judge.Notice)) judge.Measurement {
	n := &judge.Notice{Print: of, Alert: alert.Alert{
		Status: status, Name: "High" + of, Source: "alertmanager", Labels: map[string]string{"severity": "page"},
	}}
	for _, m := range more {
		m(n)
	}
	return judge.Measurement{At: came.Add(after), Alert: n}
}

func looked(after time.Duration) judge.Measurement { return judge.Measurement{At: came.Add(after)} }

func since(after time.Duration) func(*judge.Notice) {
	return func(n *judge.Notice) { n.Since = came.Add(after) }
}

func labelled(value string) func(*judge.Notice) {
	return func(n *judge.Notice) { n.Labels = map[string]string{"severity": value} }
}

const m = time.Minute

func TestAlerts(t *testing.T) {
	const firing, resolved, alive = alert.Firing, alert.Resolved, alert.Alive
	page := project.Alert{Match: map[string][]string{"severity": {"page", "critical"}}}
	late := page
	late.For = 2 * m
	for name, c := range map[string]struct {
		rule  project.Alert
		grace time.Duration
		heard []judge.Measurement
		// How it ends: after so many of them it failed, counted from one; 0: it did not, and then it is inconclusive or not.
		failed int
		doubt  string
	}{
		"fires":                     {page, 0, []judge.Measurement{looked(0), heard(m, firing, "a")}, 2, ""},
		"of another severity":       {page, 0, []judge.Measurement{heard(m, firing, "a", labelled("info")), looked(9 * m)}, 0, ""},
		"of the other severity":     {page, 0, []judge.Measurement{heard(m, firing, "a", labelled("critical"))}, 1, ""},
		"of another source":         {project.Alert{Source: "sentry"}, 0, []judge.Measurement{heard(m, firing, "a")}, 0, ""},
		"any will do":               {project.Alert{}, 0, []judge.Measurement{heard(m, firing, "a", labelled("info"))}, 1, ""},
		"a sign of life":            {project.Alert{}, 0, []judge.Measurement{heard(m, alive, "a"), looked(9 * m)}, 0, ""},
		"fires since before":        {page, 0, []judge.Measurement{heard(-m, firing, "a"), looked(0), looked(9 * m)}, 0, "before the release came"},
		"heard of later":            {page, 0, []judge.Measurement{heard(m, firing, "a", since(-5*m)), looked(9 * m)}, 0, "fires since 2026-03-02 14:55:00 UTC"},
		"resolved meanwhile":        {page, 0, []judge.Measurement{heard(-m, firing, "a"), heard(m, resolved, "a"), looked(9 * m)}, 0, ""},
		"and fires anew":            {page, 0, []judge.Measurement{heard(-m, firing, "a"), heard(m, resolved, "a"), heard(2*m, firing, "a")}, 3, ""},
		"anew, nobody told the end": {page, 0, []judge.Measurement{heard(-m, firing, "a", since(-m)), heard(2*m, firing, "a", since(2*m))}, 2, ""},
		"told again and again":      {page, 0, []judge.Measurement{heard(-m, firing, "a"), heard(m, firing, "a"), heard(9*m, firing, "a")}, 0, "before"},
		"resolved before":           {page, 0, []judge.Measurement{heard(-9*m, firing, "a"), heard(-m, resolved, "a"), heard(m, firing, "a")}, 3, ""},
		"the same one comes back": { // its source had lost sight of it
			page, 0, []judge.Measurement{heard(-9*m, firing, "a", since(-9*m)), heard(-m, resolved, "a"), heard(m, firing, "a", since(-9*m)), looked(9 * m)},
			0, "before the release came",
		},
		"flapped before": {
			page, 0, []judge.Measurement{
				heard(-50*m, firing, "a"), heard(-45*m, resolved, "a"), heard(-30*m, firing, "a"), heard(-25*m, resolved, "a"), heard(m, firing, "a"), looked(9 * m),
			}, 0, "it came 2 times in the hour before the release",
		},
		"flapped long before": {
			page, 0, []judge.Measurement{
				heard(-90*m, firing, "a"), heard(-85*m, resolved, "a"), heard(-70*m, firing, "a"), heard(-65*m, resolved, "a"), heard(m, firing, "a"),
			}, 5, "",
		},
		"another one flapped": {
			page, 0, []judge.Measurement{
				heard(-50*m, firing, "a"), heard(-45*m, resolved, "a"), heard(-30*m, firing, "a"), heard(-25*m, resolved, "a"), heard(m, firing, "b"),
			}, 5, "",
		},
		"not for long enough":                          {late, 0, []judge.Measurement{heard(m, firing, "a"), looked(2 * m), heard(150*time.Second, resolved, "a"), looked(9 * m)}, 0, ""},
		"for long enough":                              {late, 0, []judge.Measurement{heard(m, firing, "a"), looked(2 * m), looked(3 * m)}, 3, ""},
		"as its source says":                           {late, 0, []judge.Measurement{heard(m, firing, "a", since(30*time.Second)), looked(150 * time.Second)}, 2, ""},
		"for long enough, as is heard when it is over": {late, 0, []judge.Measurement{heard(m, firing, "a"), heard(3*m, resolved, "a")}, 2, ""},
		"flaps after": { // 1, 2, and then long enough
			late, 0, []judge.Measurement{
				heard(m, firing, "a"), heard(2*m, resolved, "a"), heard(3*m, firing, "a"), heard(210*time.Second, resolved, "a"), heard(5*m, firing, "a"),
				looked(329 * time.Second), looked(330 * time.Second),
			}, 7, "",
		},
		"in its grace":          {page, 5 * m, []judge.Measurement{heard(m, firing, "a"), heard(2*m, resolved, "a"), looked(9 * m)}, 0, ""},
		"longer than the grace": {page, 5 * m, []judge.Measurement{heard(m, firing, "a"), looked(4 * m), looked(5 * m)}, 3, ""},
		"grace, and for":        {late, 5 * m, []judge.Measurement{heard(m, firing, "a"), looked(6 * m), looked(7 * m)}, 3, ""},
		"one of two": {
			page, 0, []judge.Measurement{heard(-m, firing, "a"), looked(m), heard(2*m, firing, "b")}, 3, "",
		},
		"resolved without a beginning": {page, 0, []judge.Measurement{heard(m, resolved, "a"), looked(9 * m)}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := judge.RuleOf(project.Check{Alert: &c.rule, Grace: c.grace, Failures: 1}, came)
			var tally judge.Tally
			failed := 0
			for i, m := range c.heard {
				if tally = r.Add(tally, m); tally.Failed && failed == 0 {
					failed = i + 1
				}
			}
			if failed != c.failed || !strings.Contains(tally.Inconclusive, c.doubt) || (c.doubt == "") != (tally.Inconclusive == "" || tally.Failed) {
				t.Errorf("failed after %d, inconclusive %q; want %d, %q", failed, tally.Inconclusive, c.failed, c.doubt)
			}
			v := judge.Verdict{Check: "alerts", Rule: r, Tally: tally}
			switch said := v.Reason(); {
			case failed > 0 && !strings.HasPrefix(said, "check alerts failed: alert High"):
				t.Error(said)
			case failed == 0 && c.doubt != "" && !(strings.Contains(said, "inconclusive") && strings.Contains(v.Evidence(), `"inconclusive":"alert`)):
				t.Error(said, v.Evidence())
			}
		})
	}
}

// TestWhenAnAlertIsDue: so that somebody looks then.
func TestWhenAnAlertIsDue(t *testing.T) {
	r := judge.RuleOf(project.Check{Alert: &project.Alert{For: 2 * m}, Grace: 5 * m}, came)
	tally := r.Add(judge.Tally{}, looked(0))
	if due := r.Due(tally); !due.IsZero() || r.Suspects(tally) {
		t.Errorf("due at %s without an alert", due)
	}
	tally = r.Add(tally, heard(-m, alert.Firing, "a"))
	if due := r.Due(tally); !due.IsZero() || r.Suspects(tally) {
		t.Errorf("due at %s by one from before", due)
	}
	tally = r.Add(tally, heard(m, alert.Firing, "b"))
	if due := r.Due(tally); !due.Equal(came.Add(7*m)) || !r.Suspects(tally) {
		t.Errorf("due at %s", due)
	}
	tally = r.Add(tally, heard(6*m, alert.Resolved, "b"))
	tally = r.Add(tally, heard(8*m, alert.Firing, "b"))
	if due := r.Due(tally); !due.Equal(came.Add(9 * m)) {
		t.Errorf("due at %s", due)
	}
	if tally = r.Add(tally, looked(9*m)); !tally.Failed || !r.Due(tally).IsZero() {
		t.Errorf("%+v", tally)
	}
}

func TestSilence(t *testing.T) {
	r := judge.RuleOf(project.Check{Alert: &project.Alert{Source: "alertmanager", Heartbeat: 5 * m}}, came)
	var tally judge.Tally
	silent := func(after time.Duration, want string) {
		t.Helper()
		if got := r.Silent(tally, came.Add(after)); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("after %s: %q, want %q", after, got, want)
		}
	}
	silent(0, "alertmanager was never heard of, and is to be every 5m0s")
	tally = r.Add(tally, heard(0, alert.Alive, "w", func(n *judge.Notice) { n.Source = "sentry" }))
	silent(0, "never")
	tally = r.Add(tally, heard(-m, alert.Alive, "w"))
	silent(4*m, "")
	silent(5*m, "heard of last at 14:59:00 UTC")
	tally = r.Add(tally, heard(5*m, alert.Resolved, "of nobody"))
	silent(10*m, "")

	calm := judge.RuleOf(project.Check{Alert: &project.Alert{}}, came)
	if why := calm.Silent(judge.Tally{}, came.Add(999*m)); why != "" {
		t.Error(why)
	}
	for i := range 2000 { // a flood, of which every one is remembered or there is no data
		tally = calm.Add(tally, heard(-m, alert.Firing, fmt.Sprint(i)))
	}
	if why := calm.Silent(tally, came); !strings.Contains(why, "more than 1000 alerts") {
		t.Error(why)
	}
	tally = judge.Tally{}
	for i := range 2000 {
		tally = calm.Add(calm.Add(tally, heard(-m, alert.Firing, fmt.Sprint(i))), heard(-m, alert.Resolved, fmt.Sprint(i)))
	}
	if why := calm.Silent(tally, came); why != "" {
		t.Error(why)
	}
}

// TestLooksDecideNothing: how often it was looked at the time in between does not change what an alert comes to, only when that is seen.
func TestLooksDecideNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rule := project.Alert{For: time.Duration(rapid.IntRange(0, 10).Draw(t, "for")) * m}
		r := judge.RuleOf(project.Check{Alert: &rule, Grace: time.Duration(rapid.IntRange(0, 20).Draw(t, "grace")) * m}, came)
		at := -90 * m
		var often, seldom judge.Tally
		for range rapid.IntRange(1, 30).Draw(t, "notices") {
			for range rapid.IntRange(0, 3).Draw(t, "looks") {
				at += time.Duration(rapid.IntRange(0, 5).Draw(t, "minutes")) * m
				often = r.Add(often, looked(at))
			}
			at += time.Duration(rapid.IntRange(0, 20).Draw(t, "minutes")) * m
			n := heard(at, rapid.SampledFrom([]alert.Status{alert.Firing, alert.Resolved}).Draw(t, "status"), rapid.SampledFrom([]string{"a", "b"}).Draw(t, "print"))
			if rapid.Bool().Draw(t, "says since") {
				n.Alert.Since = came.Add(at - time.Duration(rapid.IntRange(0, 60).Draw(t, "ago"))*m)
			}
			often, seldom = r.Add(often, n), r.Add(seldom, n)
		}
		at += 60 * m
		often, seldom = r.Add(often, looked(at)), r.Add(seldom, looked(at))
		if often.Failed != seldom.Failed || !often.Failed && often.Inconclusive != seldom.Inconclusive {
			t.Fatalf("failed %t with %q, or %t with %q", often.Failed, often.Inconclusive, seldom.Failed, seldom.Inconclusive)
		}
		if often.Failed && often.First.At.Before(came) {
			t.Fatalf("blamed for what began at %s", often.First.At)
		}
	})
}
