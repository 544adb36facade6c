package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/sluice-gate/sluice/services/e2e/chaos/internal/rig"
)

// fault is one thing that goes wrong. inject makes it so and heal puts it right, also what was only half done; a fault that could
// not be injected does not count.
type fault struct {
	kind   string
	inject func(ctx context.Context) error
	heal   func() error
	least  time.Duration // how long it lasts
	most   time.Duration
}

// maker makes a fault of a kind, at a place that it draws.
type maker struct {
	name   string // for -only
	weight int
	make   func(a *arena) fault
}

func nothing() error { return nil }

// only keeps the makers of these names; none keeps all.
func only(makers []maker, names []string) []maker {
	if len(names) == 0 {
		return makers
	}
	return slices.DeleteFunc(makers, func(m maker) bool { return !slices.Contains(names, m.name) })
}

// brokerFaults happen to one node at a time, so that two of three go on, as a cluster is built for.
func brokerFaults() []maker {
	return []maker{
		{"step-down", 10, stepDown},
		{"kill-node", 4, killNode},
		{"kill-leader", 2, killLeader},
		{"isolate-node", 3, isolateNode},
		{"part-nodes", 2, partNodes},
		{"pause-node", 3, pauseNode},
		{"full-disk", 1, fullDisk},
	}
}

// serviceFaults happen to services and to what is delivered to them, whatever happens to the brokers.
func serviceFaults() []maker {
	return []maker{
		{"kill", 6, killService},
		{"pause", 3, pauseService},
		{"isolate", 3, isolateService},
		{"cut", 3, cutService},
		{"slow", 2, slowService},
		{"fast-clock", 3, fastClock},
		{"slow-clock", 3, slowClock},
		{"stop-at-work", 4, stopAtWork},
		{"steal", 3, stealDeliveries},
		{"reorder", 3, reorderDeliveries},
		{"recreate", 1, recreateConsumer},
	}
}

func killNode(a *arena) fault {
	node := a.Node(rand.IntN(rig.Nodes))
	return fault{
		kind: "kill -9 of a broker node", least: 500 * time.Millisecond, most: 3 * time.Second,
		inject: func(context.Context) error { node.Down(); return nil }, heal: node.Up,
	}
}

func killLeader(a *arena) fault {
	node := a.Node(0)
	return fault{
		kind: "kill -9 of the broker node that leads", least: 500 * time.Millisecond, most: 3 * time.Second,
		inject: func(ctx context.Context) error {
			if i := a.leader(ctx); i >= 0 {
				node = a.Node(i)
			}
			node.Down()
			return nil
		},
		heal: func() error { return node.Up() },
	}
}

func isolateNode(a *arena) fault {
	i := rand.IntN(rig.Nodes)
	return fault{
		kind: "partition of a broker node", least: time.Second, most: 6 * time.Second,
		inject: func(context.Context) error { return a.Isolate(i, true) }, heal: func() error { return a.Isolate(i, false) },
	}
}

func partNodes(a *arena) fault {
	i := rand.IntN(rig.Nodes)
	j := (i + 1 + rand.IntN(rig.Nodes-1)) % rig.Nodes
	return fault{
		kind: "partition between two broker nodes", least: time.Second, most: 6 * time.Second,
		inject: func(context.Context) error { return a.Part(i, j, true) }, heal: func() error { return a.Part(i, j, false) },
	}
}

func pauseNode(a *arena) fault {
	node := a.Node(rand.IntN(rig.Nodes))
	return fault{
		kind: "SIGSTOP of a broker node", least: 500 * time.Millisecond, most: 6 * time.Second,
		inject: func(context.Context) error { return node.Pause() }, heal: node.Resume,
	}
}

func fullDisk(a *arena) fault {
	return fault{
		kind: "full disk of a broker node", least: time.Second, most: 4 * time.Second,
		inject: func(context.Context) error { return a.FillDisk() }, heal: a.FreeDisk,
	}
}

func killService(a *arena) fault {
	s := anyService(a)
	return fault{
		kind: "kill -9 of a " + s.Kind, most: 3 * time.Second,
		inject: func(context.Context) error { s.Down(); return nil }, heal: s.Up,
	}
}

func pauseService(a *arena) fault {
	s := anyService(a)
	return fault{
		// some for longer than the broker waits for an acknowledgement
		kind: "SIGSTOP of a " + s.Kind, least: time.Second, most: 13 * time.Second,
		inject: func(context.Context) error { return s.Pause() }, heal: s.Resume,
	}
}

func isolateService(a *arena) fault {
	s := anyService(a)
	return fault{
		kind: "partition of a " + s.Kind, least: time.Second, most: 13 * time.Second,
		inject: func(context.Context) error { s.Isolate(true); return nil },
		heal:   func() error { s.Isolate(false); return nil },
	}
}

func cutService(a *arena) fault {
	s := anyService(a)
	return fault{
		kind: "broken connections of a " + s.Kind, heal: nothing,
		inject: func(context.Context) error { s.Cut(); return nil },
	}
}

