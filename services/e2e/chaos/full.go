package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/e2e/chaos/internal/check"
)

// Full releases: through all services, onto a directory that is read afterwards and commands that write down what they did.
const (
	projects = 24
	inFlight = 3 // releases of a project
	// mergeEvery leaves the machine enough for the race: four releases a second.
	mergeEvery = 6 * time.Second
	// patience is the bound of one attempt. A service that is paused for longer loses its work to another.
	patience  = 6 * time.Second
	tooLate   = 20 * time.Second // a release overdue by more is held
	putWithin = 3 * time.Second

	pauseEvery = 2 * time.Second // at most
	pausedFor  = time.Second
)

// kind is how a project is set up; every sixth project is alike, but that the first two of one kind share a lane.
type kind struct {
	collision string
	outside   bool // its promotion is a command, not a file
	watch     string
	flaky     bool // some of its deployments fail
}

// shared is the lane of two projects.
const shared = "shared"

// failsOneIn is how many deployments of a flaky project there are for one that fails.
const failsOneIn = 4

func laneOf(i int) string {
	if i == 1 || i == 7 {
		return shared
	}
	return projectName(i)
}

func kindOf(i int) kind {
	return []kind{
		{collision: "queue", watch: "[ { name: errors, signal: { max: 0 } } ]"},
		{collision: "queue", watch: "[]", flaky: true},
		{collision: "newest", watch: "[]"},
		{collision: "queue", outside: true, watch: "[ { name: errors, signal: { max: 0 } } ]"},
		{collision: "supersede", watch: "[]"},
		{collision: "queue", outside: true, watch: "[]"},
	}[i%6]
}

func projectName(i int) string { return fmt.Sprintf("p%02d", i) }

func (a *arena) site() string    { return filepath.Join(a.dir, "site") }
func (a *arena) effects() string { return filepath.Join(a.dir, "effects.jsonl") }

// apply stores the project files.
func (a *arena) apply(ctx context.Context, effect string) error {
	for i := range projects {
		k := kindOf(i)
		command := fmt.Sprintf("{ exec: { command: [%q, %q], timeout: %s } }", effect, a.effects(), patience)
		stage := command
		if k.flaky {
			stage = fmt.Sprintf("{ exec: { command: [%q, %q, \"%d\"], timeout: %s } }", effect, a.effects(), failsOneIn, patience)
		}
		files := fmt.Sprintf("{ files: { dir: %q, timeout: %s } }", a.site(), patience)
		promote := files
		if k.outside {
			promote = command
		}
		src := fmt.Sprintf("project: %s\nlane: %s\npublish: %s\nstage: %s\nsoak: { delay: 1s, collision: %s, max_overdue: %s }\n"+
			"watch: %s\npromote: %s\n", projectName(i), laneOf(i), files, stage, k.collision, tooLate, k.watch, promote)
		if _, _, err := a.catalog.Apply(ctx, projectName(i)+".yaml", []byte(src)); err != nil {
			return err
		}
	}
	return nil
}

// releases merges until stop ends, and sees all releases through before ctx does.
func (a *arena) releases(ctx context.Context, stop <-chan struct{}) {
	var all sync.WaitGroup
	all.Go(func() { a.pauses(ctx, stop) })
	for i := range projects {
		all.Go(func() {
			slots := make(chan struct{}, inFlight)
			next := time.NewTicker(mergeEvery)
			defer next.Stop()
			for n := 1; !over(stop) && ctx.Err() == nil; n++ {
				slots <- struct{}{}
				delay := []time.Duration{0, 0, 0, time.Second, time.Second, 2 * time.Second, 5 * time.Second}[rand.IntN(7)]
				id, ok := a.merge(ctx, projectName(i), fmt.Sprintf("1.%d.0", n), delay)
				if !ok {
					return
				}
				all.Go(func() {
					defer func() { <-slots }()
					a.accompany(ctx, id)
				})
				select {
				case <-next.C:
				case <-stop:
				}
			}
		})
	}
	all.Wait()
}

// pauses pauses a project for a moment now and then, until stop ends, and sees to it that none stays paused.
func (a *arena) pauses(ctx context.Context, stop <-chan struct{}) {
	say := func(verb string, project int) {
		for {
			within, cancel := context.WithTimeout(ctx, askWithin)
			_, err := a.gateway.Publish(within, topology.Stop(verb, projectName(project), "ana"), nil,
				jetstream.WithExpectStream(topology.StreamSluice), jetstream.WithRetryAttempts(0))
			cancel()
			if err == nil || !pause(ctx, againAfter) {
				return
			}
		}
	}
	for !over(stop) && pause(ctx, time.Duration(rand.Int64N(int64(pauseEvery)))) {
		i := rand.IntN(projects)
		say(topology.StopPause, i)
		pause(ctx, time.Duration(rand.Int64N(int64(pausedFor))))
		say(topology.StopUnpause, i)
	}
	pause(ctx, 2*askWithin) // one that was in flight when its sender gave up may have been stored after the word that ends it
	for i := range projects {
		say(topology.StopUnpause, i)
	}
}

