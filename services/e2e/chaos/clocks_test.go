package main

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/e2e/chaos/internal/outside"
	"github.com/sluice-gate/sluice/services/e2e/chaos/internal/rig"
)

// scene is the life of one release. In each of them some time of less than an hour decides, so that a service which believed a clock
// that is an hour wrong would give it another end.
type scene struct {
	name  string
	file  string // of its project, beside what all have
	delay time.Duration
	asks  []asked
	until func(release.State) bool
}

// asked is what a person asks for once the release is in a phase.
type asked struct {
	in   release.Phase
	verb string
	body string
}

const (
	short  = 3 * time.Second
	long   = 30 * time.Minute
	limits = "limits: { phase: 30m, hold: 30m }\n"
	passes = "watch: [ { name: fine, exec: { command: [\"true\"] }, interval: 1s } ]\n"
	fails  = "watch: [ { name: broken, exec: { command: [\"false\"] }, interval: 1s, failures: 2 } ]\n"
)

func scenes(now time.Time) []scene {
	ended := func(s release.State) bool {
		return s.Phase.Ended() && !s.Needs(release.RestoreBeta) && !s.Needs(release.RestoreStaging)
	}
	in := func(p release.Phase) func(release.State) bool {
		return func(s release.State) bool { return s.Phase == p }
	}
	before := now.UTC().Add(-20 * time.Minute)
	window := fmt.Sprintf("windows: { open: [ { cron: \"%d %d * * *\", for: 40m } ] }\n", before.Minute(), before.Hour())
	return []scene{
		{"soaks", passes, short, nil, ended},
		{"disabled", "", 0, nil, ended},
		{"not-due", passes, long, nil, in(release.Soaking)},
		{"cancelled", passes, long, []asked{{release.Soaking, topology.VerbCancel, "no"}}, ended},
		{"expedited", passes, long, []asked{{release.Soaking, topology.VerbExpedite, "now"}}, ended},
		{"held", passes, long, []asked{{release.Soaking, topology.VerbHold, "wait"}}, in(release.Held)},
		{"resumed", passes, short, []asked{{release.Soaking, topology.VerbHold, "wait"}, {release.Held, topology.VerbResume, "go on"}}, ended},
		{"extended", passes, short, []asked{{release.Soaking, topology.VerbExtend, "30m longer"}}, func(s release.State) bool { return s.Extra > 0 }},
		{"erring", fails, long, nil, ended},
		{"in-window", passes + window, short, nil, ended},
		{"frozen", passes, short, nil, func(s release.State) bool { return s.Postponed != nil }},
		{"unapproved", passes + "approvals: 1\n", short, nil, func(s release.State) bool { return s.Postponed != nil }},
		{"baked", passes + "bake: { for: 3s, " + strings.TrimSuffix(passes, "\n") + " }\n", short, nil, ended},
		{"bakes", passes + "bake: { for: 30m, " + strings.TrimSuffix(passes, "\n") + " }\n", short, nil, in(release.Baking)},
		{"rolled-back", passes, 0, []asked{{release.Promoted, topology.VerbRollback, "worse"}}, in(release.RolledBack)},
	}
}

// outcome is all of what became of a release that may not depend on any clock.
type outcome struct {
	Phase   release.Phase
	Events  string // of its journal, in order, but for what was put back
	PutBack int    // which two services do at the same time
	By, Why string // of its end, without numbers: they are instances and times
	Outside string // the commands that ran, in order
	Channel string
	Soaked  string // early, in time, or late
}

var (
	digests = regexp.MustCompile(`[0-9a-f]{64}`)
	digits  = regexp.MustCompile(`[0-9.]+[a-zµ]*`)
)

func masked(text string) string {
	return digits.ReplaceAllString(digests.ReplaceAllString(text, "#"), "#")
}