func slowService(a *arena) fault {
	s := anyService(a)
	by := time.Duration(20+rand.IntN(180)) * time.Millisecond
	return fault{
		kind: "slow network of a " + s.Kind, least: time.Second, most: 5 * time.Second,
		inject: func(context.Context) error { s.Slow(by); return nil },
		heal:   func() error { s.Slow(0); return nil },
	}
}

// The clock of a restarted service stays wrong until its next restart by a fault.
func fastClock(a *arena) fault { return wrongClock(a, "fast", time.Hour) }
func slowClock(a *arena) fault { return wrongClock(a, "slow", -time.Hour) }

func wrongClock(a *arena, how string, by time.Duration) fault {
	s := anyService(a)
	return fault{
		kind: "clock an hour " + how, heal: nothing,
		inject: func(context.Context) error { s.SetClock(by); s.Kill(); return nil },
	}
}

// workAt is the event with which a service announces outside work.
func workAt(kind string) string {
	return map[string]string{"publisher": "publishing", "stager": "staging", "promoter": "promoting"}[kind]
}

// stopAtWork stops a service between announcing an outside action and doing it, for longer than the attempt may take: what an
// hour is to an attempt of ten minutes. When it goes on, another has done the work long since.
func stopAtWork(a *arena) fault {
	var working []string
	for _, s := range a.services {
		if workAt(s.Kind) != "" {
			working = append(working, s.Kind)
		}
	}
	kind := working[rand.IntN(len(working))]
	var stopped *rig.Service
	return fault{
		kind:  fmt.Sprintf("%s stopped between %q and its driver", kind, workAt(kind)),
		least: patience + time.Second, most: patience + 8*time.Second,
		inject: func(ctx context.Context) (err error) {
			stopped, err = a.stopAt(ctx, kind)
			return err
		},
		heal: func() error {
			if stopped == nil {
				return nil
			}
			return stopped.Resume()
		},
	}
}

func anyService(a *arena) *rig.Service { return a.services[rand.IntN(len(a.services))] }

// How long nothing goes wrong between two faults of a kind, at most. While something does, little races.
const (
	betweenBrokers = 12 * time.Second
	betweenOthers  = 6 * time.Second
)

// between draws a pause; the first is short, and so are all of a short run.
func (in *injector) between(most time.Duration, first bool) time.Duration {
	if most = min(most, in.run/8); first {
		most = min(most, 2*time.Second)
	}
	return most/2 + time.Duration(rand.Int64N(int64(most/2)))
}

// wholeWithin is how long a cluster may take to find itself again after a fault, before the next one comes.
const wholeWithin = 30 * time.Second

// injector lets faults happen one after the other, and counts them.
type injector struct {
	say func(format string, args ...any)
	run time.Duration // how long things go wrong

	mu     sync.Mutex
	counts map[string]int
	failed map[string]int
}

func newInjector(run time.Duration, say func(format string, args ...any)) *injector {
	return &injector{say: say, run: run, counts: map[string]int{}, failed: map[string]int{}}
}

// brokers breaks the nodes of an arena, and waits after each fault until the cluster is whole.
func (in *injector) brokers(ctx context.Context, a *arena, makers []maker) {
	for first := true; pause(ctx, in.between(betweenBrokers, first)); first = false {
		f := draw(makers)(a)
		in.one(ctx, a, f)
		if ill := a.healthy(ctx, wholeWithin); ill != nil && ctx.Err() == nil {
			in.say("%s: not whole %s after %s: %v", a.name, wholeWithin, f.kind, ill)
		}
	}
}

// others breaks services and deliveries of an arena.
func (in *injector) others(ctx context.Context, a *arena, makers []maker) {
	for first := true; pause(ctx, in.between(betweenOthers, first)); first = false {
		in.one(ctx, a, draw(makers)(a))
	}
}

func (in *injector) one(ctx context.Context, a *arena, f fault) {
	err := f.inject(ctx)
	if err == nil {
		pause(ctx, f.least+time.Duration(rand.Int64N(int64(f.most-f.least+1))))
		err = f.heal()
	} else {
		_ = f.heal() // of what was half done
	}
	if ctx.Err() != nil && err != nil {
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if err != nil {
		in.failed[f.kind]++
		in.say("%s: %s: %v", a.name, f.kind, err)
		return
	}
	in.counts[f.kind]++
}

func (in *injector) total() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	n := 0
	for _, count := range in.counts {
		n += count
	}
	return n
}

func (in *injector) kinds() []string {
	return slices.Sorted(maps.Keys(in.counts))
}

func draw(makers []maker) func(*arena) fault {
	total := 0
	for _, m := range makers {
		total += m.weight
	}
	n := rand.IntN(total)
	for _, m := range makers {
		if n -= m.weight; n < 0 {
			return m.make
		}
	}
	return makers[0].make
}
