package watch

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/judge"
)

// What may be lost of the stream of signals, besides the oldest of a subject that is full (nextSignals).
//
// A single broker stores it asynchronously: a crash may lose its end, whose sequences are then used again. Who goes on after the
// sequence that was read last would hear nothing until there are as many again. So that sequence is looked at with every heartbeat, and it
// is a gap when it is not there any more, or is another's. Nobody can tell what else was lost.
//
// The stream as a whole drops what is old, and when it is full, and somebody may make it anew. That is a gap when it was not read before.
// Who takes a watch over reads the signals of the whole stretch again, and what it can not read any more it takes from what was measured,
// if that says that it was counted.

// settled is how long the leader of the stream, which may be new, must say the same before it is believed that the stream went back.
const settled = 2 * time.Second

var errWentBack = errors.New("the stream of signals seems to have gone back: looking again")

const wentBack = "the broker lost the newest signals, as in a crash, and maybe others"

// rewound is what is to be done about a subject whose last message is older than what was read: go on from when that was stored.
func (r *watch) rewound(at *cursor) error {
	if at.doubted.IsZero() {
		at.doubted = time.Now()
	}
	if time.Since(at.doubted) < settled {
		return errWentBack
	}
	if now, _ := r.clock.now(); !at.baseline {
		r.on.hears.lost(now, wentBack)
	}
	at.seq, at.noted, at.from, at.doubted = 0, 0, at.stored.Add(time.Nanosecond), time.Time{}
	return nil
}

// stillThere looks whether what was read is still what is stored, before more is read and a heartbeat vouches for all. While the message
// that was read last of a subject is there, none that came after it was dropped.
func (r *watch) stillThere(ctx context.Context) error {
	h := r.on.hears
	if h == nil || h.read.IsZero() {
		return nil
	}
	now, _ := r.clock.now()
	stream, err := r.env.Journal.SignalStream(ctx, now)
	if err != nil {
		return err
	}
	h.most = stream.PerSubject
	for i := range h.from {
		at := &h.from[i]
		stored, err := time.Time{}, journal.ErrNone
		if at.seq > 0 {
			stored, err = r.env.Journal.SignalAt(ctx, at.seq)
		}
		switch {
		case err == nil && stored.Equal(at.stored):
			at.doubted = time.Time{}
		case err != nil && !errors.Is(err, journal.ErrNone):
			return err
		case err != nil && stream.Last >= at.seq: // it was dropped, with all others that are so old
			if stream.Since.After(h.read) && !at.baseline {
				h.lost(stream.Since, stream.Why)
			}
		default:
			if err := r.rewound(at); err != nil {
				return err
			}
		}
	}
	return nil
}

// skew is how far apart the clocks of two brokers of a cluster may be.
const skew = 5 * time.Second

// resumeSignals says how far the signals were counted by whoever watched before: last is what was measured last, all are the messages
// of it that matter, and both are empty if nobody measured.
func (r *watch) resumeSignals(ctx context.Context, last journal.Measured, all []journal.Measured) error {
	h := r.on.hears
	if h == nil {
		return nil
	}
	now, _ := r.clock.now()
	stream, err := r.env.Journal.SignalStream(ctx, now)
	if err != nil {
		return err
	}
	h.most = stream.PerSubject
	gone := stream.Since.After(r.on.stretch.From)
	if last.Signals == [2]uint64{} {
		if gone && stream.Since.After(last.At) {
			h.lost(stream.Since, stream.Why)
		}
		return nil
	}
	if back, err := r.wentBack(ctx, stream, last); back || err != nil {
		h.lost(now, wentBack)
		return err
	}
	full, counted, err := r.stillKept(ctx, last)
	switch {
	case err != nil:
		return err
	case !full && !gone: // all is there, to be counted again
		for i, seq := range last.Signals {
			h.from[i].noted = seq
		}
		return nil
	case counted && !stream.Since.After(last.At) && last.Lost == 0 && !slices.ContainsFunc(all, dropped):
		return r.goOn(ctx, last, all)
	case gone:
		h.lost(stream.Since, stream.Why)
	}
	return nil // and what its subject dropped is found as it is read
}

// wentBack tells whether the stream has lost its end since something was measured.
func (r *watch) wentBack(ctx context.Context, stream journal.SignalStream, last journal.Measured) (bool, error) {
	for _, seq := range last.Signals {
		if seq > stream.Last {
			return true, nil
		}
		if seq == 0 {
			continue
		}
		at, err := r.env.Journal.SignalAt(ctx, seq)
		if err != nil && !errors.Is(err, journal.ErrNone) {
			return false, err
		}
		if err == nil && at.After(last.At.Add(skew)) { // another's, that came after it was counted
			return true, nil
		}
	}
	return false, nil
}

// stillKept tells whether a subject is full, and whether all that was dropped of each had been counted: the oldest that is left was.
func (r *watch) stillKept(ctx context.Context, last journal.Measured) (full, counted bool, err error) {
	counted = true
	for i, seq := range last.Signals {
		at := r.on.hears.from[i]
		kept, err := r.env.Journal.Signals(ctx, at.project, at.release, 0, at.from)
		if err != nil {
			return false, false, err
		}
		if kept.Stored >= r.on.hears.most {
			full = true
			counted = counted && kept.All[0].Seq <= seq
		}
	}
	return full, counted, nil
}

// dropped tells whether looks were not stored.
func dropped(m journal.Measured) bool { return m.Lost > 0 }

// goOn counts on after what was counted, by what was stored of it. Of the errors' templates that is the table as it was stored last.
func (r *watch) goOn(ctx context.Context, last journal.Measured, all []journal.Measured) error {
	d := r.on
	for i, seq := range last.Signals {
		if seq == 0 { // none had come
			continue
		}
		at := &d.hears.from[i]
		at.seq, at.noted = seq, seq
		var err error
		if at.stored, err = r.env.Journal.SignalAt(ctx, seq); err != nil && !errors.Is(err, journal.ErrNone) {
			return err
		}
	}
	d.hears.news.Table.Restore(d.hears.mine.Templates)
	for _, m := range all {
		if judge.StretchOfStored(m.Measured).Same(d.stretch) {
			d.replay(m.Looks, func(c *check) bool { return c.Signal != nil })
		}
	}
	d.total(last, func(c *check) bool { return c.Signal != nil })
	return nil
}
