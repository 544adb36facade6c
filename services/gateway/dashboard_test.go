package gateway_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology/accounts"
	"github.com/sluice-gate/sluice/services/gateway"
)

// TestDashboard: the gateway's file has it served, with the rights of the gateway's own user, and an open page does not keep a gateway from
// stopping.
func TestDashboard(t *testing.T) {
	const token = "the token of ana, which is long"
	t.Setenv("TEST_TOKEN", token)
	t.Setenv(accounts.PasswordEnv(accounts.Gateway), password(accounts.Gateway))
	w := newWorld(t)
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	const section = "dashboard: { listen: \"127.0.0.1:0\", tokens: [ { name: ana, role: viewer, token_env: TEST_TOKEN } ] }\n"
	if err := os.WriteFile(file, []byte(section), 0o600); err != nil {
		t.Fatal(err)
	}
	g, err := gateway.Read(gateway.Config{File: file, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan error, 1)
	args := []string{"--server", w.broker.URL(), "--user", accounts.Gateway, "--password-env", accounts.PasswordEnv(accounts.Gateway)}
	go func() { done <- service.Start(ctx, accounts.Gateway, args, io.Discard, g.Run, service.Outside()) }()
	get := func(path, token string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.Dashboard()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	for who, want := range map[string]int{token: http.StatusOK, "somebody": http.StatusUnauthorized} {
		res := get("/api/v1/projects", who)
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != want || want == http.StatusOK && !strings.Contains(string(body), `"tracer"`) {
			t.Errorf("%s: %s %s", who, res.Status, body)
		}
		if policy := res.Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("the policy is %q", policy)
		}
	}
	res := get("/live?page=board", token)
	defer func() { _ = res.Body.Close() }()
	if line, err := bufio.NewReader(res.Body).ReadString('\n'); err != nil || !strings.HasPrefix(line, "retry: ") {
		t.Fatalf("%q, %v", line, err)
	}
	began := time.Now()
	stop()
	if err := <-done; err != nil || time.Since(began) > service.DrainGrace/2 {
		t.Errorf("it stopped after %s: %v", time.Since(began), err)
	}
	if _, err := gateway.Read(gateway.Config{Dashboard: "0.0.0.0:8082"}); err == nil || !strings.Contains(err.Error(), "could act") {
		t.Errorf("open to everybody: %v", err)
	}
}
