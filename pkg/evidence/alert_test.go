package evidence_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/alert"
	"github.com/sluice-gate/sluice/pkg/evidence"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/release"
)

// Alerts are judged from what is stored of them, also by a policy that was not there then.
func TestAlertsAreJudgedAgain(t *testing.T) {
	heard := func(minutes int, status alert.Status) judge.Measurement {
		return judge.Measurement{At: noon().Add(time.Duration(minutes) * time.Minute), Alert: &judge.Notice{
			Print: "1a30ba71cca2921f", Alert: alert.Alert{Status: status, Name: "HighErrorRate"},
		}}
	}
	const there, other = `watch: [ { name: alerts, alert: {} } ]`, `watch: [ { name: signals, signal: {} } ]`
	const late, heartbeat = `watch: [ { name: alerts, alert: { for: 5m } } ]`, `watch: [ { name: alerts, alert: { heartbeat: 10m } } ]`
	for name, c := range map[string]struct {
		was, policy string
		alerts      []judge.Measurement
		word        judge.Word
		why         string
		at          int // minutes
	}{
		"none":                   {there, there, nil, judge.Pass, "", 0},
		"nobody could have":      {other, there, nil, judge.Inconclusive, "it was not there then", 0},
		"one, by another policy": {other, there, []judge.Measurement{heard(7, alert.Firing)}, judge.Fail, "alert HighErrorRate", 7},
		"from before":            {there, there, []judge.Measurement{heard(-7, alert.Firing)}, judge.Inconclusive, "before the release came", 0},
		"for long enough":        {there, late, []judge.Measurement{heard(7, alert.Firing), heard(30, alert.Resolved)}, judge.Fail, "fired for 5m", 12},
		"and nothing after":      {there, late, []judge.Measurement{heard(7, alert.Firing)}, judge.Fail, "fired for 5m", 12},
		"not for long enough":    {there, late, []judge.Measurement{heard(7, alert.Firing), heard(9, alert.Resolved)}, judge.Pass, "", 0},
		"too late":               {there, late, []judge.Measurement{heard(58, alert.Firing)}, judge.Pass, "", 0},
		"silent":                 {there, heartbeat, []judge.Measurement{heard(7, alert.Alive)}, judge.Inconclusive, "was heard of last at 12:07:00", 0},
	} {
		t.Run(name, func(t *testing.T) {
			check := policy(t, c.policy).Stages[0].Watch[0]
			s := span("staging", noon(), policy(t, c.was).Stages[0].Watch[0], "")
			s.Alerts = c.alerts
			j := s.Judge(check)
			at := time.Time{}
			if c.at > 0 {
				at = noon().Add(time.Duration(c.at) * time.Minute)
			}
			if j.Word != c.word || !strings.Contains(j.Why, c.why) || !j.At.Equal(at) {
				t.Errorf("%s at %s: %s", j.Word, j.At, j.Why)
			}
			if f := j.Figures(s); c.word == judge.Fail && f.Failed != 1 || f.Gaps != 0 {
				t.Errorf("%+v", f)
			}
			if len(j.Picture(s, 10)) != 10 {
				t.Error("there is no picture")
			}
		})
	}
}

// What is judged once, and was not, is no pass.
func TestRanksThatWereNotAsked(t *testing.T) {
	check := policy(t, `watch: [ { name: ranks, prometheus: { url: "http://p", compare: { value: a, baseline: b, method: mann-whitney } } } ]`).Stages[0].Watch[0]
	mine, base := 1.0, 1.0
	s := evidence.Span{Name: "staging", Beats: 1}
	s.From, s.To = noon(), noon().Add(time.Hour)
	s.Checks = []evidence.Check{{Name: "ranks", Source: judge.Source(check), Looks: []judge.Measurement{
		{At: noon().Add(time.Minute), OK: true, Value: &mine, Baseline: &base},
	}}}
	if j := s.Judge(check); j.Word != judge.Inconclusive || !strings.Contains(j.Why, "judged once") {
		t.Errorf("%+v", j)
	}
}

// A merge may have made the soak shorter than the project's: what is judged once was judged then, and is when it is judged again.
func TestRanksOfAShorterSoak(t *testing.T) {
	const ranks = `watch: [ { name: ranks, prometheus: { url: "http://p", compare: { value: a, baseline: b, method: mann-whitney } }, interval: 30s } ]`
	check := policy(t, ranks).Stages[0].Watch[0]
	delay := 10 * time.Minute
	s := evidence.Span{Name: "staging", Beats: 1, Watched: delay, Lasts: delay}
	s.From, s.To = noon(), noon().Add(delay)
	looks := evidence.Check{Name: "ranks", Source: judge.Source(check)}
	for i := range 19 {
		mine, base := 200+float64(i*7%19), 100+float64(i*11%19)
		looks.Looks = append(looks.Looks, judge.Measurement{
			At: noon().Add(time.Duration(i) * 30 * time.Second), OK: true, Value: &mine, Baseline: &base,
		})
	}
	s.Checks = []evidence.Check{looks}
	if j := s.Judge(check); j.Word != judge.Fail || j.At.Sub(noon()) != 8*time.Minute {
		t.Errorf("%+v at %s", j.Word, j.At)
	}
	r := evidence.Release{State: release.State{
		Phase: release.Cancelled, Merge: release.Merge{Delay: &delay}, Policy: release.Policy{Delay: 2 * time.Hour},
	}, Spans: []evidence.Span{s}}
	if d := r.Decide(policy(t, ranks)); d.Word != judge.Fail {
		t.Errorf("%+v", d)
	}
}

// An alert that began while the release was rolled out is the release's when it is judged again, too.
func TestAnAlertOfTheDeploymentIsJudgedAgain(t *testing.T) {
	check := policy(t, `watch: [ { name: alerts, alert: {} } ]`).Stages[0].Watch[0]
	s := span("staging", noon(), check, "")
	s.Alerts = []judge.Measurement{{At: noon().Add(-7 * time.Minute), Alert: &judge.Notice{
		Print: "1a30ba71cca2921f", Alert: alert.Alert{Status: alert.Firing, Name: "HighErrorRate"},
	}}}
	s.Came = noon().Add(-10 * time.Minute)
	if j := s.Judge(check); j.Word != judge.Fail {
		t.Errorf("%+v", j)
	}
	s.Came = noon().Add(-5 * time.Minute)
	if j := s.Judge(check); j.Word != judge.Inconclusive {
		t.Errorf("%+v", j)
	}
}
