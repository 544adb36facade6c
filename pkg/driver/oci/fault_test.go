package oci

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
)

// front is a registry in memory, and what goes wrong with its requests.
type front struct {
	server direct
	mu     sync.Mutex
	fault  func(*http.Request) http.Handler // nil, or a nil handler, for none
}

func (f *front) RoundTrip(req *http.Request) (*http.Response, error) {
	f.mu.Lock()
	fault := f.fault
	var h http.Handler
	if fault != nil {
		h = fault(req)
	}
	f.mu.Unlock()
	if h != nil {
		if req.Body != nil {
			_, _ = io.Copy(io.Discard, req.Body)
		}
		return direct{h}.RoundTrip(req)
	}
	return f.server.RoundTrip(req)
}

// says is the fault of a registry that answers with a status and header lines.
func says(status int, header ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
	})
}

// times lets a fault happen to the first n requests of a method whose path has part in it, and counts those that match.
func (f *front) times(n int, method, part string, h http.Handler) (count func() int) {
	seen := 0
	f.fault = func(r *http.Request) http.Handler {
		if r.Method != method || !strings.Contains(r.URL.Path, part) {
			return nil
		}
		if seen++; seen > n {
			return nil
		}
		return h
	}
	return func() int { f.fault = nil; return seen }
}

// faulty is a release that was published to a registry in memory, and the driver that copies it to another repository.
func faulty(t *testing.T, w waits) (*front, driver.Driver, driver.Facts) {
	t.Helper()
	f := &front{server: direct{memory("ci", "hunter2")}}
	cfg := project.OCI{
		Image: "registry.example/team/app", To: "registry.example/public/app", From: project.DefaultFrom,
		Username: "ci", TokenFile: tokenFile(t, "hunter2"),
	}
	image := indexOf(t, "one")
	push(t, parse(t, cfg.Image), image,
		[]remote.Option{remote.WithTransport(f), remote.WithAuth(&authn.Basic{Username: "ci", Password: "hunter2"})}, "1.4.0-beta")
	d, err := Promote(cfg, withWaits(w), withTransport(f))
	if err != nil {
		t.Fatal(err)
	}
	return f, d, facts(t, "1.4.0", image)
}

// Whatever is asked for too often is asked for again, after as long as the registry says.
func TestRetryAfter(t *testing.T) {
	for _, c := range []struct{ method, part string }{
		{http.MethodGet, "/v2/"}, {http.MethodHead, "/manifests/1.4.0-beta"}, {http.MethodGet, "/manifests/"},
		{http.MethodHead, "/blobs/"}, {http.MethodGet, "/blobs/"}, {http.MethodPost, "/blobs/uploads/"}, {http.MethodPatch, "/blobs/uploads/"},
		{http.MethodPut, "/blobs/uploads/"}, {http.MethodPut, "/manifests/sha256:"}, {http.MethodPut, "/manifests/1.4.0"},
		{http.MethodPut, "/manifests/latest"},
	} {
		for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
			synctest.Test(t, func(t *testing.T) {
				front, d, f := faulty(t, quick())
				count := front.times(1, c.method, c.part, says(status, "Retry-After", "120"))
				begun := time.Now()
				done, err := d.Do(t.Context(), f)
				if err != nil || done.Value != "1.4.0@"+f.Artifact.Digest {
					t.Errorf("%s %s, %d: %+v, %v", c.method, c.part, status, done, err)
				}
				if took := time.Since(begun); took < 2*time.Minute || took > 3*time.Minute+time.Second {
					t.Errorf("%s %s, %d: it took %s", c.method, c.part, status, took)
				}
				if count() < 2 {
					t.Errorf("%s %s, %d: it was not repeated", c.method, c.part, status)
				}
				if again, err := d.Do(t.Context(), f); err != nil || !again.Existed {
					t.Errorf("%s %s, %d: again: %+v, %v", c.method, c.part, status, again, err)
				}
			})
		}
	}
}

// An outage is repeated a few times only, and no longer than the attempt lasts.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		front, d, f := faulty(t, defaultWaits())
		count := front.times(1000, http.MethodPost, "/uploads/", says(http.StatusBadGateway))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begun := time.Now()
		_, err := d.Do(ctx, f)
		wantAgain(t, err, "answered with 502")
		if n := count(); n < 2 || time.Since(begun) > time.Minute {
			t.Errorf("an upload was tried %d times for %s", n, time.Since(begun))
		}
		for method, part := range map[string]string{http.MethodHead: "/manifests/", http.MethodPut: "/manifests/1.4.0"} {
			count := front.times(1000, method, part, says(http.StatusBadGateway))
			_, err := d.Do(t.Context(), f)
			wantAgain(t, err, "answered with 502")
			if n := count(); n != 5 {
				t.Errorf("%s was tried %d times, want 5", method, n)
			}
		}
	})
}

