package release

import (
	"fmt"
	"time"
)

// alarm decides the one moment that cannot be taken back lightly: whether to claim.
func alarm(s State, c Alarm) []Event {
	switch {
	case !s.Ready(c.At):
		return nil
	case s.Phase == Baking:
		note := fmt.Sprintf("baked for %s, watched for %s of it", s.Policy.Bake, c.Watched.Round(time.Second))
		return []Event{WasDone{Work: Promote, Value: s.Latest.Value, Note: joined(s.Latest.Note, note), At: c.At}}
	case c.TooNew != "":
		return []Event{WasSuperseded{Newer: c.TooNew, At: c.At}}
	}
	if by := c.Gate.Record.Newer(s); by != "" {
		return []Event{WasSuperseded{Newer: by, At: c.At}}
	}
	if why, unwatched := watchedEnough(s, c); why != "" {
		return []Event{holdItself(c, unwatched, why)}
	}
	if awaitsChecks(s, c) {
		return nil
	}
	if o, closed := c.Gate.obstacle(s, c.At); closed {
		if s.Postponed != nil && s.Postponed.same(o) {
			return nil
		}
		return []Event{WasPostponed{Obstacle: o, At: c.At}}
	}
	if late := c.At.Sub(s.Opened(c)); s.Expedited == nil && s.Policy.MaxOverdue > 0 && late > s.Policy.MaxOverdue {
		return []Event{holdItself(c, 0, fmt.Sprintf("overdue by %s, more than max_overdue %s: resume it to promote it after all",
			late.Round(time.Second), s.Policy.MaxOverdue))}
	}
	if !s.LastStage() {
		return []Event{WasPassed{At: c.At}}
	}
	if by, was := c.Gate.Record.WasRolledBack(s); was && !s.Forced {
		return []Event{holdItself(c, 0, fmt.Sprintf("%s was promoted before, and rolled back by %s at %s: "+
			"expedite it with force to promote it again, or cancel it", s.Version, by.who(), by.At.UTC().Format(time.RFC3339)))}
	}
	return []Event{WasBegun{
		Work: Promote, Before: c.Before, At: c.At,
		Attempt: Attempt{Number: 1, Instance: c.Instance, Timeout: c.Timeout},
	}}
}

func joined(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// holdItself is Sluice holding a release for a person to decide.
func holdItself(c Alarm, unwatched time.Duration, why string) Event {
	said := Said{By: c.Instance, At: c.At, Reason: why}
	return WasHeld{Holding: Holding{Said: said, System: true, Unwatched: unwatched}}
}

// watchedEnough says why the release may not leave its stage for want of watching, or nothing. An expedited one needs a look
// at its checks instead of a whole soak, and waits for it only so long.
func watchedEnough(s State, c Alarm) (why string, unwatched time.Duration) {
	soak := s.Delay()
	if s.Expedited == nil {
		least := s.Policy.MinCoverage()
		if c.Watched >= soak/100*time.Duration(least) {
			return "", 0
		}
		unwatched, next := soak-c.Watched, "resume it to soak the rest, or expedite it with force to promote it unwatched"
		if s.mayProlong(unwatched) {
			next = fmt.Sprintf("it soaks on for %s", unwatched.Round(time.Second))
		}
		return fmt.Sprintf("watched for %s of %s, less than %d%%: %s",
			c.Watched.Round(time.Second), soak.Round(time.Second), least, next), unwatched
	}
	if awaitsChecks(s, c) && c.At.Sub(s.gateFrom()) > s.Patience() {
		return "expedited, but no watcher has seen all checks pass since: " +
			"expedite it with force to promote it all the same, or resume it to soak on", 0
	}
	return "", 0
}

// mayProlong tells whether Sluice itself lets a release soak on for what was not watched. That has an end: who is never watched is held.
func (s State) mayProlong(unwatched time.Duration) bool {
	return s.Policy.OnGap == ExtendOnGap && unwatched > 0 && (s.Policy.MaxOverdue <= 0 || s.Prolonged+unwatched <= s.Policy.MaxOverdue)
}

// SoaksOn tells whether the release is held for want of watching, and its project wants it to soak on by itself: see [Prolong].
func (s State) SoaksOn() bool {
	return s.Phase == Held && s.Held != nil && s.Held.System && s.mayProlong(s.Held.Unwatched)
}

// prolong resumes what soaks on.
func prolong(s State, c Prolong) []Event {
	if !s.SoaksOn() {
		return nil
	}
	why := fmt.Sprintf("soaks on for the %s that nobody watched", s.Held.Unwatched.Round(time.Second))
	said := Said{By: c.Instance, At: c.At, Reason: why}
	return []Event{WasResumed{Said: said, Due: c.At.Add(s.Remaining + s.Held.Unwatched), Prolonged: s.Held.Unwatched}}
}

// awaitsChecks tells whether an expedited release still waits until a watcher has seen all of its checks pass.
func awaitsChecks(s State, c Alarm) bool {
	return s.Expedited != nil && !s.Forced && s.Delay() > 0 && c.Clean.Before(s.gateFrom())
}

// Opened is since when nothing is in the way of a release whose delay is over, as far as the alarm tells.
func (s State) Opened(c Alarm) time.Time {
	if s.Postponed == nil { // nobody looked when it was due, or nothing was in its way then
		return later(s.Due, c.Gate.Free)
	}
	at := c.At
	switch s.Postponed.Kind {
	case ByWindow, ByFreeze, ByPause:
		if over := later(s.Postponed.Until, c.Gate.Opened); !over.IsZero() && over.Before(at) {
			at = over
		}
	case ByApproval:
		if n := len(s.Approved); n > 0 {
			at = s.Approved[n-1].At
		}
	case ByNeed, ByRollback:
	}
	return later(s.Due, at)
}