// TestClocksDecideNothing plays the same releases where all clocks are right, an hour fast, and an hour slow. Their outcomes are identical.
func TestClocksDecideNothing(t *testing.T) {
	if raceDetector {
		t.Log("chaos is played without the race detector, in the other run of this package")
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	root, err := rig.Root(ctx)
	if err != nil {
		t.Fatal(err)
	}
	bin, err := rig.Build(ctx, root, "", rig.Services())
	if err != nil {
		t.Fatal(err)
	}
	offsets := []time.Duration{0, time.Hour, -time.Hour}
	var all [3]map[string]outcome
	var playing sync.WaitGroup
	for i, off := range offsets {
		dir := filepath.Join(t.TempDir(), fmt.Sprint(i))
		a, err := newArena(ctx, fmt.Sprint(off), rig.Setup{Bin: bin, Dir: dir, Number: i, Disk: 256 << 20}, rig.Services())
		t.Cleanup(func() {
			if err := a.close(); err != nil {
				t.Error(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range a.services {
			s.SetClock(off)
			s.Kill() // and it starts again
		}
		playing.Go(func() { all[i] = a.playScenes(ctx, t, bin.Path("effect")) })
	}
	playing.Wait()
	for _, s := range scenes(time.Now()) {
		right := all[0][s.name]
		t.Logf("%s: %+v", s.name, right)
		for i, off := range offsets {
			if got := all[i][s.name]; got != right {
				t.Errorf("%s: with clocks off by %s\n%+v, with clocks right\n%+v", s.name, off, got, right)
			}
		}
	}
}

// playScenes plays all scenes at once and returns how each of them came out.
func (a *arena) playScenes(ctx context.Context, t *testing.T, effect string) map[string]outcome {
	out := map[string]outcome{}
	var mu sync.Mutex
	var playing sync.WaitGroup
	now, err := a.journal.Now(ctx)
	if err != nil {
		t.Error(err)
	}
	for _, s := range scenes(now) {
		playing.Go(func() {
			o, err := a.playScene(ctx, s, effect)
			if err != nil {
				t.Errorf("%s with clocks off by %s: %v", s.name, a.name, err)
			}
			mu.Lock()
			defer mu.Unlock()
			out[s.name] = o
		})
	}
	playing.Wait()
	return out
}

func (a *arena) playScene(ctx context.Context, s scene, effect string) (outcome, error) {
	project := s.name
	files := fmt.Sprintf("{ files: { dir: %q } }", a.site())
	src := fmt.Sprintf("project: %s\npublish: %s\nstage: { exec: { command: [%q, %q] } }\nsoak: { max_overdue: 30m }\npromote: %s\n%s%s",
		project, files, effect, a.effects(), files, limits, s.file)
	if _, _, err := a.catalog.Apply(ctx, project+".yaml", []byte(src)); err != nil {
		return outcome{}, err
	}
	say := func(subject, body string) error {
		_, err := a.gateway.Publish(ctx, subject, []byte(body), jetstream.WithExpectStream(topology.StreamSluice))
		return err
	}
	if s.name == "frozen" {
		if err := say(topology.Stop(topology.StopFreeze, project, "ana"), "30m the fair"); err != nil {
			return outcome{}, err
		}
	}
	id, ok := a.merge(ctx, project, "1.0.0", s.delay)
	if !ok {
		return outcome{}, ctx.Err()
	}
	for _, ask := range s.asks {
		if _, err := a.until(ctx, id, func(s release.State) bool { return s.Phase == ask.in }); err != nil {
			return outcome{}, fmt.Errorf("is never %s: %w", ask.in, err)
		}
		if err := say(topology.Request(ask.verb, id, "ana"), ask.body); err != nil {
			return outcome{}, err
		}
	}
	state, err := a.until(ctx, id, s.until)
	if err != nil {
		return outcome{}, err
	}
	return a.outcome(ctx, state, s.delay)
}

// outcome reads what became of a release.
func (a *arena) outcome(ctx context.Context, s release.State, delay time.Duration) (outcome, error) {
	var events []string
	putBack := 0
	claimed := time.Time{}
	config := jetstream.OrderedConsumerConfig{FilterSubjects: []string{topology.Release(s.Release)}}
	err := a.scan(ctx, topology.StreamSluice, config, func(m jetstream.Msg, meta *jetstream.MsgMetadata) {
		event := m.Headers().Get(journal.HeaderEvent)
		switch event {
		case "promoting":
			claimed = meta.Timestamp
		case "restored":
			putBack++
		}
		if event != "restoring" && event != "restored" {
			events = append(events, event)
		}
	})
	if err != nil {
		return outcome{}, err
	}
	effects, err := outside.Read(a.effects())
	if err != nil {
		return outcome{}, err
	}
	effects = slices.DeleteFunc(effects, func(e outside.Effect) bool { return e.Release != s.Release })
	out := outcome{
		Phase: s.Phase, Events: strings.Join(events, " "), PutBack: putBack, Soaked: soaked(s, claimed, delay),
		By: masked(s.End.By), Why: masked(s.End.Reason), Channel: masked(s.Latest.Value),
	}
	for _, e := range effects {
		out.Outside += e.Action + " "
	}
	return out, nil
}

// soaked compares how long a release soaked until its claim, both by the broker, with its delay.
func soaked(s release.State, claimed time.Time, delay time.Duration) string {
	const lateness = 15 * time.Second // of a machine that has a lot to do
	switch d := claimed.Sub(s.SoakFrom); {
	case claimed.IsZero():
		return "not claimed"
	case s.Expedited != nil:
		return "expedited"
	case d < delay:
		return "early"
	case d > delay+lateness:
		return "late"
	}
	return "in time"
}
