package watcher_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/topology/accounts"
)

// These run in real time, with a real HTTP server and a real command.

// realWorld is a world without a bubble, and with staging on the network.
func realWorld(t *testing.T) *world {
	t.Helper()
	emptyPools()
	w := newWorld(t)
	w.staging = nil
	t.Cleanup(w.end)
	return w
}

// listen waits for messages on a subject that are published after it was called. A judgement comes after the tombstone is stored.
func listen(w *world, subject string) (next func() *nats.Msg) {
	w.Helper()
	sub, err := w.js.Conn().SubscribeSync(subject)
	if err != nil {
		w.Fatal(err)
	}
	if err := w.js.Conn().Flush(); err != nil {
		w.Fatal(err)
	}
	return func() *nats.Msg {
		w.Helper()
		m, err := sub.NextMsg(30 * time.Second)
		if err != nil {
			w.Fatalf("nothing on %s: %v", subject, err)
		}
		return m
	}
}

func TestRealHTTP(t *testing.T) {
	w := realWorld(t)
	var well atomic.Bool
	well.Store(true)
	var probes atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		probes.Add(1)
		if !well.Load() {
			rw.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer s.Close()
	beat, judged := listen(w, "sluice.heartbeat.*"), listen(w, "sluice.judged.*")
	w.start("w")
	r := w.soak("tracer", time.Minute, fmt.Sprintf(`watch: [ { name: health, http: { url: %q }, interval: 100ms, failures: 2 } ]`, s.URL+"/healthz"))
	for range 3 {
		if m := beat(); m.Subject != topology.Heartbeat(r.id) {
			t.Errorf("a heartbeat on %s", m.Subject)
		}
	}
	if probes.Load() < 10 {
		t.Errorf("%d probes in two seconds", probes.Load())
	}
	well.Store(false)
	judged()
	contains(t, r.tombstone().Reason, "check health failed 2 times in a row", "/healthz answered 500")
}

func TestRealCommand(t *testing.T) {
	w := realWorld(t)
	beat, judged := listen(w, "sluice.heartbeat.*"), listen(w, "sluice.judged.*")
	well := filepath.Join(t.TempDir(), "well")
	if err := os.WriteFile(well, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.start("w")
	r := w.soak("tracer", time.Minute, fmt.Sprintf(`watch: [ { name: smoke, exec: { command: [ls, %q] }, interval: 100ms } ]`, well))
	beat()
	beat()
	if err := os.Remove(well); err != nil {
		t.Fatal(err)
	}
	judged()
	contains(t, r.tombstone().Reason, "check smoke failed 3 times in a row: ls failed with exit status")
}

func TestRealSignal(t *testing.T) {
	w := realWorld(t)
	beat, judged := listen(w, "sluice.heartbeat.*"), listen(w, "sluice.judged.*")
	w.start("w")
	r := w.soak("tracer", time.Hour, errorsCheck)
	beat()
	began := time.Now()
	w.signal("tracer", r.id, "boom")
	judged()
	t.Logf("cancelled %s after the signal", time.Since(began))
	r.tombstone()
}

// On a replicated stream what is heard is stored only milliseconds later.
func TestRealSignalOnACluster(t *testing.T) {
	emptyPools()
	c := natstest.Cluster(t, 3)
	w := newWorldOn(t, nil, func() (*nats.Conn, error) {
		return nats.Connect(c.URLs(), nats.MaxReconnects(-1))
	}, topology.Options{Replicas: 3})
	t.Cleanup(w.end)
	c.Wait(t)
	for range 5 {
		beat, judged := listen(w, "sluice.heartbeat.*"), listen(w, "sluice.judged.*")
		w.start("w")
		r := w.soak("tracer", 12*time.Hour, errorsCheck) // the next heartbeat would come in five minutes
		beat()
		w.signal("tracer", r.id, "boom")
		judged()
		// The leader knows; a replica may lag behind.
		ask := fmt.Sprintf(`{"last_by_subj":%q}`, topology.Request("cancel", r.id, "watcher"))
		m, err := w.js.Conn().Request("$JS.API.STREAM.MSG.GET."+topology.StreamSluice, []byte(ask), 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(m.Data), `"message"`) {
			t.Errorf("no tombstone: %s", m.Data)
		}
		w.drain("w")
	}
}

// The rights of the watcher's user are enough, and a signal comes from an application in the account OPS.
func TestRealAccounts(t *testing.T) {
	emptyPools()
	server := natstest.One(t, natstest.Listen(), natstest.Configure(func(o *server.Options) error {
		return accounts.Embed(o, false, func(user string) string { return "secret-" + user })
	}))
	var refused atomic.Value
	as := func(user string, options ...nats.Option) (*nats.Conn, error) {
		return nats.Connect(server.URL(), append(options, nats.UserInfo(user, "secret-"+user),
			nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused.Store(user + ": " + err.Error()) }))...)
	}
	w := newWorldOn(t, server, func() (*nats.Conn, error) { return as(accounts.Admin) }, topology.Options{})
	t.Cleanup(w.end)
	w.staging = nil
	w.connect = func() (*nats.Conn, error) {
		return as(accounts.Watcher, nats.CustomInboxPrefix(topology.InboxPrefix(accounts.Watcher)))
	}
	app, err := as(accounts.App, nats.CustomInboxPrefix(topology.InboxPrefix(accounts.App)))
	if err != nil {
		t.Fatal(err)
	}
	defer app.Close()
	beat, judged := listen(w, "sluice.heartbeat.*"), listen(w, "sluice.judged.*")
	for range 2 {
		w.start("w")
		r := w.soak("tracer", time.Hour, errorsCheck)
		beat()
		w.drain("w")
		w.start("w") // finds it by its lane
		beat()
		if _, err := app.Request(topology.Signal("tracer", r.id), []byte("boom"), 10*time.Second); err != nil {
			t.Fatal(err)
		}
		judged()
		r.tombstone()
		w.drain("w")
	}
	if err := refused.Load(); err != nil {
		t.Errorf("the broker refused %s", err)
	}
}