// Who is told to come back after the attempt's end does not wait for it.
func TestRetryAfterTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		front, d, f := faulty(t, defaultWaits())
		for method, part := range map[string]string{http.MethodHead: "/manifests/latest", http.MethodPatch: "/uploads/"} {
			front.times(1000, method, part, says(http.StatusTooManyRequests, "Retry-After", "3600"))
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			begun := time.Now()
			_, err := d.Do(ctx, f)
			cancel()
			wantAgain(t, err, "answered with 429")
			if took := time.Since(begun); took > time.Minute {
				t.Errorf("%s: it took %s", method, took)
			}
		}
	})
}

// A registry that says nothing at all is given up on.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		front, d, f := faulty(t, defaultWaits())
		server := front.server
		silent := silence{server}
		p, err := Promote(d.(*promoter).cfgOf(t), withTransport(silent))
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		_, err = p.Do(t.Context(), f)
		wantAgain(t, err, "no answer within 1m0s")
		if took := time.Since(begun); took > 6*time.Minute {
			t.Errorf("it took %s", took)
		}
	})
}

// silence answers the login, and nothing else.
type silence struct{ direct }

func (s silence) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Path == "/v2/" {
		return s.direct.RoundTrip(req)
	}
	<-req.Context().Done()
	return nil, req.Context().Err()
}

// cfgOf is the settings that the driver was made with.
func (p *promoter) cfgOf(t *testing.T) project.OCI {
	t.Helper()
	return project.OCI{
		Image: p.image.name.Name(), To: p.to.name.Name(), From: project.DefaultFrom,
		Username: p.image.auth.username, TokenFile: p.image.auth.tokenFile,
	}
}

// Nothing that a registry says brings a secret into an error, several lines, or what a terminal obeys.
func TestRefusals(t *testing.T) {
	front, d, f := faulty(t, quick())
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		auth := r.Header.Get("Authorization")
		_, _ = w.Write([]byte(`{"errors":[{"code":"TAG_INVALID","message":"` + auth + ` \u001b[2J\nhunter2"}]}`))
	})
	for _, c := range []struct {
		fault http.Handler
		want  string
	}{
		{says(http.StatusUnauthorized), "it does not accept the credentials in the file"},
		{says(http.StatusForbidden), "not allowed with the credentials in the file"},
		{says(http.StatusNotFound), "answered with 404"},
		{says(http.StatusRequestEntityTooLarge), "answered with 413"},
		{says(http.StatusNotImplemented), "answered with 501"},
		{echo, "TAG_INVALID Basic *** [2J ***"},
	} {
		count := front.times(1000, http.MethodPut, "/manifests/1.4.0", c.fault)
		_, err := d.Do(t.Context(), f)
		wantRefused(t, err, c.want)
		if n := count(); n != 1 {
			t.Errorf("%s: it was tried %d times", c.want, n)
		}
		secret := base64.StdEncoding.EncodeToString([]byte("ci:hunter2"))
		if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), secret)) {
			t.Errorf("the error tells the secret: %v", err)
		}
	}
}

// A token without a user goes along as it is; where there is a token service, it is asked with the user's password.
func TestTokens(t *testing.T) {
	image := imageOf(t, "one")
	seed := []remote.Option{remote.WithAuth(&authn.Basic{Username: "ci", Password: "hunter2"})}
	for name, c := range map[string]struct {
		user, challenge, want string
	}{
		"as it is":       {"", `Bearer realm="https://auth.example/token",service="registry"`, "Bearer hunter2"},
		"exchanged":      {"ci", `Bearer realm="https://auth.example/token",service="registry"`, "Bearer fresh"},
		"basic":          {"ci", `Basic realm="test"`, "Basic " + base64.StdEncoding.EncodeToString([]byte("ci:hunter2"))},
		"not challenged": {"", `Basic realm="test"`, "Bearer hunter2"},
	} {
		t.Run(name, func(t *testing.T) {
			inner := memory("ci", "hunter2")
			server := direct{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Host == "auth.example" {
					if user, password, _ := r.BasicAuth(); user != "ci" || password != "hunter2" {
						w.WriteHeader(http.StatusUnauthorized)
						return
					}
					_, _ = w.Write([]byte(`{"token":"fresh"}`))
					return
				}
				if r.Header.Get("Authorization") != c.want {
					w.Header().Set("Www-Authenticate", c.challenge)
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				r.SetBasicAuth("ci", "hunter2")
				inner.ServeHTTP(w, r)
			})}
			cfg := project.OCI{Image: "registry.example/team/app", Username: c.user, TokenFile: tokenFile(t, "hunter2")}
			push(t, parse(t, cfg.Image), image, append(seed, remote.WithTransport(direct{inner})))
			d, err := Promote(cfg, withWaits(quick()), withTransport(server))
			if err != nil {
				t.Fatal(err)
			}
			if done, err := d.Do(t.Context(), facts(t, "1.4.0", image)); err != nil || done.Existed {
				t.Errorf("%+v, %v", done, err)
			}
		})
	}
}

