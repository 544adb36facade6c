package rig

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Root is the directory of the workspace that the harness runs in.
func Root(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOWORK", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("find the workspace: %w", err)
	}
	work, _, _ := strings.Cut(string(out), "\n")
	if work == "" || work == "off" {
		return "", errors.New("find the workspace: run this below the directory of go.work")
	}
	return filepath.Dir(work), nil
}

// Binaries are the real programs: nats-server, sluice and effect, and the services, which are built with tags.
type Binaries struct{ sound, services string }

// Path is where a program is.
func (b Binaries) Path(name string) string {
	if strings.HasPrefix(name, servicePrefix) {
		return filepath.Join(b.services, name)
	}
	return filepath.Join(b.sound, name)
}

const servicePrefix = "sluice-"

// Build builds what a run needs into .tmp below the workspace: the broker of the module that go.mod pins, the command line, and
// these services with these build tags ("" for none) and with a wall clock that [ClockEnv] moves.
func Build(ctx context.Context, root, tags string, services []string) (Binaries, error) {
	dir := filepath.Join(root, ".tmp", "chaos")
	b := Binaries{sound: filepath.Join(dir, "bin"), services: filepath.Join(dir, "bin-"+tags)}
	for _, bin := range []string{b.sound, b.services} {
		if err := os.MkdirAll(bin, 0o755); err != nil {
			return Binaries{}, err
		}
	}
	overlay, err := clockOverlay(ctx, dir)
	if err != nil {
		return Binaries{}, err
	}
	moved := []string{"build", "-overlay=" + overlay, "-tags=" + tags, "-o", b.services + string(filepath.Separator)}
	for _, name := range services {
		moved = append(moved, "./services/"+name+"/cmd/"+servicePrefix+name)
	}
	for _, args := range [][]string{
		{
			"build", "-o", b.sound + string(filepath.Separator),
			"./services/e2e/chaos/effect", "./services/sluice/cmd/sluice", "github.com/nats-io/nats-server/v2",
		},
		moved,
	} {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if said, err := cmd.CombinedOutput(); err != nil {
			return Binaries{}, fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, said)
		}
	}
	return b, nil
}

// Services are the services that have a process of their own.
func Services() []string { return []string{"publisher", "stager", "promoter", "watcher"} }

// ClockEnv is the environment variable that moves the wall clock of a service that [Build] built, in seconds.
const ClockEnv = "CHAOS_CLOCK_OFFSET"

// The lines that make a wall clock wrong, as a host's is: time.Now is off, and durations are not.
const (
	readsClock = "\tsec, nsec, mono := runtimeNow()\n"
	movesClock = readsClock + "\tsec += wallOffset\n"
	offsetFile = `package time

import "syscall"

var wallOffset = func() (sec int64) {
	text, _ := syscall.Getenv("` + ClockEnv + `")
	negative := len(text) > 0 && text[0] == '-'
	for i := 0; i < len(text); i++ {
		if c := text[i]; '0' <= c && c <= '9' {
			sec = sec*10 + int64(c-'0')
		}
	}
	if negative {
		return -sec
	}
	return sec
}()
`
)

// clockOverlay writes what `go build -overlay` needs to give a program a wall clock that is off: two files in the place of
// those of the standard library. No code of ours knows of it, and whatever reads the wall clock reads the wrong one.
func clockOverlay(ctx context.Context, dir string) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("find the standard library: %w", err)
	}
	lib := filepath.Join(strings.TrimSpace(string(out)), "src", "time")
	src, err := os.ReadFile(filepath.Join(lib, "time.go"))
	if err != nil {
		return "", fmt.Errorf("read the standard library: %w", err)
	}
	head, body, found := strings.Cut(string(src), "func Now() Time {\n"+readsClock)
	if !found {
		return "", errors.New("time.Now of this Go version is written in another way: adapt readsClock in the chaos rig to it")
	}
	now, offset, overlay := filepath.Join(dir, "time.go.txt"), filepath.Join(dir, "offset.go.txt"), filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {
		filepath.Join(lib, "time.go"): now, filepath.Join(lib, "chaos_offset.go"): offset,
	}})
	if err != nil {
		return "", err
	}
	for name, text := range map[string]string{
		now: head + "func Now() Time {\n" + movesClock + body, offset: offsetFile, overlay: string(replace),
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	return overlay, nil
}
