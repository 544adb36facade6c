package e2e_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// printing is a driver that prints, and then does what another one does.
type printing struct {
	driver.Driver
	prints func(o *driver.Output, doing string, f driver.Facts) error
	role   driver.Role
}

type printingPublisher struct {
	printing
	driver.Publisher
}

func (p printing) Do(ctx context.Context, f driver.Facts) (driver.Done, error) {
	if err := p.prints(driver.OutputOf(ctx), string(p.role), f); err != nil {
		return driver.Done{}, err
	}
	return p.Driver.Do(ctx, f)
}

func (p printing) Undo(ctx context.Context, f driver.Facts, back driver.Back) (driver.Done, error) {
	if err := p.prints(driver.OutputOf(ctx), "undo "+string(p.role), f); err != nil {
		return driver.Done{}, err
	}
	return p.Driver.Undo(ctx, f, back)
}

func (p printingPublisher) Look(ctx context.Context, f driver.Facts) (driver.Seen, error) {
	return p.printing.Look(ctx, f)
}

func (p printingPublisher) Do(ctx context.Context, f driver.Facts) (driver.Done, error) {
	return p.printing.Do(ctx, f)
}

func (p printingPublisher) Undo(ctx context.Context, f driver.Facts, back driver.Back) (driver.Done, error) {
	return p.printing.Undo(ctx, f, back)
}

// printer makes a driver print what the world says, if it says anything.
func (w *world) printer(d driver.Driver, role driver.Role) driver.Driver {
	if w.prints == nil {
		return d
	}
	p := printing{d, w.prints, role}
	if publisher, ok := d.(driver.Publisher); ok {
		return printingPublisher{p, publisher}
	}
	return p
}

// outputs are what was printed for a release, in short, once nothing is under way any more.
func (w *world) outputs(id string) (short []string, all []journal.Output) {
	w.Helper()
	time.Sleep(service.AsideWithin) // in a bubble
	all, unread, err := w.journal.Outputs(w.Context(), id)
	if err != nil || unread > 0 {
		w.Fatal(unread, err)
	}
	for _, o := range all {
		short = append(short, fmt.Sprintf("%s %s %s %d/%d %s: %s", o.Service, o.Work, o.Stage, o.Attempt, o.Try, o.Ended, strings.ReplaceAll(o.Text, "\n", "|")))
	}
	return short, all
}

// Each attempt whose driver printed something is one message, however it ended; one that printed nothing is none.
func TestOutputIsStored(t *testing.T) {
	bubble(t, func(w *world) {
		flaky := 0
		w.prints = func(o *driver.Output, doing string, f driver.Facts) error {
			o.Hide("hunter2")
			_, _ = o.Write([]byte(doing + " " + f.Version + " with hunt"))
			_, _ = o.Write([]byte("er2\n"))
			switch {
			case doing == "deploy" && f.Version == "1.4.0" && flaky == 0:
				flaky++
				return errors.New("the line is bad\nvery bad")
			case doing == "deploy" && f.Version == "1.5.0", doing == "undo publish":
				return driver.Refusef("it can not be")
			}
			return nil
		}
		w.apply("tracer", "")
		w.start(all()...)
		id := w.merge("tracer", "1.4.0")
		s := w.untilPhase(id, release.Promoted)
		short, full := w.outputs(id)
		if want := []string{
			"publisher publish  1/1 done: publish 1.4.0 with ***|done: " + s.BetaChannel.Value + "|",
			"stager stage staging 1/1 done: deploy 1.4.0 with ***|failed, next try in N: the line is bad|deploy 1.4.0 with ***|done: 1.4.0|",
			"promoter promote  1/1 done: promote 1.4.0 with ***|done: " + s.Latest.Value + "|",
		}; !slices.EqualFunc(short, want, func(got, want string) bool {
			return regexp.MustCompile(`next try in \S+:`).ReplaceAllString(got, "next try in N:") == want
		}) {
			w.Errorf("%s\nwant\n%s", strings.Join(short, "\n"), strings.Join(want, "\n"))
		}
		if len(full) == 3 {
			o := full[1]
			if o.Project != "tracer" || o.Instance != "stager-0" || o.Took < 200*time.Millisecond || o.Began.Add(o.Took).Sub(o.At).Abs() > time.Second || o.Reason != "" {
				w.Errorf("%+v", o)
			}
		}

		failed := w.merge("tracer", "1.5.0")
		w.until(failed, "put back", putBack)
		short, full = w.outputs(failed)
		if want := []string{
			"publisher publish  1/1 done: publish 1.5.0 with ***|done: #|", "stager stage staging 1/1 refused: deploy 1.5.0 with ***|",
			"publisher restore-beta  1/1 refused: undo publish 1.5.0 with ***|", "stager restore-staging staging 1/1 done: undo deploy 1.5.0 with ***|done: 1.4.0|",
		}; !sameButOrder(short, want) {
			w.Errorf("%s\nwant\n%s", strings.Join(short, "\n"), strings.Join(want, "\n"))
		}
		for _, o := range full {
			if (o.Ended == "refused") != (o.Reason == "it can not be") {
				w.Errorf("%s ended as %s: %q", o.Work, o.Ended, o.Reason)
			}
		}

		w.prints = func(o *driver.Output, doing string, _ driver.Facts) error {
			if o.Remark("nothing is printed"); doing == "undo promote" {
				o.Say("as it was")
				return driver.Refusef("it can not be")
			}
			return nil
		}
		silent := w.merge("tracer", "1.6.0")
		w.untilPhase(silent, release.Promoted)
		if short, _ := w.outputs(silent); len(short) != 0 {
			w.Errorf("nothing was printed: %q", short)
		}
		w.ask(topology.VerbRollback, silent, "ana", "login is broken")
		w.until(silent, "not rolled back", func(release.State) bool { return w.count(silent, "rollback-failed") == 1 })
		if short, _ := w.outputs(silent); !slices.Equal(short, []string{"promoter rollback  1/1 refused: nothing is printed|as it was|"}) {
			w.Errorf("%q", short)
		}
	})
}