// merge hands in an artifact and a merge, and insists until both are acknowledged, as CI does.
func (a *arena) merge(ctx context.Context, project, version string, delay time.Duration) (id string, ok bool) {
	id = uuid.Must(uuid.NewV7()).String()
	artifact, text := project+"-"+version+".bin", project+" "+version+" "+id
	data, err := releasepb.EncodeMergeEvent(releasepb.MergeEvent{
		ID: id, Commit: strings.ReplaceAll(version, ".", "-"), Version: version, Artifact: artifact, Actor: "ci", Delay: &delay,
	})
	if err != nil {
		return "", false
	}
	try := func(f func(context.Context) error) bool {
		for ctx.Err() == nil {
			within, cancel := context.WithTimeout(ctx, putWithin)
			err := f(within)
			cancel()
			if err == nil {
				return true
			}
			pause(ctx, againAfter)
		}
		return false
	}
	ok = try(func(ctx context.Context) error {
		_, err := a.catalog.Put(ctx, artifact, strings.NewReader(text))
		return err
	}) && try(func(ctx context.Context) error { // twice is once: it is the same commit
		_, err := a.gateway.Publish(ctx, topology.Merge(project), data,
			jetstream.WithExpectStream(topology.StreamSluice), jetstream.WithRetryAttempts(0))
		return err
	})
	if !ok {
		return "", false
	}
	digest := sha256.Sum256([]byte(text))
	a.book.merged(check.Merged{Release: id, Project: project, Version: version, Digest: "sha256:" + hex.EncodeToString(digest[:])})
	return id, true
}

// accompany plays the people around a release: most leave it alone, some stop it, and somebody sees to those that are held.
func (a *arena) accompany(ctx context.Context, id string) {
	var people sync.WaitGroup
	ask := func(within time.Duration, verbs ...string) {
		people.Go(func() {
			for _, v := range verbs {
				if pause(ctx, time.Duration(rand.Int64N(int64(within)))) {
					a.ask(ctx, verbNamed(v), id)
				}
			}
		})
	}
	switch n := rand.IntN(100); {
	case n < 50:
	case n < 64:
		ask(6*time.Second, topology.VerbCancel)
	case n < 74:
		ask(3*time.Second, topology.VerbExpedite)
	case n < 84:
		ask(3*time.Second, topology.VerbHold, topology.VerbResume)
	case n < 92:
		ask(3*time.Second, topology.VerbExtend)
	default: // several at the same time
		for range 4 {
			ask(2*time.Second, anyVerb().name)
		}
	}
	a.seeThrough(ctx, id)
	people.Wait()
}

// seeThrough waits for the end of a release, resumes or expedites it while it is held, and retries it, perhaps, when it failed.
func (a *arena) seeThrough(ctx context.Context, id string) {
	for ctx.Err() == nil {
		s, err := a.until(ctx, id, func(s release.State) bool {
			return s.Phase == release.Held || s.Phase.Ended() && !s.Needs(release.RestoreBeta) && !s.Needs(release.RestoreStaging)
		})
		if err != nil || s.Phase.Ended() && (s.Phase != release.Failed || s.LateCancel != nil || rand.IntN(3) == 0) {
			return
		}
		verb := topology.VerbResume
		switch {
		case s.Phase == release.Failed:
			verb = topology.VerbRetry
		case s.Held != nil && s.Held.System && rand.IntN(2) == 0:
			verb = topology.VerbExpedite
		}
		if !pause(ctx, time.Duration(rand.Int64N(int64(2*time.Second)))) {
			return
		}
		if seq, ok := a.ask(ctx, verbNamed(verb), id); ok {
			within, cancel := context.WithTimeout(ctx, roundEnds)
			_, _ = a.until(within, id, func(s release.State) bool { return s.Folded >= seq }) // late is not lost
			cancel()
		}
	}
}

// channels reads what the users of the projects get whose promotion is a file.
func (a *arena) channels() (map[string]check.Channel, error) {
	out := map[string]check.Channel{}
	for i := range projects {
		if kindOf(i).outside {
			continue
		}
		var c check.Channel
		data, err := os.ReadFile(filepath.Join(a.site(), "channels", projectName(i), "latest.json"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err == nil {
			if err := json.Unmarshal(data, &c); err != nil {
				return nil, err
			}
		}
		out[projectName(i)] = c
	}
	return out, nil
}
