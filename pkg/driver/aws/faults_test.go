package aws

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gate/sluice/pkg/amazon"
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/trigger"
	"github.com/sluice-gate/sluice/pkg/project"
)

// wrong is a driver whose credentials are nobody's; a session token goes along with each request.
func wrong(t *testing.T, role driver.Role, through http.RoundTripper, open maker) *trigger.Driver {
	t.Helper()
	t.Setenv("TEST_AWS_WRONG_KEY", "AKIDWRONG")
	t.Setenv("TEST_AWS_WRONG", "the-wrong-one")
	at := reach("TEST_AWS_WRONG_KEY", "TEST_AWS_WRONG")
	at.Session = project.Token{Env: "TEST_AWS_WRONG"}
	d, err := open(t, role, at, amazon.WithTransport(through), amazon.WithPause(time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// each runs a test on each service, in simulated time.
func each(t *testing.T, test func(t *testing.T, name string, open maker, c *cloud)) {
	t.Helper()
	alone(t)
	for name, open := range makers() {
		t.Logf("%s", name)
		synctest.Test(t, func(t *testing.T) { test(t, name, open, newCloud()) })
	}
}

// Whatever was begun is found by the next attempt, while it runs and after it has succeeded; after a failure another is begun.
func TestTakeover(t *testing.T) {
	each(t, func(t *testing.T, name string, open maker, c *cloud) {
		if name == "lambda" {
			return // nothing can be found there: the function knows by the release
		}
		f := c.facts("1.4.0")
		c.hold = 1_000_000
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err := open.good(t, driver.Deploy, c).Do(ctx, f)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || driver.IsRefused(err) || !strings.Contains(err.Error(), "left to itself") ||
			!strings.Contains(err.Error(), "https://"+region+".console.aws.amazon.com/") {
			t.Errorf("%s: the time is over: %v, want where the run is", name, err)
		}
		c.hold = 1
		done, err := open.good(t, driver.Deploy, c).Do(t.Context(), next(f))
		if err != nil || !done.Existed || c.count() != 1 || done.Value != "1.4.0-beta.0" {
			t.Errorf("%s: taken over: %+v, %v, %d runs", name, done, err, c.count())
		}
		other := f
		other.Stage = "canary"
		if done, err = open.good(t, driver.Deploy, c).Do(t.Context(), other); err != nil || done.Existed || c.count() != 2 {
			t.Errorf("%s: another stage: %+v, %v, %d runs", name, done, err, c.count())
		}
		long := f
		long.Stage = strings.Repeat("s", 63)
		if done, err = open.good(t, driver.Deploy, c).Do(t.Context(), long); err != nil || done.Existed || c.count() != 3 {
			t.Errorf("%s: a stage with a long name: %+v, %v, %d runs", name, done, err, c.count())
		}

		g := c.facts("1.5.0")
		c.job.Fail(g.Key() + "-deploy-staging")
		d := open.good(t, driver.Deploy, c)
		for range 2 { // the second time it is found, and is the result of this try
			if _, err = d.Do(t.Context(), g); !driver.IsRefused(err) || c.count() != 4 ||
				name != "codepipeline" && !strings.Contains(err.Error(), "the job says no") {
				t.Errorf("%s: a job that fails: %v, %d runs", name, err, c.count())
			}
		}
		if done, err = d.Do(t.Context(), retried(g)); err != nil || done.Existed || c.count() != 5 {
			t.Errorf("%s: after a failure: %+v, %v, %d runs", name, done, err, c.count())
		}
		if done, err = d.Do(t.Context(), next(retried(g))); err != nil || !done.Existed || c.count() != 5 {
			t.Errorf("%s: after a success: %+v, %v, %d runs", name, done, err, c.count())
		}
	})
}

// A run is stopped when its release is cancelled, and when it is in the way of taking back what it does; not when a service stops.
func TestStops(t *testing.T) {
	each(t, func(t *testing.T, name string, open maker, c *cloud) {
		if name == "lambda" {
			return // it can not be stopped
		}
		c.hold = 1_000_000
		for cause, says := range map[error]string{driver.ErrCancelled: "was told to stop", errors.New("the service stops"): "is left to itself"} {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(cause) })
			f, begun := c.facts("1.4."+map[bool]string{true: "1", false: "2"}[says == "is left to itself"]), c.count()
			_, err := open.good(t, driver.Deploy, c).Do(ctx, f)
			if !errors.Is(err, context.Canceled) || driver.IsRefused(err) || !strings.Contains(err.Error(), says) || c.count() != begun+1 {
				t.Errorf("%s, %v: %v", name, cause, err)
			}
			if got := c.runs[begun].stopped; got != (says == "was told to stop") {
				t.Errorf("%s, %v: stopped: %t", name, cause, got)
			}
		}
		f, begun := c.facts("1.5.0"), c.count()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		if _, err := open.good(t, driver.Deploy, c).Do(ctx, f); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: it never ends: %v", name, err)
		}
		cancel()
		c.runs[begun].looks, c.hold = 0, 10
		d := open.good(t, driver.Deploy, c)
		if _, err := d.Undo(t.Context(), f, driver.Back{}); err != nil || !c.runs[begun].stopped || c.count() != begun+2 {
			t.Errorf("%s: undone while it ran: %v, stopped %t, %d runs", name, err, c.runs[begun].stopped, c.count()-begun)
		}
		if done, err := d.Undo(t.Context(), next(f), driver.Back{}); err != nil || !done.Existed || c.count() != begun+2 {
			t.Errorf("%s: undone again: %+v, %v", name, done, err)
		}
		if done, err := d.Do(t.Context(), retried(f)); err != nil || done.Existed || c.count() != begun+3 {
			t.Errorf("%s: done again: %+v, %v", name, done, err)
		}
	})
}

