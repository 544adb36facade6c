package main

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/compare"
)

// atMost is how many alarms there may be in so many soaks if each has at most that chance: three standard deviations above.
func atMost(soaks int, chance float64) int {
	n := float64(soaks)
	return int(n*chance + 3*math.Sqrt(n*chance*(1-chance)))
}

// TestFalseAlarms: the sequential tests keep their promise under continuous looking.
func TestFalseAlarms(t *testing.T) {
	s := setup{soaks: 1000, seed: 7, alpha: 0.01}
	if raceDetector { // make test runs all of them without
		s.soaks = 20
	}
	for _, k := range kinds() {
		k.methods = only(k.methods, "sequential")
		for _, traffic := range k.traffics {
			r := s.run(k, traffic, 1)[0]
			t.Logf("%s, %g requests a look: %d of %d", k.name, traffic, r.alarms(), s.soaks)
			if most := atMost(s.soaks, s.alpha); r.alarms() > most {
				t.Errorf("%s: %d false alarms in %d soaks without a regression, and at most %d go with %g", k.name, r.alarms(), s.soaks, most, s.alpha)
			}
		}
	}
}

// TestWhyNotRepeatATest: a threshold where there is little traffic, and a test for one look that is repeated, raise many more false
// alarms than they are set to. Kayenta's tolerance keeps the latter low; that is no promise.
func TestWhyNotRepeatATest(t *testing.T) {
	s := setup{soaks: 60, seed: 7, alpha: 0.01}
	exact := method{"mann-whitney without tolerance", func(setup) func([]look) bool {
		return everyMinute(latencies, compare.Ranks{Tolerance: 1e-9})
	}}
	errors, latency := kinds()[0], kinds()[1]
	errors.methods, latency.methods = only(errors.methods, "threshold"), []method{exact}
	for _, k := range []kind{errors, latency} {
		r := s.run(k, 10, 1)[0]
		t.Logf("%s: %d alarms in %d soaks without a regression", k.methods[0].name, r.alarms(), s.soaks)
		if r.alarms() < s.soaks/20 {
			t.Errorf("%s: %d alarms in %d soaks without a regression", k.methods[0].name, r.alarms(), s.soaks)
		}
	}
}

func only(methods []method, name string) []method {
	return slices.DeleteFunc(methods, func(m method) bool { return m.name != name })
}

// TestRegressionsAreSeen: also small ones, in time.
func TestRegressionsAreSeen(t *testing.T) {
	s := setup{soaks: 40, seed: 7, alpha: 0.01}
	errors, latency := kinds()[0], kinds()[1]
	for _, c := range []struct {
		kind          kind
		traffic, size float64
		within        time.Duration // for nine in ten
	}{
		{errors, 10, 10, 10 * time.Minute},
		{errors, 100, 2, 15 * time.Minute},
		{errors, 100, 10, time.Minute},
		{errors, 1000, 1.5, 10 * time.Minute},
		{latency, 1, 1.1, time.Hour},
		{latency, 1, 1.5, 5 * time.Minute},
	} {
		c.kind.methods = only(c.kind.methods, "sequential")
		r := s.run(c.kind, c.traffic, c.size)[0]
		seen := 0
		for _, d := range r {
			if d <= c.within {
				seen++
			}
		}
		t.Logf("%s, %g requests a look, %s: half after %s", c.kind.name, c.traffic, sized(c.size), r.delay(0.5))
		if seen < s.soaks*9/10 {
			t.Errorf("%s, %g requests a look, %s: %d of %d seen within %s", c.kind.name, c.traffic, sized(c.size), seen, s.soaks, c.within)
		}
	}
}

func TestSameSeedSameTable(t *testing.T) {
	var a, b bytes.Buffer
	s := setup{soaks: 2, seed: 3, alpha: 0.01}
	if err := table(&a, s); err != nil {
		t.Fatal(err)
	}
	if err := table(&b, s); err != nil {
		t.Fatal(err)
	}
	if a.String() != b.String() || !strings.Contains(a.String(), "sequential") {
		t.Errorf("%s\nand\n%s", &a, &b)
	}
}

func TestWhatIsDrawn(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for _, mean := range []float64{0.5, 20, 2000} {
		sum, errors := 0, 0
		const n = 2000
		for range n {
			k := poisson(random, mean)
			sum += k
			errors += binomial(random, k, failing)
		}
		if got := float64(sum) / n; math.Abs(got-mean) > 5*math.Sqrt(mean/n) {
			t.Errorf("the mean of %g is %g", mean, got)
		}
		if want := mean * n * failing; math.Abs(float64(errors)-want) > 5*math.Sqrt(want) {
			t.Errorf("%d errors, want about %g", errors, want)
		}
	}
}
