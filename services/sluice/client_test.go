package sluice_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestClientIsSmall: what only `sluice up` needs is not in the client.
func TestClientIsSmall(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "./cmd/sluice-client").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, heavy := range []string{
		"nats-server", "aws-sdk-go-v2", "bubbletea", "go-git", "go-containerregistry", "sluice/services/promoter", "sluice/services/gateway",
	} {
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, heavy) {
				t.Errorf("the client has %s", line)
				break
			}
		}
	}
}
