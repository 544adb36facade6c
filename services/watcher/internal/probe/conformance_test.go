package probe_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode"

	"github.com/sluice-gate/sluice/pkg/awstest"
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/services/watcher/internal/probe"
)

// This is what every source must bear: whatever is at its other end, it comes back in time, on one line without secrets, leaves nothing
// running, and never says that staging is well when it did not see that.

const token = "t0ken-hunter2"

// peer is the other end of a source, which does as it is told.
type peer struct {
	*httptest.Server
	does atomic.Pointer[http.HandlerFunc]
}

func newPeer(t *testing.T) *peer {
	t.Helper()
	p := &peer{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body) // until it is read, the server does not see that nobody waits any more
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		(*p.does.Load())(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *peer) do(f http.HandlerFunc) { p.does.Store(&f) }

// source is one that asks over the network.
type source struct {
	check func(url string) project.Check
	well  http.HandlerFunc
	// notANumber answers NaN in the place of the number; nil where there is no way to write it.
	notANumber http.HandlerFunc
}

func text(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}

func vector(value string) http.HandlerFunc {
	return text(`{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1435781451.781,"` + value + `"]}]}}`)
}

// over answers as CloudWatch does.
func over(c *awstest.CloudWatch) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		res, err := c.RoundTrip(r)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer func() { _ = res.Body.Close() }()
		for name, values := range res.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(res.StatusCode)
		_, _ = io.Copy(w, res.Body)
	}
}

func cloud(value float64) http.HandlerFunc {
	c := &awstest.CloudWatch{}
	c.Put(time.Now().Add(-time.Minute), value, "AWS/Lambda", "Errors", "FunctionName", "tracer")
	c.Log("/app", time.Now().Add(-time.Minute), 0, "INFO all is well")
	return over(c)
}

func reach(url string) project.AWS {
	return project.AWS{
		Region: "eu-central-1", Endpoint: url, Key: project.Token{Env: "TEST_CLOUD_KEY"}, Secret: project.Token{Env: "TEST_CLOUD_SECRET"},
	}
}

func sources() map[string]source {
	named := project.Token{Env: "TEST_SOURCE_TOKEN"}
	metric := func(m project.Metric) project.Check {
		if m.Condition == "" && m.Prometheus == nil {
			m.Condition = "value < 5"
		}
		m.NoData = project.HoldOnNoData
		return project.Check{Name: "it", Metric: &m, Failures: 1, Interval: time.Second}
	}
	return map[string]source{
		"http": {
			check: func(url string) project.Check {
				return project.Check{Name: "it", HTTP: &project.HTTP{URL: url + "/?key=" + token, Condition: "body.ok == true", Token: named}}
			},
			well: text(`{"ok":true}`),
		},
		"prometheus": {
			check: func(url string) project.Check {
				return metric(project.Metric{Prometheus: &project.Prometheus{URL: url, Query: "up", Token: named}, Condition: "value < 5"})
			},
			well: vector("1"), notANumber: vector("NaN"),
		},
		"prometheus, a range": {
			check: func(url string) project.Check {
				p := &project.Prometheus{URL: url, Query: "up", Token: named, Range: time.Minute, Take: project.TakeMax}
				return metric(project.Metric{Prometheus: p, Condition: "value < 5"})
			},
			well:       text(`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1435781451.781,"1"]]}]}}`),
			notANumber: text(`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1435781451.781,"NaN"]]}]}}`),
		},
		"prometheus, compared": {
			check: func(url string) project.Check {
				compare := &project.Compare{Errors: "a", Requests: "b", BaselineErrors: "c", BaselineRequests: "d", Tolerated: 1, FalseAlarms: 0.01}
				return metric(project.Metric{Prometheus: &project.Prometheus{URL: url, Compare: compare, Token: named}})
			},
			well: vector("1"), notANumber: vector("+Inf"),
		},
		"json": {
			check: func(url string) project.Check {
				return metric(project.Metric{JSON: &project.JSON{URL: url + "/?key=" + token, Value: "double(body.n)", Token: named}})
			},
			well: text(`{"n":1}`), notANumber: text(`{"n":"NaN"}`),
		},
		"cloudwatch": {
			check: func(url string) project.Check {
				return metric(project.Metric{CloudWatch: &project.CloudWatch{
					AWS: reach(url), Over: project.OverSoak, Period: time.Minute,
					Metric: &project.CloudWatchMetric{
						Namespace: "AWS/Lambda", Name: "Errors", Stat: "Sum", Dimensions: map[string]string{"FunctionName": "tracer"},
					},
				}})
			},
			well: cloud(1), notANumber: cloud(notANumber()),
		},
		"cloudwatch_logs, filtered": {
			check: func(url string) project.Check {
				return metric(project.Metric{Logs: &project.CloudWatchLogs{AWS: reach(url), Group: "/app", Filter: "ERROR"}})
			},
			well: cloud(0),
		},
		"cloudwatch_logs, queried": {
			check: func(url string) project.Check {
				return metric(project.Metric{Logs: &project.CloudWatchLogs{AWS: reach(url), Group: "/app", Query: "filter @message like /ERROR/"}})
			},
			well: cloud(0),
		},
	}
}

