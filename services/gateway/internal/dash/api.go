package dash

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/outlook"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/gateway/internal/auth"
)

// The JSON API: what the pages show, and the same verbs. assets/openapi.json describes it, and a test holds every answer to that.
// Fields are only ever added.

type apiError struct {
	Error string `json:"error"`
}

type apiRelease struct {
	Release  string     `json:"release"`
	Project  string     `json:"project"`
	Version  string     `json:"version,omitempty"`
	Beta     string     `json:"beta,omitempty"`
	Digest   string     `json:"digest,omitempty"`
	Phase    string     `json:"phase"`
	Ended    bool       `json:"ended"`
	Commit   string     `json:"commit,omitempty"`
	Ref      string     `json:"ref,omitempty"`
	Actor    string     `json:"actor,omitempty"`
	Lane     string     `json:"lane,omitempty"`
	MergedAt *time.Time `json:"merged_at,omitempty"`
	StagedAt *time.Time `json:"staged_at,omitempty"`
	Due      *time.Time `json:"due,omitempty"`
	Left     float64    `json:"left_seconds,omitempty"`
	EndedAt  *time.Time `json:"ended_at,omitempty"`
	Note     string     `json:"note,omitempty"`
	By       string     `json:"by,omitempty"`
	Warn     bool       `json:"attention,omitempty"`
	Verbs    []string   `json:"verbs"`
}

type apiStop struct {
	Project string     `json:"project,omitempty"` // absent: all projects
	Kind    string     `json:"kind"`
	By      string     `json:"by,omitempty"`
	Reason  string     `json:"reason,omitempty"`
	Since   *time.Time `json:"since,omitempty"`
	Until   *time.Time `json:"until,omitempty"`
}

type apiBoard struct {
	Now      time.Time    `json:"now"` // the broker's
	Releases []apiRelease `json:"releases"`
	Stops    []apiStop    `json:"stops"`
	Away     string       `json:"away,omitempty"` // the broker can not be read: this was known last
}

type apiProject struct {
	Project  string         `json:"project"`
	Revision string         `json:"revision"`
	File     string         `json:"file"`
	Promoted []apiPromotion `json:"promoted"`
	Releases []apiRelease   `json:"releases"`
	Stops    []apiStop      `json:"stops"`
}

type apiPromotion struct {
	Release    string    `json:"release"`
	Version    string    `json:"version"`
	At         time.Time `json:"at"`
	RolledBack bool      `json:"rolled_back,omitempty"`
}

type apiMoment struct {
	Release string    `json:"release"`
	Project string    `json:"project"`
	Seq     uint64    `json:"sequence"`
	At      time.Time `json:"at"`
	Event   string    `json:"event"`
	By      string    `json:"by,omitempty"`
	Actor   string    `json:"actor,omitempty"` // By, or the service that did it by itself
	Text    string    `json:"text"`
	Notes   []string  `json:"notes,omitempty"`
	Raw     string    `json:"evidence,omitempty"` // the watcher's, JSON
	Service string    `json:"service,omitempty"`
	After   string    `json:"after,omitempty"`
}

type apiCheck struct {
	Check   string     `json:"check"`
	Verdict string     `json:"verdict"`
	At      *time.Time `json:"at,omitempty"`
	Why     string     `json:"why,omitempty"`
	Looks   int        `json:"looks"`
	Failed  int        `json:"failed"`
	NoData  int        `json:"no_data"`
}

type apiSpan struct {
	Name    string     `json:"name"`
	From    time.Time  `json:"from"`
	To      time.Time  `json:"to"`
	Live    bool       `json:"live,omitempty"`
	Watched int        `json:"watched_percent"`
	Beats   int        `json:"heartbeats"`
	Error   string     `json:"error,omitempty"`
	Checks  []apiCheck `json:"checks"`
}

type apiStory struct {
	apiRelease

	Timeline []apiMoment `json:"timeline"`
	Evidence []apiSpan   `json:"evidence"`
}

type apiAudit struct {
	Entries []apiMoment `json:"entries"`
	Read    int         `json:"journals_read"`
	More    bool        `json:"more"`
	Reached *time.Time  `json:"looked_back_to,omitempty"`
	Next    uint64      `json:"next_before,omitempty"` // absent: there is nothing older
	Odd     int         `json:"unreadable,omitempty"`  // records that are left out
}

type apiAnswer struct {
	Done    bool   `json:"done"`
	Pending bool   `json:"pending,omitempty"`
	Seq     uint64 `json:"sequence"`
	Outcome string `json:"outcome"`
}

type apiMe struct {
	Name string `json:"name"`
	Role string `json:"role"`
}

