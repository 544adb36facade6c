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
		func() error { return ended(was, prev.reached, records) },
		func() error { return expired(was, m) },
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
	case release.WasApproved:
		return e.Seq
	case release.WasRetried:
		return e.Seq
	case release.WasRecalled:
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

// ended: an ended release changes no more (I5), and it does not end again (I1). A person may retry what failed, unless somebody
// cancelled it when that was too late (I16), and roll back what was promoted, or may have been.
func ended(was release.State, reached bool, records []message) error {
	if !was.Phase.Ended() {
		return nil
	}
	m := records[len(records)-1]
	is := *m.state
	switch m.event.(type) {
	case release.WasRetried:
		for _, r := range records {
			if e, refused := r.event.(release.WasRefused); refused && e.Verb == release.Cancel {
				return broke("I16", "retried, and it was cancelled too late by %d", e.Seq)
			}
		}
		if was.Phase == release.Failed && is.Phase == release.Queued && is.Claim == 0 {
			return nil
		}
	case release.WasRecalled:
		if was.Phase == release.Promoted || reached && was.Phase != release.RolledBack {
			return nil
		}
	}
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
	a, running := was.Attempts[work(&was)]
	switch e := m.event.(type) {
	case release.WasBegun:
		if running && a.Instance != e.Attempt.Instance && m.at.time().Before(a.Deadline()) {
			return broke("I11", "%s began before the deadline of %s", e.Attempt.Instance, a.Instance)
		}
	case release.WasFailed:
		if e.Said.By != bySluice && (!running || a.Instance != e.Said.By) {
			return broke("I11", "%s failed the release, and was not at it", e.Said.By)
		}
	case release.WasNotRolledBack:
		if e.Said.By != bySluice && (!running || a.Instance != e.Said.By) {
			return broke("I11", "%s gave the rollback up, and was not at it", e.Said.By)
		}
	}
	return nil
}

// bySluice is who ends what stayed in its phase for too long.
const bySluice = "sluice"

// expired: what ends because of its phase's deadline stayed in it for so long, and nobody was at it (I13). A bake is not cut short
// (I18).
func expired(was release.State, m message) error {
	limit, since := was.Policy.MaxHold, was.PhaseAt
	switch e := m.event.(type) {
	case release.WasDone:
		if was.Phase == release.Baking && e.At.Before(since.Add(was.Policy.Bake)) {
			return broke("I18", "promoted after a bake of %s", e.At.Sub(since))
		}
		return nil
	case release.WasFailed:
		if e.Said.By != bySluice {
			return nil
		}
		if was.Postponed != nil && was.Phase == release.Soaking {
			since = was.Postponed.Since
		} else if was.Phase != release.Held && was.Phase != release.Queued {
			return broke("I13", "%s, and its time was over", was.Phase)
		}
	case release.WasNotRolledBack:
		if e.Said.By != bySluice {
			return nil
		}
		limit = was.Policy.MaxPhase
		if a, running := was.Attempts[release.Rollback]; running && m.at.time().Before(a.Deadline()) {
			return broke("I11", "the rollback was given up before the deadline of %s", a.Instance)
		}
	default:
		return nil
	}
	if stayed := m.at.time().Sub(since); limit == 0 || stayed < limit {
		return broke("I13", "%s after %s in %s", m.event.Name(), stayed, was.Phase)
	}
	return nil
}

// promoted: what was stored before a claim, and stops it, is not followed by its promotion (I2). The rule for what was done
// outside is that of the step that does it.
func promoted(s *streams, n uint32, m message) error {
	if m.state.Phase != release.Promoted && m.state.Phase != release.Baking || m.state.Recalled != nil {
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
	if paused := s.all[s.upTo(n, claim)].paused; paused > 0 {
		return broke("I14", "the pause %d was stored before the claim %d and not ended before it, and it was promoted", paused, claim)
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
	at := s.upTo(n, uint8(claim))
	paused := s.all[at].paused > 0
	stopped := false
	for _, r := range s.requests(at, s.all[at].state.Folded) {
		stopped = stopped || stops(r)
	}
	if m.state.Claim == claim {
		got := settle(*m.state, s.requests(n, 0), pause(s.all[at].paused))
		if len(got.Requests) > 0 != stopped || got.Stop != nil != paused {
			return broke("I10", "the claim %d settled from %s comes to %d requests, and paused %t", claim, m.event.Name(), len(got.Requests), got.Stop != nil)
		}
	}
	if prev.state.Phase != release.Promoting {
		return nil
	}
	_, refused := m.event.(release.WasRefused)
	switch back := m.state.Claim != claim; {
	case back && !stopped && !paused:
		return broke("I10", "the effective claim %d was taken back by %s", claim, m.event.Name())
	case refused && paused && !stopped:
		return broke("I10", "request %d was refused before the claim %d, which a pause makes ineffective, was taken back", answered(m.event), claim)
	case !back && (stopped || paused) && answered(m.event) == 0:
		return broke("I10", "%s after the ineffective claim %d", m.event.Name(), claim)
	}
	return nil
}

// claimed: the last record claims; was it time (I3)?
func claimed(records []message) error {
	last := len(records) - 1
	approvals := 0
	for i, m := range records {
		switch m.event.(type) {
		case release.WasApproved:
			approvals++
		case release.WasRetried: // its soak was over: what is left is what it was extended by since
			if i < last && m.state.Phase == release.Queued {
				return afterRetry(records[i:])
			}
		}
	}
	if want := records[0].state.Policy.Approvals; approvals < want {
		return broke("I14", "claimed with %d of %d approvals", approvals, want)
	}
	if want := records[last-1].state.Delay(); !expedited(records[:last]) {
		if ran := ran(records); ran < want {
			return broke("I3", "claimed after a soak of %s, wanted %s", ran, want)
		}
	}
	return nil
}

// afterRetry: the last record claims; the first is a retry. Did the release have its lane, and the clock run for as long as it was
// extended since (I3, I17)?
func afterRetry(records []message) error {
	var want, ran time.Duration
	var since *time.Time
	expedited := false
	for _, m := range records[1:] {
		switch e := m.event.(type) {
		case release.WasExtended:
			want += e.By
			expedited = false
		case release.WasExpedited:
			expedited = true
		case release.WasRetried:
			return nil // judged by that
		}
		if running := m.state.Phase == release.Soaking; running != (since != nil) {
			at := m.at.time()
			switch {
			case running:
				since = &at
			case m.state.Phase == release.Held:
				ran, since = ran+at.Sub(*since), nil
			}
		}
	}
	if since == nil {
		return broke("I17", "claimed after a retry, without the lane")
	}
	if ran += records[len(records)-1].at.time().Sub(*since); ran < want && !expedited {
		return broke("I3", "claimed %s after a retry, wanted %s", ran, want)
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
