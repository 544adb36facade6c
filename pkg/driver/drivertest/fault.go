package drivertest

import (
	"context"
	"strings"
	"sync"

	"github.com/sluice-gate/sluice/pkg/driver"
)

// mostWrites bounds the loops over the writes of one action.
const mostWrites = 200

// scenario is an action to be disturbed: how to come to it on a fresh peer, and what the channel may point to meanwhile.
type scenario struct {
	name string
	prep func(b *bench) Call
	old  string // contents on the channel before
	new  string // and after
}

// scenarios are the actions that every fault is tried on.
func scenarios(s Subject) []scenario {
	first := func(b *bench) Call { return b.call("1.0.0", "one") }
	second := func(b *bench) Call { b.must(first(b)); return b.call("1.1.0", "two") }
	undo := func(b *bench) Call {
		one := b.call("1.0.0", "one")
		b.must(one)
		two := b.call("1.1.0", "two")
		return two.undo(b.must(two).Before, &one)
	}
	undoFirst := func(b *bench) Call { one := first(b); return one.undo(b.must(one).Before, nil) }
	all := []scenario{
		{name: "the first release", prep: first, new: "one"},
		{name: "the second release", prep: second, old: "one", new: "two"},
		{name: "the undo of the second release", prep: undo, old: "two", new: "one"},
	}
	if _, lacks := s.Lacks[UndoFirst]; !lacks {
		all = append(all, scenario{name: "the undo of the first release", prep: undoFirst, old: "one"})
	}
	return all
}

// undisturbed is the state after the action when nothing goes wrong.
func (b *bench) undisturbed(s scenario) State {
	b.Helper()
	twin := b.fresh()
	twin.must(s.prep(twin))
	twin.wantChannel(s.name, s.new)
	return twin.state()
}

// wantOldOrNew checks that the channel is whole after a fault.
func (b *bench) wantOldOrNew(what string, s scenario) {
	b.Helper()
	if got := b.state().Channel; got != s.old && got != s.new {
		b.Errorf("%s: the channel points to %q, want %q or %q", what, got, s.old, s.new)
	}
}

func checkKilled(b *bench) {
	for _, s := range scenarios(b.subject) {
		want := b.undisturbed(s)
		kills := 0
		for killed := true; killed; kills++ {
			if kills == mostWrites {
				b.Fatalf("%s: killed before %d writes and still not done", s.name, kills)
			}
			b := b.fresh()
			call := s.prep(b)
			killed = b.peer.Kill(b.T, kills+1, call)
			b.wantOldOrNew(s.name+", killed", s)
			b.must(call.next())
			b.wantState(s.name+", killed and run again", want)
		}
		if kills < 2 {
			b.Errorf("%s was over without a write", s.name)
		}
		b.Logf("%s: killed before each of its %d writes", s.name, kills-1)
	}
	b.killedThenUndone()
}

// killedThenUndone kills a release at each write, and then cancels it.
func (b *bench) killedThenUndone() {
	b.Helper()
	for n, killed := 1, true; killed && n <= mostWrites; n++ {
		b := b.fresh()
		one := b.call("1.0.0", "one")
		before := b.must(one).Value
		two := b.call("1.1.0", "two")
		killed = b.peer.Kill(b.T, n, two)
		b.must(two.undo(before, &one))
		b.wantChannel("a release that was killed and then undone", "one")
	}
}

func checkCancelled(b *bench) {
	for _, s := range scenarios(b.subject) {
		want := b.undisturbed(s)
		b.cancelledAtOnce(s)
		for n, cancelled := 1, true; cancelled; n++ {
			if n > mostWrites {
				b.Fatalf("%s: cancelled before %d writes and still not done", s.name, n)
			}
			b := b.fresh()
			call := s.prep(b)
			ctx, cancel := context.WithCancel(b.Context())
			cancelled = false
			_, err := call.Run(ctx, b.peer.OnWrite(b.T, func(write int) {
				if write > n {
					b.Errorf("%s: write %d after the context ended before write %d", s.name, write, n)
				}
				if write == n {
					cancelled = true
					cancel()
				}
			}))
			cancel()
			if cancelled {
				b.wantCancelled(s.name, err)
				b.wantSaid(s.name, err)
			} else if err != nil {
				b.Errorf("%s: %v", s.name, err)
			}
			b.wantOldOrNew(s.name+", cancelled", s)
			b.must(call.next())
			b.wantState(s.name+", cancelled and run again", want)
		}
	}
}

