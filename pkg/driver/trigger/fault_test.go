package trigger

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/drivertest"
	"github.com/sluice-gate/sluice/pkg/driver/internal/line"
	"github.com/sluice-gate/sluice/pkg/project"
)

const tokenEnv = "SLUICE_TEST_CI_TOKEN"

// facts are those of a release whose artifact the CI knows.
func (c *ci) facts(version string) driver.Facts { return c.job.Facts(version) }

// front answers some requests itself, and passes on the others.
type front struct {
	http.RoundTripper
	answer func(r *http.Request) *http.Response // nil: pass it on
	asked  []string
}

func (f *front) RoundTrip(r *http.Request) (*http.Response, error) {
	f.asked = append(f.asked, r.Method+" "+r.URL.EscapedPath())
	if res := f.answer(r); res != nil {
		res.Request = r
		return res, nil
	}
	return f.RoundTripper.RoundTrip(r)
}

func status(code int, body string, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: code, Header: h, Body: readCloser{strings.NewReader(body)}, ContentLength: int64(len(body))}
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// eachVendor runs a test on each vendor, in simulated time.
func eachVendor(t *testing.T, test func(t *testing.T, name string, open maker, c *ci)) {
	t.Helper()
	t.Setenv(tokenEnv, goodToken)
	for name, open := range vendors() {
		t.Logf("%s", name)
		synctest.Test(t, func(t *testing.T) { test(t, name, open, newCI()) })
	}
}

// next is the next attempt, of an instance that takes over; retried is the first one after a failure.
func next(f driver.Facts) driver.Facts    { f.Attempt++; return f }
func retried(f driver.Facts) driver.Facts { f.Attempt, f.Try = 1, f.Try+1; return f }

// A second attempt follows what the first one began, while it runs and after it succeeded; it begins another only after a failure.
func TestTakeover(t *testing.T) {
	eachVendor(t, func(t *testing.T, name string, open maker, c *ci) {
		if name == "http" {
			return // nothing can be found there: the other side knows by the release
		}
		f := c.facts("1.4.0")
		c.hold = 1_000_000
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err := open(t, driver.Deploy, tokenEnv, c).Do(ctx, f)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || driver.IsRefused(err) || !strings.Contains(err.Error(), "/acme/tracer/") {
			t.Errorf("%s: the time is over: %v, want where the run is", name, err)
		}
		c.hold = 1
		done, err := open(t, driver.Deploy, tokenEnv, c).Do(t.Context(), next(f))
		if err != nil || !done.Existed || c.count() != 1 || done.Value != "1.4.0-beta.0" || !strings.Contains(done.Note, "https://") {
			t.Errorf("%s: taken over: %+v, %v, %d pipelines", name, done, err, c.count())
		}
		if done, err = open(t, driver.Promote, tokenEnv, c).Do(t.Context(), f); err != nil || done.Existed || c.count() != 2 {
			t.Errorf("%s: another action: %+v, %v, %d pipelines", name, done, err, c.count())
		}
		other := f
		other.Stage = "canary"
		if done, err = open(t, driver.Deploy, tokenEnv, c).Do(t.Context(), other); err != nil || done.Existed || c.count() != 3 {
			t.Errorf("%s: another stage: %+v, %v, %d pipelines", name, done, err, c.count())
		}

		g := c.facts("1.5.0")
		c.job.Fail(g.Key() + "-deploy-staging")
		d := open(t, driver.Deploy, tokenEnv, c)
		for range 2 { // the second time it is found, and is the result of this try
			if _, err = d.Do(t.Context(), g); !driver.IsRefused(err) || !strings.Contains(err.Error(), "/acme/tracer/") || c.count() != 4 {
				t.Errorf("%s: a job that fails: %v, %d pipelines", name, err, c.count())
			}
		}
		if done, err = d.Do(t.Context(), retried(g)); err != nil || done.Existed || c.count() != 5 {
			t.Errorf("%s: after a failure: %+v, %v, %d pipelines", name, done, err, c.count())
		}
		if done, err = d.Do(t.Context(), next(retried(g))); err != nil || !done.Existed || c.count() != 5 {
			t.Errorf("%s: after a success: %+v, %v, %d pipelines", name, done, err, c.count())
		}
	})
}

