package doctor

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/story"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

// lookAgain is what --repair does.
const lookAgain = "sluice doctor --repair asks every service to look at it again"

func ids[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func ago(f Facts, at time.Time) string { return story.Left(f.Now.Sub(at)) }

// named is how a finding names a release.
func named(s release.State) string { return story.Title(s) + " " + s.Release }

// releases finds what nobody looks at any more.
func releases(f Facts) []Finding {
	var out []Finding
	for _, id := range ids(f.Releases) {
		s := f.Releases[id].State
		if !f.settled(id) {
			continue
		}
		if s.Phase.Ended() {
			out = append(out, notPutBack(f, s)...)
			out = append(out, givenUp(f, s)...)
			continue
		}
		at, limited := s.Deadline()
		if limited && f.Now.Sub(at) > f.Grace {
			out = append(out, Finding{
				Project: s.Project, Subject: named(s),
				What:  fmt.Sprintf("%s for %s, %s beyond its deadline", s.Phase, ago(f, s.PhaseAt), ago(f, at)),
				Means: "it should have failed then; its alarm was lost, or no promoter is running",
				Do:    "see that a promoter is running; " + lookAgain, Repair: id,
			})
			continue
		}
		out = append(out, asleep(f, s)...)
	}
	return out
}

// asleep finds a live release that has to be looked at some time, and for which no alarm is set.
func asleep(f Facts, s release.State) []Finding {
	at, awake := s.Wake(f.Now)
	if f.Alarms == nil || f.Alarms[s.Release] || !awake {
		return nil
	}
	when := "at " + show.Clock(at, f.Now)
	if !at.After(f.Now) {
		when = ago(f, at) + " ago"
	}
	return []Finding{{
		Project: s.Project, Subject: named(s),
		What:  fmt.Sprintf("%s, to be looked at %s, and no alarm is set", s.Phase, when),
		Means: "nobody will look at it then: it stays where it is",
		Do:    lookAgain, Repair: s.Release,
	}}
}

// notPutBack finds an end that left something behind, and nobody at work on it. What is left to the next one in the lane is that
// one's to put back.
func notPutBack(f Facts, s release.State) []Finding {
	left := f.Lanes[s.Policy.Lane].Left == s.Release
	if !s.Needs(release.RestoreBeta) && (left || !s.Needs(release.RestoreStaging)) {
		return nil
	}
	for _, a := range s.Attempts {
		if a.Deadline().After(f.Now) {
			return nil
		}
	}
	do, repair := lookAgain, f.again(s.Release)
	if repair == "" {
		do = undecided(s)
	}
	return []Finding{{
		Project: s.Project, Subject: named(s),
		What:  fmt.Sprintf("%s %s ago, and staging or the beta channel is not put back", s.Phase, ago(f, s.End.At)),
		Means: "whoever uses them still gets it; its lane may stay occupied",
		Do:    "see that a stager and a publisher are running; " + do, Repair: repair,
	}}
}

// givenUp finds what could not be put back, as long as nothing newer of the project was promoted over it.
func givenUp(f Facts, s release.State) []Finding {
	var left []string
	for _, w := range []release.Work{release.RestoreStaging, release.RestoreBeta} {
		if why, failed := s.NotPutBack(w); failed {
			left = append(left, fmt.Sprintf("%s: %s", w, why))
		}
	}
	for _, p := range f.Projects {
		if now, ok := p.Gate.Record.Current(); ok && p.Name == s.Project && now.At.After(s.End.At) {
			return nil
		}
	}
	if len(left) == 0 {
		return nil
	}
	return []Finding{{
		Project: s.Project, Subject: named(s),
		What: fmt.Sprintf("%s %s ago, and nobody tries again to put back what it left: %s",
			s.Phase, ago(f, s.End.At), strings.Join(left, "; ")),
		Means: "whoever uses staging or the beta channel still gets it",
		Do:    "put it back by hand; this finding ends with the next promotion of " + s.Project,
	}}
}

// undecided says what makes every service look at a release that failed.
func undecided(s release.State) string {
	return fmt.Sprintf("decide: `sluice retry %s` takes it up again, `sluice cancel %s` leaves it failed for good; "+
		"either makes every service look at it", s.Release, s.Release)
}

// requests finds what was asked and is not answered, or can not be.
func requests(f Facts) []Finding {
	var out []Finding
	told := map[string]bool{}
	for _, a := range f.Asked {
		if f.Now.Sub(a.At) <= f.Grace || told[a.Release] {
			continue
		}
		who := cmp.Or(a.Actor, "somebody")
		s, known := f.state(a.Release)
		switch {
		case known && s.Folded < a.Seq:
			told[a.Release] = true
			out = append(out, Finding{
				Project: s.Project, Subject: named(s),
				What:  fmt.Sprintf("the %s of %s is not answered for %s", a.Verb, who, ago(f, a.At)),
				Means: "it is stored, and nothing is lost: a cancel counts from when it was stored. No promoter is running, or it is behind",
				Do:    "see that a promoter is running; " + lookAgain, Repair: f.again(a.Release),
			})
		case !known && !f.Coming[a.Release]:
			told[a.Release] = true
			out = append(out, Finding{
				Subject: "release " + a.Release,
				What:    fmt.Sprintf("nobody knows it, and %s asked for its %s %s ago", who, a.Verb, ago(f, a.At)),
				Means:   "the id is wrong, or its merge never came; the request counts if a merge with that id still comes",
				Do:      "ask " + who + " which release was meant: see `sluice status`",
			})
		}
	}
	return out
}

// orphans finds names that point to a release without a journal.
func orphans(f Facts) []Finding {
	var out []Finding
	add := func(project, what, id string, at time.Time) {
		if _, known := f.state(id); known || f.Now.Sub(at) <= f.Grace {
			return
		}
		out = append(out, Finding{
			Project: project, Subject: "release " + id,
			What:  fmt.Sprintf("%s belongs to it for %s, and it has no journal", what, ago(f, at)),
			Means: "a publisher died while it admitted the merge; the next one takes the merge up again, and nothing is lost",
			Do:    "see that a publisher is running; if it stays so, merge again: sluice merge --again",
		})
	}
	for _, m := range f.Merged {
		add(m.Project, "commit "+m.Commit, m.Release, m.At)
	}
	for _, v := range f.Versions {
		add(v.Project, "version "+v.Version, v.Release, v.At)
	}
	return out
}

// dead tells of refused input.
func dead(f Facts) []Finding {
	var out []Finding
	type kind struct{ what, token string }
	count := map[kind]int{}
	last := map[kind]journal.Dead{}
	for _, d := range f.Dead {
		k := kind{d.What, d.Token}
		count[k]++
		last[k] = d
	}
	for k, d := range last {
		project := ""
		if k.what == "merge" {
			project = k.token
		}
		out = append(out, Finding{
			Project: project, Subject: "dead letters " + k.what + " " + k.token,
			What: fmt.Sprintf("%d refused, the last %s ago: %s", count[k], ago(f, d.At), d.Reason),
			Means: fmt.Sprintf("what was sent on %s (sequence %d) could not be used; its sender may think that it was",
				d.Subject, d.Seq),
			Do: "tell the sender the reason, and have it sent again",
		})
	}
	return out
}
