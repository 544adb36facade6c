package trigger

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// ci is a CI with one project whose job deploys. It speaks to a test without a socket: it is an http.RoundTripper.
type ci struct {
	mux http.ServeMux
	job *drivertest.Job

	mu        sync.Mutex
	pipelines []*pipeline    // oldest first
	hold      int            // how many looks a pipeline is under way for
	pending   int            // how many times the configuration of a new pipeline is asked for in vain
	seen      map[string]int // requests to the http hook that were answered by their key
}

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
	c := &ci{job: drivertest.NewJob(), hold: 1, seen: map[string]int{}}
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
	p.ok = c.job.Run(params)
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

func (c *ci) count() int { c.mu.Lock(); defer c.mu.Unlock(); return len(c.pipelines) }

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
	return c.job.Peer(through, c.count, func(t *testing.T) (driver.Driver, string) {
		t.Helper()
		t.Setenv(wrong, "the-wrong-one")
		return open(t, role, wrong, c), "the-wrong-one"
	})
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