// The other side knows a request by its key alone: what an instance began that died before it heard of it is not begun again by the one
// that takes over. A retry after a failure begins again.
func TestKnownByItsKey(t *testing.T) {
	t.Setenv(tokenEnv, goodToken)
	synctest.Test(t, func(t *testing.T) {
		c := newCI()
		f := c.facts("1.4.0")
		c.job.Fail(f.Key() + "-deploy-staging")
		line := &drivertest.Transport{Base: c, KillAt: 2, Writes: func(*http.Request) bool { return true }}
		if _, err := hook(t, driver.Deploy, tokenEnv, line).Do(t.Context(), f); !line.Killed() || c.count() != 1 {
			t.Fatalf("%v, %d runs", err, c.count())
		}
		if _, err := hook(t, driver.Deploy, tokenEnv, c).Do(t.Context(), next(f)); !driver.IsRefused(err) || c.count() != 1 {
			t.Errorf("taken over: %v, %d runs", err, c.count())
		}
		if _, err := hook(t, driver.Deploy, tokenEnv, c).Do(t.Context(), retried(f)); err != nil || c.count() != 2 {
			t.Errorf("retried: %v, %d runs", err, c.count())
		}
	})
}

// An undo waits for what still runs, is done once, and makes a later Do begin again.
func TestUndoOfWhatRuns(t *testing.T) {
	eachVendor(t, func(t *testing.T, name string, open maker, c *ci) {
		if name == "http" {
			return // what runs there is the other side's to know
		}
		f := c.facts("1.4.0")
		d := open(t, driver.Deploy, tokenEnv, c)
		c.hold = 1_000_000
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		if _, err := d.Do(ctx, f); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("%s: it never ends: %v", name, err)
		}
		cancel()
		c.hold = c.pipelines[0].looks + 20
		if _, err := d.Undo(t.Context(), f, driver.Back{}); err != nil || c.pipelines[0].looks <= c.hold || c.count() != 2 {
			t.Errorf("%s: %v, %d looks, %d pipelines", name, err, c.pipelines[0].looks, c.count())
		}
		if done, err := d.Undo(t.Context(), next(f), driver.Back{}); err != nil || !done.Existed || c.count() != 2 {
			t.Errorf("%s: again: %+v, %v", name, done, err)
		}
		if p := c.pipelines[1].params; p["release"] != "" || p["action"] != restore || p["undo"] != f.Release {
			t.Errorf("%s: %v", name, p)
		}
		if done, err := d.Do(t.Context(), retried(f)); err != nil || done.Existed || c.count() != 3 {
			t.Errorf("%s: done again: %+v, %v", name, done, err)
		}
	})
}

// Whichever answer is lost, one pipeline is begun.
func TestLostAnswers(t *testing.T) {
	eachVendor(t, func(t *testing.T, name string, open maker, c *ci) {
		for n := 1; n < 20; n++ {
			f := c.facts(fmt.Sprintf("1.4.%d", n))
			before := c.count()
			line := &drivertest.Transport{Base: c, LoseAt: n, Writes: func(*http.Request) bool { return true }}
			if _, err := open(t, driver.Deploy, tokenEnv, line).Do(t.Context(), f); err != nil || c.count() != before+1 {
				t.Errorf("%s, answer %d lost: %v, %d pipelines", name, n, err, c.count()-before)
			}
		}
	})
}

