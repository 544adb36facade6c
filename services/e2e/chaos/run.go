package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/sluice-gate/sluice/services/e2e/chaos/internal/check"
	"github.com/sluice-gate/sluice/services/e2e/chaos/internal/rig"
)

// config is what a run is asked for.
type config struct {
	For      time.Duration // how long faults and new releases go on
	Play     string        // protocol, full, or both
	Tags     string        // build tags of the services: a flaw
	Loopback bool          // no namespaces
	End      time.Duration // how long everything may take to end when nothing goes wrong any more
	Calm     bool          // nothing goes wrong
	Only     []string      // the faults that happen; none: all
	Dir      string        // for everything that the run writes
	Out      io.Writer     // for people
}

// The two arenas.
const (
	protocol = "protocol"
	full     = "full"
	both     = "both"
)

// kinds are the services that a play needs.
func kinds(play string) []string {
	if play == protocol {
		return []string{"promoter"}
	}
	return rig.Services()
}

// endWithin is the default of config.End.
const endWithin = 3 * time.Minute

// chaos is one run.
type chaos struct {
	config
	arenas   []*arena
	injector *injector
	began    time.Time
	mu       sync.Mutex // of Out
}

func (c *chaos) say(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = fmt.Fprintf(c.Out, "%6s  %s\n", time.Since(c.began).Round(time.Second), fmt.Sprintf(format, args...))
}

// run plays, and judges. Its error says that there was nothing to judge.
func run(ctx context.Context, cfg config) (r report, err error) {
	c := &chaos{config: cfg, began: time.Now()}
	c.injector = newInjector(cfg.For, c.say)
	root, err := rig.Root(ctx)
	if err != nil {
		return report{}, err
	}
	bin, err := rig.Build(ctx, root, cfg.Tags, kinds(cfg.Play))
	if err != nil {
		return report{}, err
	}
	c.say("built the broker and the services")
	defer func() {
		for _, a := range c.arenas {
			err = errors.Join(err, a.close())
		}
	}()
	for i, name := range []string{protocol, full} {
		if cfg.Play != both && cfg.Play != name {
			continue
		}
		dir := filepath.Join(cfg.Dir, name)
		a, err := newArena(ctx, name, rig.Setup{
			Bin: bin, Dir: dir, Number: i, Loopback: cfg.Loopback, Disk: 128<<20 + int64(cfg.For.Seconds())*(2<<20),
		}, kinds(name))
		c.arenas = append(c.arenas, a)
		if err != nil {
			return report{}, err
		}
		if name == full {
			if err := a.apply(ctx, bin.Path("effect")); err != nil {
				return report{}, err
			}
		}
		c.say("%s: %d brokers on %s; %d services", name, rig.Nodes, a.Network(), len(a.services))
	}
	c.play(ctx)
	return c.judge(ctx)
}

// play lets the workload and the faults run, then heals everything and waits until all has ended.
func (c *chaos) play(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, c.For+c.End+wholeWithin+healWithin)
	defer cancel()
	faults, endFaults := context.WithCancel(ctx)
	defer endFaults()
	stop := make(chan struct{})
	var workload sync.WaitGroup
	var meddlers sync.WaitGroup
	for _, a := range c.arenas {
		if a.name == protocol {
			workload.Go(func() { a.race(ctx, stop) })
		} else {
			workload.Go(func() { a.releases(ctx, stop) })
		}
		if c.Calm {
			continue
		}
		if makers := only(brokerFaults(), c.Only); len(makers) > 0 {
			meddlers.Go(func() { c.injector.brokers(faults, a, makers) })
		}
		if makers := only(serviceFaults(), c.Only); len(makers) > 0 {
			meddlers.Go(func() { c.injector.others(faults, a, makers) })
		}
	}
	c.watch(ctx)
	close(stop)
	endFaults()
	meddlers.Wait()
	for _, a := range c.arenas {
		if ill := a.healthy(ctx, wholeWithin); ill != nil {
			c.say("%s: not whole: %v", a.name, ill)
		}
	}
	c.say("everything is healed, waiting for the last releases")
	late := time.AfterFunc(c.End, cancel) // what has not ended by then is stuck
	defer late.Stop()
	workload.Wait()
	for _, a := range c.arenas {
		if !a.idle(ctx) {
			c.say("%s: the services still have something to do", a.name)
		}
	}
}

// watch says once in a while how it goes, until time is up.
func (c *chaos) watch(ctx context.Context) {
	until := time.Now().Add(c.For)
	for left := c.For; left > 0; left = time.Until(until) {
		if !pause(ctx, min(left, max(c.For/20, 10*time.Second))) {
			return
		}
		text := ""
		for _, a := range c.arenas {
			asked, ended := a.book.counts()
			text += fmt.Sprintf("%s: %d requests, %d releases ended; ", a.name, asked, ended)
		}
		c.say("%s%d faults", text, c.injector.total())
	}
}

// judge reads what is left of the arenas.
func (c *chaos) judge(ctx context.Context) (report, error) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	r := report{
		config: c.config, faults: c.injector,
		figures: map[string]check.Figures{}, restarts: map[string]int{}, clients: map[string]int{}, stories: map[string][]string{},
	}
	for _, a := range c.arenas {
		h, err := a.read(ctx)
		if err != nil {
			return r, fmt.Errorf("%s: %w", a.name, err)
		}
		f, violations := h.Judge()
		r.figures[a.name], r.clients[a.name] = f, len(h.Asked)
		r.violations = append(r.violations, violations...)
		for _, v := range violations {
			r.stories[v.Release] = h.Story(v.Release)
		}
		for _, log := range a.logs() {
			panics, err := rig.Panics(log)
			if err != nil {
				return r, err
			}
			for _, text := range panics {
				r.violations = append(r.violations, check.Violation{Name: "panic", Release: filepath.Base(log), Text: text})
			}
		}
		for _, s := range a.services {
			r.restarts[a.name] += s.Exits()
		}
		r.notes = append(r.notes, a.name+": "+a.Network(), a.name+": full disk: "+a.FullDisk())
	}
	return r, nil
}

// dirFor makes the directory of a run, and what removes it.
func dirFor(keep bool) (dir string, remove func(), err error) {
	if dir, err = os.MkdirTemp("", "sluice-chaos-"); err != nil {
		return "", nil, err
	}
	return dir, func() {
		if !keep {
			_ = os.RemoveAll(dir)
		}
	}, nil
}

func plays() []string { return []string{protocol, full, both} }

func (c config) check() error {
	if !slices.Contains(plays(), c.Play) {
		return fmt.Errorf("-play %q: want one of %v", c.Play, plays())
	}
	if c.For <= 0 {
		return fmt.Errorf("-for %s: want more than 0", c.For)
	}
	var names []string
	for _, m := range slices.Concat(brokerFaults(), serviceFaults()) {
		names = append(names, m.name)
	}
	for _, name := range c.Only {
		if !slices.Contains(names, name) {
			return fmt.Errorf("-only %q: want some of %v", name, names)
		}
	}
	return nil
}
