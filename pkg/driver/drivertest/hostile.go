package drivertest

import (
	"os"
	"strings"

	"github.com/sluice-gate/sluice/pkg/driver"
)

// hostileValues are what a field from outside may hold. Where one of them is run or taken for a path, a file appears in the
// current directory, beside the peer, or in the directory for temporary files.
func hostileValues() []string {
	return []string{
		"$(touch canary)", "`touch canary`", "; touch canary #", "\ntouch canary\n", "a\r\nX-Canary: 1", "../../canary", "/canary/x", "..",
		"--canary", "-rf", "a\x00b", "\x1b[2Jcanary", "\xff\xfe", "%2e%2e%2fcanary", "a b'\"\\",
	}
}

// endless is a value of 10 MB. With the race detector, which makes it a matter of minutes, only the version has one that long.
func endless(field string) string {
	if raceDetector && field != "version" {
		return strings.Repeat("canary/", 15_000)
	}
	return strings.Repeat("canary/", 1_500_000)
}

// hostileFields are the fields of the facts that come from outside.
func hostileFields() map[string]func(f *driver.Facts, value string) {
	return map[string]func(*driver.Facts, string){
		"release":       func(f *driver.Facts, v string) { f.Release = v },
		"project":       func(f *driver.Facts, v string) { f.Project = v },
		"version":       func(f *driver.Facts, v string) { f.Version = v },
		"beta":          func(f *driver.Facts, v string) { f.Beta = v },
		"artifact name": func(f *driver.Facts, v string) { f.Artifact.Name = v },
		"digest":        func(f *driver.Facts, v string) { f.Artifact.Digest = v },
		"commit, ref, url and actor": func(f *driver.Facts, v string) {
			f.Commit, f.Ref, f.URL, f.Actor = v, v, v, v
		},
	}
}

// checkHostile gives each field each hostile value. The driver may refuse, and write nothing, or do what it always does.
func checkHostile(b *bench) {
	here := b.TempDir()
	b.Chdir(here)
	for field, set := range hostileFields() {
		for _, value := range append(hostileValues(), endless(field)) {
			b := b.fresh()
			call := b.call("1.0.0", "one")
			want := b.state()
			set(&call.Facts, value)
			what := "the " + field + " " + driver.Quote(value)
			if _, err := call.Run(b.Context(), b.open()); err != nil {
				b.wantRefused(what, err)
				b.wantState(what, want)
			} else {
				b.wantChannel(what, "one")
			}
			undo := call.undo("", nil)
			if _, err := undo.Run(b.Context(), b.open()); err != nil {
				b.wantRefused("undo, "+what, err)
			}
			if left, err := os.ReadDir(here); err != nil || len(left) > 0 {
				b.Fatalf("%s: it was acted on: %v, %v", what, left, err)
			}
		}
	}
	for _, value := range append(hostileValues(), endless("value")) {
		b := b.fresh()
		call := b.call("1.0.0", "one")
		b.must(call)
		want := b.state()
		what := "undo to " + driver.Quote(value)
		if _, err := call.undo(value, nil).Run(b.Context(), b.open()); err != nil {
			b.wantRefused(what, err)
			b.wantState(what, want)
		}
		if left, err := os.ReadDir(here); err != nil || len(left) > 0 {
			b.Fatalf("%s: it was acted on: %v, %v", what, left, err)
		}
	}
}
