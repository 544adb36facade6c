package release_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

// situation is a release somewhere on its way.
type situation struct {
	name  string
	about string
	make  func(*testing.T) *story
}

// situations are all phases, some more than once. Everybody's own attempts began now, by "one", for ten minutes.
func situations() []situation {
	at := func(until release.Phase, more ...func(*story)) func(*testing.T) *story {
		return func(t *testing.T) *story {
			st := newStory(t)
			if until != release.None {
				st.merge(2 * time.Hour)
			}
			steps := []struct {
				phase release.Phase
				do    func()
			}{
				{release.Publishing, func() { st.do(st.begin(release.Publish, "one")) }},
				{release.Published, func() { st.do(release.Finish{Work: release.Publish, Value: "1.4.0-beta.0", At: st.now}) }},
				{release.Queued, func() { st.do(release.Wait{Behind: "other", At: st.now}) }},
				{release.Staging, func() { st.do(st.begin(release.Stage, "one")) }},
				{release.Staged, func() { st.do(release.Finish{Work: release.Stage, Value: "1.4.0-beta.0", At: st.now}) }},
				{release.Soaking, func() { st.do(release.StartSoak{At: st.now}); st.after(time.Hour) }},
			}
			for _, s := range steps {
				if st.s.Phase == until || until == release.None {
					break
				}
				s.do()
			}
			for _, f := range more {
				f(st)
			}
			return st
		}
	}
	ask := func(v release.Verb) func(*story) {
		return func(st *story) { st.do(st.settled(st.ask(v, "ana"))) }
	}
	claim := func(st *story) {
		st.after(time.Hour)
		st.seq += 3 // room for requests that were stored before the claim
		a := st.alarm()
		a.Instance = "one"
		st.do(a)
	}
	unwatched := func(st *story) {
		st.after(time.Hour)
		a := st.alarm()
		a.Watched = 0
		st.do(a)
	}
	return []situation{
		{"none", "there is no journal", at(release.None)},
		{"merged", "", at(release.Merged)},
		{"merged, held", "a person held it before the soak", at(release.Merged, ask(release.Hold))},
		{"merged, expedited", "", at(release.Merged, ask(release.Expedite))},
		{"publishing", "an attempt of one runs", at(release.Publishing)},
		{"published", "", at(release.Published)},
		{"queued", "behind other", at(release.Queued)},
		{"staging", "an attempt of one runs", at(release.Staging)},
		{"staged", "", at(release.Staged)},
		{"soaking", "half of the soak is over", at(release.Soaking)},
		{"soaking, expedited", "", at(release.Soaking, ask(release.Expedite))},
		{"held", "by a person", at(release.Soaking, ask(release.Hold))},
		{"held by Sluice", "because nobody watched", at(release.Soaking, unwatched)},
		{"promoting", "claimed by one", at(release.Soaking, claim)},
		{"promoted", "", at(release.Soaking, claim, func(st *story) { st.do(release.Finish{Work: release.Promote, Value: "1.4.0", At: st.now}) })},
		{"cancelled", "staging and the beta are not put back yet", at(release.Soaking, ask(release.Cancel))},
		{"failed", "the promotion failed", at(release.Soaking, claim, func(st *story) {
			st.do(release.Fail{By: "promoter", Instance: "one", Reason: "refused", At: st.now})
		})},
		{"superseded", "in the queue", at(release.Queued, func(st *story) { st.do(release.Displace{Newer: "newer", At: st.now}) })},
	}
}

type row struct {
	name    string
	command release.Command
}

// commands are all commands, as they may come in a situation.
func commands(st *story) []row {
	s := st.s
	var rows []row
	add := func(name string, c release.Command) { rows = append(rows, row{name, c}) }

	admit := release.Admit{Release: "r", Project: "tracer", Merge: s.Merge, Policy: policy(), At: st.now}
	add("admit", admit)
	admit.Merge.Seq += 7
	add("admit another merge", admit)
	for _, w := range []release.Work{release.Publish, release.Stage, release.Promote, release.RestoreBeta, release.RestoreStaging} {
		b := st.begin(w, "one")
		add("begin "+string(w)+", one", b)
		b.Instance = "two"
		add("begin "+string(w)+", two", b)
		b.At = b.At.Add(24 * time.Hour)
		add("begin "+string(w)+", two, a day later", b)
	}
	for _, w := range []release.Work{release.Publish, release.Stage, release.Promote, release.RestoreBeta, release.RestoreStaging} {
		add("finish "+string(w), release.Finish{Work: w, Value: "v", At: st.now})
	}
	add("fail, without an attempt", release.Fail{By: "service", Reason: "refused", At: st.now})
	add("fail, one", release.Fail{By: "service", Instance: "one", Reason: "refused", At: st.now})
	add("fail, two", release.Fail{By: "service", Instance: "two", Reason: "refused", At: st.now})
	add("wait behind other", release.Wait{Behind: "other", At: st.now})
	add("wait behind third", release.Wait{Behind: "third", At: st.now})
	add("displace", release.Displace{Newer: "newer", At: st.now})
	add("start soak", release.StartSoak{At: st.now})

	for _, when := range []string{"", ", before the claim", ", after the claim", ", unsettled", ", answered before"} {
		promoting := s.Phase == release.Promoting
		if promoting == (when == "") {
			continue
		}
		for _, v := range append(release.Verbs(), "unheard-of") {
			r := release.Request{Verb: v, Actor: "bob", Reason: "because", By: 30 * time.Minute, At: st.now, Seq: s.Folded + 1, Settled: s.Claim}
			switch when {
			case ", after the claim":
				r.Seq = s.Claim + 1
			case ", unsettled":
				r.Settled = 0
			case ", answered before":
				r.Seq = s.Folded
			}
			add(string(v)+when, r)
			if v == release.Extend && when != ", unsettled" {
				r.Invalid, r.By = "by what?", 0
				add("unreadable extend"+when, r)
			}
		}
	}

	alarm := release.Alarm{At: st.now, Clean: st.now, Watched: 24 * time.Hour, Instance: "one", Timeout: 10 * time.Minute, Before: "1.3.0"}
	add("alarm now", alarm)
	alarm.At = s.Due
	add("alarm when due", alarm)
	alarm.Watched = time.Hour
	add("alarm when due, half watched", alarm)
	alarm.Watched, alarm.At = 24*time.Hour, s.Due.Add(7*time.Hour)
	add("alarm when overdue", alarm)
	alarm.TooNew = "2.0.0"
	add("alarm when overtaken", alarm)
	return rows
}