// Whichever answer is lost, and however late a run shows, one run is begun.
func TestLostAndLate(t *testing.T) {
	each(t, func(t *testing.T, name string, open maker, c *cloud) {
		for n := 1; n < 10; n++ {
			f, before := c.facts("1.4."+strings.Repeat("1", n)), c.count()
			c.lag = n % 3
			if name == "codebuild" && n%3 != 0 {
				c.lag = 0 // BatchGetBuilds tells what ListBuildsForProject has told
			}
			c.lose = len(c.asked) + n
			if _, err := open.good(t, driver.Deploy, c).Do(t.Context(), f); err != nil || c.count() != before+1 {
				t.Errorf("%s, answer %d lost: %v, %d runs", name, n, err, c.count()-before)
			}
		}
	})
}

// Who asks too often, or a server that fails, is asked again with pauses; not for ever, and not beyond the attempt.
func TestPauses(t *testing.T) {
	each(t, func(t *testing.T, name string, open maker, c *cloud) {
		for kind, code := range map[string]int{"ThrottlingException": 400, "TooManyRequestsException": 429, "": 503, "SlowDown": 503} {
			failing := map[string]int{}
			c.answer = func(r *http.Request) *http.Response {
				if failing[operationOf(r)]++; failing[operationOf(r)] <= 2 {
					return status(code, kind, "slow down")
				}
				return nil
			}
			f, begun, before := c.facts("1.4."+map[string]string{"ThrottlingException": "1", "TooManyRequestsException": "2", "": "3"}[kind]+"0"),
				time.Now(), c.count()
			if _, err := open.good(t, driver.Deploy, c).Do(t.Context(), f); err != nil || c.count() != before+1 || time.Since(begun) == 0 {
				t.Errorf("%s, %s: %v within %s, %d runs", name, kind, err, time.Since(begun), c.count()-before)
			}
		}
		once, f, begun := true, c.facts("1.5.0"), time.Now()
		c.answer = func(*http.Request) *http.Response {
			if !once {
				return nil
			}
			once = false
			return status(http.StatusTooManyRequests, "TooManyRequestsException", "slow down", "Retry-After", "90")
		}
		if _, err := open.good(t, driver.Deploy, c).Do(t.Context(), f); err != nil || time.Since(begun) < 90*time.Second || time.Since(begun) > 95*time.Second {
			t.Errorf("%s: %v within %s, want the 90 s that were asked for", name, err, time.Since(begun))
		}
		c.answer = func(*http.Request) *http.Response {
			return status(http.StatusTooManyRequests, "TooManyRequestsException", "slow down", "Retry-After", "3600")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		begun = time.Now()
		_, err := open.good(t, driver.Deploy, c).Do(ctx, c.facts("1.6.0"))
		if err == nil || driver.IsRefused(err) || time.Since(begun) > time.Minute || !strings.Contains(err.Error(), "429") {
			t.Errorf("%s: %v within %s", name, err, time.Since(begun))
		}
		c.answer = func(*http.Request) *http.Response { return status(http.StatusServiceUnavailable, "", "") }
		asked := len(c.asked)
		_, err = open.good(t, driver.Deploy, c).Do(t.Context(), c.facts("1.7.0"))
		if err == nil || driver.IsRefused(err) || len(c.asked)-asked > 60 || !strings.Contains(err.Error(), "503") {
			t.Errorf("%s: %v after %d tries", name, err, len(c.asked)-asked)
		}
	})
}

// Wrong credentials are one clear line, without the secret, whatever the answer repeats.
func TestCredentials(t *testing.T) {
	each(t, func(t *testing.T, name string, open maker, c *cloud) {
		f := c.facts("1.4.0")
		_, err := wrong(t, driver.Deploy, c, open).Do(t.Context(), f)
		wantLine(t, name, err, `does not accept the credentials in the environment variable "TEST_AWS_WRONG_KEY" and the environment variable "TEST_AWS_WRONG"`)
		t.Setenv("TEST_AWS_SECRET", "")
		_, err = open.good(t, driver.Deploy, c).Do(t.Context(), f)
		wantLine(t, name, err, `environment variable "TEST_AWS_SECRET", which should hold a secret, is empty or not set`)
		t.Setenv("TEST_AWS_SECRET", goodSecret)
		c.answer = func(*http.Request) *http.Response {
			return status(http.StatusBadRequest, "AccessDeniedException", "User is not\nauthorized\x1b[2J "+goodSecret+strings.Repeat("x", 10_000))
		}
		_, err = open.good(t, driver.Deploy, c).Do(t.Context(), f)
		wantLine(t, name, err, "AccessDeniedException: User is not authorized [2J ***xxx")
		c.answer = func(*http.Request) *http.Response { return status(http.StatusOK, "", strings.Repeat("x", 9<<20)) }
		_, err = open.good(t, driver.Deploy, c).Do(t.Context(), f)
		wantLine(t, name, err, "larger than")
		c.answer = func(*http.Request) *http.Response {
			return status(http.StatusTemporaryRedirect, "", "", "Location", "https://elsewhere.example/x")
		}
		_, err = open.good(t, driver.Deploy, c).Do(t.Context(), f)
		wantLine(t, name, err, "it redirects")
		if c.count() != 0 {
			t.Errorf("%s: %d runs", name, c.count())
		}
		c.answer = nil
		if name == "lambda" {
			c.job.Fail(f.Key() + "-deploy-staging")
			_, err = open.good(t, driver.Deploy, c).Do(t.Context(), f)
			wantLine(t, name, err, "the function failed (Unhandled): Error: the job says no [2J to ***")
		}
	})
}

func wantLine(t *testing.T, name string, err error, want string) {
	t.Helper()
	switch {
	case !driver.IsRefused(err) || !strings.Contains(err.Error(), want):
		t.Errorf("%s: %v, want a refusal with %q", name, err, want)
	case strings.Contains(err.Error(), goodSecret), strings.Contains(err.Error(), "the-wrong-one"), strings.ContainsAny(err.Error(), "\n\x1b"),
		len(err.Error()) > 800:
		t.Errorf("%s: the error tells a secret, or is no line: %.900q", name, err)
	}
}

// Without a region and without credentials the error says what is missing.
func TestSettings(t *testing.T) {
	alone(t)
	for want, at := range map[string]project.AWS{
		"no region is set": {}, "https": {Endpoint: "http://10.0.0.1"}, "without credentials": {Endpoint: "https://me:hunter22@a.example"},
	} {
		d, err := Lambda(project.AWSLambda{AWS: at, Function: "deploy"}, driver.Deploy)
		if err == nil {
			_, err = d.Do(t.Context(), newCloud().facts("1.4.0"))
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter22") {
			t.Errorf("%+v: %v, want %q", at, err, want)
		}
	}
	d, err := Lambda(project.AWSLambda{AWS: project.AWS{Region: region}, Function: "deploy"}, driver.Deploy, amazon.WithTransport(newCloud()))
	if err == nil {
		_, err = d.Do(t.Context(), newCloud().facts("1.4.0"))
	}
	if err == nil || !strings.Contains(err.Error(), "credentials") || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v, want what is missing", err)
	}
}

