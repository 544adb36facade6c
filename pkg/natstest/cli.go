package natstest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/internal/fetched"
)

// CLIVersion is the version of the nats command that the tests use. The Makefile pins the same one.
const CLIVersion = "v0.5.1"

// CLI returns the path of the real nats command, in .tmp/bin of the repository. It is installed from the Go module proxy
// when it is missing or has another version; that takes about a minute. It fails the test when it can not be installed.
func CLI(t testing.TB) string {
	t.Helper()
	root, err := fetched.Root()
	if err != nil {
		t.Fatalf("natstest: %v", err)
	}
	bin := filepath.Join(root, ".tmp", "bin")
	path := filepath.Join(bin, "nats")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	if have(ctx, path) {
		return path
	}
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatalf("natstest: %v", err)
	}
	// It is moved into place, for tests of other packages run at the same time; t.TempDir may be on another file system.
	into, err := os.MkdirTemp(bin, "nats-") //nolint:usetesting // see above
	if err != nil {
		t.Fatalf("natstest: %v", err)
	}
	defer func() { _ = os.RemoveAll(into) }()
	install := exec.CommandContext(ctx, "go", "install", "github.com/nats-io/natscli/nats@"+CLIVersion)
	install.Env = append(os.Environ(), "GOBIN="+into, "GOWORK=off", "GOFLAGS=-mod=mod")
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("natstest: the nats command %s is missing and can not be installed: %v\n%s", CLIVersion, err, out)
	}
	if err := os.Rename(filepath.Join(into, "nats"), path); err != nil {
		t.Fatalf("natstest: %v", err)
	}
	return path
}

// have tells whether there is a nats command of the right version, by what Go wrote into it.
func have(ctx context.Context, path string) bool {
	out, err := exec.CommandContext(ctx, "go", "version", "-m", path).Output()
	return err == nil && strings.Contains(string(out), "github.com/nats-io/natscli\t"+CLIVersion)
}