// cancelledAtOnce makes the call with a context that has ended.
func (b *bench) cancelledAtOnce(s scenario) {
	b.Helper()
	b = b.fresh()
	call := s.prep(b)
	want := b.state()
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	_, err := call.Run(ctx, b.open())
	b.wantCancelled(s.name+" with a context that has ended", err)
	b.wantState(s.name+" with a context that has ended", want)
}

func checkLostAnswer(b *bench) {
	for _, s := range scenarios(b.subject) {
		want := b.undisturbed(s)
		for n := 1; ; n++ {
			if n > mostWrites {
				b.Fatalf("%s: lost the answers of %d writes and still not done", s.name, n)
			}
			b := b.fresh()
			call := s.prep(b)
			_, err := call.Run(b.Context(), b.peer.LoseAnswer(b.T, n))
			if driver.IsRefused(err) {
				b.Errorf("%s, the answer to write %d lost: refused: %v", s.name, n, err)
			}
			b.wantOldOrNew(s.name+", an answer lost", s)
			b.must(call.next())
			b.wantState(s.name+", an answer lost and run again", want)
			if err == nil { // there is no such write, or the driver looked and found it done
				break
			}
		}
	}
}

func checkConcurrent(b *bench) {
	const instances = 4
	for _, s := range scenarios(b.subject)[:2] {
		want := b.undisturbed(s)
		b := b.fresh()
		call := s.prep(b)
		var calls []Call
		for range instances {
			calls = append(calls, call)
			call = call.next()
		}
		for i, err := range b.together(calls...) {
			if err != nil {
				b.Errorf("%s by %d instances, %s: %v", s.name, instances, calls[i], err)
			}
		}
		b.wantState(s.name+" by several instances", want)
	}

	one, two := b.call("1.1.0", "one"), b.call("1.2.0", "two")
	errs := b.together(one, two)
	_, back := b.subject.Lacks[Forward]
	forward := b.subject.Role == driver.Promote && !back
	if errs[1] != nil || errs[0] != nil && (!forward || !driver.IsRefused(errs[0])) {
		b.Errorf("two releases at once: %v", errs)
	}
	if got := b.state().Channel; got != "two" && (forward || got != "one") {
		b.Errorf("two releases at once: the channel points to %q", got)
	}
}

// together makes the calls at the same time, each by an instance of its own.
func (b *bench) together(calls ...Call) []error {
	b.Helper()
	errs := make([]error, len(calls))
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i, c := range calls {
		d := b.open()
		wg.Go(func() {
			<-start
			_, errs[i] = c.Run(b.Context(), d)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

func checkCredentials(b *bench) {
	call := b.call("1.0.0", "one")
	want := b.state()
	d, secret := b.peer.WrongSecret(b.T)
	if secret == "" {
		b.Fatal("the subject tells no secret")
	}
	_, err := call.Run(b.Context(), d)
	b.wantRefused("wrong credentials", err)
	if err != nil && strings.Contains(err.Error(), secret) {
		b.Errorf("wrong credentials: the error tells them: %v", err)
	}
	b.wantState("after wrong credentials", want)
}

func checkUnreachable(b *bench) {
	one := b.call("1.0.0", "one")
	b.must(one)
	two := b.call("1.1.0", "two")
	want := b.state()
	for _, c := range []Call{two, one.undo("", nil)} {
		_, err := c.Run(b.Context(), b.peer.Outage(b.T))
		if err == nil || driver.IsRefused(err) {
			b.Errorf("%s in an outage: %v, want an error that is no refusal", c, err)
		} else {
			b.wantReadable(c.String(), err)
		}
		b.wantState("after an outage", want)
	}
	if b.looks() {
		if seen, err := b.peer.Outage(b.T).Look(b.Context(), one.Release()); err == nil || driver.IsRefused(err) {
			b.Errorf("look in an outage: %+v, %v, want an error that is no refusal", seen, err)
		}
	}
	b.must(two)
	b.wantChannel("after the outage", "two")
}
