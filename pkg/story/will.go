package story

import (
	"fmt"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

// Will says what a request will do to a release that is as it is now, in a sentence. It is what somebody is told before it is stored;
// what it does then is decided by the stream.
func Will(v release.Verb, s release.State, force bool, now time.Time) string {
	what := Title(s)
	if what == "" {
		what = Short(s.Release)
	}
	if why := refusal(v, s, force, now); why != "" {
		return fmt.Sprintf("the %s of %s will be refused: %s", v, what, why)
	}
	switch {
	case v == release.Cancel || v == release.Hold:
	case s.Phase == release.None:
		return what + " is not admitted yet: this is answered when it is"
	case s.Phase == release.Promoting:
		return what + ": its promotion was claimed already; this is answered when it is known whether that claim counts"
	}
	switch v {
	case release.Cancel:
		return what + willCancel(s)
	case release.Expedite:
		return what + willExpedite(s, force, now)
	case release.Hold:
		return what + willHold(s, now)
	case release.Resume:
		if s.Phase == release.Held {
			return fmt.Sprintf("%s soaks on, for the %s that are left", what, Left(s.Remaining))
		}
		return what + " is held no more"
	case release.Extend:
		return what + " soaks for longer"
	case release.Approve:
		return fmt.Sprintf("%s is approved once more: %s so far", what, s.Approvals())
	case release.Retry:
		return what + " is taken up again where it failed"
	case release.Recall:
		return willRollBack(what, s)
	}
	return string(v) + " " + what
}

// refusal is why the domain would refuse the request now. Whether a claim that stands already counts, nobody knows before it is settled.
func refusal(v release.Verb, s release.State, force bool, now time.Time) string {
	if s.Phase == release.None || s.Phase == release.Promoting && v.Stops() {
		return ""
	}
	r := release.Request{Verb: v, Seq: s.Folded + 1, Actor: "you", Reason: "why", Force: force, At: now}
	if v == release.Extend {
		r.By = time.Minute
	}
	events, err := release.Decide(s, r)
	if err != nil || len(events) == 0 {
		return ""
	}
	if refused, ok := events[0].(release.WasRefused); ok {
		return refused.Said.Reason
	}
	return ""
}

func willCancel(s release.State) string {
	switch {
	case s.Phase == release.Promoting:
		return ": its promotion was claimed already; a cancel counts only if that claim does not"
	case s.Phase == release.None:
		return " will not be admitted"
	case s.Policy.PutBack:
		return " will not be promoted; staging and the beta channel are put back"
	}
	return " will not be promoted; staging and the beta channel stay as they are"
}

func willExpedite(s release.State, force bool, now time.Time) string {
	text := " goes to everybody as soon as it can"
	switch {
	case s.Phase == release.Queued:
		text = " is the next in its lane, and goes to everybody as soon as it is staged"
	case s.Phase == release.Soaking && s.Due.After(now):
		text = fmt.Sprintf(" goes to everybody, without the %s that are left of its soak", Left(s.Due.Sub(now)))
	}
	if force {
		text += "; nobody looks at its checks, and windows and freezes do not count"
	}
	return text
}

func willHold(s release.State, now time.Time) string {
	text := " is held when its soak begins"
	switch s.Phase { //nolint:exhaustive // the others are on their way to a soak
	case release.None:
		return text
	case release.Soaking:
		text = fmt.Sprintf(" stops with %s of its soak left", Left(s.Due.Sub(now)))
	case release.Promoting:
		return ": its promotion was claimed already; a hold counts only if that claim does not"
	}
	return text + fmt.Sprintf("; it keeps lane %s until somebody resumes it", s.Policy.Lane)
}

func willRollBack(what string, s release.State) string {
	before := "what was promoted before"
	if s.Latest.Before != "" && s.Latest.Before != s.Latest.Value {
		before = Value(s.Latest.Before)
	}
	return fmt.Sprintf("everybody gets %s again, in the place of %s; nothing of %s is promoted meanwhile", before, what, s.Project)
}
