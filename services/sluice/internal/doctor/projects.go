package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-gate/sluice/pkg/lane"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

// unread tells what is not known.
func unread(f Facts) []Finding {
	var out []Finding
	for _, u := range f.Unread {
		out = append(out, Finding{
			Subject: "sluice doctor", What: fmt.Sprintf("can not tell %s: %v", u.What, u.Why),
			Means: "this user may not read that, or the broker's accounts are of an older version",
			Do:    "run it as the admin of the services' account, or bring the broker's accounts up to date (deploy/nats/accounts.conf)",
		})
	}
	return out
}

// consumers finds services that do not run, or do not keep up.
func consumers(f Facts) []Finding {
	var out []Finding
	for _, c := range f.Consumers {
		running := c.Pulling > 0 || c.Taken > 0 && f.Now.Sub(c.Last) <= max(f.Grace, topology.AckWait)
		switch {
		case !running:
			out = append(out, Finding{
				Subject: "service " + c.Service,
				What: fmt.Sprintf("nobody takes messages from consumer %s; %d wait, %d are in hands that may be gone",
					c.Name, c.Pending, c.Taken),
				Means: fmt.Sprintf("no %s is running: what it does waits, and nothing is lost", c.Service),
				Do:    "start one, and see its log",
			})
		case c.Pending > Backlog:
			out = append(out, Finding{
				Subject: "service " + c.Service,
				What:    fmt.Sprintf("%d messages wait in consumer %s", c.Pending, c.Name),
				Means:   "it does not keep up, or has just been started",
				Do:      "look again in a minute; if it does not get less, start another instance, and see the log",
			})
		}
	}
	return out
}

// unnotified finds projects that want to have people told, and have nobody to do it. A gateway that did and is gone is a service that does
// not run.
func unnotified(f Facts) []Finding {
	var out []Finding
	for _, p := range f.Projects {
		if !f.Unnotified || p.Notify == 0 {
			continue
		}
		out = append(out, Finding{
			Project: p.Name, Subject: "notify",
			What:  fmt.Sprintf("its file names %d to be notified, and no gateway notifies", p.Notify),
			Means: "nobody is told of its releases",
			Do:    "run a gateway (or sluice up --gateway) whose file has the section notify, as in deploy/gateway.example.yaml",
		})
	}
	return out
}

// projects finds files that can not be used.
func projects(f Facts) []Finding {
	var out []Finding
	for _, p := range f.Projects {
		for _, revision := range ids(p.Pinned) {
			out = append(out, Finding{
				Project: p.Name, Subject: "project file " + revision, What: firstLine(p.Pinned[revision]),
				Means: "live releases pinned this revision, and no service can go on with them",
				Do:    "run services of the version that wrote it, or cancel the releases and merge again",
			})
		}
		if p.File == nil {
			continue
		}
		out = append(out, Finding{
			Project: p.Name, Subject: "project file", What: firstLine(p.File),
			Means: "no merge of it is admitted, until the file is right; releases in flight keep theirs",
			Do:    "apply a right one: sluice apply -f " + p.Name + ".yaml",
		})
	}
	return out
}

func firstLine(err error) string {
	why, _, more := strings.Cut(err.Error(), "\n")
	if more {
		why += " (and more)"
	}
	return why
}

// records finds what is remembered of a project's promotions and is not so.
func records(f Facts) []Finding {
	var out []Finding
	for _, p := range f.Projects {
		record := p.Gate.Record
		if id := record.Rolling; id != "" {
			out = append(out, rolling(f, p.Name, id)...)
		}
		if now, ok := record.Current(); ok {
			out = append(out, current(f, p.Name, now)...)
		}
		if len(record.Promotions) == 0 {
			continue
		}
		for _, id := range ids(f.Releases) {
			s := f.Releases[id].State
			first := record.Promotions[0].At
			known := slices.ContainsFunc(record.Promotions, func(o release.Promotion) bool { return o.Release == id })
			if s.Project != p.Name || s.Phase != release.Promoted || known || !f.settled(id) || s.End.At.Before(first) {
				continue
			}
			out = append(out, Finding{
				Project: p.Name, Subject: named(s), What: "promoted, and the record of the project does not know it",
				Means: "an older release may be promoted over it, and a rollback would not come back to it",
				Do:    "compare the channel with `sluice status " + p.Name + "`; if it is right, merge the next release soon",
			})
		}
	}
	return out
}

