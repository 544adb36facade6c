package gateway_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/alert"
	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/driver/drivers"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/topology/accounts"
	"github.com/sluice-gate/sluice/services/gateway"
	"github.com/sluice-gate/sluice/services/publisher"
)

const (
	secret   = "It's a Secret to Everybody"
	patience = time.Minute
)

// world is a broker with the accounts that are deployed, a publisher and gateways, each as its own user.
type world struct {
	testing.TB
	broker  *natstest.Server
	js      jetstream.JetStream // the admin's
	journal *journal.Journal
	catalog *catalog.Catalog
	file    string
}

func password(user string) string { return "of" + user + "0123" }

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{TB: t, broker: natstest.One(t, natstest.Listen(), natstest.Configure(func(o *server.Options) error {
		return accounts.Embed(o, false, password)
	}))}
	nc := w.broker.Conn(t, nats.UserInfo(accounts.Admin, password(accounts.Admin)))
	w.js = natstest.Topology(t, nc)
	var err error
	if w.journal, err = journal.Open(t.Context(), w.js, "test"); err != nil {
		t.Fatal(err)
	}
	if w.catalog, err = catalog.Open(t.Context(), w.js); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.catalog.Apply(t.Context(), "tracer.yaml", []byte("project: tracer\n")); err != nil {
		t.Fatal(err)
	}
	w.file = filepath.Join(t.TempDir(), "gateway.yaml")
	const hooks = `
hooks:
  - path: /hooks/github
    source: github
    secret_env: TEST_WEBHOOK_SECRET
    merges:
      - { repository: acme/tracer, project: tracer, on: push, version: "{body.version}", artifact: "tracer-{commit}.bin" }
      - { repository: acme/docs, project: docs, on: push, version: "{body.version}", artifact: docs-from-commit }
      - { repository: acme/other, project: other, on: push, artifact: "other-{commit}.bin" }
`
	if err := os.WriteFile(w.file, []byte(hooks), 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

// start runs a service as its binary does, as its own user, and stops it when the test ends.
func (w *world) start(name, instance string, run func(context.Context, service.Env) error, options ...service.Option) {
	w.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	args := []string{"--server", w.broker.URL(), "--user", name, "--password-env", accounts.PasswordEnv(name), "--instance", instance}
	go func() { done <- service.Start(ctx, name, args, io.Discard, run, options...) }()
	w.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			w.Errorf("%s: %v", name, err)
		}
	})
}

// gateway starts one and returns where it takes webhooks.
func (w *world) gateway(instance string) string {
	w.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.Fatal(err)
	}
	address := ln.Addr().String()
	_ = ln.Close()
	cfg := gateway.Config{File: w.file, Listen: address}
	w.start(accounts.Gateway, instance, func(ctx context.Context, env service.Env) error { return gateway.Run(ctx, env, cfg) }, service.Outside())
	w.eventually("the gateway listens", func() error {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err
	})
	return "http://" + address + "/hooks/github"
}

func (w *world) eventually(what string, ok func() error) {
	w.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			w.Fatalf("waited in vain until %s: %v", what, err)
		}
	}
}

func push(repository, commit, version string) []byte {
	return fmt.Appendf(nil, `{"ref":"refs/heads/main","after":%q,"version":%q,"repository":{"full_name":%q},"sender":{"login":"ana"},
		"head_commit":{"timestamp":%q}}`, commit, version, repository, time.Now().Add(-time.Minute).Format(time.RFC3339))
}

type answer struct {
	Releases []struct {
		Project, Release string
		Known            bool
	}
	Ignored, Error string
}

// send delivers a webhook, and returns the release that it is.
func (w *world) send(url string, body []byte) (int, http.Header, answer) {
	w.Helper()
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-GitHub-Event", "push")
	req.Header.Set("X-GitHub-Delivery", uuid.NewString()) // which nobody signs: a replay may have any
	req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.Error(err)
		return 0, nil, answer{}
	}
	defer func() { _ = res.Body.Close() }()
	var a answer
	if err := json.NewDecoder(res.Body).Decode(&a); err != nil {
		w.Error(err)
	}
	return res.StatusCode, res.Header, a
}

// handIn puts what the build made where the hook says that it is.
func (w *world) handIn(commit string) {
	w.Helper()
	if _, err := w.catalog.Put(w.Context(), "tracer-"+commit+".bin", strings.NewReader("built of "+commit)); err != nil {
		w.Fatal(err)
	}
}

