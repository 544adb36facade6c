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
	for _, w := range works() {
		b := st.begin(w, "one")
		add("begin "+string(w)+", one", b)
		b.Instance = "two"
		add("begin "+string(w)+", two", b)
		b.At = b.At.Add(24 * time.Hour)
		add("begin "+string(w)+", two, a day later", b)
	}
	for _, w := range works() {
		f := release.Finish{Work: w, Value: "v", At: st.now}
		add("finish "+string(w), f)
		f.Instance = "two"
		add("finish "+string(w)+", two", f)
	}
	add("fail, without an attempt", release.Fail{By: "service", Reason: "refused", At: st.now})
	add("fail, one", release.Fail{By: "service", Instance: "one", Reason: "refused", At: st.now})
	add("fail, two", release.Fail{By: "service", Instance: "two", Reason: "refused", At: st.now})
	add("wait behind other", release.Wait{Behind: "other", At: st.now})
	add("wait behind third", release.Wait{Behind: "third", At: st.now})
	add("displace", release.Displace{Newer: "newer", At: st.now})
	add("start soak", release.StartSoak{At: st.now})
	paused := release.Obstacle{Kind: release.ByPause, Why: "the project is paused by ana"}
	add("postpone", release.Postpone{Claim: s.Claim, Obstacle: paused, At: st.now})
	add("postpone another claim", release.Postpone{Claim: s.Claim + 1, Obstacle: paused, At: st.now})
	add("expire", release.Expire{At: st.now})
	add("expire, a week later", release.Expire{At: st.now.Add(7 * 24 * time.Hour)})
	return slices.Concat(rows, requests(st), looks(st))
}

// requests are all verbs, as they may come in a situation.
func requests(st *story) []row {
	s := st.s
	var rows []row
	add := func(name string, c release.Command) { rows = append(rows, row{name, c}) }
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
			if when == ", unsettled" {
				continue
			}
			switch v {
			case release.Extend:
				r.By, r.Until = 0, s.Due.Add(30*time.Minute)
				add("extend until later"+when, r)
				r.Until = s.Due
				add("extend until then"+when, r)
				r.Invalid, r.Until = "by what?", time.Time{}
				add("unreadable extend"+when, r)
			case release.Expedite:
				r.Force = true
				add("expedite with force"+when, r)
				r.Reason = ""
				add("expedite with force and no reason"+when, r)
			}
		}
	}
	return rows
}

