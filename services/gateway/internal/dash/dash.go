package dash

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/services/gateway/internal/auth"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

//go:embed assets
var assets embed.FS

// Dash is the dashboard of one gateway.
type Dash struct {
	js      jetstream.JetStream
	journal *journal.Journal
	catalog *catalog.Catalog
	log     *zap.Logger
	guard   *auth.Guard

	hub     *hub
	source  *source
	pages   *template.Template
	files   map[string]asset
	boot    string // of this process: versions of another one mean nothing
	views   views
	reports reports
	gap     atomic.Int64  // between two changes that a browser is sent, as a time.Duration
	idle    atomic.Int64  // after which a browser hears something although nothing changed, as a time.Duration
	sent    atomic.Uint64 // changes that browsers were sent

	proving, exporting chan struct{} // one at a time
	proveWithin        time.Duration
}

// asset is a file that is served under a path that has its hash, so that a browser may keep it.
type asset struct {
	path, kind string
	body       []byte
}

// gapOfChanges is what a browser gets at most every so often.
const gapOfChanges = 50 * time.Millisecond

// New makes the dashboard.
func New(env service.Env, guard *auth.Guard) (*Dash, error) {
	d := &Dash{
		js: env.JS, journal: env.Journal, catalog: env.Catalog, log: env.Log, guard: guard, hub: newHub(),
		boot: fmt.Sprintf("%x", time.Now().UnixNano()), proving: make(chan struct{}, 1), exporting: make(chan struct{}, 1),
		proveWithin: proveWithin,
	}
	d.gap.Store(int64(gapOfChanges))
	d.idle.Store(int64(stillThere))
	d.source = newSource(env.JS.Conn(), env.Journal, env.Catalog, d.hub, env.Log)
	return d, d.load()
}

// load reads what is embedded.
func (d *Dash) load() error {
	d.files = map[string]asset{}
	kinds := map[string]string{
		"dash.css": "text/css; charset=utf-8", "dash.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml",
	}
	for name, kind := range kinds {
		body, err := fs.ReadFile(assets, "assets/"+name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		d.files[name] = asset{path: "/static/" + hex.EncodeToString(sum[:6]) + "/" + name, kind: kind, body: body}
	}
	var err error
	d.pages, err = template.New("").Funcs(d.functions()).ParseFS(assets, "assets/*.html")
	return err
}

// Run keeps the dashboard up with the broker until ctx ends.
func (d *Dash) Run(ctx context.Context) error { return d.source.run(ctx) }

// Handler serves the pages, what changes on them, the actions, and the JSON API.
func (d *Dash) Handler() http.Handler {
	mux := http.NewServeMux()
	live := d.as(config.Viewer, d.live)
	look := func(pattern string, h func(http.ResponseWriter, *http.Request, auth.Person)) {
		mux.HandleFunc(pattern, d.as(config.Viewer, h))
	}
	act := func(pattern string, h func(http.ResponseWriter, *http.Request, auth.Person)) {
		mux.HandleFunc(pattern, d.as(config.Operator, h))
	}
	look("GET /{$}", d.boardPage)
	look("GET /projects", d.projectsPage)
	look("GET /projects/{project}", d.projectPage)
	look("GET /releases/{release}", d.releasePage)
	look("GET /releases/{release}/output/{sequence}", d.outputText)
	look("GET /audit", d.auditPage)
	look("GET /audit/verify", d.provePage)
	act("GET /releases/{release}/ask/{verb}", d.askRelease)
	act("POST /releases/{release}/{verb}", d.postRelease)
	act("GET /projects/{project}/ask/{verb}", d.askProject)
	act("POST /projects/{project}/{verb}", d.postProject)
	d.api(look, act)
	mux.HandleFunc("GET /api/openapi.json", d.openAPI)
	mux.HandleFunc("GET /login", d.loginPage)
	mux.HandleFunc("POST /login", d.login)
	mux.HandleFunc("POST /logout", d.logout)
	mux.HandleFunc("GET /auth/start", d.signIn)
	mux.HandleFunc("GET "+auth.Callback, d.signedIn)
	mux.HandleFunc("GET /static/{hash}/{file}", d.static)
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, d.files["icon.svg"].path, http.StatusFound)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		d.fail(w, r, http.StatusNotFound, "There is no such page.")
	})
	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.fail(w, r, http.StatusForbidden, "This was asked for by another site's page: nothing was done.")
	}))
	all := http.NewServeMux()
	all.Handle("/", bounded(finishWithin, origin.Handler(mux)))
	all.HandleFunc("GET /live", live)
	return d.around(all)
}