// published waits until a release has a beta.
func (w *world) published(id string) release.State {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	var last release.State
	err := w.journal.Follow(ctx, id, 0, func(r journal.Record) bool {
		last = r.State
		return last.Phase != release.Published && !last.Phase.Ended()
	}, func(error) error { return nil })
	if err != nil || last.Phase != release.Published {
		w.Fatalf("release %s is %s (%s): %v", id, last.Phase, last.End.Reason, err)
	}
	return last
}

// stored counts the messages of a subject.
func (w *world) stored(subject string) (n uint64) {
	w.Helper()
	stream, err := w.js.Stream(w.Context(), topology.StreamSluice)
	if err != nil {
		w.Fatal(err)
	}
	info, err := stream.Info(w.Context(), jetstream.WithSubjectFilter(subject))
	if err != nil {
		w.Fatal(err)
	}
	for _, count := range info.State.Subjects {
		n += count
	}
	return n
}

func (w *world) publisher() {
	w.Helper()
	w.start(accounts.Publisher, "publisher-0", func(ctx context.Context, env service.Env) error {
		return publisher.Run(ctx, env, publisher.Config{Open: drivers.Open})
	})
}

func setup(t *testing.T) *world {
	t.Helper()
	t.Setenv("TEST_WEBHOOK_SECRET", secret)
	for _, user := range accounts.Users() {
		t.Setenv(accounts.PasswordEnv(user), password(user))
	}
	return newWorld(t)
}

// TestPushBecomesRelease: a signed push is a release with its beta, under the permissions that are deployed; and it is that one
// release however often, to whichever gateway, and under whichever delivery id it is delivered. What is known is by the commit.
func TestPushBecomesRelease(t *testing.T) {
	const commit = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"
	w := setup(t)
	w.handIn(commit)
	gateways := []string{w.gateway("gateway-0"), w.gateway("gateway-1")}
	body := push("acme/tracer", commit, "v1.4.0")

	// Before the publisher runs: nobody can look up whether it is a release already.
	ids := map[string]bool{}
	var mu sync.Mutex
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			status, _, a := w.send(gateways[i%2], body)
			if status != http.StatusOK || len(a.Releases) != 1 || a.Releases[0].Project != "tracer" {
				t.Errorf("%d %+v", status, a)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			ids[a.Releases[0].Release] = true
		})
	}
	group.Wait()
	if len(ids) != 1 {
		t.Fatalf("one push is called %v", ids)
	}
	w.publisher()
	for id := range ids {
		s := w.published(id)
		if s.Version != "1.4.0" || s.Merge.Commit != commit || s.Merge.Ref != "main" || s.Merge.Actor != "ana" ||
			s.Merge.Artifact != "tracer-"+commit+".bin" || s.Merge.Attempt != 1 {
			t.Errorf("%+v", s)
		}
		merges := w.stored(topology.Merge("tracer"))
		status, _, a := w.send(gateways[1], body) // redelivered, by hand, a day later
		if status != http.StatusOK || len(a.Releases) != 1 || a.Releases[0].Release != id || !a.Releases[0].Known {
			t.Errorf("again: %d %+v", status, a)
		}
		if now := w.stored(topology.Merge("tracer")); now != merges {
			t.Errorf("what is known was handed in again: %d merge events, then %d", merges, now)
		}
	}
	if n := w.stored(topology.Commit("tracer", commit)); n != 1 {
		t.Errorf("the commit has %d identities", n)
	}
	if n := w.stored("sluice.dead.>"); n != 0 {
		t.Errorf("%d merges were refused", n)
	}
	if status, _, a := w.send(gateways[0], push("acme/other", commit, "")); status != http.StatusUnprocessableEntity || !strings.Contains(a.Error, "other") {
		t.Errorf("a project that nobody applied: %d %+v", status, a)
	}
}

