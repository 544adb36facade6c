package evidence

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sluice-gate/sluice/pkg/alert"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// Release is what was stored of a release.
type Release struct {
	State  release.State // as its journal has it now
	Spans  []Span        // in which it was to be watched, in order
	Unread int           // messages that can not be read
}

// Span is one stretch of a release, with all that was measured in it.
type Span struct {
	judge.Stretch
	Name    string        // of the stage
	Came    time.Time     // since when the release may have been running there
	Lasts   time.Duration // how long it was to last, when it was merged; 0: that is not known
	Least   int           // how much of it must be watched, in percent
	To      time.Time     // when it ended, or, while it goes on, until when it is looked at
	Live    bool          // it goes on
	Beats   int           // how many heartbeats there were
	Watched time.Duration // how much of it they cover
	Gaps    []Gap         // what they do not cover, in order
	Checks  []Check
	Lost    int // looks that could not be stored
	// Alerts of the project, from long enough before the span to say what fired already.
	Alerts []judge.Measurement
}

// Gap is a time in which nobody watched.
type Gap struct{ From, To time.Time }

// Check is what one check of a release saw.
type Check struct {
	Name, Source string
	Looks        []judge.Measurement // in the order in which they were stored
}

// Length is how long the span is, or was until now.
func (s Span) Length() time.Duration { return max(0, s.To.Sub(s.From)) }

// Coverage is how much of the span was watched, from 0 to 1.
func (s Span) Coverage() float64 {
	if s.Length() == 0 {
		return 1
	}
	return min(1, s.Watched.Seconds()/s.Length().Seconds())
}

// Read collects what is stored of a release, as of a time. It costs a read of the leader and one for every 10,000 messages of the
// journal, of the heartbeats and of the measurements.
func Read(ctx context.Context, j *journal.Journal, id string, now time.Time) (Release, error) {
	records, err := j.Records(ctx, id, 0)
	if err != nil {
		return Release{}, err
	}
	out := Release{State: records[len(records)-1].State}
	spans, every := spansOf(records, now)
	out.Spans = spans
	if len(spans) == 0 {
		return out, nil
	}
	from := spans[0].From
	beats, err := j.Beats(ctx, id, from)
	if err != nil {
		return Release{}, err
	}
	measured, unread, err := j.Measured(ctx, id, from)
	if err != nil {
		return Release{}, err
	}
	out.Unread = unread
	states := make([]release.State, len(records))
	for i, r := range records {
		states[i] = r.State
	}
	for i := range spans {
		s := &spans[i]
		s.Came, s.Lasts, s.Least = s.Stretch.Came(states), s.Stretch.Lasts(out.State), out.State.Policy.MinCoverage()
		cover(s, beats.At, every[i])
	}
	sortInto(spans, measured)
	return out, alerts(ctx, j, out.State.Project, spans)
}

// alerts reads the alerts of a project into the spans. It costs a read for each.
func alerts(ctx context.Context, j *journal.Journal, project string, spans []Span) error {
	from, to := spans[0].From.Add(-judge.AlertsBefore), spans[len(spans)-1].To
	for seq := uint64(0); ; {
		next, err := j.NextAlert(ctx, project, seq, from)
		if errors.Is(err, journal.ErrNone) || err == nil && next.At.After(to) {
			return nil
		}
		if err != nil {
			return err
		}
		seq = next.Seq
		a, err := alert.Decode(next.Data)
		if err != nil || next.Print == "" { // the watcher passed it over, too
			continue
		}
		m := judge.Measurement{At: next.At, Alert: &judge.Notice{Print: next.Print, Alert: a}}.Normal()
		for i := range spans {
			if s := &spans[i]; !m.At.Before(s.From.Add(-judge.AlertsBefore)) && !m.At.After(s.To) {
				s.Alerts = append(s.Alerts, m)
			}
		}
	}
}

// spansOf are the stretches that a journal tells of, and how often heartbeats were sent in each at least.
func spansOf(records []journal.Record, now time.Time) (spans []Span, every []time.Duration) {
	for _, r := range records {
		stretch, ok := judge.StretchOf(r.State)
		last := len(spans) - 1
		if last >= 0 && spans[last].Live && !(ok && spans[last].Same(stretch)) {
			spans[last].Live, spans[last].To = false, r.At
		}
		if !ok {
			continue
		}
		if last < 0 || !spans[last].Live {
			spans = append(spans, Span{Stretch: stretch, Name: r.State.StageName(), Live: true, To: now})
			every = append(every, 0)
			last++
		}
		every[last] = max(every[last], r.State.BeatEvery())
	}
	return spans, every
}

// cover says how much of the span the heartbeats cover.
func cover(s *Span, beats []time.Time, every time.Duration) {
	beats = slices.DeleteFunc(slices.Clone(beats), func(t time.Time) bool { return t.Before(s.From) || t.After(s.To) })
	s.Beats = len(beats)
	s.Watched = release.Watched(beats, s.From, s.To, every)
	slack := every * 5 / 2 // as release.Watched has it
	before := s.From
	for _, b := range append(beats, s.To) {
		if b.Sub(before) > slack || len(beats) == 0 {
			s.Gaps = append(s.Gaps, Gap{before, b})
		}
		before = b
	}
}

// sortInto sorts what was measured into the spans.
func sortInto(spans []Span, measured []journal.Measured) {
	for _, m := range measured {
		stretch := judge.StretchOfStored(m.Measured)
		i := slices.IndexFunc(spans, func(s Span) bool { return s.Same(stretch) })
		if i < 0 {
			continue
		}
		spans[i].Lost += m.Lost
		for _, looks := range m.Looks {
			note(&spans[i], looks)
		}
	}
}

func note(s *Span, looks releasepb.Looks) {
	i := slices.IndexFunc(s.Checks, func(c Check) bool { return c.Name == looks.Check && c.Source == looks.Source })
	if i < 0 {
		s.Checks = append(s.Checks, Check{Name: looks.Check, Source: looks.Source})
		i = len(s.Checks) - 1
	}
	for _, l := range looks.All {
		s.Checks[i].Looks = append(s.Checks[i].Looks, judge.MeasurementOf(l))
	}
}

// Promoted is when the last soak ended; of a release that was not promoted it means nothing.
func (r Release) Promoted() time.Time {
	for _, s := range slices.Backward(r.Spans) {
		if !s.Bake {
			return s.To
		}
	}
	return time.Time{}
}
