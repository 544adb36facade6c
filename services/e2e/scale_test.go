package e2e_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// manyReleases is 1,000, or 100 with the race detector, or as many as SLUICE_SCALE_RELEASES says: `make scale`.
func manyReleases(t *testing.T) int {
	t.Helper()
	text := os.Getenv("SLUICE_SCALE_RELEASES")
	switch {
	case text != "":
	case raceDetector:
		return 100
	default:
		return 1000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// fate is what happens to one of many releases on the way, and how it must end.
type fate struct {
	id    string
	name  string
	delay time.Duration
	verb  string // "": nobody asks anything
	wants release.Phase
	due   time.Duration // how long it soaks, if it is to be promoted
}

// fates gives every project one release, and every fourth release an operator.
func fates(n int) []fate {
	all := make([]fate, n)
	for i := range all {
		delay := time.Duration(20+i%5*5) * time.Second
		f := fate{id: uuid.Must(uuid.NewV7()).String(), name: fmt.Sprintf("p%d", i), delay: delay, wants: release.Promoted, due: delay}
		switch i % 12 {
		case 3:
			f.verb, f.wants = topology.VerbCancel, release.Cancelled
		case 7:
			f.verb, f.wants = topology.VerbHold, release.Held
		case 11:
			f.verb, f.due = topology.VerbExtend, delay+20*time.Second
		}
		all[i] = f
	}
	return all
}

// costless is what is outside: it does nothing, at once.
type costless struct{}

func (costless) Look(context.Context, driver.Facts) (driver.Seen, error) { return driver.Seen{}, nil }
func (costless) Do(_ context.Context, f driver.Facts) (driver.Done, error) {
	return driver.Done{Value: f.Version}, nil
}

func (costless) Undo(context.Context, driver.Facts, driver.Back) (driver.Done, error) {
	return driver.Done{}, nil
}

// TestRestartWithManyReleases stops everything, the broker too, and starts it again while many releases soak, some of them
// just cancelled, held or extended. Every one ends as it must, and when it must.
func TestRestartWithManyReleases(t *testing.T) {
	all, n := all(), manyReleases(t)
	bubble(t, func(w *world) {
		w.costless = true
		w.start(all...)
		began := time.Now()
		many := fates(n)
		w.admitted(many)
		w.each(many, release.Soaking)
		w.Logf("%d releases soak after %s", n, time.Since(began))
		time.Sleep(5 * time.Second)

		w.asked(many[:n/2]) // their answers are on the way when all stops
		defer w.cutOff()()
		w.server.Restart(w)
		w.asked(many[n/2:]) // nobody is there to hear it
		w.start(all...)

		w.each(many, release.Promoted)
		for _, f := range many {
			w.endedRight(f)
		}
	})
}

// cutOff is kill for all services at once, without waiting for what they have in hand: gone does.
func (w *world) cutOff() (gone func()) {
	old := w.services
	w.services = map[string]*running{}
	for _, r := range old {
		r.nc.Close()
		r.stop()
	}
	return func() {
		for _, r := range old {
			<-r.done
		}
	}
}

// admitted merges all of them.
func (w *world) admitted(many []fate) {
	w.Helper()
	if _, err := w.catalog.Put(w.Context(), "one.bin", strings.NewReader("one")); err != nil {
		w.Fatal(err)
	}
	w.atOnce(many, func(f fate) error {
		src := fmt.Sprintf("project: %s\nsoak: { delay: %s }\npublish: { exec: { command: [none] } }\n"+
			"stage: { exec: { command: [none] } }\npromote: { exec: { command: [none] } }\n", f.name, f.delay)
		if _, _, err := w.catalog.Apply(w.Context(), f.name+".yaml", []byte(src)); err != nil {
			return err
		}
		data, err := releasepb.EncodeMergeEvent(releasepb.MergeEvent{ID: f.id, Commit: "c1", Version: "1.0.0", Artifact: "one.bin"})
		if err != nil {
			return err
		}
		_, err = w.js.Publish(w.Context(), topology.Merge(f.name), data)
		return err
	})
}

// asked has the operators ask what they ask.
func (w *world) asked(many []fate) {
	w.Helper()
	w.atOnce(many, func(f fate) error {
		if f.verb == "" {
			return nil
		}
		_, err := w.js.Publish(w.Context(), topology.Request(f.verb, f.id, "ana"), []byte("20s because"))
		return err
	})
}

func (w *world) atOnce(many []fate, do func(fate) error) {
	w.Helper()
	var group errgroup.Group
	group.SetLimit(64)
	for _, f := range many {
		group.Go(func() error { return do(f) })
	}
	if err := group.Wait(); err != nil {
		w.Fatal(err)
	}
}

// each waits until every release is in that phase, or ended, or held by somebody.
func (w *world) each(many []fate, p release.Phase) {
	w.Helper()
	left := make([]string, len(many))
	for i, f := range many {
		left[i] = f.id
	}
	for range 600 {
		found := map[string]journal.Entry{}
		for chunk := range slices.Chunk(left, 500) {
			more, err := w.journal.LoadAll(w.Context(), chunk)
			if err != nil {
				w.Fatal(err)
			}
			maps.Copy(found, more)
		}
		left = slices.DeleteFunc(left, func(id string) bool {
			s := found[id].State
			return s.Phase == p || s.Phase.Ended() || s.Held != nil && !s.Held.System
		})
		if len(left) == 0 {
			return
		}
		time.Sleep(time.Second) // in a bubble
	}
	w.Fatalf("%d of %d releases are not %s; of the first:\n%s", len(left), len(many), p, w.story(left[0]))
}

func (w *world) endedRight(f fate) {
	w.Helper()
	s := w.load(f.id)
	if s.Phase != f.wants {
		w.Errorf("%s is %s, want %s (%s)\n%s", f.name, s.Phase, f.wants, f.verb, w.story(f.id))
		return
	}
	if s.Phase != release.Promoted {
		return
	}
	if late := s.End.At.Sub(s.StagedAt.Add(f.due)); late < 0 || late > 2*time.Second {
		w.Errorf("%s was promoted %s after it was due\n%s", f.name, late, w.story(f.id))
	}
	w.equal("claims of "+f.name, w.count(f.id, "promoting"), 1)
}
