package exhaustive

import (
	"fmt"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

// violation is a broken invariant of package release: its name and what happened.
type violation struct{ name, text string }

func (v violation) Error() string { return v.name + ": " + v.text }

func broke(name, format string, args ...any) error {
	return violation{name, fmt.Sprintf(format, args...)}
}

// judge looks at the last record of a stream, with all before it in sight. It judges from the stream alone, with rules of its
// own, and asks the domain only where the rule is about what the domain answers.
func (s *streams) judge(n uint32) error {
	records := s.records(n)
	if len(records) < 2 {
		return nil
	}
	prev, m := records[len(records)-2], records[len(records)-1]
	was, is := *prev.state, *m.state
	for _, check := range []func() error{
		func() error { return s.answers(n, records) },
		func() error { return ended(was, m) },
		func() error { return held(was, m) },
		func() error { return attempted(was, m) },
		func() error { return promoted(s, n, m) },
		func() error { return s.settled(n, records) },
	} {
		if err := check(); err != nil {
			return err
		}
	}
	if isClaim(was, m) {
		return claimed(records)
	}
	if is.Folded < was.Folded {
		return broke("I7", "the watermark went back from %d to %d", was.Folded, is.Folded)
	}
	return nil
}

// answered is the sequence of the request that an event answers, 0 for none.
func answered(e release.Event) uint64 {
	switch e := e.(type) {
	case release.WasHeld:
		return e.Seq
	case release.WasResumed:
		return e.Seq
	case release.WasExtended:
		return e.Seq
	case release.WasExpedited:
		return e.Seq
	case release.WasCancelled:
		return e.Seq
	case release.WasRefused:
		return e.Seq
	}
	return 0
}

// isClaim tells a claim from a further attempt.
func isClaim(was release.State, m message) bool {
	begun, ok := m.event.(release.WasBegun)
	return ok && begun.Work == release.Promote && was.Phase != release.Promoting
}

// answers: every request is answered once, in the order of the stream (I7). That the last ones are answered at all is the
// search's to say.
func (s *streams) answers(n uint32, records []message) error {
	seq := answered(records[len(records)-1].event)
	if seq == 0 {
		return nil
	}
	done := map[uint64]bool{}
	for _, m := range records[:len(records)-1] {
		done[answered(m.event)] = true
	}
	if done[seq] {
		return broke("I7", "request %d was answered twice", seq)
	}
	for _, r := range s.requests(n, 0) {
		if r.Seq < seq && !done[r.Seq] {
			return broke("I7", "request %d was answered, and %d before it was not", seq, r.Seq)
		}
	}
	return nil
}

// ended: an ended release changes no more (I5), and it does not end again (I1).
func ended(was release.State, m message) error {
	if !was.Phase.Ended() {
		return nil
	}
	is := *m.state
	if is.Phase != was.Phase && is.Phase.Ended() {
		return broke("I1", "%s, and it was %s", is.Phase, was.Phase)
	}
	if _, late := m.event.(release.WasRefused); !late || is.Phase != was.Phase || is.End != was.End || is.Claim != was.Claim {
		return broke("I5", "%s after it was %s", m.event.Name(), was.Phase)
	}
	return nil
}

// held: a person's hold is ended by a resume or an end (I8).
func held(was release.State, m message) error {
	if was.Held == nil || was.Held.System || was.Phase.Ended() || m.state.Phase.Ended() {
		return nil
	}
	_, resumed := m.event.(release.WasResumed)
	is := *m.state
	running := is.Phase == release.Soaking || is.Phase == release.Promoting
	if stands := is.Held != nil && !is.Held.System && !running; !stands && !resumed {
		return broke("I8", "%s ended the hold of %s", m.event.Name(), was.Held.By)
	}
	return nil
}

// attempted: nobody begins while another's attempt runs, and nobody fails what another is at (I11).
func attempted(was release.State, m message) error {
	a, running := was.Attempts[release.Promote]
	switch e := m.event.(type) {
	case release.WasBegun:
		if running && a.Instance != e.Attempt.Instance && m.at.time().Before(a.Deadline()) {
			return broke("I11", "%s began before the deadline of %s", e.Attempt.Instance, a.Instance)
		}
	case release.WasFailed:
		if !running || a.Instance != e.Said.By {
			return broke("I11", "%s failed the release, and was not at it", e.Said.By)
		}
	}
	return nil
}

// promoted: what was stored before a claim, and stops it, is not followed by its promotion (I2). The rule for what was done
// outside is that of the step that does it.
func promoted(s *streams, n uint32, m message) error {
	if m.state.Phase != release.Promoted {
		return nil
	}
	return s.unstopped(n, uint8(m.state.Claim))
}

// unstopped checks I2 for a claim that was acted on.
func (s *streams) unstopped(n uint32, claim uint8) error {
	at := s.all[s.upTo(n, claim)].state
	for _, r := range s.requests(s.upTo(n, claim), 0) {
		switch {
		case r.Verb == release.Cancel:
			return broke("I2", "the cancel %d was stored before the claim %d, and it was promoted", r.Seq, claim)
		case stops(r) && r.Seq > at.Folded:
			return broke("I2", "the %s %d was stored before the claim %d and not answered, and it was promoted", r.Verb, r.Seq, claim)
		}
	}
	return nil
}

// settled: from every record of a claim settling comes to what the stream says, an effective claim is not taken back, and
// nothing but taking it back follows an ineffective one (I10).
func (s *streams) settled(n uint32, records []message) error {
	prev, m := records[len(records)-2], records[len(records)-1]
	claim := m.state.Claim
	if prev.state.Phase == release.Promoting {
		claim = prev.state.Claim
	}
	if claim == 0 {
		return nil
	}
	stopped := false
	at := s.upTo(n, uint8(claim))
	for _, r := range s.requests(at, s.all[at].state.Folded) {
		stopped = stopped || stops(r)
	}
	if m.state.Claim == claim {
		if got := settle(*m.state, s.requests(n, 0)); len(got) > 0 != stopped {
			return broke("I10", "the claim %d settled from %s comes to %d requests", claim, m.event.Name(), len(got))
		}
	}
	if prev.state.Phase != release.Promoting {
		return nil
	}
	switch back := m.state.Claim != claim; {
	case back && !stopped:
		return broke("I10", "the effective claim %d was taken back by %s", claim, m.event.Name())
	case !back && stopped && answered(m.event) == 0:
		return broke("I10", "%s after the ineffective claim %d", m.event.Name(), claim)
	}
	return nil
}

// claimed: the last record claims; was it time (I3)?
func claimed(records []message) error {
	last := len(records) - 1
	if want := records[last-1].state.Delay(); !expedited(records[:last]) {
		if ran := ran(records); ran < want {
			return broke("I3", "claimed after a soak of %s, wanted %s", ran, want)
		}
	}
	return nil
}

// expedited tells whether somebody expedited, and nobody asked for time since.
func expedited(records []message) bool {
	expedited := false
	for _, m := range records {
		switch m.event.(type) {
		case release.WasExpedited:
			expedited = true
		case release.WasHeld, release.WasExtended:
			expedited = false
		}
	}
	return expedited
}

// ran is how long the clock of the soak ran until the last record.
func ran(records []message) time.Duration {
	last := records[len(records)-1]
	staged := last.state.StagedAt
	later := func(t time.Time) time.Time {
		if t.Before(staged) {
			return staged
		}
		return t
	}
	var ran time.Duration
	since, running := staged, true
	for _, m := range records[:len(records)-1] {
		switch e := m.event.(type) {
		case release.WasHeld:
			if running {
				ran += later(e.Holding.At).Sub(since)
			}
			running = false
		case release.WasResumed:
			since, running = later(e.Said.At), true
		case release.WasExpedited:
			if !running {
				since, running = later(e.Said.At), true
			}
		}
	}
	if running {
		ran += last.at.time().Sub(since)
	}
	return ran
}