// looks are the promoter's looks at the time, as it may be in a situation.
func looks(st *story) []row {
	s := st.s
	var rows []row
	add := func(name string, c release.Command) { rows = append(rows, row{name, c}) }
	alarm := release.Alarm{At: st.now, Clean: st.now, Watched: 24 * time.Hour, Instance: "one", Timeout: 10 * time.Minute, Before: "1.3.0"}
	add("alarm now", alarm)
	alarm.At = later(st.now, s.Due)
	if s.Phase == release.Baking {
		alarm.At = s.PhaseAt.Add(s.Policy.Bake)
	}
	add("alarm when due", alarm)
	gated := func(name string, with func(*release.Gate)) {
		a := alarm
		with(&a.Gate)
		add("alarm when "+name, a)
	}
	gated("paused", func(g *release.Gate) { g.Stops = []release.Stop{{Kind: release.Pause}} })
	gated("frozen", func(g *release.Gate) { g.Stops = []release.Stop{{Kind: release.Freeze, Until: hours(69)}} })
	gated("outside of a window", func(g *release.Gate) {
		g.Window = release.Window{Closed: true, Until: hours(69), Why: "outside of Mon-Fri 09:00-17:00"}
	})
	gated("needs are not met", func(g *release.Gate) { g.Unmet = "needs api@2.0.0" })
	gated("rolled back before", func(g *release.Gate) {
		g.Record = release.Record{}.Promote(release.Promotion{Release: "o", Version: "1.4.0"}).RollBack("o", release.Said{By: "ana", At: noon()})
	})
	gated("a newer one is recorded", func(g *release.Gate) {
		g.Record = release.Record{}.Promote(release.Promotion{Release: "o", Version: "1.5.0"})
	})
	clean := alarm.Clean
	alarm.Clean = time.Time{}
	add("alarm when due, no check was seen", alarm)
	alarm.Clean = clean
	alarm.Watched = time.Hour
	add("alarm when due, half watched", alarm)
	alarm.Watched, alarm.At = 24*time.Hour, alarm.At.Add(75*time.Hour)
	add("alarm when overdue", alarm)
	alarm.TooNew = "2.0.0"
	add("alarm when overtaken", alarm)
	return rows
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
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
		silent, same, order := map[string][]string{}, map[string][]string{}, []string{}
		alarms := len(looks(st))
		for _, r := range commands(st) {
			events, err := release.Decide(st.s, r.command)
			if len(events) == 0 {
				why := because(err)
				silent[why] = append(silent[why], r.name)
				continue
			}
			after := release.Evolve(st.s, events[0]).Stamp(st.seq+10, st.now)
			outcome := fmt.Sprintf("%-15s %-12s %s", events[0].Name(), phase(after.Phase), detail(events[0]))
			if len(same[outcome]) == 0 {
				order = append(order, outcome)
			}
			same[outcome] = append(same[outcome], r.name)
		}
		b.WriteString(outcomes(order, same, alarms))
		for _, why := range []string{"nothing", "BusyError", "ErrPhase", "ErrEnded", "ErrUnsettled", "ErrTaken"} {
			if names := silent[why]; len(names) > 0 {
				b.WriteString(wrap(why+":", together(names, alarms)))
			}
		}
	}
	golden(t, "testdata/matrix.txt", b.String())
}

// outcomes are the lines of what causes something; what many cause is said once, at the end.
func outcomes(order []string, same map[string][]string, alarms int) string {
	const many = 4
	var few, more strings.Builder
	for _, outcome := range order {
		if len(same[outcome]) >= many {
			more.WriteString(wrap(strings.Join(strings.Fields(outcome), " ")+" <-", together(same[outcome], alarms)))
			continue
		}
		for _, name := range same[outcome] {
			few.WriteString(strings.TrimRight(fmt.Sprintf("%-44s %s", name, outcome), " ") + "\n")
		}
	}
	return few.String() + more.String()
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
		if e.Force {
			return "by " + e.Said.By + ", with force: " + e.Said.Reason
		}
		return "by " + e.Said.By
	case release.WasApproved:
		return "by " + e.Said.By
	case release.WasRetried:
		return "by " + e.Said.By
	case release.WasRecalled:
		return "by " + e.Said.By + ": " + e.Said.Reason
	case release.WasPostponed:
		if e.Obstacle.Until.IsZero() {
			return e.Obstacle.Why
		}
		return e.Obstacle.Why + ", until " + e.Obstacle.Until.Format("Mon 15:04")
	case release.WasNotRolledBack:
		return e.Said.Reason
	case release.WasBaking:
		return e.Value
	case release.WasCancelled:
		return "by " + e.Said.By + ": " + e.Said.Reason
	case release.WasFailed:
		return e.Said.Reason
	case release.WasSuperseded:
		return "by " + e.Newer
	case release.WasRefused:
		return e.Said.Reason
	case release.WasMerged, release.WasPassed:
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
func together(names []string, alarms int) []string {
	var out []string
	alarm := func(n string) bool { return strings.HasPrefix(n, "alarm ") }
	if len(slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !alarm(n) })) == alarms {
		names = append(slices.DeleteFunc(slices.Clone(names), alarm), "every alarm")
	}
	for _, n := range names {
		base, which, _ := strings.Cut(n, ", ")
		switch {
		case strings.HasPrefix(n, "finish ") && which == "two" && slices.Contains(names, base):
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
