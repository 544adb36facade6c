package gateway_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

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
