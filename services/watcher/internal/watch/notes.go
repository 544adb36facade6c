package watch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// Bounds of what is measured and not stored yet, of one release: of one message, in bytes by a rough count, of how many wait while
// the broker is away, and of how many different texts of one check a message has. A flood of signals, no two of which are alike, is
// stored by their times, a few bytes each; the one that fails its check keeps its text. Those that count are as many as the project
// allows; of those in the check's grace, a message has so many.
const (
	mostOfMessage = 64 << 10
	mostMessages  = 16
	mostTexts     = 64
	mostInGrace   = 2_000
)

// notes are what was measured and is not stored yet. A watcher stores them with its heartbeats, one message for each, and so what
// a heartbeat vouches for is stored before it.
//
// Each message is stored by compare-and-set on its subject, which makes of them one sequence, whoever wrote them: who comes to
// watch continues what is stored, and two that watch at the same time notice. Then the one whose message came second begins anew.
type notes struct {
	last    uint64    // sequence of the last message on the subject
	stored  time.Time // when this instance stored its last, or began, by the local clock
	named   bool      // this instance stored one, which names all the checks
	open    bool      // what is stored ends in a row of failures, or compares
	batches []batch   // oldest first
	lost    int       // looks that there was no room for
	urgent  bool      // a row of failures ended that is stored: until that is, too, who takes over would go on counting it
}

// batch is what goes into one message.
type batch struct {
	looks map[*check][]releasepb.Look
	texts map[*check]map[string]bool
	size  int
}

// About what a look adds to a message, without what it says: its time, its letter and which text it says; and its numbers.
const (
	sizeOfLook     = 10
	sizeOfValue    = 20
	sizeOfCounters = 60
)

// add notes a look. When there are too many, the oldest are dropped.
func (n *notes) add(c *check, m judge.Measurement) {
	last := len(n.batches) - 1
	if last < 0 || n.batches[last].size >= mostOfMessage {
		if len(n.batches) == mostMessages {
			for _, looks := range n.batches[0].looks {
				n.lost += len(looks)
			}
			n.batches = slices.Delete(n.batches, 0, 1)
		}
		n.batches = append(n.batches, batch{looks: map[*check][]releasepb.Look{}, texts: map[*check]map[string]bool{}})
		last = len(n.batches) - 1
	}
	b := &n.batches[last]
	if c.Signal != nil && m.At.Before(c.rule.From) && len(b.looks[c]) >= mostInGrace {
		n.lost++
		return
	}
	b.size += sizeOfLook
	if m.Value != nil {
		b.size += sizeOfValue
	}
	if m.Counters != nil {
		b.size += sizeOfCounters
	}
	if m.Said != "" && !b.texts[c][m.Said] {
		if len(b.texts[c]) >= mostTexts && !c.tally.Failed {
			m.Said = ""
		} else {
			b.say(c, m.Said)
		}
	}
	b.looks[c] = append(b.looks[c], m.Look())
}

// say adds a text that a check has not said before.
func (b *batch) say(c *check, text string) {
	if b.texts[c] == nil {
		b.texts[c] = map[string]bool{}
	}
	b.texts[c][text] = true
	b.size += 2 * len(text) // as much as JSON may make of it
}

// full tells whether a message is full. Until it is stored no signals are read: the next message must not have some that this one
// says are read.
func (n *notes) full() bool {
	return len(n.batches) > 1 || len(n.batches) == 1 && n.batches[0].size >= mostOfMessage
}

// due tells whether there is something to store now. beats: a heartbeat is about to be sent.
func (n *notes) due(beats bool, interval time.Duration) bool {
	switch {
	case beats && !n.named:
		return true
	case len(n.batches) == 0:
		return false
	}
	return beats || n.urgent || n.full() || time.Since(n.stored) >= interval
}

// store stores what was measured. When another instance stored something in between, this one begins anew.
func (r *watch) store(ctx context.Context) error {
	d := r.on
	for len(d.checks) > 0 && (!d.notes.named || len(d.notes.batches) > 0) {
		var b batch
		if len(d.notes.batches) > 0 {
			b = d.notes.batches[0]
		}
		measured := d.message(b, r.env.Instance)
		m := nats.NewMsg(topology.Measured(r.id))
		var err error
		if m.Data, err = releasepb.EncodeMeasured(measured); err != nil {
			return err
		}
		m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(d.notes.last, 10))
		seq, err := r.put(ctx, topology.StreamEvidence, m)
		if lost(err) {
			return errors.Join(fmt.Errorf("another instance measures it, too: %w", err), r.moved(ctx))
		}
		if err != nil {
			return err
		}
		d.notes.last, d.notes.stored, d.notes.named, d.notes.open, d.notes.lost = seq, time.Now(), true, measured.Open, 0
		d.notes.batches = slices.Delete(d.notes.batches, 0, min(1, len(d.notes.batches)))
	}
	d.notes.named, d.notes.urgent = true, false
	if d.hears != nil {
		d.hears.fresh = 0
	}
	return nil
}

