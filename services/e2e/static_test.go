package e2e_test

import (
	"debug/elf"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestStatic: what ships is one file each that runs on any Linux, in an image with nothing else too: no interpreter, no shared library. What
// a CI's job downloads is small. The binaries are those that the tests of this package run, and built as the Makefile and the
// Dockerfile build.
func TestStatic(t *testing.T) {
	const build = "CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o "
	for _, file := range []string{"Makefile", "deploy/Dockerfile"} {
		text, err := os.ReadFile(filepath.Join("../..", file))
		if err != nil || strings.Count(string(text), "go build") != strings.Count(string(text), build) || !strings.Contains(string(text), build) {
			t.Errorf("%s builds otherwise than the tests do (%s): %v", file, build, err)
		}
	}
	const MiB = 1 << 20
	most := map[string]int64{ // bytes
		"sluice": 64 * MiB, "sluice-client": 20 * MiB, "sluice-publisher": 52 * MiB, "sluice-stager": 32 * MiB, "sluice-promoter": 32 * MiB,
		"sluice-watcher": 24 * MiB, "sluice-gateway": 36 * MiB,
	}
	dir := binaries(t)
	for name, bound := range most {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s has %.1f MiB", name, float64(info.Size())/MiB)
		if info.Size() > bound {
			t.Errorf("%s has %d bytes, more than %d: what was added to it?", name, info.Size(), bound)
		}
		static(t, path)
	}
}

func static(t *testing.T, path string) {
	t.Helper()
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if dynamic := slices.IndexFunc(file.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC }); dynamic >= 0 {
		t.Errorf("%s is not static: it has %s", path, file.Progs[dynamic].Type)
	}
	if section := file.Section(".dynamic"); section != nil {
		t.Errorf("%s is not static: it has a section .dynamic", path)
	}
	if libraries, err := file.ImportedLibraries(); len(libraries) > 0 {
		t.Errorf("%s needs %s, %v", path, libraries, err)
	}
}