// However many instances begin at once, Step Functions has one execution; and one that another has begun meanwhile is followed, whichever
// attempt it is of, unless it takes the action back.
func TestOneExecution(t *testing.T) {
	alone(t)
	open := makers()["stepfunctions"]
	c := newCloud()
	f := c.facts("1.4.0")
	errs := make(chan error)
	for n := range 8 {
		g := f
		g.Attempt += n
		d := open.good(t, driver.Deploy, c)
		go func() {
			_, err := d.Do(context.Background(), g)
			errs <- err
		}()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if c.count() != 1 {
		t.Errorf("%d executions", c.count())
	}
	for _, meanwhile := range []struct {
		before       string // which request of Start
		nth          int
		action, want string
	}{
		{"DescribeExecution", 2, "deploy-staging", ""},
		{"DescribeExecution", 2, "restore-deploy-staging", "at the same time"},
		{"StartExecution", 1, "deploy-staging", ""},
		{"StartExecution", 1, "restore-deploy-staging", "at the same time"},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := newCloud()
			f := c.facts("1.5.0")
			asked := 0
			c.answer = func(r *http.Request) *http.Response {
				if operationOf(r) != meanwhile.before {
					return nil
				}
				if asked++; asked == meanwhile.nth {
					name := f.Release + "-deploy-staging-1"
					c.begin(name, strings.Replace(machineARN, ":stateMachine:", ":execution:", 1)+":"+name, `{"key":"`+next(f).Key()+"-"+meanwhile.action+`"}`,
						nil, map[string]string{"digest": f.Artifact.Digest, "version": f.Version, "release": f.Release, "action": "deploy"})
				}
				return nil
			}
			done, err := open.good(t, driver.Deploy, c).Do(t.Context(), f)
			followed := err == nil && done.Value != ""
			told := err != nil && !driver.IsRefused(err) && strings.Contains(err.Error(), meanwhile.want)
			if meanwhile.want == "" && !followed || meanwhile.want != "" && !told || c.count() != 1 {
				t.Errorf("%+v: %+v, %v, %d executions", meanwhile, done, err, c.count())
			}
		})
	}
}
