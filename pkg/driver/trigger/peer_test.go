package trigger

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/drivertest"
	"github.com/sluice-gate/sluice/pkg/driver/retry"
)

const goodToken = "token-of-the-ci"

// ci is a CI with one project whose job deploys, as package trigger asks of jobs: it knows what it has deployed by version and digest,
// refuses to go back, and takes back only what is there. It speaks to a test without a socket: it is an http.RoundTripper.
type ci struct {
	mux http.ServeMux

	mu        sync.Mutex
	contents  map[string]string // by digest: what the job downloads
	versions  map[string]string // what was deployed, by version
	now       *deployed
	pipelines []*pipeline     // oldest first
	hold      int             // how many looks a pipeline is under way for
	pending   int             // how many times the configuration of a new pipeline is asked for in vain
	fail      map[string]bool // keys whose job fails
	seen      map[string]int  // requests to the http hook that were answered by their key
}

type deployed struct{ release, version, digest, content string }

// pipeline is one run of the job.
type pipeline struct {
	id      int
	created time.Time
	params  map[string]string
	ok      bool
	looks   int
	asked   int    // for its configuration
	state   string // "canceled" and the like, when a test says so
}

func newCI() *ci {
	c := &ci{contents: map[string]string{}, versions: map[string]string{}, hold: 1, fail: map[string]bool{}, seen: map[string]int{}}
	c.circleRoutes()
	c.githubRoutes()
	c.gitlabRoutes()
	c.hookRoutes()
	return c
}

// RoundTrip answers a request in this process.
func (c *ci) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	in := r.Clone(r.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	c.mux.ServeHTTP(w, in)
	res := w.Result()
	res.Request = r
	return res, nil
}

// handle registers a route for those who have the token.
func (c *ci) handle(pattern, header, scheme string, h func(w http.ResponseWriter, r *http.Request)) {
	c.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if got := r.Header.Get(header); got != scheme+goodToken {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = fmt.Fprintf(w, `{"message":"You must log in first, %s\u001b[2J is wrong"}`, got)
			return
		}
		h(w, r)
	})
}

func reply(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}

func read(r *http.Request, into any) {
	b, err := io.ReadAll(r.Body)
	if err = errors.Join(err, json.Unmarshal(b, into)); err != nil {
		panic(err)
	}
}

// begin runs the job at once; how it went shows a few looks later.
func (c *ci) begin(params map[string]string) *pipeline {
	p := &pipeline{id: len(c.pipelines) + 1, created: time.Now(), params: params}
	p.ok = !c.fail[params["key"]] && c.job(params)
	c.pipelines = append(c.pipelines, p)
	return p
}

// over is one look at a pipeline: "" while it is under way.
func (c *ci) over(p *pipeline) string {
	if p.state != "" {
		return p.state
	}
	if p.looks++; p.looks <= c.hold {
		return ""
	}
	if p.ok {
		return "success"
	}
	return "failed"
}

func (c *ci) pipeline(id string) *pipeline {
	n, err := strconv.Atoi(id)
	if err != nil || n < 1 || n > len(c.pipelines) {
		return nil
	}
	return c.pipelines[n-1]
}

func (c *ci) newest() []*pipeline {
	all := slices.Clone(c.pipelines)
	slices.Reverse(all)
	return all
}

// job does what the parameters say.
func (c *ci) job(p map[string]string) bool {
	if p["action"] == restore {
		if c.now == nil || c.now.release != p["undo"] || c.now.digest != p["undo_digest"] {
			return true // somebody has moved on
		}
		if p["release"] == "" {
			c.now = nil
			return true
		}
	}
	content, known := c.contents[p["digest"]]
	there, taken := c.versions[p["version"]]
	back := p["action"] == string(driver.Promote) && c.now != nil && driver.Newer(c.now.version, p["version"])
	if !known || taken && there != content || back {
		return false
	}
	c.versions[p["version"]] = content
	c.now = &deployed{p["release"], p["version"], p["digest"], content}
	return true
}

// would tells whether parameters would change anything.
func (c *ci) would(p map[string]string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p["action"] == restore {
		return c.now != nil && c.now.release == p["undo"]
	}
	return c.now == nil || c.now.release != p["release"]
}

func (c *ci) state() drivertest.State {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := drivertest.State{Stored: maps.Clone(c.versions)}
	if c.now != nil {
		s.Channel = c.now.content
		s.Stored["the release on the channel"] = c.now.release
	}
	return s
}

func (c *ci) count() int { c.mu.Lock(); defer c.mu.Unlock(); return len(c.pipelines) }

// params are the parameters that the tests' project files send.
func params() map[string]string {
	return map[string]string{
		"key": "${key}", "action": "${action}", "release": "${release.id}", "version": "${release.version}", "digest": "${release.digest}",
		"undo": "${undo.id}", "undo_digest": "${undo.digest}",
	}
}

func quick() waits {
	return waits{retry.Policy{First: time.Millisecond, Tries: 4}, 5 * time.Millisecond, 100 * time.Millisecond}
}

// maker makes a vendor's driver through a transport, with the token in an environment variable.
type maker func(t *testing.T, role driver.Role, env string, rt http.RoundTripper) *Driver

func peer(role driver.Role, c *ci, open maker, write func(r *http.Request) bool) drivertest.Peer {
	const env, wrong = "SLUICE_TEST_CI_TOKEN", "SLUICE_TEST_CI_TOKEN_WRONG"
	through := func(t *testing.T, rt *drivertest.Transport) driver.Driver {
		t.Helper()
		t.Setenv(env, goodToken)
		rt.Base = c
		if rt.Writes == nil {
			rt.Writes = write
		}
		return open(t, role, env, rt)
	}
	return drivertest.Peer{
		Open:  func(t *testing.T) driver.Driver { t.Helper(); return through(t, &drivertest.Transport{}) },
		State: func(*testing.T) drivertest.State { return c.state() },
		Artifact: func(_ *testing.T, version, content string) (string, []byte) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.contents[driver.Digest([]byte(content))] = content
			return "tracer-" + version + ".tgz", []byte(content)
		},
		OnWrite: func(t *testing.T, before func(int)) driver.Driver {
			t.Helper()
			return through(t, &drivertest.Transport{Before: before})
		},
		Kill: func(t *testing.T, n int, call drivertest.Call) bool { // at every request, not only at the one that writes
			t.Helper()
			line := &drivertest.Transport{KillAt: n, Writes: func(*http.Request) bool { return true }}
			begun := c.count()
			_, err := call.Run(t.Context(), through(t, line))
			if line.Killed() != (err != nil) || c.count() > begun+1 {
				t.Fatalf("%s with a line that is dead: %t: %v, %d pipelines", call, line.Killed(), err, c.count()-begun)
			}
			return line.Killed()
		},
		LoseAnswer: func(t *testing.T, n int) driver.Driver {
			t.Helper()
			return through(t, &drivertest.Transport{LoseAt: n})
		},
		WrongSecret: func(t *testing.T) (driver.Driver, string) {
			t.Helper()
			t.Setenv(wrong, "the-wrong-one")
			return open(t, role, wrong, c), "the-wrong-one"
		},
		Outage: func(t *testing.T) driver.Driver {
			t.Helper()
			return through(t, &drivertest.Transport{Down: true})
		},
	}
}

// must makes a driver with quick waits.
func must(t *testing.T) func(d *Driver, err error) *Driver {
	t.Helper()
	return func(d *Driver, err error) *Driver {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		d.interval = time.Millisecond
		return d
	}
}
