package sluice_test

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// TestClientIsStatic: what a CI's job downloads is one file that runs on any Linux, in an image with nothing else too: without an
// interpreter and shared libraries, and in less than 25 MiB: 6 of them came with text/template, by which templates of notifications are
// checked. It is built as the Makefile, and for the image the Dockerfile, build everything.
func TestClientIsStatic(t *testing.T) {
	const build, most = "CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o ", 25 << 20 // bytes
	for _, file := range []string{"Makefile", "deploy/Dockerfile"} {
		text, err := os.ReadFile(filepath.Join("../..", file))
		if n := strings.Count(string(text), "go build"); err != nil || n == 0 || n != strings.Count(string(text), build) {
			t.Errorf("%s does not build by %s: %v", file, build, err)
		}
	}
	client := filepath.Join(t.TempDir(), "sluice-client")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", client, "./cmd/sluice-client")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	if info, err := os.Stat(client); err != nil || info.Size() > most {
		t.Errorf("the client has %d bytes, more than %d: what was added to it? %v", info.Size(), most, err)
	}
	file, err := elf.Open(client)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	loaded := func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC }
	if i := slices.IndexFunc(file.Progs, loaded); i >= 0 || file.Section(".dynamic") != nil || file.Section(".interp") != nil {
		t.Errorf("the client is not static: it has an interpreter, or a dynamic section (segment %d)", i)
	}
	if libraries, err := file.ImportedLibraries(); len(libraries) > 0 || err != nil {
		t.Errorf("the client needs %s, %v", libraries, err)
	}
	if file.Section(".symtab") != nil {
		t.Error("the client has symbols")
	}
}
