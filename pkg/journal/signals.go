package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-gate/sluice/pkg/topology"
)

// Signal is a stored error signal of one of staging's applications.
type Signal struct {
	Seq  uint64    // stream sequence in SLUICE_SIGNALS
	At   time.Time // broker's timestamp
	Data []byte
}

// Signals is a part of the signals of one subject, in their order.
type Signals struct {
	All    []Signal
	More   bool // there are, or may be, some after these
	Stored int  // how many there were when it was asked, these and those after them
}

// Bounds of one read of signals.
const (
	signalsAtOnce = 1000
	signalBytes   = 1 << 20
)

// Signals are the next signals of a project, as [Journal.NextSignal] has them: at most a thousand, and about a MiB. None is not an error.
// Where Stored reaches [topology.SignalsPerSubject] the stream may have dropped the oldest before they were read.
//
// How far there is to read the leader says, so what a replica that lags behind does not have yet is More, and never nothing.
func (j *Journal) Signals(ctx context.Context, project, release string, after uint64, since time.Time) (Signals, error) {
	subject := topology.Signal(project, release)
	if subject == "" {
		return Signals{}, nil
	}
	last, err := j.leaderLast(ctx, topology.StreamSignals, subject)
	if errors.Is(err, ErrNone) || err == nil && (last.Seq <= after || after == 0 && last.At.Before(since)) {
		return Signals{}, nil
	}
	if err != nil {
		return Signals{}, err
	}
	g := get{Batch: signalsAtOnce, Next: subject, MaxBytes: signalBytes}
	if after == 0 {
		g.StartTime = &since
	} else {
		g.Seq = after + 1
	}
	a, err := j.ask(ctx, topology.StreamSignals, g)
	hidden := errors.Is(err, errHidden)
	for _, m := range a.msgs {
		hidden = hidden || m.Subject != subject
	}
	if hidden { // an application made its headers so that a direct read does not show a message as it is
		next, err := j.NextSignal(ctx, project, release, after, since)
		if err != nil {
			return Signals{}, err
		}
		return Signals{All: []Signal{next}, More: true, Stored: 1}, nil
	}
	if err != nil {
		return Signals{}, fmt.Errorf("read %s: %w", subject, err)
	}
	out := Signals{All: make([]Signal, len(a.msgs)), Stored: len(a.msgs) + a.pending}
	got := after
	for i, m := range a.msgs {
		out.All[i] = Signal{Seq: m.Seq, At: m.At, Data: m.Data}
		got = m.Seq
	}
	out.More = a.pending > 0 || got < last.Seq
	return out, nil
}

// SignalsSince is since when the stream has all signals that it did not drop by their number (see [Journal.Signals]) or age: zero unless it
// is as full, in bytes, that it drops the oldest for any new one, whatever they are about.
func (j *Journal) SignalsSince(ctx context.Context) (time.Time, error) {
	var info struct {
		Config struct {
			MaxBytes int64 `json:"max_bytes"`
		} `json:"config"`
		State struct {
			Bytes int64     `json:"bytes"`
			First time.Time `json:"first_ts"`
		} `json:"state"`
	}
	if err := j.call(ctx, "STREAM.INFO."+topology.StreamSignals, nil, &info); err != nil {
		return time.Time{}, fmt.Errorf("how full the stream of signals is: %w", err)
	}
	if most := info.Config.MaxBytes; most <= 0 || info.State.Bytes < most-most/16 {
		return time.Time{}, nil
	}
	return info.State.First, nil
}

// NextSignal is the first signal of a project that was stored after a sequence of SLUICE_SIGNALS or, when after is 0, at or
// after since. release says for which release; empty for those that name none. ErrNone when there is no such signal.
//
// It asks the leader, so an answer of ErrNone is not one of a replica that lags behind; and nothing that an application
// writes into its message's headers can hide it or change its time.
func (j *Journal) NextSignal(ctx context.Context, project, release string, after uint64, since time.Time) (Signal, error) {
	subject := topology.Signal(project, release)
	if subject == "" {
		return Signal{}, fmt.Errorf("signals of project %q, release %q: an unsafe name: %w", project, release, ErrNone)
	}
	g := get{Next: subject}
	if after == 0 {
		g.StartTime = &since
	} else {
		g.Seq = after + 1
	}
	m, err := j.leaderGet(ctx, topology.StreamSignals, subject, g)
	if err != nil {
		return Signal{}, err
	}
	return Signal{Seq: m.Seq, At: m.At, Data: m.Data}, nil
}