// 429 is waited out for as long as the answer asks, 5xx with growing pauses; a pause longer than the attempt lasts ends it at once.
func TestPauses(t *testing.T) {
	eachVendor(t, func(t *testing.T, name string, open maker, c *ci) {
		n := 0
		for header, value := range map[string]func() string{
			"Retry-After":     func() string { return "90" },
			"X-RateLimit":     func() string { return fmt.Sprint(time.Now().Add(90 * time.Second).Unix()) },
			"RateLimit":       func() string { return fmt.Sprint(time.Now().Add(90 * time.Second).Unix()) },
			"Retry-After (2)": func() string { return time.Now().Add(90 * time.Second).UTC().Format(http.TimeFormat) },
		} {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				n++
				f, begun, before, once := c.facts(fmt.Sprintf("1.4.%d", n)), time.Now(), c.count(), true
				line := &front{RoundTripper: c, answer: func(r *http.Request) *http.Response {
					if r.Method != method || !once {
						return nil
					}
					once = false
					if strings.HasPrefix(header, "Retry-After") {
						return status(http.StatusTooManyRequests, "slow down", "Retry-After", value())
					}
					return status(http.StatusForbidden, "slow down", header+"-Remaining", "0", header+"-Reset", value())
				}}
				_, err := open(t, driver.Deploy, tokenEnv, line).Do(t.Context(), f)
				if took := time.Since(begun); err != nil || took < 89*time.Second || took > 95*time.Second || c.count() != before+1 {
					t.Errorf("%s, %s %s: %v within %s, %d pipelines", name, method, header, err, took, c.count()-before)
				}
			}
		}
		f, begun := c.facts("1.5.0"), time.Now()
		line := &front{RoundTripper: c, answer: func(*http.Request) *http.Response {
			return status(http.StatusTooManyRequests, "", "Retry-After", "3600")
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		_, err := open(t, driver.Deploy, tokenEnv, line).Do(ctx, f)
		cancel()
		if err == nil || driver.IsRefused(err) || time.Since(begun) > time.Minute || !strings.Contains(err.Error(), "429") {
			t.Errorf("%s: %v within %s", name, err, time.Since(begun))
		}
	})
}

// Servers that fail a while are asked again; those that fail for good are an error to try again, soon enough.
func TestServerErrors(t *testing.T) {
	eachVendor(t, func(t *testing.T, name string, open maker, c *ci) {
		f, failing := c.facts("1.4.0"), map[string]int{}
		line := &front{RoundTripper: c, answer: func(r *http.Request) *http.Response {
			if failing[r.Method+r.URL.Path]++; failing[r.Method+r.URL.Path] <= 2 {
				return status(http.StatusBadGateway, "<html>bad gateway</html>")
			}
			return nil
		}}
		if _, err := open(t, driver.Deploy, tokenEnv, line).Do(t.Context(), f); err != nil || c.count() != 1 {
			t.Errorf("%s: %v, %d pipelines", name, err, c.count())
		}
		line.answer = func(*http.Request) *http.Response { return status(http.StatusServiceUnavailable, "") }
		line.asked = nil
		if _, err := open(t, driver.Deploy, tokenEnv, line).Do(t.Context(), c.facts("1.5.0")); err == nil || driver.IsRefused(err) || len(line.asked) != 4 {
			t.Errorf("%s: %v after %d tries", name, err, len(line.asked))
		}
	})
}

// Wrong tokens are one clear line, without the token, at the first request and at a later one.
func TestTokens(t *testing.T) {
	eachVendor(t, func(t *testing.T, name string, open maker, c *ci) {
		t.Setenv("SLUICE_TEST_CI_WRONG", "hunter22")
		for env, want := range map[string]string{
			"SLUICE_TEST_CI_WRONG": `does not accept the token in the environment variable "SLUICE_TEST_CI_WRONG"`,
			"SLUICE_TEST_CI_UNSET": `environment variable "SLUICE_TEST_CI_UNSET", which should hold a secret, is empty or not set`,
		} {
			_, err := open(t, driver.Deploy, env, c).Do(t.Context(), c.facts("1.4.0"))
			if !driver.IsRefused(err) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", name, err)
			} else if strings.Contains(err.Error(), "hunter22") || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("%s: the error tells the token, or is no line: %q", name, err)
			}
		}
		line := &front{RoundTripper: c, answer: func(r *http.Request) *http.Response {
			if r.Method == http.MethodPost {
				return status(http.StatusForbidden, `{"message":"`+goodToken+` may not"}`)
			}
			return nil
		}}
		_, err := open(t, driver.Deploy, tokenEnv, line).Do(t.Context(), c.facts("1.4.0"))
		if !driver.IsRefused(err) || !strings.Contains(err.Error(), "*** may not; the token in the environment variable") || c.count() != 0 {
			t.Errorf("%s: %v", name, err)
		}
	})
}