type handler = func(http.ResponseWriter, *http.Request, auth.Person)

func (d *Dash) api(look, act func(pattern string, h handler)) {
	look("GET /api/v1/me", func(w http.ResponseWriter, _ *http.Request, p auth.Person) {
		writeJSON(w, http.StatusOK, apiMe{p.Name, string(p.Role)})
	})
	look("GET /api/v1/board", d.apiBoard)
	look("GET /api/v1/projects", d.apiProjects)
	look("GET /api/v1/projects/{project}", d.apiProject)
	look("GET /api/v1/releases/{release}", d.apiRelease)
	look("GET /api/v1/releases/{release}/output", d.apiOutput)
	look("GET /api/v1/audit", d.apiAudit)
	look("GET /api/v1/audit/export", d.apiExport)
	look("GET /api/v1/audit/verify", d.apiProve)
	act("POST /api/v1/releases/{release}/{verb}", func(w http.ResponseWriter, r *http.Request, p auth.Person) {
		id := r.PathValue("release")
		if topology.CheckRelease(id) != nil {
			d.broken(w, r, journal.ErrNone)
			return
		}
		d.apiAsk(w, r, p, func(wish Wish) (Answer, error) { return d.ask(r.Context(), p, id, wish) })
	})
	act("POST /api/v1/projects/{project}/{verb}", func(w http.ResponseWriter, r *http.Request, p auth.Person) {
		d.apiAsk(w, r, p, func(wish Wish) (Answer, error) { return d.stop(r.Context(), p, r.PathValue("project"), wish) })
	})
}

// writeJSON answers with JSON.
func writeJSON(w http.ResponseWriter, code int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "the answer can not be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n')) // if it fails, whoever asked is gone
}

func (d *Dash) openAPI(w http.ResponseWriter, r *http.Request) {
	body, err := fs.ReadFile(assets, "assets/openapi.json")
	if err != nil {
		d.broken(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // if it fails, whoever asked is gone
}

func (d *Dash) apiAsk(w http.ResponseWriter, r *http.Request, p auth.Person, do func(Wish) (Answer, error)) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		d.fail(w, r, http.StatusUnsupportedMediaType, `Want Content-Type application/json, such as {"reason":"login is broken"}.`)
		return
	}
	if !d.guard.Meant(p, r, r.Header.Get("Sluice-Form-Token")) {
		d.fail(w, r, http.StatusForbidden,
			"With a session the header Sluice-Form-Token is needed; programs send a token: Authorization: Bearer …")
		return
	}
	wish := Wish{}
	in := json.NewDecoder(r.Body)
	in.DisallowUnknownFields()
	if err := in.Decode(&wish); err != nil && !errors.Is(err, io.EOF) {
		d.fail(w, r, http.StatusBadRequest, "The body can not be read: want JSON with reason, by, for, force.")
		return
	}
	key, err := keyOf(r.Header.Get("Idempotency-Key"))
	if err != nil {
		d.fail(w, r, http.StatusBadRequest, sentence(err.Error()))
		return
	}
	wish.Verb, wish.Key = r.PathValue("verb"), key
	a, err := do(wish)
	if err != nil {
		code, text := status(err)
		d.fail(w, r, code, text)
		return
	}
	writeJSON(w, a.code(), apiAnswer{a.Done, a.Pending, a.Seq, a.Outcome.String()})
}

func (d *Dash) apiBoard(w http.ResponseWriter, r *http.Request, _ auth.Person) {
	d.loaded(r.Context())
	out := apiBoard{Releases: []apiRelease{}}
	q := filter(r)
	d.hub.read(func(m *Model, now time.Time, _ uint64) {
		out.Now, out.Away, out.Stops = now.UTC(), d.hub.away, apiStops(m, "")
		for _, row := range m.all(q) {
			out.Releases = append(out.Releases, apiReleaseOf(row.State, m.card(row, now), now))
		}
	})
	writeJSON(w, http.StatusOK, out)
}

func apiStops(m *Model, project string) []apiStop {
	out := []apiStop{}
	for _, s := range m.stopped {
		if project == "" || s.Project == "" || s.Project == project {
			out = append(out, apiStop{
				Project: s.Project, Kind: string(s.Kind), By: s.Said.By, Reason: s.Said.Reason,
				Since: when(outlook.Later(s.Said.At, s.From)), Until: when(s.Until),
			})
		}
	}
	return out
}

