package npm

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/npmtest"
	"github.com/sluice-gate/sluice/pkg/project"
)

// The registry wants a pause, in seconds or until a date: it gets it. When it is longer than the attempt, that is said at once.
func testTooManyRequests(t *testing.T, registry *npmtest.Registry) {
	b := newBench(t, registry, "too-many", project.Republish)
	seed(t, registry, "too-many")
	f := b.plan("1.4.0", b.pack("1.4.0", nil))
	for version, status := range map[string]int{"1.4.0": http.StatusTooManyRequests, "1.5.0": http.StatusServiceUnavailable} {
		f := b.plan(version, b.pack(version, nil))
		asked := b.once(http.MethodPut, "/too-many", npmtest.Answer(status, "Retry-After", "1"))
		begun := time.Now()
		if done := b.beta(f); done.Existed {
			t.Errorf("%+v", done)
		}
		if took := time.Since(begun); asked() != 2 || took < time.Second {
			t.Errorf("asked %d times, within %s", asked(), took)
		}
	}
	for after, want := range map[string]string{"3600": "again in 1h0m0s", "99999999999": "429", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat): "429"} {
		b.times(100, http.MethodGet, "/dist-tags", npmtest.Answer(http.StatusTooManyRequests, "Retry-After", after))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		begun := time.Now()
		_, err := b.publish.Look(ctx, f)
		cancel()
		if b.wantAgain(err, want); time.Since(begun) > 20*time.Second {
			t.Errorf("it took %s to give up", time.Since(begun))
		}
	}
}

// Whatever breaks once on the way of a read or a write: the action succeeds, and the registry is asked to do each thing once, or
// once more where it did not.
func testOutages(t *testing.T, registry *npmtest.Registry) {
	for name, c := range map[string]struct {
		fault npmtest.Fault
		puts  int // of each write
	}{
		"500":               {npmtest.Answer(http.StatusInternalServerError), 2},
		"429":               {npmtest.Answer(http.StatusTooManyRequests), 2},
		"cut before":        {npmtest.CutBefore(), 2},
		"cut after":         {npmtest.CutAfter(), 1},
		"500 for a success": {afterwards(http.StatusBadGateway), 1},
		"403 for a success": {afterwards(http.StatusForbidden), 1},
		"409 for a success": {afterwards(http.StatusConflict), 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, mode := range []project.NPMMode{project.Republish, project.Retag} {
				b := newBench(t, registry, "outage-"+strings.ReplaceAll(name, " ", "-")+"-"+string(mode), mode)
				seed(t, registry, b.cfg.Package)
				f := b.plan("1.4.0", b.pack("1.4.0", nil))
				count := b.once(http.MethodPut, b.cfg.Package, c.fault)
				if done := b.beta(f); done.Existed {
					t.Errorf("publish: %+v", done)
				}
				if n := count(); n != c.puts {
					t.Errorf("the beta was put %d times, want %d", n, c.puts)
				}
				path := b.cfg.Package // of the write that promotes
				if mode == project.Retag {
					path = "/latest"
				}
				count = b.once(http.MethodPut, path, c.fault)
				if done, err := b.promote.Do(t.Context(), f); err != nil || done.Existed || done.Before != "0.0.1" {
					t.Errorf("promote: %+v, %v", done, err)
				}
				if n := count(); n != c.puts {
					t.Errorf("the release was put %d times, want %d", n, c.puts)
				}
				count = b.once(http.MethodPut, "/latest", c.fault)
				if done, err := b.promote.Undo(t.Context(), f, driver.Back{Value: "0.0.1"}); err != nil || done.Value != "0.0.1" {
					t.Errorf("undo: %+v, %v", done, err)
				}
				if n := count(); n != c.puts {
					t.Errorf("the tag was put back %d times, want %d", n, c.puts)
				}
				b.once(http.MethodDelete, "/beta", c.fault)
				if done, err := b.publish.Undo(t.Context(), f, driver.Back{}); err != nil || done.Value != "" {
					t.Errorf("undo: %+v, %v", done, err)
				}
				b.front.Faults(nil)
				b.wantTags("latest", "0.0.1")
			}
		})
	}
	t.Run("reads", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, registry, "outage-reads", project.Republish)
		seed(t, registry, b.cfg.Package)
		seen := map[string]bool{}
		b.front.Faults(func(r *http.Request) npmtest.Fault { // each address fails at first
			if r.Method != http.MethodGet || seen[r.URL.Path] {
				return nil
			}
			seen[r.URL.Path] = true
			return npmtest.Answer(http.StatusBadGateway)
		})
		f := b.plan("1.4.0", b.pack("1.4.0", nil))
		b.beta(f)
		if _, err := b.promote.Do(t.Context(), f); err != nil || len(seen) < 3 {
			t.Errorf("%v, %v", err, seen)
		}
	})
	t.Run("for good", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, registry, "outage-for-good", project.Republish)
		seed(t, registry, b.cfg.Package)
		f := b.plan("1.4.0", b.pack("1.4.0", nil))
		for _, method := range []string{http.MethodGet, http.MethodPut} {
			asked := b.times(1000, method, "", npmtest.Answer(http.StatusServiceUnavailable))
			_, err := b.publish.Do(t.Context(), f)
			b.wantAgain(err, "503")
			if n := asked(); n != 5 {
				t.Errorf("%s was tried %d times, want 5", method, n)
			}
		}
	})
}

