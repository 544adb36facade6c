package dash_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/audit"
	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/webtest"
	"github.com/sluice-gate/sluice/services/gateway/internal/auth"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
	"github.com/sluice-gate/sluice/services/gateway/internal/dash"
)

// archive is a dashboard of a broker whose stream lets single messages be deleted, as somebody would who may change the stream's files.
type archive struct {
	*described
	js     jetstream.JetStream
	j      *journal.Journal
	dash   *dash.Dash
	signer *audit.Signer
	n      int
}

func newArchive(t *testing.T) *archive {
	t.Helper()
	js, err := jetstream.New(natstest.One(t).Conn(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range topology.Streams(topology.Options{}) {
		c.DenyDelete = c.DenyDelete && c.Name != topology.StreamSluice
		if _, err := js.CreateStream(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	a := &archive{js: js}
	env := service.Env{JS: js, Log: zap.NewNop()}
	if env.Journal, err = journal.Open(t.Context(), js, "promoter@one"); err != nil {
		t.Fatal(err)
	}
	if env.Catalog, err = catalog.Open(t.Context(), js); err != nil {
		t.Fatal(err)
	}
	guard, err := auth.New(config.Dashboard{Listen: config.DashboardListen})
	if err != nil {
		t.Fatal(err)
	}
	if a.dash, err = dash.New(env, guard); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(a.dash.Handler())
	t.Cleanup(web.Close)
	seed, err := audit.NewSeed()
	if err != nil {
		t.Fatal(err)
	}
	if a.signer, err = audit.NewSigner(seed); err != nil {
		t.Fatal(err)
	}
	a.j, a.described = env.Journal, describe(t, web.URL)
	return a
}

// ended makes a release of a project that somebody cancelled, in the chain unless signed is false, and returns its records.
func (a *archive) ended(project, by string, s *audit.Signer) []journal.Record {
	a.Helper()
	a.n++
	id, commit := uuid.Must(uuid.NewV7()).String(), fmt.Sprintf("c0ffee%d", a.n)
	e := journal.Entry{}
	for _, event := range []release.Event{
		release.WasMerged{Release: id, Project: project, At: time.Now().UTC(), Merge: release.Merge{Commit: commit, Actor: "ci"}},
		release.WasBegun{Work: release.Publish, Attempt: release.Attempt{Number: 1}},
		release.WasCancelled{Said: release.Said{By: by, Reason: "no, " + by}},
	} {
		var err error
		if e, err = a.j.Append(a.Context(), e, event, "test"); err != nil {
			a.Fatal(err)
		}
	}
	err := a.j.SetCommit(a.Context(), project, commit, releasepb.CommitRecord{Release: id, Attempt: 1}, 0)
	if err == nil {
		_, _, err = a.j.Link(a.Context(), e, s)
	}
	if err != nil {
		a.Fatal(err)
	}
	records, err := a.j.Records(a.Context(), id, 0)
	if err != nil {
		a.Fatal(err)
	}
	return records
}

// page is what a person sees at a path, without the tags.
func (a *archive) page(path string, want int) (text, html string) {
	a.Helper()
	req, err := http.NewRequestWithContext(a.Context(), http.MethodGet, a.base+path, nil)
	if err != nil {
		a.Fatal(err)
	}
	req.Header.Set("Accept", "text/html")
	html = fetch(a.T, req, want)
	main := html[max(0, strings.Index(html, "<main")):]
	return strings.Join(strings.Fields(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(main, "")), " "), html
}

// TestAuditPages: older records are reached by plain links, each once, with the filters kept; and what is exported is what is filtered.
func TestAuditPages(t *testing.T) {
	a := newArchive(t)
	for i := range 150 {
		a.ended([]string{"shop", "api"}[i%2], []string{"ana", "ben", "watcher"}[i%3], a.signer)
	}
	last := a.ended("shop", "caro", nil)[2]
	older, row := regexp.MustCompile(`href="(/audit\?[^"]*before=[^"]*)">Older`), regexp.MustCompile(`<tr class="tone-`)
	for _, c := range []struct {
		query string
		want  int
		pages int
	}{
		{"", 453, 3}, {"project=shop&since=2d", 228, 2}, {"actor=ana&event=cancelled", 50, 1}, {"actor=promoter", 151, 1},
		{"release=" + last.State.Release, 3, 1}, {"event=promoted", 0, 1}, {"since=2020-01-01", 453, 3},
	} {
		rows, pages := 0, 0
		for path := "/audit?" + c.query; path != ""; pages++ {
			text, html := a.page(path, http.StatusOK)
			rows += len(row.FindAllString(html, -1))
			path = ""
			if m := older.FindStringSubmatch(html); m != nil {
				path = strings.ReplaceAll(m[1], "&amp;", "&")
				for _, one := range strings.Split(c.query, "&") {
					if !strings.Contains(path, one) {
						t.Errorf("%s lacks %s", path, one)
					}
				}
			} else if !strings.Contains(text, "and no older ones.") {
				t.Errorf("%s ends with %s", c.query, text)
			}
		}
		if rows != c.want || pages != c.pages {
			t.Errorf("%q: %d transitions on %d pages, want %d on %d", c.query, rows, pages, c.want, c.pages)
		}
		a.exported(c.query, c.want)
		seen, before := map[any]bool{}, ""
		for {
			found := a.call(http.MethodGet, "/api/v1/audit?"+c.query+before, "", 200)
			for _, e := range found["entries"].([]any) {
				seen[e.(map[string]any)["sequence"]] = true
			}
			if found["next_before"] == nil {
				break
			}
			before = fmt.Sprintf("&before=%.0f", found["next_before"])
		}
		if len(seen) != c.want {
			t.Errorf("%q: %d transitions in the API, want %d", c.query, len(seen), c.want)
		}
	}
	for _, wrong := range []string{"since=yesterday", "since=-1d", "release=01970000", "project=" + "%22%3E"} {
		if text, _ := a.page("/audit?"+wrong, http.StatusOK); strings.Contains(text, "transition") {
			t.Errorf("%s: %s", wrong, text)
		}
		a.call(http.MethodGet, "/api/v1/audit?"+wrong, "", 422)
	}
	a.call(http.MethodGet, "/api/v1/audit/export?format=xml", "", 422)
	done := a.dash.Busy()
	a.call(http.MethodGet, "/api/v1/audit/export?format=csv", "", 503)
	done()
}

// exported holds what a page's links export, in every format, to a number of transitions.
func (a *archive) exported(query string, want int) {
	a.Helper()
	_, html := a.page("/audit?"+query, http.StatusOK)
	get := func(format string) string {
		link := regexp.MustCompile(`href="(/api/v1/audit/export\?[^"]*format=` + format + `[^"]*)"`).FindStringSubmatch(html)
		if link == nil {
			a.Fatalf("%q: nothing is exported as %s", query, format)
		}
		req, err := http.NewRequestWithContext(a.Context(), http.MethodGet, a.base+strings.ReplaceAll(link[1], "&amp;", "&"), nil)
		if err != nil {
			a.Fatal(err)
		}
		return fetch(a.T, req, http.StatusOK)
	}
	var last float64
	lines := json.NewDecoder(strings.NewReader(get("json")))
	for n := 0; ; n++ {
		var one map[string]any
		err := lines.Decode(&one)
		if err == io.EOF && n == want {
			break
		}
		if err != nil || one["seq"].(float64) <= last || one["hash"] == "" {
			a.Errorf("JSON Lines of %q, line %d of %d: %v, %v", query, n+1, want, one, err)
			break
		}
		last = one["seq"].(float64)
	}
	if rows, err := csv.NewReader(strings.NewReader(get("csv"))).ReadAll(); err != nil || len(rows) != want+1 || rows[0][0] != "at" {
		a.Errorf("CSV of %q: %d rows, %v", query, len(rows), err)
	}
	if events := strings.Count(get("cdevents"), `"specversion":"1.0"`); events < want {
		a.Errorf("CDEvents of %q: %d", query, events)
	}
}

// TestVerify: what was removed or changed is named in the page, the first place where it shows, and so is how far it is covered.
func TestVerify(t *testing.T) {
	a := newArchive(t)
	removed, edited := a.ended("shop", "ana", a.signer), a.ended("api", "ben", a.signer)
	a.ended("shop", "ben", a.signer)
	a.ended("docs", "ben", a.signer)
	a.ended("docs", "ben", nil)
	has := func(path string, parts ...string) {
		t.Helper()
		text, _ := a.page(path, http.StatusOK)
		for _, p := range parts {
			if !strings.Contains(text, p) {
				t.Errorf("%s lacks %q: %s", path, p, text)
			}
		}
	}
	has("/audit/verify", "No Every record follows", "shop 2 releases, 6 records, 2 links: nothing was removed or changed, signed by "+a.signer.Key(),
		"The last signed checkpoint is link 2 of 2, of ", "The last signed checkpoint is link 1 of 2, of ", "1 link is not signed")
	has("/audit/verify?release="+removed[0].State.Release, "Release "+removed[0].State.Release+" 3 records: nothing was removed or changed")
	if proof := a.call(http.MethodGet, "/api/v1/audit/verify", "", 200); fmt.Sprint(proof["intact"], proof["whole"]) != "true true" ||
		len(proof["projects"].([]any)) != 3 {
		t.Errorf("%v", proof)
	}
	for path, want := range map[string]int{
		"?project=nobody": 422, "?project=%22": 422, "?release=x": 422, "?release=01900000-0000-7000-8000-000000000000": 404,
	} {
		a.call(http.MethodGet, "/api/v1/audit/verify"+path, "", want)
	}
	sluice, err := a.js.Stream(t.Context(), topology.StreamSluice)
	if err == nil {
		err = sluice.DeleteMsg(t.Context(), removed[1].Seq)
	}
	if err != nil {
		t.Fatal(err)
	}
	a.edit(edited[2])
	broken := fmt.Sprintf("broken Release %s, at #%d: it does not follow #%d: one of the two records was changed, or records between them were removed",
		removed[0].State.Release, removed[2].Seq, removed[0].Seq)
	changed := fmt.Sprintf("broken Release %s, at #", edited[0].State.Release)
	has("/audit/verify", "Yes 2 of 3 are broken.", broken, changed, "docs 2 releases")
	has("/audit/verify?project=shop", "Yes 1 of 1 is broken.", broken,
		"The chain has nothing before it that is proven; the last signed checkpoint is link 2, of ", ", by "+a.signer.Key()+".")
	has("/audit/verify?project=docs", "No Every record")
	has("/audit/verify?release="+removed[0].State.Release, "Yes", broken)
	proof := a.call(http.MethodGet, "/api/v1/audit/verify?project=shop", "", 200)
	if fmt.Sprint(proof["intact"]) != "false" || !strings.Contains(fmt.Sprint(proof), "records between them were removed") {
		t.Errorf("%v", proof)
	}

	done := a.dash.Busy()
	has("/audit/verify", "Somebody else verifies now: try again in a moment.")
	a.call(http.MethodGet, "/api/v1/audit/verify", "", 503)
	done()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.dash.Prove(gone); !errors.Is(err, context.Canceled) { // and the next one has its turn
		t.Errorf("whoever asked is gone: %v", err)
	}
	a.dash.ProveWithin(time.Nanosecond)
	if proof := a.call(http.MethodGet, "/api/v1/audit/verify?project=docs", "", 200); fmt.Sprint(proof["whole"], proof["not_verified"]) != "false [docs]" {
		t.Errorf("without time: %v", proof)
	}
	has("/audit/verify?project=docs", "Not as far as was looked", "There was no time for 1 project, from docs on")
}

// edit leaves a journal as if a record of it had been changed after the next one was stored: that has the hash of what stood there before.
func (a *archive) edit(r journal.Record) {
	a.Helper()
	before := audit.Of(audit.Message{Subject: topology.Release(r.State.Release), Seq: r.Seq, At: r.At, Data: []byte("what stood there before")})
	data, err := releasepb.EncodeRecord(releasepb.Record{Event: release.WasRefused{Verb: release.Hold}, State: r.State, Prev: before[:]})
	if err == nil {
		_, err = a.js.Publish(a.Context(), topology.Release(r.State.Release), data)
	}
	if err != nil {
		a.Fatal(err)
	}
}

// auditByKeyboard: the chains are verified with nothing but keys, and the filters stay.
func auditByKeyboard(t *testing.T, _ *world, b *webtest.Browser, url string, _ releases) {
	p := b.Open(t, url+"/audit?since=5h&project=checkout&actor=watcher", phone)
	p.Until("document.querySelectorAll('tbody tr').length === 1")
	tab(p, "button[formaction$=verify]")
	p.Press("Enter")
	p.Until("location.pathname === '/audit/verify' && document.querySelectorAll('.proofs li').length === 1")
	if text := p.Text("#main"); !strings.Contains(text, "nothing was removed or changed") {
		t.Errorf("it says %q", text)
	}
	tab(p, ".acts a")
	p.Press("Enter")
	p.Until("location.pathname === '/audit' && document.querySelectorAll('tbody tr').length === 1")
	p.Until("location.search === '?actor=watcher&project=checkout&since=5h'")
	for _, problem := range p.Problems() {
		t.Error(problem)
	}
}