// The environment's name is in the error, what it holds is not.
func TestTokenByEnvironment(t *testing.T) {
	t.Setenv("SLUICE_TEST_TOKEN", "hunter3")
	server := direct{memory("ci", "hunter2")}
	for env, want := range map[string]string{
		"SLUICE_TEST_TOKEN": `it does not accept the credentials in the environment variable "SLUICE_TEST_TOKEN"`,
		"SLUICE_TEST_UNSET": `environment variable "SLUICE_TEST_UNSET", which should hold a secret, is empty or not set`,
	} {
		cfg := project.OCI{Image: "registry.example/team/app", Username: "ci", TokenEnv: env}
		p, err := Promote(cfg, withWaits(quick()), withTransport(server))
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Look(t.Context(), facts(t, "1.4.0", imageOf(t, "one")))
		if wantRefused(t, err, want); err != nil && strings.Contains(err.Error(), "hunter3") {
			t.Errorf("the error tells the token: %v", err)
		}
	}
}

// Credentials do not go over plain HTTP to another machine, also not where the library would try that by itself.
func TestPlainHTTP(t *testing.T) {
	for image, insecure := range map[string]bool{"10.1.2.3:5000/team/app": false, "registry.example:5000/team/app": true} {
		plain := 0
		server := direct{memory("ci", "hunter2")}
		line := roundTripper(func(req *http.Request) (*http.Response, error) {
			if req.URL.Scheme == "https" {
				return nil, errors.New("this is no TLS")
			}
			plain++
			return server.RoundTrip(req)
		})
		cfg := project.OCI{Image: image, Username: "ci", TokenFile: tokenFile(t, "hunter2"), Insecure: insecure}
		p, err := Promote(cfg, withWaits(quick()), withTransport(line))
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Look(t.Context(), facts(t, "1.4.0", imageOf(t, "one")))
		if insecure {
			if err != nil || plain == 0 {
				t.Errorf("%s: %d requests, %v", image, plain, err)
			}
			continue
		}
		if wantRefused(t, err, "plain http leads to another machine"); plain > 0 {
			t.Errorf("%s: %d requests over plain HTTP", image, plain)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// Somebody moves the channel on while it is moved, or back again and again.
func TestMovedMeanwhile(t *testing.T) {
	front, d, f := faulty(t, quick())
	newer := imageOf(t, "newer")
	opts := []remote.Option{remote.WithTransport(front.server), remote.WithAuth(&authn.Basic{Username: "ci", Password: "hunter2"})}
	to := parse(t, "registry.example/public/app")
	push(t, to, newer, opts, "1.5.0", "1.3.0")
	after := func(tag string) func(*http.Request) http.Handler {
		return func(r *http.Request) http.Handler {
			if r.Method != http.MethodPut || !strings.HasSuffix(r.URL.Path, "/manifests/latest") {
				return nil
			}
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				push(t, to, imageOf(t, tag), opts, tag, "latest")
				w.WriteHeader(http.StatusCreated)
			})
		}
	}
	front.fault = after("1.2.0")
	_, err := d.Do(t.Context(), f)
	wantAgain(t, err, "does not stay at 1.4.0")
	front.fault = after("1.6.0")
	done, err := d.Do(t.Context(), f)
	if err != nil || !strings.HasPrefix(done.Value, "1.6.0@") || !strings.HasSuffix(done.Note, "was moved on to 1.6.0 meanwhile") {
		t.Errorf("%+v, %v", done, err)
	}
}

// An older release that saw the old image writes after the newer one has. The newer one takes the channel back.
func TestTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		front, d, f := faulty(t, defaultWaits())
		opts := (&peer{server: front.server}).options()
		to, older := parse(t, "registry.example/public/app"), imageOf(t, "older")
		push(t, to, older, opts, "1.3.0")
		puts := 0
		front.fault = func(r *http.Request) http.Handler {
			if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/manifests/latest") {
				if puts++; puts == 1 {
					time.AfterFunc(500*time.Millisecond, func() { push(t, to, older, opts, "latest") })
				}
			}
			return nil
		}
		done, err := d.Do(t.Context(), f)
		if err != nil || puts != 2 {
			t.Errorf("%+v, %v, after %d writes", done, err, puts)
		}
		if seen, err := d.Look(t.Context(), f); err != nil || !seen.Mine {
			t.Errorf("%+v, %v", seen, err)
		}
	})
}
