// Watchsim shows, by drawing soaks, what a way of judging is worth: how often it raises a false alarm in a two-hour soak without a
// regression, and how long it takes to see one. It looks every ten seconds, as a watcher does. `make watch-sim` runs it; the same
// seed prints the same.
//
// What is drawn: requests come with a rate that swings by half over the soak; each fails with a chance of one in a hundred in
// production, and that times the regression in staging. The value of a latency is drawn for each look, with a log-normal spread of
// a fifth, which is not what the test of means was made for.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"
)

func main() {
	soaks := flag.Int("soaks", 1000, "`soaks` drawn for each line")
	seed := flag.Uint64("seed", 1, "`seed` of what is drawn")
	alpha := flag.Float64("alpha", 0.01, "chance of a false alarm in a soak that the sequential tests are set to")
	flag.Parse()
	if *soaks < 1 || *alpha <= 0 || *alpha >= 1 {
		fmt.Fprintln(os.Stderr, "watchsim: -soaks is at least 1, -alpha between 0 and 1")
		os.Exit(2)
	}
	if err := table(os.Stdout, setup{soaks: *soaks, seed: *seed, alpha: *alpha}); err != nil {
		fmt.Fprintln(os.Stderr, "watchsim:", err)
		os.Exit(1)
	}
}

func traffics() []float64 { return []float64{10, 100, 1000} }

// table prints a line for every method, traffic and size of a regression.
func table(w io.Writer, s setup) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format, args...) } // Flush has its error
	line("%d soaks of %s each, a look every %s, seed %d, sequential at %g\n\n", s.soaks, soak, every, s.seed, s.alpha)
	line("what\tmethod\trequests/look\tregression\talarms\tmedian delay\t90 %%\n")
	for _, k := range kinds() {
		for _, traffic := range k.traffics {
			for _, size := range k.sizes {
				for i, r := range s.run(k, traffic, size) {
					line("%s\t%s\t%g\t%s\t%s\t%s\t%s\n", k.name, k.methods[i].name, traffic, sized(size),
						percent(r.alarms(), s.soaks), r.delay(0.5), r.delay(0.9))
				}
			}
		}
	}
	return out.Flush()
}

func sized(size float64) string {
	if size == 1 {
		return "none"
	}
	return fmt.Sprintf("%g times", size)
}

func percent(n, of int) string { return fmt.Sprintf("%.1f %%", 100*float64(n)/float64(of)) }

const (
	soak  = 2 * time.Hour
	every = 10 * time.Second
	looks = int(soak / every)
)
