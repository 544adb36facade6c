package dash

import (
	"context"
	"fmt"
	"hash/fnv"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/evidence"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/story"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/gateway/internal/auth"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
	"github.com/sluice-gate/sluice/services/gateway/internal/notice"
)

// Report is a release with all that is stored of it.
type Report struct {
	Row      Row
	Card     Card
	Outcome  Text
	Steps    []Step
	Facts    []Fact
	Moments  []Moment
	Spans    []Span
	Printed  []Printed
	Unread   string // why the evidence can not be shown
	Acts     bool
	Commands []string // the same requests by the nats command

	soon bool // it was made while what a driver printed may still come
	at   time.Time
	took time.Duration // to read it
}

// Fact is one thing that is known of a release.
type Fact struct {
	Name string
	Text Text
	Code bool
	Link string
}

// reports are the reports that were made last: many who look at one release cost as one.
type reports struct {
	mu    sync.Mutex
	known map[string]*reporting
}

// reporting is a report that is made by one, while the others wait for it.
type reporting struct {
	mu     sync.Mutex
	report *Report
}

const (
	reportsMost = 64
	// evidenceFor is how long a report of a live release holds while its journal stays as it is: what is measured grows. One that took
	// long to read, of a soak of days for one, holds for so many times that: looking costs the broker at most a twentieth of its time.
	evidenceFor   = 5 * time.Second
	evidenceTimes = 20
	// endedFor is the same for one that has ended.
	endedFor = time.Minute
)

// report reads a release, unless that was done a moment ago.
func (d *Dash) report(ctx context.Context, id string) (*Report, error) {
	d.reports.mu.Lock()
	if d.reports.known == nil || len(d.reports.known) > reportsMost {
		d.reports.known = map[string]*reporting{}
	}
	one := d.reports.known[id]
	if one == nil {
		one = &reporting{}
		d.reports.known[id] = one
	}
	d.reports.mu.Unlock()
	one.mu.Lock()
	defer one.mu.Unlock()
	if one.report != nil && d.fresh(one.report) {
		return one.report, nil
	}
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	began := time.Now()
	made, err := d.makeReport(ctx, id)
	if err != nil {
		return nil, err
	}
	made.took = time.Since(began)
	one.report = made
	return made, nil
}

func (d *Dash) fresh(r *Report) bool {
	newest := r.Row.Seq
	d.hub.read(func(m *Model, _ time.Time, _ uint64) {
		if row, ok := m.Row(r.Row.State.Release); ok {
			newest = row.Seq
		}
	})
	holds := max(evidenceFor, evidenceTimes*r.took)
	switch {
	case r.soon:
		holds = settles / 2
	case r.Row.State.Phase.Ended():
		holds = endedFor
	}
	return newest <= r.Row.Seq && time.Since(r.at) < holds-time.Second
}

func (d *Dash) makeReport(ctx context.Context, id string) (*Report, error) {
	row, records, err := d.rowOf(ctx, id)
	if err != nil {
		return nil, err
	}
	out := &Report{Row: row, Outcome: outcome(row.State), Steps: steps(row.State), Facts: facts(row), at: time.Now()}
	now := d.hub.now()
	d.hub.read(func(m *Model, now time.Time, _ uint64) { out.Card = m.card(row, now) })
	for _, r := range records {
		out.Moments = append(out.Moments, moment(r))
	}
	for _, v := range out.Card.Verbs {
		out.Commands = append(out.Commands, notice.Act(v, id).NATS)
	}
	out.soon = now.Sub(records[len(records)-1].At) < settles
	if out.Printed, err = d.printed(ctx, id); err != nil {
		return nil, err
	}
	out.Spans, err = d.evidence(ctx, id, row.State, now)
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		d.log.Warn("dashboard: evidence can not be read", zap.String("release", id), zap.Error(err))
		out.Unread = "What was measured can not be read now."
	}
	return out, nil
}

// evidence reads what was measured, and draws it.
func (d *Dash) evidence(ctx context.Context, id string, s release.State, now time.Time) ([]Span, error) {
	r, err := evidence.Read(ctx, d.journal, id, now)
	if err != nil || len(r.Spans) == 0 {
		return nil, err
	}
	p, err := d.catalog.At(ctx, s.Project, s.Policy.Revision)
	if err != nil {
		return nil, err
	}
	var out []Span
	for i, span := range r.Spans {
		out = append(out, spanOf(fmt.Sprintf("e%d", i), r, span, p))
	}
	return out, nil
}

