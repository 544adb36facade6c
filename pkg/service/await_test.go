package service_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/react"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// TestAwait: a service without one of its consumers is up, and says what it does without, until that is there.
func TestAwait(t *testing.T) {
	js := natstest.Topology(t, natstest.One(t).Conn(t))
	if err := js.DeleteConsumer(t.Context(), topology.StreamSluice, topology.ConsumerGatewayNotify); err != nil {
		t.Fatal(err)
	}
	m := service.NewMetrics()
	m.Ready(true)
	env, err := service.OpenOutside(t.Context(), "gateway", "gateway-0", js, zap.NewNop(), m)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := service.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 2)
	go func() { done <- m.Serve(ctx, ln, func() bool { return true }) }()
	go func() {
		done <- env.Await(ctx, topology.StreamSluice, topology.ConsumerGatewayNotify, func(context.Context, react.Hint) error { return nil })
	}()
	get := func(path string) string {
		res, err := http.Get("http://" + ln.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("%s %v", res.Status, err)
		}
		return string(body)
	}
	until := func(path string, want func(body string) bool) {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for end := time.Now().Add(30 * time.Second); ; <-tick.C {
			if body := get(path); want(body) {
				return
			} else if time.Now().After(end) {
				t.Fatalf("%s is still %s", path, body)
			}
		}
	}
	until("/healthz", func(body string) bool {
		return body == "ok\nwithout gateway-notify: the broker has no consumer gateway-notify: run `sluice init` of this version there\n"
	})
	if body := get("/metrics"); !strings.Contains(body, `sluice_consumer_absent{consumer="gateway-notify"} 1`) {
		t.Error("it is not counted")
	}
	if err := topology.Ensure(t.Context(), js, topology.Options{}); err != nil {
		t.Fatal(err)
	}
	until("/healthz", func(body string) bool { return body == "ok\n" })
	stop()
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