// afterwards is the fault of a registry that does what was asked, and answers that it did not.
func afterwards(status int) npmtest.Fault {
	return func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		done := &quiet{header: http.Header{}}
		pass.ServeHTTP(done, r)
		w.WriteHeader(status)
	}
}

// quiet is a response that nobody hears.
type quiet struct{ header http.Header }

func (q *quiet) Header() http.Header         { return q.header }
func (q *quiet) Write(b []byte) (int, error) { return len(b), nil }
func (q *quiet) WriteHeader(int)             {}

func testRefusals(t *testing.T, registry *npmtest.Registry) {
	b := newBench(t, registry, "refusals", project.Republish)
	seed(t, registry, "refusals")
	f := b.plan("1.4.0", b.pack("1.4.0", nil))
	for _, c := range []struct {
		fault npmtest.Fault
		want  string
	}{
		{npmtest.Answer(http.StatusUnauthorized), `does not accept the token in the file "`},
		{npmtest.Answer(http.StatusUnauthorized, "Www-Authenticate", "OTP"), "wants a one-time password"},
		{npmtest.Answer(http.StatusForbidden), "may not do this"},
		{npmtest.Answer(http.StatusPaymentRequired), "access: public"},
		{npmtest.Answer(http.StatusNotFound), "with 404"},
		{npmtest.Answer(http.StatusRequestEntityTooLarge), "with 413"},
		{echo(http.StatusBadRequest), "bearer ***"},
	} {
		count := b.times(1000, http.MethodPut, "", c.fault)
		_, err := b.publish.Do(t.Context(), f)
		b.wantRefused(err, c.want)
		if n := count(); n != 1 {
			t.Errorf("%s: it was tried %d times", c.want, n)
		}
		if err != nil && strings.Contains(err.Error(), registry.Token) {
			t.Errorf("the error tells the token: %v", err)
		}
	}
	b.wantTags("latest", "0.0.1")

	cfg := b.cfg
	cfg.TokenFile = tokenFile(t, "not-a-token")
	wrong, err := Publish(cfg, withWaits(quick()))
	if err != nil {
		t.Fatal(err)
	}
	_, err = wrong.Do(t.Context(), f)
	b.wantRefused(err, `the token in the file "`)
	cfg.TokenFile = ""
	if wrong, err = Publish(cfg, withWaits(quick())); err != nil {
		t.Fatal(err)
	}
	_, err = wrong.Do(t.Context(), f)
	b.wantRefused(err, "names neither")
}

// echo is the fault of a server that puts what it got into its error, in several lines.
func echo(status int) npmtest.Fault {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte("no\n\x1b[2J" + strings.ToLower(r.Header.Get("Authorization")[:7]) + r.Header.Get("Authorization")[7:]))
	}
}

// The environment's name is in the error, what it holds is not.
func TestTokenByEnvironment(t *testing.T) {
	t.Setenv("SLUICE_TEST_TOKEN", "hunter2")
	front := npmtest.StartFront(t, "http://127.0.0.1:1")
	front.Faults(func(*http.Request) npmtest.Fault { return echo(http.StatusForbidden) })
	for env, want := range map[string]string{
		"SLUICE_TEST_TOKEN": `the token in the environment variable "SLUICE_TEST_TOKEN" may not do this`,
		"SLUICE_TEST_UNSET": `environment variable "SLUICE_TEST_UNSET", which should hold a secret, is empty or not set`,
	} {
		p, err := Promote(project.NPM{Registry: front.URL, Package: "tracer", TokenEnv: env}, withWaits(quick()))
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Look(t.Context(), facts("1.4.0", npmtest.Pack(t, "tracer", "1.4.0", nil)))
		if wantRefused(t, err, want); err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error tells the token: %v", err)
		}
	}
}

