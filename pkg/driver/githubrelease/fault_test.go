package githubrelease

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
)

// front is a hub, and what goes wrong with its requests.
type front struct {
	*hub

	fault func(*http.Request) http.HandlerFunc // nil, or a nil handler, for none
}

func (f *front) RoundTrip(req *http.Request) (*http.Response, error) {
	if h := f.fault(req); h != nil {
		w := httptest.NewRecorder()
		h(w, req)
		return w.Result(), req.Context().Err()
	}
	return f.hub.RoundTrip(req)
}

// times lets a fault happen to the first n requests of a kind, and counts those.
func (f *front) times(n int, method, part string, fault http.HandlerFunc) (count func() int) {
	seen := 0
	f.fault = func(r *http.Request) http.HandlerFunc {
		if r.Method != method || !strings.Contains(r.URL.Path, part) {
			return nil
		}
		if seen++; seen > n {
			return nil
		}
		return fault
	}
	return func() int { return seen }
}

func says(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// patient is a driver with the waits that it really has.
func patient(t *testing.T, role driver.Role, f *front) driver.Driver {
	t.Helper()
	var d driver.Driver
	var err error
	if d, err = Publish(settings(t), WithTransport(f)); role == driver.Promote {
		d, err = Promote(settings(t), WithTransport(f))
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Whatever is asked for too often is asked for again, after as long as GitHub says, in each of its ways:
// https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit
func TestRetryAfter(t *testing.T) {
	reset := func() string { return strconv.FormatInt(time.Now().Add(2*time.Minute).Unix(), 10) }
	for _, c := range []struct {
		role         driver.Role
		method, part string
	}{
		{driver.Publish, http.MethodGet, "/releases"}, {driver.Publish, http.MethodGet, "/commits/"}, {driver.Publish, http.MethodPost, "/releases"},
		{driver.Publish, http.MethodPost, "/assets"}, {driver.Promote, http.MethodGet, "/releases/tags/"}, {driver.Promote, http.MethodGet, "/latest"},
		{driver.Promote, http.MethodPatch, "/releases/"},
	} {
		for name, least := range map[string]time.Duration{"429": 2 * time.Minute, "503": 2 * time.Minute, "primary": 119 * time.Second, "secondary": time.Minute} {
			synctest.Test(t, func(t *testing.T) {
				f := &front{hub: newHub()}
				rel := facts("1.4.0", "one")
				if c.role == driver.Promote {
					f.ci("v1.4.0", commit, rel.Artifact.Name, "one")
				}
				count := f.times(1, c.method, c.part, map[string]http.HandlerFunc{
					"429":       says(http.StatusTooManyRequests, "", "Retry-After", "120"),
					"503":       says(http.StatusServiceUnavailable, "", "Retry-After", "120"),
					"primary":   says(http.StatusForbidden, "", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", reset()),
					"secondary": says(http.StatusForbidden, `{"message":"You have exceeded a secondary rate limit."}`),
				}[name])
				begun := time.Now()
				done, err := patient(t, c.role, f).Do(t.Context(), rel)
				if err != nil || done.Existed {
					t.Errorf("%s %s, %s: %+v, %v", c.method, c.part, name, done, err)
				}
				if took := time.Since(begun); count() < 2 || took < least || took > least+time.Minute {
					t.Errorf("%s %s, %s: %d times, it took %s", c.method, c.part, name, count(), took)
				}
			})
		}
	}
}

// An outage is repeated a few times only, and who is told to come back after the attempt's end does not wait for it.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &front{hub: newHub()}
		count := f.times(1000, http.MethodPost, "/assets", says(http.StatusBadGateway, ""))
		_, err := patient(t, driver.Publish, f).Do(t.Context(), facts("1.4.0", "one"))
		if wantAgain(t, err, "answered with 502"); count() != 5 || len(f.releases) != 1 {
			t.Errorf("it was tried %d times, %d releases", count(), len(f.releases))
		}
		f.times(1000, http.MethodGet, "/latest", says(http.StatusTooManyRequests, "", "Retry-After", "3600"))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		begun := time.Now()
		_, err = patient(t, driver.Promote, f).Look(ctx, facts("1.4.0", "one"))
		if wantAgain(t, err, "answered with 429"); time.Since(begun) > time.Minute {
			t.Errorf("it took %s", time.Since(begun))
		}
	})
}

// Nothing that GitHub says brings a secret into an error, several lines, or what a terminal obeys; and the token goes nowhere else.
func TestRefusals(t *testing.T) {
	echo := func(status int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			says(status, fmt.Sprintf(`{"message":"%s \u001b[2J\n%s"}`, r.Header.Get("Authorization"), goodToken), header...)(w, r)
		}
	}
	for _, c := range []struct {
		method, part, want string
		fault              http.HandlerFunc
	}{
		{http.MethodGet, "/releases", "there is no such repository, or not for this token", echo(http.StatusNotFound)},
		{http.MethodGet, "/releases", "it does not accept the token in the file", echo(http.StatusUnauthorized)},
		{http.MethodPost, "/releases", "the token in the file", echo(http.StatusForbidden)},
		{http.MethodPost, "/releases", "it redirects", echo(http.StatusTemporaryRedirect, "Location", "https://evil.example/")},
		{http.MethodPost, "/releases", "(Release target_commitish invalid)", says(http.StatusUnprocessableEntity,
			`{"message":"Validation Failed","errors":[{"resource":"Release","code":"invalid","field":"target_commitish"}]}`)},
		{http.MethodPost, "/releases", `the address "https://evil.example/x" is not one on api.github.example`, says(http.StatusCreated,
			`{"id":7,"tag_name":"v1.4.0","prerelease":true,"upload_url":"https://evil.example/x{?name,label}"}`)},
		{http.MethodPost, "/assets", "was answered with 413", echo(http.StatusRequestEntityTooLarge)},
		{http.MethodGet, "/commits/", "that is no name of a commit", echo(http.StatusOK)},
	} {
		f := &front{hub: newHub()}
		f.times(1000, c.method, c.part, c.fault)
		_, err := driverOf(t, driver.Publish, settings(t), f).Do(t.Context(), facts("1.4.0", "one"))
		if wantRefused(t, err, c.want); err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error tells the secret: %v", err)
		}
	}
}