// TestArtifactIsMissing: a hook that came before the build is done makes a release that fails and says why, not silence.
func TestArtifactIsMissing(t *testing.T) {
	w := setup(t)
	url := w.gateway("gateway-0")
	w.publisher()
	status, _, a := w.send(url, push("acme/tracer", "c0ffee", "1.0.0"))
	if status != http.StatusOK || len(a.Releases) != 1 {
		t.Fatalf("%d %+v", status, a)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var last release.State
	err := w.journal.Follow(ctx, a.Releases[0].Release, 0, func(r journal.Record) bool {
		last = r.State
		return !last.Phase.Ended()
	}, func(error) error { return nil })
	if err != nil || last.Phase != release.Failed || !strings.Contains(last.End.Reason, "tracer-c0ffee.bin") {
		t.Errorf("it is %s: %s %v", last.Phase, last.End.Reason, err)
	}
}

// TestOneArtifactForAll: a project whose commands make everything from the commit names an object that was put there once, and every
// merge of it is a release of its own, with the commit for its commands.
func TestOneArtifactForAll(t *testing.T) {
	w := setup(t)
	did := filepath.Join(t.TempDir(), "did")
	docs := fmt.Sprintf("project: docs\npublish: { exec: { command: [sh, -c, 'echo $SLUICE_COMMIT $SLUICE_VERSION >> %s'] } }\n", did)
	if _, _, err := w.catalog.Apply(t.Context(), "docs.yaml", []byte(docs)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.catalog.Put(t.Context(), "docs-from-commit", strings.NewReader("built by the project's commands\n")); err != nil {
		t.Fatal(err)
	}
	url := w.gateway("gateway-0")
	w.publisher()
	for commit, version := range map[string]string{"c0ffee": "1.0.1", "beef": "1.0.2"} {
		status, _, a := w.send(url, push("acme/docs", commit, version))
		if status != http.StatusOK || len(a.Releases) != 1 {
			t.Fatalf("%d %+v", status, a)
		}
		if s := w.published(a.Releases[0].Release); s.Version != version || s.Merge.Commit != commit {
			t.Errorf("%+v", s)
		}
	}
	said, err := os.ReadFile(did)
	if got := string(said); err != nil || !strings.Contains(got, "c0ffee 1.0.1\n") || !strings.Contains(got, "beef 1.0.2\n") {
		t.Errorf("its commands ran with %s %v", got, err)
	}
}

// TestBrokerIsDown: while the broker is away the source is told to send it again, and when it does nothing is lost or doubled.
func TestBrokerIsDown(t *testing.T) {
	w := setup(t)
	w.handIn("beef01")
	url := w.gateway("gateway-0")
	body := push("acme/tracer", "beef01", "2.0.0")
	w.broker.Stop()
	status, header, a := w.send(url, body)
	if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || len(a.Releases) != 0 {
		t.Errorf("%d %v %+v", status, header, a)
	}
	w.broker.Start(t)
	w.eventually("the gateway takes it", func() error {
		if status, _, a = w.send(url, body); status != http.StatusOK {
			return fmt.Errorf("%d %+v", status, a)
		}
		return nil
	})
	w.publisher()
	if s := w.published(a.Releases[0].Release); s.Version != "2.0.0" {
		t.Errorf("%+v", s)
	}
	if n := w.stored("sluice.dead.>"); n != 0 {
		t.Errorf("%d merges were refused", n)
	}
}

// TestAlertsAreEvidence: an alert of Alertmanager is stored under the permissions that are deployed, and the newest message is its state.
func TestAlertsAreEvidence(t *testing.T) {
	w := setup(t)
	const hook = "\n  - { path: /hooks/alerts, source: alertmanager, secret_env: TEST_WEBHOOK_SECRET, projects: [tracer] }\n"
	src, err := os.ReadFile(w.file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.file, append(src, hook...), 0o600); err != nil {
		t.Fatal(err)
	}
	url := strings.TrimSuffix(w.gateway("gateway-0"), "/hooks/github") + "/hooks/alerts"
	for _, status := range []alert.Status{alert.Firing, alert.Resolved} {
		body := fmt.Sprintf(`{"version":"4","alerts":[{"status":%q,"labels":{"alertname":"HighErrorRate"},"annotations":{},`+
			`"startsAt":"2026-03-02T15:04:05Z","generatorURL":"","fingerprint":"1a30ba71cca2921f"}]}`, status)
		req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+secret)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", status, res.Status)
		}
		stream, err := w.js.Stream(t.Context(), topology.StreamEvidence)
		if err != nil {
			t.Fatal(err)
		}
		m, err := stream.GetLastMsgForSubject(t.Context(), topology.Alert("tracer", "1a30ba71cca2921f"))
		if err != nil {
			t.Fatal(err)
		}
		if a, err := alert.Decode(m.Data); err != nil || a.Status != status || a.Name != "HighErrorRate" || a.Source != "alertmanager" {
			t.Errorf("%+v %v", a, err)
		}
	}
}