// Nothing is redirected with a token or a body, and no answer is read without a bound.
func TestRedirectsAndSizes(t *testing.T) {
	eachVendor(t, func(t *testing.T, name string, open maker, c *ci) {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			line := &front{RoundTripper: c}
			line.answer = func(r *http.Request) *http.Response {
				if r.URL.Host != "ci.example" {
					t.Errorf("%s: %s was asked, with %v", name, r.URL.Host, r.Header)
				}
				if r.Method == method {
					return status(http.StatusTemporaryRedirect, "", "Location", "https://elsewhere.example/x")
				}
				return nil
			}
			if _, err := open(t, driver.Deploy, tokenEnv, line).Do(t.Context(), c.facts("1.4.0")); !driver.IsRefused(err) || !strings.Contains(err.Error(), "redirects") {
				t.Errorf("%s, %s: %v", name, method, err)
			}
		}
		line := &front{RoundTripper: c, answer: func(*http.Request) *http.Response {
			return status(http.StatusOK, strings.Repeat(" ", line.MostAnswer+1))
		}}
		if _, err := open(t, driver.Deploy, tokenEnv, line).Do(t.Context(), c.facts("1.5.0")); !driver.IsRefused(err) || !strings.Contains(err.Error(), "larger than") {
			t.Errorf("%s: %v", name, err)
		}
	})
}

// Somebody cancels in the CI: the release fails with the run's address.
func TestCancelledThere(t *testing.T) {
	eachVendor(t, func(t *testing.T, name string, open maker, c *ci) {
		c.hold = 1_000_000
		line := &front{RoundTripper: c}
		line.answer = func(*http.Request) *http.Response {
			if len(line.asked) == 20 {
				c.pipelines[0].state = "canceled"
			}
			return nil
		}
		_, err := open(t, driver.Deploy, tokenEnv, line).Do(t.Context(), c.facts("1.4.0"))
		if !driver.IsRefused(err) || !strings.Contains(err.Error(), "cancel") || !strings.Contains(err.Error(), "https://") {
			t.Errorf("%s: %v", name, err)
		}
	})
}

// A dispatch that GitHub accepts and never shows is refused with what to mend, not repeated for ever.
func TestWithoutRunName(t *testing.T) {
	t.Setenv(tokenEnv, goodToken)
	synctest.Test(t, func(t *testing.T) {
		c := newCI()
		line := &front{RoundTripper: c, answer: func(r *http.Request) *http.Response {
			if r.Method == http.MethodGet {
				return status(http.StatusOK, `{"workflow_runs":[{"id":1,"display_title":"deploy","status":"queued"}]}`)
			}
			return nil
		}}
		_, err := hub(t, driver.Deploy, tokenEnv, line).Do(t.Context(), c.facts("1.4.0"))
		if !driver.IsRefused(err) || !strings.Contains(err.Error(), "run-name: with ${{ inputs.sluice_key }}") || c.count() != 1 {
			t.Errorf("%v, %d runs", err, c.count())
		}
	})
}

// Mistakes in the settings are found before anything is sent.
func TestSettings(t *testing.T) {
	for want, u := range map[string]string{
		"must be https": "http://ci.example", "without credentials": "https://me:hunter22@ci.example", "such as https": "ci.example",
	} {
		for name, open := range map[string]func() (*Driver, error){
			"circleci": func() (*Driver, error) { return CircleCI(project.CircleCI{URL: u, Project: "gh/a/b"}, driver.Deploy) },
			"github": func() (*Driver, error) {
				return GitHub(project.GitHub{URL: u, Repo: "a/b", Workflow: "c"}, driver.Deploy)
			},
			"gitlab": func() (*Driver, error) { return GitLab(project.GitLab{URL: u, Project: "a/b"}, driver.Deploy) },
			"http":   func() (*Driver, error) { return HTTP(project.Request{URL: u}, driver.Deploy) },
		} {
			if d, err := open(); d != nil || err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter22") {
				t.Errorf("%s, %s: %v", name, want, err)
			}
		}
	}
}
