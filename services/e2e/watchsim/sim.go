package main

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/sluice-gate/sluice/pkg/compare"
)

// setup is what is drawn of everything.
type setup struct {
	soaks int
	seed  uint64
	alpha float64
}

// look is what is seen in one interval, on both sides.
type look struct {
	mine, base               compare.Count
	mineLatency, baseLatency float64
}

// method is a way of judging: it is asked after every look, with all of them so far, until it says that something is wrong.
type method struct {
	name  string
	begin func(s setup) func(looks []look) bool
}

// kind is what is measured, and what judges it.
type kind struct {
	name     string
	draw     func(random *rand.Rand, at int, traffic, size float64) look
	methods  []method
	traffics []float64
	sizes    []float64
}

func kinds() []kind {
	return []kind{
		{
			"errors", drawErrors, []method{
				{"threshold", threshold}, {"mann-whitney", mannWhitney}, {"ranks once", ranksOnce(errorRates)}, {"sequential", sequentialRate},
			},
			traffics(), []float64{1, 1.5, 2, 5, 10},
		},
		{
			"latency", drawLatency, []method{
				{"mann-whitney", latencyRanks}, {"ranks once", ranksOnce(latencies)}, {"sequential", sequentialMean},
			},
			[]float64{1}, []float64{1, 1.05, 1.1, 1.5},
		},
	}
}

const failing = 0.01 // the part of requests that fails without a regression

func drawErrors(random *rand.Rand, at int, traffic, size float64) look {
	swing := 1 + 0.5*math.Sin(2*math.Pi*float64(at)/float64(looks))
	side := func(chance float64) compare.Count {
		n := poisson(random, traffic*swing)
		return compare.Count{Events: binomial(random, n, chance), Exposure: float64(n)}
	}
	return look{mine: side(min(1, failing*size)), base: side(failing)}
}

func drawLatency(random *rand.Rand, _ int, _, size float64) look {
	value := func() float64 { return 200 * math.Exp(0.2*random.NormFloat64()) }
	return look{mineLatency: value() * size, baseLatency: value()}
}

// threshold is the rule that people write first: in three looks in a row twice as many errors as is normal.
func threshold(setup) func([]look) bool {
	const limit, inARow = 2 * failing, 3
	count := 0
	return func(looks []look) bool {
		l := looks[len(looks)-1]
		if l.mine.Exposure == 0 || float64(l.mine.Events)/l.mine.Exposure <= limit {
			count = 0
		} else {
			count++
		}
		return count >= inARow
	}
}

// sequentialRate and sequentialMean are what the watcher does.
func sequentialRate(s setup) func([]look) bool {
	var r compare.Rate
	return func(looks []look) bool {
		l := looks[len(looks)-1]
		r, _ = r.Add(l.mine, l.base) // what is drawn is valid
		return r.Worse(s.alpha)
	}
}

func sequentialMean(s setup) func([]look) bool {
	var m compare.Mean
	return func(looks []look) bool {
		l := looks[len(looks)-1]
		m, _ = m.Add(l.mineLatency, l.baseLatency)
		return m.Worse(s.alpha)
	}
}

// perMinute is how many looks make a value for the test of ranks, which wants some requests in each; leastMinutes is how many
// values it waits for. It is then repeated every minute.
const (
	perMinute    = int(time.Minute / every)
	leastMinutes = 10
)

// mannWhitney repeats the test for one look on all there is, each time as if it were the only time.
func mannWhitney(setup) func([]look) bool { return everyMinute(errorRates, compare.Ranks{}) }

func latencyRanks(setup) func([]look) bool { return everyMinute(latencies, compare.Ranks{}) }

// errorRates and latencies are the values of a minute.
func errorRates(minute []look) (mine, base float64) {
	var m, b compare.Count
	for _, l := range minute {
		m.Events, m.Exposure = m.Events+l.mine.Events, m.Exposure+l.mine.Exposure
		b.Events, b.Exposure = b.Events+l.base.Events, b.Exposure+l.base.Exposure
	}
	return float64(m.Events) / m.Exposure, float64(b.Events) / b.Exposure
}

