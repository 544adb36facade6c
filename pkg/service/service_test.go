package service_test

import (
	"context"
	"flag"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/service"
)

func TestHealthAndMetrics(t *testing.T) {
	ln, err := service.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := service.Listen(t.Context(), ln.Addr().String()); err == nil ||
		!strings.Contains(err.Error(), "another program listens on "+ln.Addr().String()) {
		t.Errorf("a port that is taken: %v", err)
	}
	m := service.NewMetrics()
	m.Action("publish", "done", 0)
	var connected atomic.Bool
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- m.Serve(ctx, ln, connected.Load) }()
	get := func(path string) (int, string) {
		t.Helper()
		resp, err := http.Get("http://" + ln.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	for name, c := range map[string]struct {
		ready, connected bool
		want             int
	}{"starting": {false, true, 503}, "cut off": {true, false, 503}, "well": {true, true, 200}} {
		m.Ready(c.ready)
		connected.Store(c.connected)
		if got, _ := get("/healthz"); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if code, body := get("/metrics"); code != 200 || !strings.Contains(body, `sluice_action_seconds_count{outcome="done",work="publish"} 1`) {
		t.Errorf("%d\n%s", code, body)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("told to stop: %v", err)
	}
}

func TestStart(t *testing.T) {
	s := natstest.One(t, natstest.Listen())
	natstest.Topology(t, s.Conn(t))
	ctx, cancel := context.WithCancel(t.Context())
	var got service.Env
	err := service.Start(ctx, "promoter", []string{"--server", s.URL(), "--instance", "a"}, io.Discard, func(ctx context.Context, env service.Env) error {
		got = env
		cancel()
		<-ctx.Done()
		return nil
	})
	if err != nil || got.Name != "promoter" || got.Instance != "a" || got.Journal == nil || got.Catalog == nil {
		t.Errorf("%+v, %v", got, err)
	}
	if prefix := got.JS.Conn().NewInbox(); !strings.HasPrefix(prefix, "_INBOX_promoter.") {
		t.Errorf("its inboxes are %s", prefix)
	}
}

func TestWrongFlags(t *testing.T) {
	for want, args := range map[string][]string{
		"not defined: -frob":            {"--frob"},
		`unexpected argument "promote"`: {"promote"},
	} {
		err := service.Start(t.Context(), "promoter", args, io.Discard, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// TestFlagsOfItsOwn: a service's own flags stand beside those that all have.
func TestFlagsOfItsOwn(t *testing.T) {
	mine := ""
	own := service.WithFlags(func(set *flag.FlagSet) { set.StringVar(&mine, "mine", "", "a `file`") })
	args := []string{"--http", "127.0.0.1:1", "--mine", "a.yaml", "--healthcheck"}
	if err := service.Start(t.Context(), "gateway", args, io.Discard, nil, own); err == nil || !strings.Contains(err.Error(), "healthcheck") {
		t.Errorf("%v", err)
	}
	if mine != "a.yaml" {
		t.Errorf("it is %q", mine)
	}
	if err := service.Start(t.Context(), "gateway", args, io.Discard, nil); err == nil || !strings.Contains(err.Error(), "-mine") {
		t.Errorf("a flag that it has not: %v", err)
	}
}
