package compare_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-gate/sluice/pkg/compare"
)

func add(t *testing.T, r compare.Rate, mine, base compare.Count) compare.Rate {
	t.Helper()
	r, err := r.Add(mine, base)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What the e-value of a rate promises: under no regression its expectation after one interval is at most 1, for whatever rates and
// exposures, and for every ratio up to the tolerated one. It is computed over all outcomes, not drawn.
func TestRateIsAFairBet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "events")
		mine := rapid.Float64Range(1, 1000).Draw(t, "mine")
		base := rapid.Float64Range(1, 1000).Draw(t, "base")
		tolerated := rapid.Float64Range(0.5, 3).Draw(t, "tolerated")
		ratio := rapid.Float64Range(0.01, 1).Draw(t, "part of the tolerated ratio") * tolerated
		share := mine * ratio / (mine*ratio + base)
		expected := 0.0
		for k := range n + 1 {
			r, err := compare.Rate{Tolerated: tolerated}.Add(compare.Count{Events: k, Exposure: mine}, compare.Count{Events: n - k, Exposure: base})
			if err != nil {
				t.Fatal(err)
			}
			expected += binomial(n, k, share) * r.E()
		}
		if expected > 1+1e-9 {
			t.Fatalf("the bet wins: %v on average", expected)
		}
		if ratio == tolerated && expected < 1-1e-9 {
			t.Fatalf("the bet loses at the boundary: %v on average", expected)
		}
	})
}

func binomial(n, k int, p float64) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return math.Exp(a - b - c + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
}

func TestRate(t *testing.T) {
	var r compare.Rate
	if r.E() != 1 || r.Worse(0.01) || !math.IsNaN(r.Ratio()) {
		t.Errorf("nothing measured says something: %v", r.E())
	}
	for range 20 { // ten times as many errors
		r = add(t, r, compare.Count{Events: 10, Exposure: 100}, compare.Count{Events: 1, Exposure: 100})
	}
	if !r.Worse(0.01) || math.Abs(r.Ratio()-10) > 1e-9 {
		t.Errorf("e-value %v, ratio %v", r.E(), r.Ratio())
	}
	var better compare.Rate
	for range 20 {
		better = add(t, better, compare.Count{Events: 1, Exposure: 100}, compare.Count{Events: 10, Exposure: 100})
	}
	if better.E() >= 1 {
		t.Errorf("fewer errors are a regression: %v", better.E())
	}
	if same := add(t, r, compare.Count{}, compare.Count{Events: 3, Exposure: 100}); same.E() != r.E() {
		t.Error("what can not be compared counts")
	}
	for _, wrong := range []compare.Count{{Events: -1, Exposure: 1}, {Exposure: -1}, {Exposure: math.NaN()}, {Exposure: math.Inf(1)}, {Events: 1}} {
		if _, err := r.Add(wrong, compare.Count{Exposure: 1}); err == nil {
			t.Errorf("%+v is accepted", wrong)
		}
		if _, err := r.Add(compare.Count{Exposure: 1}, wrong); err == nil {
			t.Errorf("%+v is accepted as the baseline", wrong)
		}
	}
}

// A day of few events in small intervals comes to what the same events come to in one: the bet is on the ratio alone.
func TestRateDoesNotDependOnTheIntervals(t *testing.T) {
	var small compare.Rate
	for range 100 {
		small = add(t, small, compare.Count{Events: 1, Exposure: 10}, compare.Count{Events: 1, Exposure: 20})
	}
	large := add(t, compare.Rate{}, compare.Count{Events: 100, Exposure: 1000}, compare.Count{Events: 100, Exposure: 2000})
	if math.Abs(small.E()/large.E()-1) > 1e-9 {
		t.Errorf("%v in small intervals, %v in one", small.E(), large.E())
	}
}

func TestMean(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var worse, same, better compare.Mean
	for range 100 {
		base := 100 + 10*random.NormFloat64()
		var err1, err2, err3 error
		worse, err1 = worse.Add(120+10*random.NormFloat64(), base)
		same, err2 = same.Add(100+10*random.NormFloat64(), base)
		better, err3 = better.Add(50+10*random.NormFloat64(), base)
		if err := errors.Join(err1, err2, err3); err != nil {
			t.Fatal(err)
		}
	}
	if !worse.Worse(0.01) || same.Worse(0.01) || better.E() != 1 {
		t.Errorf("e-values: worse %v, same %v, better %v", worse.E(), same.E(), better.E())
	}
	if math.Abs(worse.Ratio()-1.2) > 0.02 {
		t.Errorf("ratio %v", worse.Ratio())
	}
	tolerant := compare.Mean{Tolerated: 0.5}
	for range 100 {
		tolerant, _ = tolerant.Add(120+10*random.NormFloat64(), 100+10*random.NormFloat64())
	}
	if tolerant.Worse(0.01) {
		t.Error("a fifth more is a regression where half is tolerated")
	}
	for _, wrong := range []float64{math.NaN(), math.Inf(1), math.MaxFloat64} {
		if after, err := worse.Add(wrong, 1); err == nil || after != worse {
			t.Errorf("%v is accepted", wrong)
		}
	}
}

