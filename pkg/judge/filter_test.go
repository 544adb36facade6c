package judge_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/signal"
	"github.com/sluice-gate/sluice/pkg/template"
)

func TestFilters(t *testing.T) {
	for name, c := range map[string]struct {
		check project.Signal
		in    string
		want  bool
	}{
		"everything":       {project.Signal{}, `{"level":"trace","msg":"x"}`, true},
		"too mild":         {project.Signal{Level: project.LevelError}, `{"level":"warn","msg":"x"}`, false},
		"bad enough":       {project.Signal{Level: project.LevelError}, `{"level":"fatal","msg":"x"}`, true},
		"no level":         {project.Signal{Level: project.LevelFatal}, `x`, true},
		"matches":          {project.Signal{Match: "^pay"}, `{"msg":"payment"}`, true},
		"does not":         {project.Signal{Match: "^pay"}, `{"msg":"a payment"}`, false},
		"in its stack":     {project.Signal{Match: "pay.go"}, "panic: x\n\tpay.go:17", true},
		"ignored":          {project.Signal{Ignore: []string{"a", "b"}}, `xb`, false},
		"not ignored":      {project.Signal{Ignore: []string{"a", "b"}}, `x`, true},
		"ignored, matched": {project.Signal{Match: "x", Ignore: []string{"x"}}, `x`, false},
	} {
		f, err := judge.FilterOf(c.check)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Counts(signal.Parse([]byte(c.in))[0]); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	for _, bad := range []project.Signal{{Match: "("}, {Ignore: []string{"("}}} {
		if _, err := judge.FilterOf(bad); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

// soakedWith draws two soaks of an hour with five errors that come at random, the second as often as the first times so much, and tells
// whether one of them is told to come more often.
func soakedWith(random *rand.Rand, times float64) bool {
	check := project.Signal{NewOnly: true, Tolerated: 1, FalseAlarms: 0.05}
	texts := []string{"a is bad", "b is bad", "c is bad", "d is bad", "e is bad"}
	per := []float64{0.5, 2, 8, 20, 60} // an hour
	n := judge.News{From: noon()}
	soak := template.Soak{From: noon().Add(-time.Hour), Until: noon()}
	for i, text := range texts {
		count := 0
		for at := random.ExpFloat64() / per[i]; at < 1; at += random.ExpFloat64() / per[i] {
			count++
		}
		if count == 0 {
			count = 1 // it is known
		}
		soak.Templates = append(soak.Templates, template.Template{Text: text, Count: count})
	}
	n.Known.Add(soak, true)
	for i, text := range texts {
		s := signal.Parse([]byte(text))[0]
		for at := random.ExpFloat64() / per[i] / times; at < 1; at += random.ExpFloat64() / per[i] / times {
			when := noon().Add(time.Duration(at * float64(time.Hour)))
			if _, news := n.News(check, n.See(s, s.Title, when), when); news {
				return true
			}
		}
	}
	return false
}

// The chance that a soak in which nothing changed is told to have more of some error is what the project file allows, for all its errors
// together; and one that comes four times as often is seen.
func TestFalseAlarmsOfKnownErrors(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const soaks = 2000
	alarms, seen := 0, 0
	for range soaks {
		if soakedWith(random, 1) {
			alarms++
		}
		if soakedWith(random, 4) {
			seen++
		}
	}
	t.Logf("false alarms in %.2f%% of the soaks, 5%% are allowed; four times as many errors are seen in %.2f%%",
		100*float64(alarms)/soaks, 100*float64(seen)/soaks)
	if alarms > soaks/20 || seen < soaks*95/100 {
		t.Errorf("%d false alarms, %d seen, of %d", alarms, seen, soaks)
	}
}

// A fold is deterministic: the same signals come to the same.
func TestNewsAreAFold(t *testing.T) {
	run := func() (said []string) {
		n := judge.News{From: noon()}
		n.Known.Add(template.Soak{
			From: noon(), Until: noon().Add(time.Hour),
			Templates: []template.Template{{Text: "order <num> is late", Count: 3}, {Text: "rare", Count: 1}},
		}, true)
		check := project.Signal{NewOnly: true, Tolerated: 2, FalseAlarms: 0.01}
		for i := range 200 {
			at := noon().Add(time.Duration(i) * time.Second)
			s := signal.Parse([]byte("order 17 is late"))[0]
			if why, news := n.News(check, n.See(s, func() string { return "order 17 is late" }, at), at); news {
				said = append(said, why)
			}
		}
		return said
	}
	a, b := run(), run()
	if len(a) == 0 || len(a) != len(b) || a[0] != b[0] {
		t.Errorf("%q and %q", a, b)
	}
}
