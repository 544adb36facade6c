package watch

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/signal"
	"github.com/sluice-gate/sluice/pkg/template"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/watcher/internal/probe"
)

// mostReads bounds how many messages are read in one step, so that a flood does not keep a watch from looking at its release.
const mostReads = 5_000

// hearing is how far the signals of a release are read, and what they came to.
type hearing struct {
	checks  []*check
	from    []cursor
	news    judge.News
	gap     judge.Gap
	changed bool      // the table has what is not stored yet
	began   time.Time // by the local clock, as kept is: when the table was stored
	kept    time.Time
	earlier []template.Soak // of the release's stretches before this one
	mine    template.Soak   // of this one, as it was stored last
	read    time.Time       // by the broker, when all was read last; zero: it never was
	most    int             // messages of a subject that the stream keeps
	fresh   int             // messages that were read, which no stored message says
}

// cursor is one subject that is read.
type cursor struct {
	project, release string
	seq              uint64 // of the last one that was read; 0: none since the time from
	noted            uint64 // of the last one that is stored among what was measured, by whomever
	from             time.Time
	stored           time.Time // by the broker, when the last one that was read was
	doubted          time.Time // by the local clock, since when it seems not to be there any more
	baseline         bool      // these are production's
}

// heard is a message and the cursor that it came from.
type heard struct {
	journal.Signal
	at *cursor
}

// readSignals counts the signals since the stretch began that are stored and not counted yet. all is false when there may be
// more: the step ended, or a check failed, before the end.
func (r *watch) readSignals(ctx context.Context) (all bool, err error) {
	h := r.on.hears
	if h == nil {
		return true, nil
	}
	for read := 0; read < mostReads && !r.on.notes.full(); { // what is counted is stored first
		msgs, all, err := r.nextSignals(ctx)
		if err != nil {
			return false, err
		}
		for _, m := range msgs {
			r.hear(m)
			m.at.seq, m.at.stored = m.Seq, m.At
			h.fresh++
			if r.verdict != nil {
				return false, nil
			}
		}
		if all {
			h.read, _ = r.clock.now()
			return true, nil
		}
		read += max(1, len(msgs))
	}
	return false, nil
}

// nextSignals reads the next messages of all subjects, in the order of the stream. Where one has more than was read, what the others
// have after that waits: the order is the same however much is read at once.
func (r *watch) nextSignals(ctx context.Context) (msgs []heard, all bool, err error) {
	h := r.on.hears
	end := ^uint64(0)
	for i := range h.from {
		at := &h.from[i]
		s, err := r.env.Journal.Signals(ctx, at.project, at.release, at.seq, at.from)
		if err != nil {
			return nil, false, err
		}
		if s.Rewound {
			return nil, false, r.rewound(at)
		}
		at.doubted = time.Time{}
		if s.Stored >= h.most && !at.baseline && len(s.All) > 0 {
			h.lost(s.All[0].At, fmt.Sprintf("more signals came to %s than are kept (%d) before they were read",
				topology.Signal(at.project, at.release), h.most))
		}
		for _, m := range s.All {
			msgs = append(msgs, heard{m, at})
		}
		if s.More {
			last := at.seq
			if n := len(s.All); n > 0 {
				last = s.All[n-1].Seq
			}
			end = min(end, last)
		}
	}
	slices.SortFunc(msgs, func(a, b heard) int { return cmp.Compare(a.Seq, b.Seq) })
	if i := slices.IndexFunc(msgs, func(m heard) bool { return m.Seq > end }); i >= 0 {
		msgs = msgs[:i]
	}
	return msgs, end == ^uint64(0), nil
}

// How long may be read before that is stored, and a part of what a subject keeps: who takes over can not read more than the stream keeps,
// and takes it from there.
const (
	mostStale = topology.DefaultSignalAge / 4
	freshPart = 5
)

// behind tells whether what is stored of how far was read is too far behind; last: nobody may come after this.
func (h *hearing) behind(stored time.Time, last bool) bool {
	switch {
	case h == nil:
		return false
	case last:
		return h.fresh > 0 || time.Since(stored) >= time.Hour
	}
	return h.fresh >= h.most/freshPart || time.Since(stored) >= mostStale
}

// counted is how far the signals of the project, and of the release, are read.
func (h *hearing) counted() (seqs [2]uint64) {
	if h != nil {
		for i := range seqs {
			seqs[i] = h.from[i].seq
		}
	}
	return seqs
}

// hear judges one message.
func (r *watch) hear(m heard) {
	h := r.on.hears
	for _, s := range signal.Parse(m.Data) {
		switch {
		case m.at.baseline:
			if s.Lost == 0 {
				h.news.Produced(s, m.At)
			}
			continue
		case s.Lost > 0:
			h.lost(m.At, fmt.Sprintf("%d signals were lost before they were stored", s.Lost))
			continue
		}
		said := func() string { return probe.Line(judge.SignalSaid(s)) } // which takes as long as all else
		var sight *judge.Sight
		for _, c := range h.checks {
			if !c.filter.Level(s) {
				continue
			}
			if sight == nil {
				seen := h.news.See(s, said, m.At)
				sight, h.changed = &seen, true
			}
			if !c.filter.Counts(s) {
				continue
			}
			seen := h.measurement(c, *sight, m.At, said)
			r.count(c, seen, !seen.OK && m.Seq > m.at.noted)
			if r.verdict != nil {
				return
			}
		}
	}
}

// measurement is a signal as a check counts it.
func (h *hearing) measurement(c *check, sight judge.Sight, at time.Time, said func() string) judge.Measurement {
	if !c.Signal.NewOnly {
		return judge.Measurement{At: at, Said: said()}
	}
	why, news := h.news.News(*c.Signal, sight, at)
	return judge.Measurement{At: at, OK: !news, Said: why}
}