// An older release that saw the old latest writes after the newer one has. The newer one takes latest back, or says who has it.
func TestTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &front{hub: newHub()}
		rel := facts("1.4.0", "one")
		f.ci("v1.4.0", commit, rel.Artifact.Name, "one")
		older, newer := f.ci("v1.3.0", commit, "old", "old"), f.ci("v1.5.0", commit, "new", "new")
		older.prerelease, newer.prerelease = false, false
		writes := 0
		meanwhile := func(to *item) func(*http.Request) http.HandlerFunc {
			writes = 0
			return func(r *http.Request) http.HandlerFunc {
				if writes++; r.Method != http.MethodPatch {
					writes--
				} else if writes == 1 {
					time.AfterFunc(time.Second, func() { f.mu.Lock(); defer f.mu.Unlock(); f.latest = to })
				}
				return nil
			}
		}
		f.fault = meanwhile(older)
		done, err := patient(t, driver.Promote, f).Do(t.Context(), rel)
		if err != nil || writes != 2 || f.latest.tag != "v1.4.0" {
			t.Errorf("%+v, %v, after %d writes", done, err, writes)
		}
		f.latest = older
		f.fault = meanwhile(newer)
		done, err = patient(t, driver.Promote, f).Do(t.Context(), rel)
		if err != nil || writes != 1 || done.Note != "latest was moved on to 1.5.0 meanwhile" || !strings.HasPrefix(done.Value, "1.5.0@") {
			t.Errorf("%+v, %v, after %d writes", done, err, writes)
		}
	})
}
