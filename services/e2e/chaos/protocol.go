package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// The race at protocol level: releases of a project that has nothing to promote, so that the promoter does all that it does but
// for the driver. Their journals begin where a release comes due, and everybody asks at that moment.
const (
	racers    = 120 // releases at once
	rounds    = 3   // of requests
	perRound  = 5
	moment    = 15 * time.Millisecond // the requests of a round come within this time of each other
	roundEnds = 5 * time.Second       // when the broker is without a leader
	longDelay = time.Hour             // of what is not due before all this is over
)

// race starts races until stop ends, and ends them all before ctx does.
func (a *arena) race(ctx context.Context, stop <-chan struct{}) {
	a.book.history.Waits = true
	var all sync.WaitGroup
	defer all.Wait()
	for i := range racers { // each its project: a lane would let one of its releases come due at a time
		all.Go(func() {
			project := fmt.Sprintf("race-%d", i)
			revision := a.applied(ctx, project)
			for !over(stop) && ctx.Err() == nil {
				a.raceOne(ctx, project, revision)
			}
		})
	}
}

// applied stores the project file, while things go wrong already, and returns its revision.
func (a *arena) applied(ctx context.Context, project string) (revision string) {
	for {
		within, cancel := context.WithTimeout(ctx, askWithin)
		_, revision, err := a.catalog.Apply(within, project+".yaml", []byte("project: "+project+"\n"))
		cancel()
		if err == nil || !pause(ctx, againAfter) {
			return revision
		}
	}
}

func over(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

// raceOne lets one release come due among requests.
func (a *arena) raceOne(ctx context.Context, project, revision string) {
	id := uuid.Must(uuid.NewV7()).String()
	if !a.seed(ctx, id, project, revision) {
		return
	}
	for range rounds {
		least := a.round(ctx, id)
		within, cancel := context.WithTimeout(ctx, roundEnds)
		s, err := a.until(within, id, func(s release.State) bool { return s.Folded >= least && s.Phase != release.Promoting })
		cancel()
		if err == nil && s.Phase.Ended() {
			return
		}
	}
	if rand.IntN(5) == 0 { // nobody asks for anything any more: it has to get on by itself
		_, _ = a.until(ctx, id, func(s release.State) bool { return s.Phase.Ended() || s.Phase == release.Held || waitsLong(s) })
		return
	}
	for ctx.Err() == nil {
		a.insist(ctx, []string{topology.VerbCancel, topology.VerbExpedite, topology.VerbResume}[rand.IntN(3)], id)
		within, cancel := context.WithTimeout(ctx, roundEnds)
		_, err := a.until(within, id, func(s release.State) bool { return s.Phase.Ended() })
		cancel()
		if err == nil {
			return
		}
	}
}

// waitsLong tells of a release that is not due before all this is over, or that was expedited and waits for a watcher to see its
// checks pass: here there is none.
func waitsLong(s release.State) bool {
	return s.Phase == release.Soaking && (s.Expedited != nil && s.Delay() > 0 || time.Until(s.Due) > longDelay/2)
}

// seed begins the journal of a release that soaks: one is due now, one in a moment, one in a long while, unless it is expedited.
func (a *arena) seed(ctx context.Context, id, project, revision string) bool {
	now := time.Now()
	s := release.State{
		Release: id, Project: project, Phase: release.Staged, Version: "1.0.0", StagedAt: now, SoakFrom: now,
		Policy: release.Policy{Revision: revision, Lane: project},
	}
	due := now
	switch rand.IntN(4) {
	case 0:
		due = now.Add(time.Duration(rand.Int64N(int64(500 * time.Millisecond))))
		s.StagedAt, s.SoakFrom = due, due
	case 1:
		s.Policy.Delay = longDelay
		due = now.Add(s.Policy.Delay)
	}
	for ctx.Err() == nil {
		within, cancel := context.WithTimeout(ctx, askWithin)
		_, err := a.journal.Append(within, journal.Entry{State: s}, release.WasSoaked{Due: due, At: now}, "chaos")
		if errors.Is(err, journal.ErrConflict) { // an earlier try was stored and its acknowledgement lost, or is in flight and may get lost
			_, err = a.journal.Load(within, id)
		}
		cancel()
		if err == nil {
			return true
		}
		if !pause(ctx, againAfter) {
			return false
		}
	}
	return false
}

// round sends requests at about the same time, one of which may lead to a claim. It returns the highest sequence acknowledged.
func (a *arena) round(ctx context.Context, id string) uint64 {
	trigger := []string{topology.VerbExpedite, topology.VerbResume}[rand.IntN(2)]
	var all sync.WaitGroup
	var mu sync.Mutex
	var highest uint64
	for i := range perRound {
		all.Go(func() {
			v := anyVerb()
			if i == 0 {
				v = verbNamed(trigger)
			}
			if !pause(ctx, time.Duration(rand.Int64N(int64(moment)))) {
				return
			}
			seq, _ := a.ask(ctx, v, id)
			mu.Lock()
			defer mu.Unlock()
			highest = max(highest, seq)
		})
	}
	all.Wait()
	return highest
}
