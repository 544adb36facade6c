package judge_test

import (
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

// The chance that a soak in which nothing changed is told to have more of some error is what the project file allows, for all of
// its templates together; and a deterministic fold: the same signals come to the same.
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