// moved gives up the watch, to begin anew, if what is stored is not what this instance stored last. On a replicated stream a
// message may also be refused while the one before is still being applied.
func (r *watch) moved(ctx context.Context) error {
	last, err := r.env.Journal.LastMeasured(ctx, r.id)
	if err != nil && !errors.Is(err, journal.ErrNone) && last.Seq == 0 {
		return err
	}
	if last.Seq != r.on.notes.last {
		r.asked.Store(false)
		r.rest()
	}
	return nil
}

// message is a batch as it is stored. What it says of the whole stretch is of the moment, so it may be of later looks, too.
func (d *duty) message(b batch, instance string) releasepb.Measured {
	m := releasepb.Measured{
		Instance: instance, Stage: d.stretch.Stage, Bake: d.stretch.Bake, From: d.stretch.From, Lost: d.notes.lost,
	}
	m.Signals = d.hears.counted()
	for _, c := range d.checks {
		if looks := b.looks[c]; !d.notes.named || len(looks) > 0 {
			m.Looks = append(m.Looks, releasepb.Looks{Check: c.Name, Source: c.source, All: looks})
		}
		m.Totals = append(m.Totals, c.tally.Measured)
		m.Open = m.Open || c.tally.Needs()
	}
	return m
}

// storeLast stores what was measured, as well as it can, when nothing is judged any more.
func (r *watch) storeLast(ctx context.Context) {
	if r.on == nil {
		return
	}
	if behind := r.on.hears.behind(r.on.notes.stored, true); len(r.on.notes.batches) == 0 && !behind {
		return
	} else if behind {
		r.on.notes.named = false
	}
	if err := r.store(ctx); err != nil {
		r.log.Warn("could not store what was measured last", zap.Error(err))
	}
}

// resume continues what is stored of the stretch, by whomever: the checks' tallies, and which signals are stored. It costs one
// read, and one more if a check has failures that count, or compares.
func (r *watch) resume(ctx context.Context) error {
	d := r.on
	last, err := r.env.Journal.LastMeasured(ctx, r.id)
	d.notes.last, d.notes.stored = last.Seq, time.Now()
	if err != nil && !errors.Is(err, journal.ErrNone) && last.Seq == 0 {
		return err
	}
	if errors.Is(err, journal.ErrNone) || err == nil && !judge.StretchOfStored(last.Measured).Same(d.stretch) {
		return r.resumeSignals(ctx, journal.Measured{}, nil)
	}
	asked := func(c *check) bool { return c.Signal == nil } // signals are counted again
	if err == nil && !last.Open && len(last.Totals) == len(d.checks) {
		d.total(last, func(c *check) bool { return asked(c) && c.Alert == nil })
		return r.resumeSignals(ctx, last, nil)
	}
	all, _, err := r.env.Journal.Measured(ctx, r.id, d.stretch.From)
	if err != nil {
		return err
	}
	last = journal.Measured{}
	for _, m := range all {
		if judge.StretchOfStored(m.Measured).Same(d.stretch) {
			d.replay(m.Looks, asked)
			last, d.notes.open = m, m.Open
		}
	}
	if err := r.resumeSignals(ctx, last, all); err != nil {
		return err
	}
	for _, c := range d.checks {
		if c.tally.Failed && !c.Warns && (r.verdict == nil || c.tally.Last.At.Before(r.verdict.Tally.Last.At)) {
			v := d.verdict(c)
			r.verdict = &v
		}
	}
	return nil
}

// total sets how many looks of some checks counted.
func (d *duty) total(last journal.Measured, of func(*check) bool) {
	if len(last.Totals) != len(d.checks) {
		return
	}
	for i, c := range d.checks {
		if of(c) {
			c.tally.Measured = last.Totals[i]
		}
	}
}

// replay adds what is stored of some checks to their tallies.
func (d *duty) replay(stored []releasepb.Looks, of func(*check) bool) {
	for _, looks := range stored {
		i := slices.IndexFunc(d.checks, func(c *check) bool { return c.Name == looks.Check && c.source == looks.Source })
		if i < 0 || !of(d.checks[i]) {
			continue
		}
		for _, l := range looks.All {
			d.checks[i].tally = d.checks[i].rule.Add(d.checks[i].tally, judge.MeasurementOf(l))
		}
	}
}
