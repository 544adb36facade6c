package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/services/e2e/chaos/internal/check"
)

// play runs chaos and returns what it came to. It says what happened when the test fails.
func play(t *testing.T, cfg config) report {
	t.Helper()
	said := new(strings.Builder)
	cfg.Dir, cfg.Out = t.TempDir(), said
	r, err := run(t.Context(), cfg)
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	r.write(said)
	t.Log(said)
	if left, _ := filepath.Glob(fmt.Sprintf("/var/run/netns/sc%d*", os.Getpid()%1_000_000)); len(left) > 0 && !cfg.Loopback {
		t.Errorf("it leaves %v behind", left)
	}
	return r
}

// TestChaos is a short run of all of it. `make chaos` is a long one.
func TestChaos(t *testing.T) {
	if raceDetector { // it does not reach into the programs that are played with
		t.Log("chaos is played without the race detector, in the other run of this package")
		return
	}
	r := play(t, config{For: 20 * time.Second, End: endWithin, Play: both})
	for _, v := range r.violations {
		t.Error(v)
	}
	if r.nothing() {
		t.Error("too little happened to show anything")
	}
}

// TestChaosOnLoopback is what a machine without namespaces runs. It is for the most part a wait for hints that the killed had in hand,
// and shares nothing with what makes namespaces beside it.
func TestChaosOnLoopback(t *testing.T) {
	t.Parallel()
	if raceDetector {
		t.Log("chaos is played without the race detector, in the other run of this package")
		return
	}
	r := play(t, config{For: 5 * time.Second, End: endWithin, Play: full, Loopback: true, Only: []string{"isolate-node", "part-nodes", "kill"}})
	for _, v := range r.violations {
		t.Error(v)
	}
	if r.faults.total() == 0 {
		t.Error("nothing went wrong")
	}
}

// flaw is a build that leaves one protection out, what is played to see it missed, and the invariant that is violated then.
type flaw struct {
	tag, shows string
	only       []string
	play       time.Duration
}

// flaws are those that some seconds of racing show. flaw_stale and flaw_wildcard are services/promoter's (TestRaceCatches), and
// flaw_deadline and flaw_ack are for simulated time (services/e2e, TestStoppedForAnHourCatches and TestKilledAtEveryAckCatches).
func flaws() []flaw {
	return []flaw{
		{"flaw_settle", "I2", []string{"step-down"}, 10 * time.Second},
		{"flaw_append", "I0", []string{"step-down"}, 10 * time.Second},
		{"flaw_clock", "I3", []string{"fast-clock"}, 10 * time.Second},
	}
}

// TestChaosCatches is the test of the test: without any one of the protections there are violations. With the race detector, which
// does not reach into the programs that are played with, it would show the same a second time.
func TestChaosCatches(t *testing.T) {
	t.Parallel()
	if raceDetector {
		t.Log("the flawed builds are run without the race detector, in the other run of this package")
		return
	}
	const stuckAfter = 5 * time.Second // what is stuck is another violation than the one that is looked for
	for _, f := range flaws() {
		t.Run(f.tag, func(t *testing.T) {
			var last []check.Violation
			for range 4 { // some need luck
				last = play(t, config{For: f.play, End: stuckAfter, Play: protocol, Only: f.only, Tags: f.tag}).violations
				if slices.ContainsFunc(last, func(v check.Violation) bool { return v.Name == f.shows }) {
					return
				}
			}
			t.Errorf("without its protection %s is not violated; seen last: %v", f.shows, last)
		})
	}
}

func TestWrongFlags(t *testing.T) {
	for want, args := range map[string][]string{
		"-play \"all\"":     {"-play", "all"},
		"more than 0":       {"-for", "0s"},
		"-only \"earthqua…": {"-only", "earthquake"},
	} {
		err := command(t.Context(), args)
		if err == nil || !strings.Contains(err.Error(), strings.TrimSuffix(want, "…")) {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestNothingIsLeft(t *testing.T) {
	dir, remove, err := dirFor(false)
	if err != nil {
		t.Fatal(err)
	}
	remove()
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", dir, err)
	}
}
