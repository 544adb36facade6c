package rig_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/services/e2e/chaos/internal/rig"
)

// TestClocks: a service that is built for chaos says an hour later, or earlier, in its log.
func TestClocks(t *testing.T) {
	root, err := rig.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	bin, err := rig.Build(t.Context(), root, "")
	if err != nil {
		t.Fatal(err)
	}
	for offset, want := range map[string]time.Duration{"": 0, "3600": time.Hour, "-3600": -time.Hour} {
		cmd := exec.Command(bin.Path("sluice-promoter"), "--server", "nats://127.0.0.1:1") // where nobody answers, which it says
		cmd.Env = append(os.Environ(), rig.ClockEnv+"="+offset)
		stderr, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		first := make([]byte, 4096)
		n, err := stderr.Read(first)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(first[:n]), `"ts":"`)
		text, _, _ := strings.Cut(rest, `"`)
		said, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatalf("%v in %s", err, first[:n])
		}
		if off := time.Until(said) - want; off.Abs() > time.Minute {
			t.Errorf("offset %q: its clock is at %s, %s off", offset, said, off)
		}
	}
}
