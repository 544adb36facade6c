package gateway_test

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/services/gateway"
)

// TestRefusesToStart: a gateway that could not take what comes does not start, and says all that is wrong.
func TestRefusesToStart(t *testing.T) {
	t.Setenv("TEST_SHORT", "short")
	dir := t.TempDir()
	for text, want := range map[string][]string{
		"hooks: 1": {":1:1: hooks: must be a list"},
		`hooks:
  - { path: /a, source: github, secret_env: TEST_NOBODY_SET, merges: [ { repository: a/b, project: c, on: push, artifact: d } ] }
  - { path: /b, source: github, secret_env: TEST_SHORT, merges: [ { repository: a/b, project: c, on: push, artifact: d } ] }
  - { path: /c, source: github, secret_file: /nowhere/secret, merges: [ { repository: a/b, project: c, on: push, artifact: d } ] }
`: {`hook /a: the environment variable "TEST_NOBODY_SET"`, "hook /b: its secret has fewer than 16", "hook /c: read a secret"},
		`queues: [ { queue: "https://sqs.eu-central-1.amazonaws.com/1/merges", projects: [a], key_env: TEST_NOBODY_SET, secret_file: /nowhere/secret } ]
sinks: [ { queue: "http://10.0.0.1/1/told", region: a, endpoint: "http://10.0.0.1" } ]
`: {`queue merges: the environment variable "TEST_NOBODY_SET"`, `sink told: endpoint "http://10.0.0.1": it must be https`},
	} {
		file := filepath.Join(dir, "gateway.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := gateway.Run(t.Context(), service.Env{Log: zap.NewNop()}, gateway.Config{File: file, Listen: "127.0.0.1:0"})
		if err == nil {
			t.Fatal("it started")
		}
		for _, one := range want {
			if !strings.Contains(err.Error(), one) {
				t.Errorf("%v, want %s", err, one)
			}
		}
		if strings.Contains(err.Error(), `"short"`) {
			t.Errorf("%v has the secret", err)
		}
	}
	for file, want := range map[string]string{"": "SLUICE_GATEWAY_CONFIG", filepath.Join(dir, "none.yaml"): "none.yaml"} {
		if err := gateway.Run(t.Context(), service.Env{Log: zap.NewNop()}, gateway.Config{File: file}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestManyConnections: who comes when many are there already waits until one of them leaves. Before a delivery's signature is looked at
// its whole body is in memory: so much at once is bounded.
func TestManyConnections(t *testing.T) {
	w := setup(t)
	url := w.gateway("gateway-0")
	address := strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/hooks/github")
	dial := func() net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	first := dial()
	for range 255 {
		dial()
	}
	last := dial()
	if _, err := last.Write([]byte("GET / HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	answered := func(within time.Duration) error {
		if err := last.SetReadDeadline(time.Now().Add(within)); err != nil {
			return err
		}
		res, err := http.ReadResponse(bufio.NewReader(last), nil)
		if err == nil {
			err = res.Body.Close()
		}
		return err
	}
	if err := answered(200 * time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the 257th: %v, want that it waits", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := answered(patience); err != nil {
		t.Errorf("when another left: %v", err)
	}
}