// Output that can not be stored, or whose storing is never answered, changes nothing of a release: not one record of it comes later.
func TestOutputNeverDelays(t *testing.T) {
	type stamp struct {
		at   time.Duration
		what string
	}
	var stories [][]stamp
	var left []int
	for _, broken := range []bool{false, true} {
		bubble(t, func(w *world) {
			w.prints = func(o *driver.Output, _ string, _ driver.Facts) error {
				_, _ = o.Write([]byte("something"))
				return nil
			}
			w.apply("tracer", "")
			w.start(all()...)
			if broken { // somebody takes what is published and does not answer
				w.noOutput()
			}
			began := time.Now()
			w.untilPhase(w.merge("tracer", "1.4.0"), release.Promoted)
			id := w.merge("tracer", "1.5.0")
			w.untilPhase(id, release.Soaking)
			w.ask(topology.VerbCancel, id, "ana", "no")
			w.until(id, "put back", putBack)
			var story []stamp
			for _, r := range w.records(id) {
				story = append(story, stamp{r.at.Sub(began), r.Type})
			}
			// The beta channel and staging are put back at the same time, in any order.
			slices.SortStableFunc(story, func(a, b stamp) int { return cmp.Or(strings.Compare(a.what, b.what), cmp.Compare(a.at, b.at)) })
			stories = append(stories, story)
			stopping := time.Now()
			w.drain(theStager)
			if took := time.Since(stopping); took > service.AsideWithin+service.DrainGrace/2 {
				w.Errorf("stopping took %s", took)
			}
			short, _ := w.outputs(id)
			left = append(left, len(short))
		})
	}
	const jitter = 200 * time.Millisecond // of two services that append to one journal at the same time
	if !slices.EqualFunc(stories[0], stories[1], func(a, b stamp) bool { return a.what == b.what && (a.at-b.at).Abs() < jitter }) {
		t.Errorf("without its output the release went\n%v\nand with it\n%v", stories[1], stories[0])
	}
	if !slices.Equal(left, []int{4, 0}) {
		t.Errorf("%v messages are stored, want 4, and none where nobody answers", left)
	}
}

// noOutput takes the subject of output from its stream, and has somebody there who never answers.
func (w *world) noOutput() {
	w.Helper()
	s, err := w.js.Stream(w.Context(), topology.StreamEvidence)
	if err != nil {
		w.Fatal(err)
	}
	c := s.CachedInfo().Config
	c.Subjects = slices.DeleteFunc(c.Subjects, func(s string) bool { return s == "sluice.output.*" })
	if _, err := w.js.UpdateStream(w.Context(), c); err != nil {
		w.Fatal(err)
	}
	if _, err := w.js.Conn().Subscribe("sluice.output.*", func(*nats.Msg) {}); err != nil {
		w.Fatal(err)
	}
}

// sameButOrder compares lines, in which # of want stands for anything.
func sameButOrder(got, want []string) bool {
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	return slices.EqualFunc(got, want, func(got, want string) bool {
		before, after, open := strings.Cut(want, "#|")
		return got == want || open && strings.HasPrefix(got, before) && strings.HasSuffix(got, after+"|")
	})
}

// What an attempt printed is stored also when it was cancelled, or interrupted by its service's end; one whose service was killed
// leaves nothing, and the next one is told by itself.
func TestOutputOfWhatWasStopped(t *testing.T) {
	bubble(t, func(w *world) {
		w.prints = func(o *driver.Output, doing string, _ driver.Facts) error {
			if doing == "deploy" {
				o.Say("deploys")
			}
			return nil
		}
		long := true
		w.staging.during = func(ctx context.Context, _ driver.Facts) {
			if long {
				<-ctx.Done()
			}
		}
		w.apply("tracer", "")
		w.start(all()...)
		expect := func(id string, want ...string) {
			w.Helper()
			if short, _ := w.outputs(id); !slices.Equal(short, want) {
				w.Errorf("%q, want %q", short, want)
			}
		}

		id := w.merge("tracer", "1.4.0")
		w.untilPhase(id, release.Staging)
		w.ask(topology.VerbCancel, id, "ana", "no")
		w.until(id, "put back", putBack)
		expect(id, "stager stage staging 1/1 cancelled: deploys|")

		id = w.merge("tracer", "1.5.0")
		w.untilPhase(id, release.Staging)
		w.kill(theStager)
		w.start(theStager)
		w.until(id, "tried again", func(s release.State) bool { return s.Attempts[release.Stage].Number == 2 })
		w.drain(theStager)
		long = false
		w.start(theStager)
		w.untilPhase(id, release.Soaking)
		expect(id, "stager stage staging 2/1 interrupted: deploys|", "stager stage staging 3/1 done: deploys|done: 1.5.0|")
	})
}
