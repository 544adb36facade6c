package watch

import (
	"context"
	"errors"
	"slices"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/services/watcher/internal/probe"
)

// mostReads bounds how many signals are read in one step, so that a flood does not keep a watch from looking at its release.
const mostReads = 5_000

// reading is how far the signals of a release are read: those of its project, and its own.
type reading [2]struct {
	seq  uint64          // of the last one that was counted; 0: none since the stretch began
	head *journal.Signal // the next one, if it was read already
}

// readSignals counts the signals since the stretch began that are stored and not counted yet. all is false when there may be
// more: the step ended, or a check failed, before the end.
func (r *watch) readSignals(ctx context.Context) (all bool, err error) {
	if !slices.ContainsFunc(r.on.checks, func(c *check) bool { return c.Signal != nil }) {
		return true, nil
	}
	names := [2]string{"", r.id}
	empty := [2]bool{}
	for range mostReads {
		if r.on.notes.full() { // what is counted is stored first
			return false, nil
		}
		for i := range r.on.signals {
			from := &r.on.signals[i]
			if from.head != nil || empty[i] {
				continue
			}
			next, err := r.env.Journal.NextSignal(ctx, r.entry.State.Project, names[i], from.seq, r.on.stretch.From)
			switch {
			case errors.Is(err, journal.ErrNone):
				empty[i] = true
			case err != nil:
				return false, err
			default:
				from.head = &next
			}
		}
		from := &r.on.signals[0]
		if other := &r.on.signals[1]; from.head == nil || other.head != nil && other.head.Seq < from.head.Seq {
			from = other
		}
		if from.head == nil {
			return true, nil
		}
		m := judge.Measurement{At: from.head.At, Said: probe.Line(string(from.head.Data))}
		from.seq, from.head = from.head.Seq, nil
		for _, c := range r.on.checks {
			if c.Signal != nil {
				r.count(c, m)
			}
		}
		if r.verdict != nil {
			return false, nil
		}
	}
	return false, nil
}