func notANumber() float64 { zero := 0.0; return zero / zero }

// look looks once, at most for the timeout, from an hour ago, and judges that.
func look(ctx context.Context, c project.Check, timeout time.Duration) (probe.Seen, error) {
	c.Timeout = timeout
	seen, err := probe.Tools{}.Open(c, driver.Facts{Project: "tracer"}, time.Now().Add(-time.Hour))(ctx)
	return weighed(c, seen, err), err
}

// proper is what holds for whatever a look comes to.
func proper(t *testing.T, name string, seen probe.Seen, err error) {
	t.Helper()
	said := seen.Said
	if err != nil {
		said += err.Error()
	}
	for _, secret := range []string{token, awstest.CloudWatchSecret, awstest.CloudWatchKey} {
		if strings.Contains(said, secret) {
			t.Errorf("%s: it tells a secret: %s", name, said)
		}
	}
	if len(said) > 1000 || strings.ContainsFunc(said, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("%s: not a line: %.2000q", name, said)
	}
	if seen.OK && (err != nil || seen.None) {
		t.Errorf("%s: well, and yet %+v, %v", name, seen, err)
	}
}

func TestSources(t *testing.T) {
	t.Setenv("TEST_SOURCE_TOKEN", token)
	t.Setenv("TEST_CLOUD_KEY", awstest.CloudWatchKey)
	t.Setenv("TEST_CLOUD_SECRET", awstest.CloudWatchSecret)
	before := runtime.NumGoroutine()
	t.Run("all", func(t *testing.T) { // at the same time: they mostly wait
		for name, s := range sources() {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s.conforms(t)
			})
		}
	})
	for deadline := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > before+2; <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines are left, %d were there:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
	}
}

const (
	ample = 20 * time.Second
	brief = 200 * time.Millisecond
)

func (s source) conforms(t *testing.T) {
	p := newPeer(t)
	check := s.check(p.URL)
	p.do(s.well)
	seen, err := look(t.Context(), check, ample)
	if proper(t, "well", seen, err); err != nil || !seen.OK {
		t.Fatalf("well: %+v, %v", seen, err)
	}

	elsewhere := newPeer(t)
	elsewhere.do(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("it followed a redirect, with %q", r.Header.Get("Authorization"))
		s.well(w, r)
	})
	for name, c := range map[string]struct {
		within time.Duration
		does   http.HandlerFunc
	}{
		"no answer":     {brief, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
		"half of one":   {brief, func(w http.ResponseWriter, r *http.Request) { half(w, r) }},
		"a broken line": {brief, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
		"endless":       {ample, endless},
		"endless headers": {brief, func(w http.ResponseWriter, _ *http.Request) {
			for i := range 2000 {
				w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 1000))
			}
		}},
		"a redirect": {brief, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+r.URL.Path, http.StatusTemporaryRedirect)
		}},
		"nothing":      {brief, text("")},
		"garbage":      {brief, text("\x00\xff\xfe\x1b[2J\r\nHTTP/1.1 200 OK\r\n")},
		"null":         {brief, text("null")},
		"a list":       {brief, text("[1,2,3]")},
		"an object":    {brief, text(`{"status":"success","data":{},"results":{},"events":7,"n":{},"ok":"true"}`)},
		"deep":         {brief, text(strings.Repeat(`{"a":[`, 100_000))},
		"half of JSON": {brief, text(`{"status":"success","data":{"resultType":"vec`)},
		"CBOR's worst": {brief, text("\x9b\xff\xff\xff\xff\xff\xff\xff\xff")},
		"what it was sent": {brief, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Echo", r.Header.Get("Authorization"))
			w.WriteHeader(http.StatusBadRequest)
			said := r.Header.Get("Authorization") + " " + token
			if strings.HasPrefix(said, "AWS4") {
				said = awstest.CloudWatchKey + " " + awstest.CloudWatchSecret
			}
			_, _ = fmt.Fprintf(w, `{"status":"error","errorType":"bad_data","error":%q,"__type":"InvalidParameterException","message":%q}`, said, said)
		}},
		"hostile text": {brief, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			hostile := `$(reboot)\n\r\u001b[2J\u202e../../` + strings.Repeat("x", 100_000)
			_, _ = io.WriteString(w, `{"status":"error","errorType":"bad_data","error":"`+hostile+`","__type":"x\n`+hostile+`","message":"`+hostile+`"}`)
		}},
		"500": {brief, status(http.StatusInternalServerError)},
		"404": {brief, status(http.StatusNotFound)},
		"403": {brief, status(http.StatusForbidden)},
		"204": {brief, status(http.StatusNoContent)},
	} {
		p.do(c.does)
		began := time.Now()
		seen, err := look(t.Context(), check, c.within)
		proper(t, name, seen, err)
		if seen.OK {
			t.Errorf("%s: staging is well: %+v", name, seen)
		}
		if took := time.Since(began); took > c.within+10*time.Second {
			t.Errorf("%s: it took %s", name, took)
		}
	}
	if s.notANumber != nil {
		p.do(s.notANumber)
		if seen, err := look(t.Context(), check, ample); seen.OK || !seen.None || err != nil {
			t.Errorf("not a number: %+v, %v", seen, err)
		}
	}
	s.isPatient(t, p, check)
	s.isStopped(t, p, check)

	p.Close()
	seen, err = look(t.Context(), check, brief)
	if proper(t, "nobody there", seen, err); seen.OK || err == nil && seen.Said == "" {
		t.Errorf("nobody there: %+v, %v", seen, err)
	}
}

