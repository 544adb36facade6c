package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/cdevents"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/topology/accounts"
	"github.com/sluice-gate/sluice/services/gateway"
)

// asProcess makes the test binary a gateway that can be killed.
const asProcess = "TEST_IS_GATEWAY"

func TestMain(m *testing.M) {
	if os.Getenv(asProcess) == "" {
		os.Exit(m.Run())
	}
	var cfg gateway.Config
	service.Main("gateway", func(ctx context.Context, env service.Env) error { return gateway.Run(ctx, env, cfg) },
		service.Outside(), service.WithFlags(cfg.Flags))
}

// sink takes events over HTTP, and answers each as told.
type sink struct {
	*httptest.Server
	answer func(id, kind string) (status int, header map[string]string)

	mu   sync.Mutex
	got  map[string]string // id → data
	auth map[string]bool
}

func newSink(t *testing.T, answer func(id, kind string) (int, map[string]string)) *sink {
	t.Helper()
	s := &sink{answer: answer, got: map[string]string{}, auth: map[string]bool{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		id := r.Header.Get("Ce-Id")
		status, header := s.answer(id, r.Header.Get("Ce-Type"))
		s.mu.Lock()
		s.auth[r.Header.Get("Authorization")] = true
		if err == nil && status < 300 && cdevents.Is(r.Header, body) {
			s.got[id] = string(body)
		}
		s.mu.Unlock()
		for name, value := range header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *sink) taken() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.got)
}

// tells has the gateway tell of releases.
func (w *world) tells(s *sink, attempts int) {
	w.Helper()
	src, err := os.ReadFile(w.file)
	if err != nil {
		w.Fatal(err)
	}
	src = fmt.Appendf(src, "cdevents: { nats: true, sink: { url: %q, token_env: TEST_SINK_TOKEN, attempts: %d } }\n", s.URL, attempts)
	if err := os.WriteFile(w.file, src, 0o600); err != nil {
		w.Fatal(err)
	}
}

// messages are those of a stream.
func (w *world) messages(stream, filter string) []jetstream.Msg {
	w.Helper()
	c, err := w.js.OrderedConsumer(w.Context(), stream, jetstream.OrderedConsumerConfig{FilterSubjects: []string{filter}})
	if err != nil {
		w.Fatal(err)
	}
	batch, err := c.FetchNoWait(10_000)
	if err != nil {
		w.Fatal(err)
	}
	var out []jetstream.Msg
	for m := range batch.Messages() {
		out = append(out, m)
	}
	return out
}

// expected is every event of every journal: its data by its id.
func (w *world) expected() map[string]string {
	w.Helper()
	out := map[string]string{}
	for _, m := range w.messages(topology.StreamSluice, topology.AllJournals) {
		meta, err := m.Metadata()
		if err != nil {
			w.Fatal(err)
		}
		r, err := releasepb.DecodeRecord(m.Data())
		if err != nil {
			w.Fatal(err)
		}
		r.State = r.State.Stamp(meta.Sequence.Stream, meta.Timestamp)
		events, err := cdevents.Of("/sluice", cdevents.Record{Record: r, Seq: meta.Sequence.Stream, At: meta.Timestamp})
		if err != nil {
			w.Fatal(err)
		}
		for _, e := range events {
			out[e.ID()] = string(e.Data())
		}
	}
	return out
}

// onBroker is every event that was published: its data by its id.
func (w *world) onBroker() map[string]string {
	w.Helper()
	out := map[string]string{}
	for _, m := range w.messages(topology.StreamEvidence, "sluice.cdevents.*") {
		if !cdevents.Is(m.Headers(), m.Data()) {
			w.Errorf("on %s there is no CloudEvent: %v", m.Subject(), m.Headers())
		}
		out[m.Headers()["ce-id"][0]] = string(m.Data())
	}
	return out
}

func same(got, want map[string]string) error {
	if !maps.Equal(got, want) {
		return fmt.Errorf("%d events of %d: %v", len(got), len(want), slices.Sorted(maps.Keys(got)))
	}
	return nil
}

// merges hands n merges in by CDEvents on the broker, as CI does, and waits for their betas.
func (w *world) merges(n int) {
	w.Helper()
	for i := range n {
		commit := fmt.Sprintf("c0ffee%d", i)
		w.handIn(commit)
		data := fmt.Sprintf(`{"specversion":"1.0","id":"e-%[1]d","source":"/ci","type":"dev.cdevents.change.merged.0.3.0","data":{
			"context":{"specversion":"0.5.1","id":"e-%[1]d","source":"/ci","type":"dev.cdevents.change.merged.0.3.0","timestamp":"2026-03-02T15:00:00Z"},
			"subject":{"id":%[2]q,"content":{}},"customData":{"artifact":"tracer-%[2]s.bin","version":"1.%[1]d.0"}}}`, i, commit)
		if _, err := w.js.Publish(w.Context(), topology.Merge("tracer"), []byte(data)); err != nil {
			w.Fatal(err)
		}
	}
	w.eventually("the betas are published", func() error {
		published := 0
		for _, m := range w.messages(topology.StreamSluice, topology.AllJournals) {
			if r, err := releasepb.DecodeRecord(m.Data()); err == nil && r.Type == "published" {
				published++
			}
		}
		if published != n {
			return fmt.Errorf("%d of %d", published, n)
		}
		return nil
	})
}