// 409 is what a registry says when it is busy with the package; and when the version is there, which may not show yet.
func testBusy(t *testing.T, registry *npmtest.Registry) {
	for name, fault := range map[string]npmtest.Fault{
		"409": npmtest.Answer(http.StatusConflict),
		"403": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"error":"You cannot publish over the previously published versions: 1.4.0-beta.0."}`))
		},
	} {
		b := newBench(t, registry, "busy-"+name, project.Republish)
		seed(t, registry, b.cfg.Package)
		f := b.plan("1.4.0", b.pack("1.4.0", nil))
		count := b.times(2, http.MethodPut, b.cfg.Package, fault)
		if b.beta(f); count() != 3 {
			t.Errorf("%s: %d tries", name, count())
		}
		other := b.plan("1.5.0", b.pack("1.5.0", nil))
		b.times(1000, http.MethodPut, b.cfg.Package, fault)
		_, err := b.publish.Do(t.Context(), other)
		b.wantAgain(err, name)
		b.front.Faults(nil)
	}
}

// The registry shows a write only some reads later, or never.
func testSlowToShow(t *testing.T, registry *npmtest.Registry) {
	for _, mode := range []project.NPMMode{project.Republish, project.Retag} {
		b := newBench(t, registry, "slow-"+string(mode), mode)
		seed(t, registry, b.cfg.Package)
		f := b.plan("1.4.0", b.pack("1.4.0", nil))
		stale(b, 3)
		if done := b.beta(f); done.Existed {
			t.Errorf("%+v", done)
		}
		stale(b, 3)
		if done, err := b.promote.Do(t.Context(), f); err != nil || done.Existed {
			t.Errorf("%+v, %v", done, err)
		}
		stale(b, 3)
		if done, err := b.promote.Undo(t.Context(), f, driver.Back{Value: "0.0.1"}); err != nil || done.Value != "0.0.1" {
			t.Errorf("%+v, %v", done, err)
		}
		b.front.Faults(nil)
		b.wantTags("latest", "0.0.1", "beta", f.Beta)
	}

	// A publish that went through although the answer says 403, and that does not show yet.
	b := newBench(t, registry, "slow-403", project.Republish)
	seed(t, registry, b.cfg.Package)
	f := b.plan("1.4.0", b.pack("1.4.0", nil))
	left := 0
	b.front.Faults(func(r *http.Request) npmtest.Fault {
		switch {
		case r.Method == http.MethodPut:
			left = 3
			return afterwards(http.StatusForbidden)
		case left > 0 && r.URL.Path == "/slow-403":
			left--
			return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				_, _ = w.Write([]byte(`{"versions":{"0.0.1":{}}}`))
			}
		}
		return nil
	})
	if b.beta(f); left != 0 {
		t.Errorf("%d reads were not made", left)
	}

	w := quick()
	w.show = 50 * time.Millisecond
	b = newBench(t, registry, "slow-never", project.Republish, withWaits(w))
	seed(t, registry, b.cfg.Package)
	f = b.plan("1.4.0", b.pack("1.4.0", nil))
	stale(b, 1000)
	_, err := b.publish.Do(t.Context(), f)
	b.wantAgain(err, "does not list it after 50ms")
}

// stale makes the first n reads of each address after a write bring what they brought before it: nothing of the package.
func stale(b *bench, n int) {
	left := map[string]int{}
	b.front.Faults(func(r *http.Request) npmtest.Fault {
		if r.Method != http.MethodGet {
			clear(left)
			left["/"+b.cfg.Package] = n
			left["/-/package/"+b.cfg.Package+"/dist-tags"] = n
			return nil
		}
		if left[r.URL.Path]--; left[r.URL.Path] < 0 {
			return nil
		}
		return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			if strings.HasSuffix(r.URL.Path, "/dist-tags") {
				_, _ = w.Write([]byte(`{"latest":"0.0.1","beta":"0.0.1"}`))
				return
			}
			_, _ = w.Write([]byte(`{"versions":{"0.0.1":{}}}`))
		}
	})
}