// rolling finds a project that waits for a rollback which nobody makes.
func rolling(f Facts, project, id string) []Finding {
	s, known := f.state(id)
	if known && (s.Phase == release.RollingBack || !f.settled(id)) {
		return nil
	}
	what, do := "has no journal", "set it right by hand: ask for help with the text of this finding"
	if known {
		if what, do = "is "+string(s.Phase), lookAgain; s.Phase == release.Failed {
			do = undecided(s)
		}
	}
	return []Finding{{
		Project: project, Subject: "release " + id, What: "it " + what + ", and the project waits for its rollback",
		Means: "nothing of the project is promoted meanwhile", Do: do, Repair: f.again(id),
	}}
}

// current finds that what is remembered as promoted last is not promoted.
func current(f Facts, project string, now release.Promotion) []Finding {
	s, known := f.state(now.Release)
	switch {
	case !known:
		return []Finding{{
			Project: project, Subject: "release " + now.Release,
			What:  "version " + now.Version + " is remembered as promoted last, and it has no journal",
			Means: "staging and the channel can not be put back to it after a cancel or a rollback",
			Do:    "promote another release soon; until then put back by hand",
		}}
	case s.Phase.Out() || s.Phase == release.Promoting || s.Phase == release.Failed && s.Reached || !f.settled(now.Release):
		return nil
	}
	return []Finding{{
		Project: project, Subject: named(s), What: fmt.Sprintf("remembered as promoted last, and it is %s", s.Phase),
		Means: "the channel may not be what the project's record says",
		Do:    "compare the channel with `sluice log " + s.Release + "`, and promote the release that is right",
	}}
}

// stops finds pauses, and freezes without an end, that may be forgotten.
func stops(f Facts) []Finding {
	var out []Finding
	for _, p := range f.Projects {
		for _, s := range p.Gate.Stops {
			if s.Kind == release.RollingStop || !s.Until.IsZero() || f.Now.Sub(s.Said.At) <= StoppedLong || f.Now.Before(s.From) {
				continue
			}
			verb, project := "unpause", p.Name
			if s.Kind == release.Freeze {
				verb = "unfreeze"
			}
			do := fmt.Sprintf("if it is over: sluice %s %s", verb, project)
			if s.All {
				project, do = "", fmt.Sprintf("if it is over: sluice %s --all", verb)
			}
			out = append(out, Finding{
				Project: project, Subject: string(s.Kind), What: show.Stopped(project, s, f.Now),
				Means: fmt.Sprintf("nothing is promoted for %s; it does not end by itself", ago(f, s.Said.At)), Do: do,
			})
		}
	}
	return out
}

// lanes finds lanes that are occupied by what is over, and by what is held.
func lanes(f Facts) []Finding {
	var out []Finding
	for _, name := range ids(f.Lanes) {
		l := f.Lanes[name]
		if l.Owner != "" {
			out = append(out, occupied(f, name, l)...)
		}
		for _, w := range l.Waiting {
			s, known := f.state(w.Release)
			if known && (!s.Phase.Ended() || !f.settled(w.Release)) {
				continue
			}
			what, do := "has no journal", "see that a publisher is running: the merge may still be admitted"
			if known {
				if what, do = "is "+string(s.Phase), lookAgain; s.Phase == release.Failed {
					do = undecided(s)
				}
			}
			out = append(out, Finding{
				Project: w.Project, Subject: "lane " + name, What: fmt.Sprintf("release %s waits in it and %s", w.Release, what),
				Means: "it takes a place, and may be let in before the others, for nothing", Do: do, Repair: f.again(w.Release),
			})
		}
	}
	return out
}

func occupied(f Facts, name string, l lane.Record) []Finding {
	s, known := f.state(l.Owner)
	at := Finding{Project: l.Project, Subject: "lane " + name, Means: fmt.Sprintf("nothing else gets into the lane; %d wait", len(l.Waiting))}
	switch {
	case !known:
		at.What = fmt.Sprintf("occupied by release %s, which has no journal", l.Owner)
		at.Do = "see that a publisher is running: the merge may still be admitted; if it stays so, ask for help with the text of this finding"
		return []Finding{at}
	case s.Phase.Ended() && f.settled(l.Owner) && !s.Needs(release.RestoreStaging):
		at.What = fmt.Sprintf("occupied by %s, which ended %s ago: %s", named(s), ago(f, s.End.At), s.Phase)
		at.Do, at.Repair = "see that a stager is running; "+lookAgain, f.again(l.Owner)
		if at.Repair == "" {
			at.Do = "see that a stager is running; " + undecided(s)
		}
		return []Finding{at}
	case s.Phase == release.Held && s.Held != nil && (s.Held.System || f.Now.Sub(s.Held.At) > HeldLong):
		at.What = fmt.Sprintf("occupied by %s, which is held by %s for %s: %s", named(s), s.Held.By, ago(f, s.Held.At), s.Held.Reason)
		at.Do = fmt.Sprintf("decide: sluice resume %s, or sluice cancel %s", s.Release, s.Release)
		return []Finding{at}
	}
	return nil
}