// finishWithin bounds a request that has an end: what is asked of the broker, in all.
const finishWithin = storeWithin + answerWithin + readWithin

// bounded has a request answered while it can still be answered: what it does ends before writing to the connection does, of which nobody
// would be told.
func bounded(within time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), within)
		defer cancel()
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(within + writeWithin)) // a test's recorder has none
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// policy lets a page load what is ours and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'"

// maxBody bounds what a form or a request of the API may send, in bytes.
const maxBody = 64 << 10

// around is what holds for every answer.
func (d *Dash) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if !d.guard.Here(r) {
			d.fail(w, r, http.StatusMisdirectedRequest,
				"This dashboard asks nobody who they are, and so answers only on this machine, by its names, and not through a proxy.")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// as lets those in who may do what a role may; others are asked who they are, or refused.
func (d *Dash) as(role config.Role, h func(http.ResponseWriter, *http.Request, auth.Person)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p, ok := d.guard.Who(r)
		switch {
		case !ok && r.Header.Get("Accept") == "text/event-stream" && r.Header.Get("Authorization") == "":
			w.Header().Set("Content-Type", "text/event-stream") // of a page of ours, which loads itself again
			_, _ = io.WriteString(w, bye)
		case !ok && d.guard.Lapsed(r) && wantsPage(r) && !isPart(r):
			http.Redirect(w, r, d.guard.Again(r), http.StatusSeeOther)
		case !ok && d.guard.Lapsed(r):
			d.fail(w, r, http.StatusUnauthorized, "Who you are has to be looked at anew: nothing was done. Load the page again.")
		case !ok && wantsPage(r):
			http.Redirect(w, r, "/login?next="+template.URLQueryEscaper(r.URL.RequestURI()), http.StatusSeeOther)
		case !ok:
			w.Header().Set("WWW-Authenticate", `Bearer realm="sluice"`)
			d.fail(w, r, http.StatusUnauthorized, "Who are you? Send a token (Authorization: Bearer …), or log in.")
		case !p.May(role):
			d.fail(w, r, http.StatusForbidden, "Your role is "+string(p.Role)+"; this needs "+string(role)+".")
		default:
			h(w, r, p)
		}
	}
}

// wantsPage tells whether a browser goes to a page, and not a script or a program to something else.
func wantsPage(r *http.Request) bool {
	return r.Method == http.MethodGet && !isAPI(r) && strings.Contains(r.Header.Get("Accept"), "text/html")
}

func isAPI(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/api/") }

func (d *Dash) static(w http.ResponseWriter, r *http.Request) {
	f, ok := d.files[r.PathValue("file")]
	if !ok || f.path != r.URL.Path {
		d.fail(w, r, http.StatusNotFound, "There is no such file.")
		return
	}
	w.Header().Set("Content-Type", f.kind)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(f.body) // if it fails, whoever asked is gone
}

// loaded waits until the model was read, a little.
func (d *Dash) loaded(ctx context.Context) {
	const patience = 3 * time.Second
	wait := time.NewTimer(patience)
	defer wait.Stop()
	select {
	case <-d.hub.ready:
	case <-wait.C:
	case <-ctx.Done():
	}
}