// facts are what is known of a release beside its story.
func facts(r Row) []Fact {
	s := r.State
	var out []Fact
	add := func(name, text string, code bool) {
		if text != "" {
			out = append(out, Fact{Name: name, Text: say(text), Code: code})
		}
	}
	add("Release", s.Release, true)
	add("Commit", s.Merge.Commit, true)
	add("Ref", s.Merge.Ref, false)
	add("Merged by", s.Merge.Actor, false)
	if s.Merge.URL != "" {
		out = append(out, Fact{Name: "Link", Text: say(s.Merge.URL), Link: s.Merge.URL})
	}
	out = append(out, Fact{Name: "Merged", Text: say(s.MergedAt)})
	add("Artifact", s.Merge.Artifact, true)
	add("Digest", s.Digest, true)
	add("Lane", fmt.Sprintf("%s (%s)", s.Policy.Lane, s.Policy.Collision), false)
	add("Beta", s.Beta, true)
	channel(&out, "Beta channel", s.BetaChannel)
	for i, c := range append(s.Passed[:len(s.Passed):len(s.Passed)], s.Staging) {
		at := s
		at.Stage = i
		channel(&out, at.StageName(), c)
	}
	channel(&out, "Everybody", s.Latest)
	if a := s.Approvals(); a.Needed > 0 {
		text := a.String()
		for i, by := range a.By {
			text += map[bool]string{true: ", by ", false: ", "}[i == 0] + story.Who(by.By)
		}
		add("Approvals", text, false)
	}
	for _, doubt := range r.Around.Doubts {
		add("Inconclusive", doubt, false)
	}
	if at, limited := s.Deadline(); limited && !s.Phase.Ended() {
		out = append(out, Fact{Name: "Deadline", Text: say(at, ", then it fails")})
	}
	add("Project file", s.Policy.Revision, true)
	return out
}

func channel(out *[]Fact, name string, c release.Channel) {
	if !c.Touched {
		return
	}
	*out = append(*out, Fact{Name: name, Text: say(story.Channel(c.Value, c)), Code: true})
}

// asked is the report of the release that a request names; nil when it was answered that there is none.
func (d *Dash) asked(w http.ResponseWriter, r *http.Request) *Report {
	d.loaded(r.Context())
	id, err := r.PathValue("release"), journal.ErrNone
	var out *Report
	if topology.CheckRelease(id) == nil {
		out, err = d.report(r.Context(), id)
	}
	if err != nil {
		d.broken(w, r, err)
		return nil
	}
	return out
}

func (d *Dash) releasePage(w http.ResponseWriter, r *http.Request, p auth.Person) {
	report := d.asked(w, r)
	if report == nil {
		return
	}
	id := report.Row.State.Release
	view, version, err := d.releaseView(r.Context(), id, p.May(config.Operator))
	if err != nil {
		d.broken(w, r, err)
		return
	}
	d.show(w, r, p, "release", Page{
		Title: story.Title(report.Row.State), Live: liveQuery("page", "release", "release", id), Version: version, view: view, Data: report,
	})
}

// releaseView is what changes on a release's page.
func (d *Dash) releaseView(ctx context.Context, id string, acts bool) (View, string, error) {
	report, err := d.report(ctx, id)
	if err != nil {
		return View{}, "", err
	}
	shown := *report
	shown.Acts = acts
	var v View
	d.hub.read(func(m *Model, now time.Time, _ uint64) {
		var top List
		top, err = d.top(m, shown.Row.State.Project, now, acts)
		v.Lists = append(v.Lists, top)
	})
	if err != nil {
		return View{}, "", err
	}
	for _, name := range []string{"head", "facts"} {
		i, err := d.item(name, name, shown)
		if err != nil {
			return View{}, "", err
		}
		v.Single = append(v.Single, i)
	}
	story, measured := List{ID: "timeline"}, List{ID: "evidence"}
	for i := len(shown.Moments) - 1; i >= 0; i-- {
		item, err := d.item(shown.Moments[i].ID, "moment", shown.Moments[i])
		if err != nil {
			return View{}, "", err
		}
		story.Items = append(story.Items, item)
	}
	if shown.Unread != "" || len(shown.Spans) == 0 {
		item, err := d.item("e-none", "unmeasured", shown)
		if err != nil {
			return View{}, "", err
		}
		measured.Items = append(measured.Items, item)
	}
	for _, span := range shown.Spans {
		item, err := d.item(span.ID, "span", span)
		if err != nil {
			return View{}, "", err
		}
		measured.Items = append(measured.Items, item)
	}
	printed, err := d.printedList(shown.Printed)
	if err != nil {
		return View{}, "", err
	}
	v.Lists = append(v.Lists, story, measured, printed)
	// What stands above the page changes by itself, and a page that comes back, from a tab in the background for one, has to get it.
	above := fnv.New64a()
	for _, i := range v.Lists[0].Items {
		_, _ = above.Write([]byte(i.HTML)) // a hash takes everything
	}
	return v, fmt.Sprintf("%s-%s-%d-%d-%x", d.boot, id, shown.Row.Seq, shown.at.UnixNano(), above.Sum64()), nil
}