func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func apiReleaseOf(s release.State, c Card, now time.Time) apiRelease {
	out := apiRelease{
		Release: s.Release, Project: s.Project, Version: s.Version, Beta: s.Beta, Digest: s.Digest, Phase: string(s.Phase),
		Ended: s.Phase.Ended(), Commit: s.Merge.Commit, Ref: s.Merge.Ref, Actor: s.Merge.Actor, Lane: s.Policy.Lane,
		MergedAt: when(s.MergedAt), StagedAt: when(s.StagedAt), EndedAt: when(s.End.At), Note: c.Note.String(), By: c.By, Warn: c.Warn,
		Verbs: []string{},
	}
	if c.Clock.Runs() {
		out.Due, out.Left = when(c.Clock.To), max(0, c.Clock.To.Sub(now).Seconds())
	} else {
		out.Left = c.Clock.Left.Seconds()
	}
	for _, v := range c.Verbs {
		out.Verbs = append(out.Verbs, string(v))
	}
	return out
}

func (d *Dash) apiProjects(w http.ResponseWriter, r *http.Request, _ auth.Person) {
	d.loaded(r.Context())
	out := []string{}
	q := filter(r)
	d.hub.read(func(m *Model, _ time.Time, _ uint64) {
		for _, name := range m.names {
			if strings.Contains(name, q) {
				out = append(out, name)
			}
		}
	})
	writeJSON(w, http.StatusOK, map[string][]string{"projects": out})
}

func (d *Dash) apiProject(w http.ResponseWriter, r *http.Request, _ auth.Person) {
	d.loaded(r.Context())
	name := r.PathValue("project")
	p, err := d.project(r.Context(), name)
	if errors.Is(err, catalog.ErrUnknownProject) {
		d.fail(w, r, http.StatusNotFound, "There is no project of that name.")
		return
	}
	if err != nil {
		d.broken(w, r, err)
		return
	}
	entries, _, err := d.history(r.Context(), name)
	if err != nil {
		d.broken(w, r, err)
		return
	}
	out := apiProject{Project: name, Revision: p.Revision, File: p.File, Promoted: []apiPromotion{}, Releases: []apiRelease{}}
	d.hub.read(func(m *Model, now time.Time, _ uint64) {
		out.Stops = apiStops(m, name)
		for _, at := range promotions(m.gates[name].Record) {
			out.Promoted = append(out.Promoted, apiPromotion{at.Release, at.Version, at.At.UTC(), at.RolledBack != nil})
		}
		for _, e := range entries {
			row := Row{State: e.State, Seq: e.Seq}
			if known, ok := m.Row(e.State.Release); ok {
				row.Around = known.Around
			}
			out.Releases = append(out.Releases, apiReleaseOf(e.State, m.card(row, now), now))
		}
	})
	writeJSON(w, http.StatusOK, out)
}

func (d *Dash) apiRelease(w http.ResponseWriter, r *http.Request, _ auth.Person) {
	report := d.asked(w, r)
	if report == nil {
		return
	}
	s := report.Row.State
	out := apiStory{apiRelease: apiReleaseOf(s, report.Card, d.hub.now()), Timeline: []apiMoment{}, Evidence: []apiSpan{}}
	for _, m := range report.Moments {
		out.Timeline = append(out.Timeline, apiMomentOf(Entry{Moment: m, Release: s.Release, Project: s.Project}))
	}
	for _, span := range report.Spans {
		one := apiSpan{
			Name: span.Name, From: span.From.UTC(), To: span.To.UTC(), Live: span.Live, Watched: span.Watched, Beats: span.Beats,
			Error: span.Wrong, Checks: []apiCheck{},
		}
		for _, c := range span.Checks {
			one.Checks = append(one.Checks, apiCheck{c.Name, string(c.Verdict), when(c.At), c.Why, c.Looks, c.Failed, c.NoData})
		}
		out.Evidence = append(out.Evidence, one)
	}
	writeJSON(w, http.StatusOK, out)
}

func apiMomentOf(e Entry) apiMoment {
	return apiMoment{
		Release: e.Release, Project: e.Project, Seq: e.Seq, At: e.At.UTC(), Event: e.Word, By: e.By, Text: e.Text.String(), Notes: e.Notes,
		Raw: e.Evidence, Service: e.Service, After: e.After,
	}
}

func (d *Dash) apiAudit(w http.ResponseWriter, r *http.Request, _ auth.Person) {
	a, err := d.auditOf(r.Context(), queryOf(r))
	if err != nil {
		d.unable(w, r, err)
		return
	}
	out := apiAudit{Entries: []apiMoment{}, Read: a.Read, More: a.Next != 0, Reached: when(a.Reached), Next: a.Next, Odd: a.Odd}
	for _, e := range a.Entries {
		one := apiMomentOf(e)
		one.Actor = e.Actor
		out.Entries = append(out.Entries, one)
	}
	writeJSON(w, http.StatusOK, out)
}