// Every situation and every command: what it causes. testdata/matrix.txt is to be read.
func TestMatrix(t *testing.T) {
	var b strings.Builder
	b.WriteString("What Decide says: every situation, every command. Written by go test -run Matrix -update.\n")
	for _, sit := range situations() {
		st := sit.make(t)
		fmt.Fprintf(&b, "\n== %s", sit.name)
		if sit.about != "" {
			fmt.Fprintf(&b, " (%s)", sit.about)
		}
		b.WriteString("\n")
		silent := map[string][]string{}
		for _, r := range commands(st) {
			events, err := release.Decide(st.s, r.command)
			if len(events) == 0 {
				why := because(err)
				silent[why] = append(silent[why], r.name)
				continue
			}
			after := release.Evolve(st.s, events[0]).Stamp(st.seq+10, st.now)
			line := fmt.Sprintf("%-39s %-11s %-11s %s", r.name, events[0].Name(), phase(after.Phase), detail(events[0]))
			b.WriteString(strings.TrimRight(line, " ") + "\n")
		}
		for _, why := range []string{"nothing", "BusyError", "ErrPhase", "ErrEnded", "ErrUnsettled", "ErrTaken"} {
			if names := silent[why]; len(names) > 0 {
				b.WriteString(wrap(why+":", together(names)))
			}
		}
	}
	golden(t, "testdata/matrix.txt", b.String())
}

func because(err error) string {
	var busy *release.BusyError
	switch {
	case err == nil:
		return "nothing"
	case errors.As(err, &busy):
		return "BusyError"
	case errors.Is(err, release.ErrPhase):
		return "ErrPhase"
	case errors.Is(err, release.ErrEnded):
		return "ErrEnded"
	case errors.Is(err, release.ErrUnsettled):
		return "ErrUnsettled"
	case errors.Is(err, release.ErrTaken):
		return "ErrTaken"
	}
	return err.Error()
}

// detail is what a reader wants to know of an event besides its name.
func detail(e release.Event) string {
	clock := func(t time.Time) string { return t.Format(time.TimeOnly) }
	switch e := e.(type) {
	case release.WasBegun:
		return fmt.Sprintf("%sattempt %d, %s", what(e.Work), e.Attempt.Number, e.Attempt.Instance)
	case release.WasDone:
		return what(e.Work) + e.Value
	case release.WasQueued:
		return "behind " + e.Behind
	case release.WasSoaked:
		return "due " + clock(e.Due)
	case release.WasHeld:
		return "by " + e.Holding.By + ": " + e.Holding.Reason
	case release.WasResumed:
		if e.Due.IsZero() {
			return "by " + e.Said.By
		}
		return "by " + e.Said.By + ", due " + clock(e.Due)
	case release.WasExtended:
		return "by " + e.By.String()
	case release.WasExpedited:
		return "by " + e.Said.By
	case release.WasCancelled:
		return "by " + e.Said.By + ": " + e.Said.Reason
	case release.WasFailed:
		return e.Said.Reason
	case release.WasSuperseded:
		return "by " + e.Newer
	case release.WasRefused:
		return e.Said.Reason
	case release.WasMerged:
	}
	return ""
}

// what names the work of an event whose word does not.
func what(w release.Work) string {
	if w == release.RestoreBeta || w == release.RestoreStaging {
		return strings.TrimPrefix(string(w), "restore-") + " "
	}
	return ""
}

// together says once what is listed for every instance, or for every verb.
func together(names []string) []string {
	var out []string
	for _, n := range names {
		base, which, _ := strings.Cut(n, ", ")
		switch {
		case strings.HasPrefix(n, "begin ") && slices.Contains(names, base+", one") && slices.Contains(names, base+", two"):
			if which == "one" {
				out = append(out, base)
			}
		case which != "" && slices.Contains(names, "unheard-of, "+which):
			if base == "unheard-of" {
				out = append(out, "every request, "+which)
			}
		default:
			out = append(out, n)
		}
	}
	return out
}

// wrap lists names after a title, in lines of at most 120 characters.
func wrap(title string, names []string) string {
	var b strings.Builder
	line := title
	for i, n := range names {
		if i < len(names)-1 {
			n += ";"
		}
		if len(line)+1+len(n) > 120 {
			b.WriteString(line + "\n")
			line = "   "
		}
		line += " " + n
	}
	b.WriteString(line + "\n")
	return b.String()
}

// firstDifference shows where two texts part.
func firstDifference(a, b string) string {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(as), len(bs)) {
		if as[i] != bs[i] {
			return fmt.Sprintf("line %d is %q, would be %q", i+1, as[i], bs[i])
		}
	}
	return fmt.Sprintf("%d lines, would be %d", len(as), len(bs))
}
