package dash

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/story"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/gateway/internal/auth"
)

const (
	auditMost = 200    // transitions that a page lists
	auditLook = 10_000 // sequences of the stream that are looked at for one page
)

// Query is what the audit is filtered by.
type Query struct {
	Project string
	Actor   string
	Release string
	Event   string
	Since   string // a duration such as 7d, or a day; empty: a day
	Before  uint64 // a sequence of the stream; 0: the newest
}

// Entry is a transition of a release.
type Entry struct {
	Moment
	Actor, Release, Project, Version string
}

// Audit is who did what, when and why, the newest first.
type Audit struct {
	Query   Query
	Entries []Entry
	Reached time.Time // it was looked back to there
	Next    uint64    // the sequence before which there may be more; 0: there is none
	Read    int       // journals of which something was looked at
	Odd     int       // records that can not be read
	Wrong   string
	Events  []string
	Proof   *Proof // what verifying came to; nil: nobody asked
}

// errSince is what somebody is told who wants something else.
const errSince = errWrong("since when? a duration such as 12h, 7d or 30d, or a day, such as 2006-01-02")

// from is when the audit begins.
func (q Query) from(now time.Time) (time.Time, error) {
	if d, err := project.ParseDuration(cmp.Or(q.Since, "1d")); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	if day, err := time.Parse(time.DateOnly, q.Since); err == nil {
		return day, nil
	}
	return time.Time{}, errSince
}

// checked is from, of a query that can find something.
func (q Query) checked(now time.Time) (time.Time, error) {
	switch {
	case q.Project != "" && topology.CheckProject(q.Project) != nil:
		return time.Time{}, errWrong("no project can have that name")
	case q.Release != "" && topology.CheckRelease(q.Release) != nil:
		return time.Time{}, errWrong("no release has that id: it is needed whole")
	}
	return q.from(now)
}

// has tells whether a transition is asked for.
func (q Query) has(t journal.Transition) bool {
	return (q.Project == "" || t.State.Project == q.Project) && (q.Release == "" || t.State.Release == q.Release) &&
		(q.Event == "" || t.Type == q.Event) && (q.Actor == "" || story.Actor(t.Record.Record) == q.Actor)
}

// URL is a path with the filters, so that it can be kept and sent to others.
func (q Query) URL(path string, more ...string) string {
	v := url.Values{}
	pairs := append([]string{"project", q.Project, "actor", q.Actor, "release", q.Release, "event", q.Event, "since", q.Since}, more...)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	if len(v) == 0 {
		return path
	}
	return path + "?" + v.Encode()
}

// Older is where the audit goes on.
func (a Audit) Older() string { return a.Query.URL("/audit", "before", strconv.FormatUint(a.Next, 10)) }

// auditOf looks back through the journals, a bounded way.
func (d *Dash) auditOf(ctx context.Context, q Query) (out Audit, err error) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	out = Audit{Query: q, Events: events()}
	from, err := q.checked(d.hub.now())
	if err != nil {
		return out, err
	}
	odd := func(uint64, error) { out.Odd++ }
	read := map[string]bool{}
	defer func() { out.Read = len(read) }()
	see := func(t journal.Transition) bool {
		read[t.State.Release] = true
		if out.Reached = t.At; q.has(t) {
			out.Entries = append(out.Entries, entryOf(t))
		}
		return len(out.Entries) < auditMost
	}
	if q.Release == "" {
		out.Next, err = d.journal.Back(ctx, from, q.Before, auditLook, see, odd)
		return out, err
	}
	var all []journal.Transition // one journal is small
	err = d.journal.Transitions(ctx, journal.From{At: from}, q.Release, func(t journal.Transition) bool {
		if q.Before == 0 || t.Seq < q.Before {
			all = append(all, t)
		}
		return true
	}, odd)
	for i, t := range slices.Backward(all) {
		if !see(t) && i > 0 {
			out.Next = t.Seq
			break
		}
	}
	return out, err
}

func entryOf(t journal.Transition) Entry {
	s := t.State
	return Entry{Moment: moment(t.Record), Actor: story.Actor(t.Record.Record), Release: s.Release, Project: s.Project, Version: s.Version}
}

// events are the words of journals that the audit may be filtered by.
func events() []string {
	out := []string{
		"resumed", "extended", "expedited", "approved", "postponed", "retried", "recalled", "rollback-failed", "refused",
		"restoring", "restored",
	}
	for _, p := range release.Phases() {
		out = append(out, string(p))
	}
	slices.Sort(out)
	return out
}

func queryOf(r *http.Request) Query {
	text := func(name string) string {
		v := strings.TrimSpace(r.FormValue(name))
		return v[:min(len(v), 64)]
	}
	q := Query{Project: text("project"), Actor: text("actor"), Release: text("release"), Event: text("event"), Since: text("since")}
	q.Before, _ = strconv.ParseUint(text("before"), 10, 64) // what is none is the newest
	return q
}

func (d *Dash) auditPage(w http.ResponseWriter, r *http.Request, p auth.Person) {
	a, err := d.auditOf(r.Context(), queryOf(r))
	d.audited(w, r, p, a, err)
}

// audited answers with the audit's page; what a person has to change stands in it.
func (d *Dash) audited(w http.ResponseWriter, r *http.Request, p auth.Person, a Audit, err error) {
	var wrong errWrong
	if errors.As(err, &wrong) {
		a.Wrong, err = sentence(wrong.Error()), nil
	}
	if err != nil {
		d.broken(w, r, err)
		return
	}
	d.show(w, r, p, "audit", Page{Title: "Audit", Nav: "audit", Data: a})
}