// TestRanks
func TestRanks(t *testing.T) {
	same := []float64{1, 2, 3}
	for name, c := range map[string]struct {
		mine, base []float64
		worse      bool
		better     bool
		estimate   float64
	}{
		"alike":                   {mine: same, base: []float64{3, 2, 1}},
		"one value":               {mine: []float64{5, 5}, base: []float64{5, 5, 5}},
		"one value each":          {mine: slices.Repeat([]float64{7}, 10), base: slices.Repeat([]float64{5}, 10), worse: true, estimate: 2},
		"one value each, too few": {mine: []float64{7, 7}, base: []float64{5, 5, 5}, estimate: 2},
		"far above":               {mine: through(20, 110), base: through(20, 10), worse: true, estimate: 100},
		"far below":               {mine: through(20, 10), base: through(20, 110), better: true, estimate: -100},
		"a little above":          {mine: through(20, 11), base: through(20, 10), estimate: 1},
		"too few to say anything": {mine: []float64{10, 11}, base: []float64{1, 2}, estimate: 9},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := compare.Ranks{}.Compare(c.mine, append([]float64{math.NaN()}, c.base...))
			if err != nil {
				t.Fatal(err)
			}
			if got.Worse != c.worse || got.Better != c.better || math.Abs(got.Estimate-c.estimate) > 0.5 {
				t.Errorf("%+v", got)
			}
			if got.Low > got.Estimate || got.High < got.Estimate {
				t.Errorf("the estimate is outside its interval: %+v", got)
			}
		})
	}
	for _, c := range [][2][]float64{{nil, same}, {same, nil}, {{math.NaN()}, same}} {
		if _, err := (compare.Ranks{}).Compare(c[0], c[1]); !errors.Is(err, compare.ErrNoData) {
			t.Errorf("%v against %v: %v", c[0], c[1], err)
		}
	}
	if _, err := (compare.Ranks{}).Compare([]float64{math.Inf(1)}, same); err == nil {
		t.Error("infinity is accepted")
	}
}

// through are n values, one apart.
func through(n int, from float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = from + float64(i)
	}
	return out
}

// What shifts shifts the estimate and the interval by as much.
// TestRanksOfWhatIsRare: where nearly all values are alike, as rates of rare errors are, a few that are not are no difference.
func TestRanksOfWhatIsRare(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		var mine, base []float64
		for range 100 {
			mine, base = append(mine, rare(random)), append(base, rare(random))
		}
		if s, err := (compare.Ranks{}).Compare(mine, base); err != nil || s.Worse || s.Better || s.Estimate != 0 {
			t.Fatalf("%+v, %v", s, err)
		}
	}
}

// rare is 0 in two of three.
func rare(random *rand.Rand) float64 { return max(0, random.Float64()-2./3) }

func TestRanksShift(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Map(rapid.IntRange(-100, 100), func(n int) float64 { return float64(n) }), 2, 40)
		x, y := values.Draw(t, "mine"), values.Draw(t, "base")
		by := float64(rapid.IntRange(-50, 50).Draw(t, "by"))
		before, err := compare.Ranks{}.Compare(x, y)
		if err != nil {
			t.Fatal(err)
		}
		shifted := make([]float64, len(x))
		for i := range x {
			shifted[i] = x[i] + by
		}
		after, err := compare.Ranks{}.Compare(shifted, y)
		if err != nil {
			t.Fatal(err)
		}
		if before == (compare.Shift{Ratio: before.Ratio}) || after == (compare.Shift{Ratio: after.Ratio}) {
			return // alike, and no shift was computed
		}
		for _, pair := range [][2]float64{{before.Estimate, after.Estimate}, {before.Low, after.Low}, {before.High, after.High}} {
			if pair[0]+by != pair[1] && !(math.Abs(pair[1]-pair[0]-by) < 1e-5) { // infinite ones stay
				t.Fatalf("%+v, shifted by %v: %+v", before, by, after)
			}
		}
	})
}

func BenchmarkRate(b *testing.B) {
	var r compare.Rate
	b.ReportAllocs()
	for b.Loop() {
		r, _ = r.Add(compare.Count{Events: 2, Exposure: 1000}, compare.Count{Events: 1, Exposure: 1000})
	}
}
