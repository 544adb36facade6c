package rig

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestClocks: a program that is built with the overlay sees another hour, and durations as they are.
func TestClocks(t *testing.T) {
	dir := t.TempDir()
	overlay, err := clockOverlay(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	source, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "program")
	text := "package main\n\nimport \"time\"\n\nfunc main() { began := time.Now(); print(began.Unix(), \" \", time.Since(began) < time.Minute) }\n"
	if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-overlay="+overlay, "-o", program, source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for offset, want := range map[string]time.Duration{"": 0, "3600": time.Hour, "-3600": -time.Hour} {
		cmd := exec.Command(program)
		cmd.Env = append(os.Environ(), ClockEnv+"="+offset)
		out, err := cmd.CombinedOutput() // print writes to standard error
		if err != nil {
			t.Fatal(err)
		}
		said, right, _ := strings.Cut(string(out), " ")
		sec, err := strconv.ParseInt(said, 10, 64)
		if err != nil || right != "true" {
			t.Fatalf("it says %q: %v", out, err)
		}
		if off := time.Until(time.Unix(sec, 0)) - want; off.Abs() > time.Minute {
			t.Errorf("offset %q: %s off", offset, off)
		}
	}
}