// isPatient: who is asked too often has said nothing about staging, whatever the policy, and is left alone for as long as it asks.
func (s source) isPatient(t *testing.T, p *peer, check project.Check) {
	t.Helper()
	for _, code := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		p.do(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "70")
			w.WriteHeader(code)
			_, _ = io.WriteString(w, `{"__type":"ThrottlingException","message":"Rate exceeded"}`)
		})
		for _, policy := range []project.NoData{project.HoldOnNoData, project.FailOnNoData} {
			if check.Metric != nil {
				m := *check.Metric
				m.NoData = policy
				check.Metric = &m
			}
			seen, err := look(t.Context(), check, ample)
			wait := new(probe.PauseError)
			if proper(t, "too often", seen, err); !seen.Busy || !seen.None || !errors.As(err, &wait) || wait.For != 70*time.Second {
				t.Errorf("%d, %s: %+v, %v", code, policy, seen, err)
			}
		}
	}
}

// isStopped: a look that is broken off ends at once, and says nothing about staging.
func (s source) isStopped(t *testing.T, p *peer, check project.Check) {
	t.Helper()
	asked := make(chan struct{}, 100)
	p.do(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	began := time.Now()
	seen, err := look(ctx, check, time.Minute)
	if took := time.Since(began); !errors.Is(err, context.Canceled) || seen.OK || took > 10*time.Second {
		t.Errorf("broken off: %+v, %v after %s", seen, err, took)
	}
	if seen, err = look(ctx, check, time.Minute); !errors.Is(err, context.Canceled) || seen.OK {
		t.Errorf("broken off before: %+v, %v", seen, err)
	}
}

func half(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, `{"status":"success",`)
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

func endless(w http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		if _, err := w.Write([]byte(strings.Repeat(" ", 64<<10))); err != nil {
			return
		}
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// TestCommands: the same of the sources that are commands.
func TestCommands(t *testing.T) {
	t.Setenv("TEST_SOURCE_TOKEN", token)
	kinds := map[string]func(script string) project.Check{
		"exec": func(script string) project.Check {
			return project.Check{Name: "it", Exec: &project.Exec{Command: []string{"sh", "-c", script}, EnvFrom: []string{"TEST_SOURCE_TOKEN"}}}
		},
		"a plugin": func(script string) project.Check {
			c := pluginCheck(script, project.FailsOnWarning, "", 0)
			c.Metric.Plugin.EnvFrom = []string{"TEST_SOURCE_TOKEN"}
			return c
		},
		"a plugin's number": func(script string) project.Check {
			c := pluginCheck(script, project.FailsOnWarning, "value < 5", 0)
			c.Metric.Plugin.EnvFrom = []string{"TEST_SOURCE_TOKEN"}
			return c
		},
	}
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if seen, err := look(t.Context(), kind("echo 'OK | a=1'"), ample); err != nil || !seen.OK {
				t.Fatalf("well: %+v, %v", seen, err)
			}
			for what, script := range map[string]string{
				"no end":       "sleep 60",
				"endless":      "yes 'OK | a=1'",
				"fails, loud":  "head -c 3000000 /dev/zero | tr '\\0' x; exit 1",
				"garbage":      "head -c 3000 /dev/urandom; exit 1",
				"secrets":      `echo "with $TEST_SOURCE_TOKEN | a=$TEST_SOURCE_TOKEN"; exit 1`,
				"hostile text": `printf '$(reboot) \033[2J \342\200\256 | a=x\nb'; exit 1`,
				"by a signal":  "kill -9 $$",
				"not there":    "exec /no/such/thing",
			} {
				seen, err := look(t.Context(), kind(script), brief)
				if proper(t, what, seen, err); seen.OK {
					t.Errorf("%s: staging is well: %+v", what, seen)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if seen, err := look(ctx, kind("sleep 60"), time.Minute); !errors.Is(err, context.DeadlineExceeded) || seen.OK {
				t.Errorf("broken off: %+v, %v", seen, err)
			}
		})
	}
}
