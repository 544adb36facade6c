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
	// Rewound: what was read last is not there any more, and what comes now has its sequences again, or lower ones. A broker that crashed
	// may have lost the end of this stream (PersistMode async), or somebody made the stream anew.
	Rewound bool
}

// Bounds of one read of signals.
const (
	signalsAtOnce = 1000
	signalBytes   = 1 << 20
)

// Signals are the next signals of a project, as [Journal.NextSignal] has them: at most a thousand, and about a MiB. None is not an error.
// Where Stored reaches [SignalStream.PerSubject] the stream may have dropped the oldest before they were read.
//
// How far there is to read the leader says, so what a replica that lags behind does not have yet is More, and never nothing.
func (j *Journal) Signals(ctx context.Context, project, release string, after uint64, since time.Time) (Signals, error) {
	subject := topology.Signal(project, release)
	if subject == "" {
		return Signals{}, nil
	}
	last, err := j.leaderLast(ctx, topology.StreamSignals, subject)
	if errors.Is(err, ErrNone) || err == nil && (last.Seq <= after || after == 0 && last.At.Before(since)) {
		return Signals{Rewound: last.Seq < after && err == nil}, nil // the newest of a subject is dropped last
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
		stored, err := j.keptOf(ctx, subject)
		if err != nil {
			return Signals{}, err
		}
		return Signals{All: []Signal{next}, More: true, Stored: stored}, nil
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

// keptOf is how many messages of a subject the stream of signals has if it is full of them, and 1 otherwise: who can not count those after
// a sequence must take the worst for true.
func (j *Journal) keptOf(ctx context.Context, subject string) (int, error) {
	var info struct {
		Config struct {
			PerSubject int `json:"max_msgs_per_subject"`
		} `json:"config"`
		State struct {
			Subjects map[string]int `json:"subjects"`
		} `json:"state"`
	}
	request := struct {
		Filter string `json:"subjects_filter"`
	}{subject}
	if err := j.call(ctx, "STREAM.INFO."+topology.StreamSignals, request, &info); err != nil {
		return 0, fmt.Errorf("how many messages %s has: %w", subject, err)
	}
	if n := info.State.Subjects[subject]; n >= info.Config.PerSubject {
		return n, nil
	}
	return 1, nil
}

// SignalStream is what is known of the stream of signals as a whole.
type SignalStream struct {
	Last uint64 // sequence of its newest message
	// PerSubject is how many of a subject are kept: where so many are unread, some may have been dropped.
	PerSubject int
	Since      time.Time // what came before may have been dropped, for another reason than its subject's number (see [Journal.Signals])
	Why        string    // the reason
}

// SignalStream asks the leader for the state of the stream of signals. now is the broker's time.
func (j *Journal) SignalStream(ctx context.Context, now time.Time) (SignalStream, error) {
	var info struct {
		Created time.Time `json:"created"`
		Config  struct {
			MaxBytes   int64         `json:"max_bytes"`
			MaxAge     time.Duration `json:"max_age"`
			PerSubject int           `json:"max_msgs_per_subject"`
		} `json:"config"`
		State struct {
			Bytes int64     `json:"bytes"`
			First time.Time `json:"first_ts"`
			Last  uint64    `json:"last_seq"`
		} `json:"state"`
	}
	if err := j.call(ctx, "STREAM.INFO."+topology.StreamSignals, nil, &info); err != nil {
		return SignalStream{}, fmt.Errorf("how full the stream of signals is: %w", err)
	}
	out := SignalStream{
		Last: info.State.Last, PerSubject: info.Config.PerSubject, Since: info.Created, Why: "the stream of signals was made anew",
	}
	if age := info.Config.MaxAge; age > 0 && now.Add(-age).After(out.Since) {
		out.Since, out.Why = now.Add(-age), fmt.Sprintf("signals are kept for %s", age)
	}
	if most := info.Config.MaxBytes; most > 0 && info.State.Bytes >= most-most/16 && info.State.First.After(out.Since) {
		out.Since, out.Why = info.State.First, "the stream of signals is full, and dropped the oldest"
	}
	return out, nil
}

// SignalAt is when the signal with a sequence of SLUICE_SIGNALS was stored. ErrNone when it is not there any more.
func (j *Journal) SignalAt(ctx context.Context, seq uint64) (time.Time, error) {
	m, err := j.leaderGet(ctx, topology.StreamSignals, fmt.Sprintf("signal %d", seq), get{Seq: seq})
	return m.At, err
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