// TestTellsThroughAKill: a gateway that is killed while it tells is started again, and every event of every record reaches the
// broker and the sink; each is byte for byte what the record becomes.
func TestTellsThroughAKill(t *testing.T) {
	w := setup(t)
	t.Setenv("TEST_SINK_TOKEN", "token-of-the-sink")
	reached, killed := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var n int
	var mu sync.Mutex
	s := newSink(t, func(string, string) (int, map[string]string) {
		mu.Lock()
		n++
		now := n
		mu.Unlock()
		if now > 3 { // what it had before has been acknowledged, some of it
			once.Do(func() { close(reached) })
			<-killed
		}
		if now%4 == 0 {
			return http.StatusServiceUnavailable, map[string]string{"Retry-After": "1"}
		}
		return http.StatusAccepted, nil
	})
	w.tells(s, 1000)
	w.publisher()

	process := exec.Command(os.Args[0], "--server", w.broker.URL(), "--user", accounts.Gateway, "--password-env",
		accounts.PasswordEnv(accounts.Gateway), "--config", w.file, "--listen", "127.0.0.1:0")
	process.Env = append(os.Environ(), asProcess+"=1")
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	w.merges(5)
	<-reached
	if err := process.Process.Kill(); err != nil {
		t.Error(err)
	}
	var exit *exec.ExitError
	if err := process.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Errorf("it was not killed: %v", err)
	}
	close(killed)
	w.gateway("gateway-1")
	want := w.expected()
	if len(want) < 20 {
		t.Fatalf("%d events", len(want))
	}
	w.eventually("the sink has all", func() error { return same(s.taken(), want) })
	w.eventually("the broker has all", func() error { return same(w.onBroker(), want) })
	if n := w.stored("sluice.dead.>"); n != 0 {
		t.Errorf("%d dead letters", n)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.auth) != 1 || !s.auth["Bearer token-of-the-sink"] {
		t.Errorf("it was authorized by %v", s.auth)
	}
}

// TestSilentSink: a sink that takes a connection and never answers delays what is told to others about the same release by nothing.
func TestSilentSink(t *testing.T) {
	w := setup(t)
	t.Setenv("TEST_SINK_TOKEN", "token-of-the-sink")
	silent := make(chan struct{})
	s := newSink(t, func(string, string) (int, map[string]string) { <-silent; return http.StatusServiceUnavailable, nil })
	t.Cleanup(func() { close(silent) }) // before the sink is closed
	w.tells(s, 1000)
	w.gateway("gateway-0")
	w.publisher()
	begun := time.Now()
	w.merges(1)
	want := w.expected()
	w.eventually("the broker has all", func() error { return same(w.onBroker(), want) })
	if took := time.Since(begun); took > 8*time.Second { // one attempt at the sink takes ten
		t.Errorf("that took %s", took)
	}
}

// TestSinkRefuses: what a sink will never take, and what it has not taken often enough, is kept with the reason and without the token;
// the rest, and the broker, get theirs.
func TestSinkRefuses(t *testing.T) {
	w := setup(t)
	t.Setenv("TEST_SINK_TOKEN", "token-of-the-sink")
	s := newSink(t, func(_, kind string) (int, map[string]string) {
		switch {
		case strings.Contains(kind, "artifact.published"):
			return http.StatusUnprocessableEntity, nil
		case strings.Contains(kind, "taskrun.started"):
			return http.StatusInternalServerError, nil
		case strings.Contains(kind, "pipelinerun"):
			return http.StatusNoContent, nil
		}
		return http.StatusFound, map[string]string{"Location": "/elsewhere"}
	})
	w.tells(s, 2)
	w.gateway("gateway-0")
	w.publisher()
	w.merges(1)
	want := w.expected()
	w.eventually("the broker has all", func() error { return same(w.onBroker(), want) })
	w.eventually("two records are kept", func() error {
		if n := w.stored("sluice.dead.cdevents.*"); n != 2 {
			return fmt.Errorf("%d", n)
		}
		return nil
	})
	if got := s.taken(); len(got) != 1 {
		t.Errorf("it has taken %v", got)
	}
	reasons := ""
	for _, m := range w.messages(topology.StreamSluice, "sluice.dead.cdevents.*") {
		letter, err := releasepb.DecodeDeadLetter(m.Data())
		if err != nil || !strings.HasPrefix(letter.Subject, "sluice.release.") || letter.Seq == 0 || strings.Contains(string(m.Data()), "token-of") {
			t.Errorf("%s %v", m.Data(), err)
		}
		reasons += letter.Reason + "\n"
	}
	if !strings.Contains(reasons, "422") || !strings.Contains(reasons, "attempt 2: the sink answers 500") {
		t.Errorf("the reasons are %s", reasons)
	}
}