func latencies(minute []look) (mine, base float64) {
	for _, l := range minute {
		mine, base = mine+l.mineLatency, base+l.baseLatency
	}
	return mine, base
}

// ranksOnce is the same test, asked once, when four fifths of the soak are over, as the watcher does.
func ranksOnce(value func(minute []look) (mine, base float64)) func(setup) func([]look) bool {
	const asked = looks * 4 / 5 / perMinute
	return func(setup) func([]look) bool {
		return func(seen []look) bool {
			if len(seen) != asked*perMinute {
				return false
			}
			var mine, base []float64
			for minute := range slices.Chunk(seen, perMinute) {
				m, b := value(minute)
				mine, base = append(mine, m), append(base, b)
			}
			shift, err := compare.Ranks{}.Compare(mine, base)
			return err == nil && shift.Worse
		}
	}
}

func everyMinute(value func(minute []look) (mine, base float64), ranks compare.Ranks) func([]look) bool {
	var mine, base []float64
	return func(looks []look) bool {
		if len(looks)%perMinute != 0 {
			return false
		}
		m, b := value(looks[len(looks)-perMinute:])
		mine, base = append(mine, m), append(base, b)
		if len(mine) < leastMinutes {
			return false
		}
		shift, err := ranks.Compare(mine, base)
		return err == nil && shift.Worse
	}
}

// result is when a method raised its alarm, for each soak that it did.
type result []time.Duration

func (r result) alarms() int { return len(r) }

// delay is a quantile of the delays of the alarms.
func (r result) delay(q float64) string {
	if len(r) == 0 {
		return "-"
	}
	return r[min(len(r)-1, int(q*float64(len(r))))].String()
}

// run draws the soaks and has every method judge each.
func (s setup) run(k kind, traffic, size float64) []result {
	delays := make([][]time.Duration, len(k.methods))
	for i := range delays {
		delays[i] = make([]time.Duration, s.soaks)
	}
	var all sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for n := range next {
				for i, d := range s.one(k, traffic, size, n) {
					delays[i][n] = d
				}
			}
		})
	}
	for n := range s.soaks {
		next <- n
	}
	close(next)
	all.Wait()
	out := make([]result, len(k.methods))
	for i := range delays {
		out[i] = slices.DeleteFunc(delays[i], func(d time.Duration) bool { return d == 0 })
		slices.Sort(out[i])
	}
	return out
}

// one is one soak: when each method raised its alarm, 0 for never.
func (s setup) one(k kind, traffic, size float64, n int) []time.Duration {
	random := rand.New(rand.NewPCG(s.seed, uint64(n))) //nolint:gosec // drawn again by the same seed; n is not negative
	judges := make([]func([]look) bool, len(k.methods))
	for i, m := range k.methods {
		judges[i] = m.begin(s)
	}
	out := make([]time.Duration, len(judges))
	seen := make([]look, 0, looks)
	for at := range looks {
		seen = append(seen, k.draw(random, at, traffic, size))
		for i, judge := range judges {
			if out[i] == 0 && judge(seen) {
				out[i] = time.Duration(at+1) * every
			}
		}
	}
	return out
}

// poisson draws a number of events, by a normal approximation where there are many.
func poisson(random *rand.Rand, mean float64) int {
	if mean > 500 {
		return max(0, int(math.Round(mean+math.Sqrt(mean)*random.NormFloat64())))
	}
	n, left := 0, random.ExpFloat64()
	for left < mean {
		n++
		left += random.ExpFloat64()
	}
	return n
}

// binomial draws how many of n succeed, by the gaps between those that do.
func binomial(random *rand.Rand, n int, p float64) int {
	if p >= 1 {
		return n
	}
	k, at := 0, 0
	for {
		at += 1 + int(random.ExpFloat64()/-math.Log1p(-p))
		if at > n {
			return k
		}
		k++
	}
}
