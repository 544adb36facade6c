package pin_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/driver/npm"
	"github.com/sluice-gate/sluice/pkg/npmtest"
	"github.com/sluice-gate/sluice/pkg/pin"
	"github.com/sluice-gate/sluice/pkg/project"
)

// lockOf is a lock file of version 2, which says everything twice, in a form that nobody's tool would write.
func lockOf(version, resolved, integrity, spec string) string {
	return fmt.Sprintf("{\r\n\t\"name\": \"consumer\", \"lockfileVersion\": 2,\r\n\t\"packages\": {\r\n"+
		"\t\t\"\": {\"devDependencies\": {\"@acme/tracer\" : %[4]q, \"other\": \"1.3.0\"}},\r\n"+
		"\t\t\"node_modules/@acme/tracer\": {\"dev\": true, \"version\": %[1]q, \"resolved\":%[2]q,\r\n\t\t\"integrity\": %[3]q, \"license\": \"MIT\"},\r\n"+
		"\t\t\"node_modules/other\": {\"version\": \"1.3.0\", \"resolved\": \"https://npm.example.com/other/-/other-1.3.0.tgz\"}\r\n\t},\r\n"+
		"\t\"dependencies\": {\"@acme/tracer\": {\"version\": %[1]q, \"resolved\": %[2]q, \"integrity\": %[3]q}, \"other\": {\"version\": \"1.3.0\"}}\r\n}",
		version, resolved, integrity, spec)
}

const (
	tarball  = "https://npm.example.com/@acme/tracer/-/tracer-%s.tgz"
	manifest = `{"name":"@acme/tracer","version":"1.4.0-beta.0","dist":{"integrity":"sha512-new","tarball":"https://npm.example.com/@acme/tracer/-/tracer-1.4.0-beta.0.tgz"}}`
)

func TestLock(t *testing.T) {
	was, beta := fmt.Sprintf(tarball, "1.3.0"), fmt.Sprintf(tarball, "1.4.0-beta.0")
	src := lockOf("1.3.0", was, "sha512-old", "^1.3.0")
	p := pin.Pin{Name: "@acme/tracer", Value: "1.4.0-beta.0", Manifest: []byte(manifest)}
	for _, file := range []string{"package-lock.json", "web/npm-shrinkwrap.json"} {
		got, change, err := pin.Edit(file, []byte(src), p)
		if err != nil {
			t.Fatal(err)
		}
		if want := lockOf("1.4.0-beta.0", beta, "sha512-new", "1.4.0-beta.0"); string(got) != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		if want := (pin.Change{Line: 5, Was: `"1.3.0"`, Now: `"1.4.0-beta.0"`}); change != want {
			t.Errorf("it says %+v, want %+v", change, want)
		}
		again, change, err := pin.Edit(file, got, p)
		if err != nil || !bytes.Equal(again, got) || change.Was != change.Now {
			t.Errorf("the second time: %v, %+v\n%s", err, change, again)
		}
	}
	if base, err := pin.Registry("package-lock.json", []byte(src), "@acme/tracer"); base != "https://npm.example.com" || err != nil {
		t.Errorf("%s, %v", base, err)
	}
}

func TestLockRefusals(t *testing.T) {
	const root = `{"lockfileVersion":3,"packages":{"":{"dependencies":{"tracer":"^1.3.0"}},`
	for want, c := range map[string]struct{ src, manifest string }{
		"not a lock file":                       {"[]", ""},
		"lockfileVersion 1: known are 2 and 3":  {`{"lockfileVersion":1,"dependencies":{"tracer":{"version":"1.3.0"}}}`, ""},
		"does not name tracer as a dependency":  {`{"lockfileVersion":3,"packages":{"":{},"node_modules/tracer":{"version":"1.3.0"}}}`, ""},
		"tracer is a link to ../tracer":         {root + `"node_modules/tracer":{"resolved":"../tracer","link":true}}}`, ""},
		"tracer is another name for @acme/t":    {root + `"node_modules/tracer":{"name":"@acme/t","version":"1.3.0"}}}`, ""},
		"what the registry says of the version": {root + `"node_modules/tracer":{"version":"1.3.0"}}}`, ""},
		"is not what it should be":              {root + `"node_modules/tracer":{"version":"1.3.0"}}}`, "<html>"},
		"the registry does not say where":       {root + `"node_modules/tracer":{"version":"1.3.0"}}}`, `{"version":"1.4.0"}`},
		"tracer 1.4.0 has other dependencies than 1.3.0: run npm install --package-lock-only": {root + `"node_modules/tracer":{"version":"1.3.0"}}}`, `{"dependencies":{"left":"1"},`},
		"other optional dependencies": {root + `"node_modules/tracer":{"version":"1.3.0"}}}`, `{"dependencies":{"left":"1"},"optionalDependencies":{"left":"1"},`},
		"other bin":                   {root + `"node_modules/tracer":{"version":"1.3.0","bin":{"tracer":"cli.js"}}}}`, `{`},
		"other scripts":               {root + `"node_modules/tracer":{"version":"1.3.0"}}}`, `{"hasInstallScript":true,`},
		"node_modules/router depends on tracer too": {root + `"node_modules/tracer":{"version":"1.3.0"},"node_modules/router":{"version":"1.0.0","peerDependencies":{"tracer":"1"}}}}`, "{"},
	} {
		m := c.manifest
		if strings.HasSuffix(m, ",") || m == "{" {
			m += `"version":"1.4.0","dist":{"integrity":"sha512-a","tarball":"https://npm.example.com/a.tgz"}}`
		}
		got, _, err := pin.Edit("package-lock.json", []byte(c.src), pin.Pin{Name: "tracer", Value: "1.4.0", Manifest: []byte(m)})
		if err == nil || got != nil || !strings.HasPrefix(err.Error(), "package-lock.json: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for _, src := range []string{root + `"node_modules/tracer":{"version":"1.3.0"}}}`, `{`} {
		if base, err := pin.Registry("package-lock.json", []byte(src), "tracer"); err == nil {
			t.Errorf("%s: %s", src, base)
		}
	}
	// What a registry says is data.
	src := root + `"node_modules/tracer":{"version":"1.3.0","resolved":"x","integrity":"y"}}}`
	hostile := "$(id)\"},\n\u2028</script>" + strings.Repeat("A", 1<<20)
	text, err := json.Marshal(map[string]any{"version": "1.4.0", "dist": map[string]string{"integrity": hostile, "tarball": hostile}})
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := pin.Edit("package-lock.json", []byte(src), pin.Pin{Name: "tracer", Value: "1.4.0", Manifest: text})
	var lock struct {
		Packages map[string]map[string]any
	}
	if err := json.Unmarshal(got, &lock); err != nil {
		t.Fatal(err)
	}
	if e := lock.Packages["node_modules/tracer"]; err != nil || e["resolved"] != hostile || e["integrity"] != hostile || len(e) != 3 {
		t.Errorf("%v", err)
	}
}

// A real consumer, of a real registry: what pin writes is what npm would have written, byte for byte, and npm ci installs the beta from it.
func TestLockAsNPM(t *testing.T) {
	registry := npmtest.Start(t)
	run := func(dir string, args ...string) {
		t.Helper()
		if out, err := registry.NPM(t.Context(), dir, args...); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	files := func(version string) map[string]string {
		return map[string]string{"cli.js": "", "package.json": fmt.Sprintf(`{"name":"@acme/tracer","version":%q,"bin":{"tracer":"cli.js"},"license":"MIT",
			"dependencies":{"left":"^1.0.0"},"optionalDependencies":{"right":"1.0.0"},"engines":{"node":">=18"},"scripts":{"install":"true"}}`, version)}
	}
	for _, packed := range [][]byte{
		npmtest.Pack(t, "left", "1.0.0", nil), npmtest.Pack(t, "right", "1.0.0", nil), npmtest.Pack(t, "@acme/tracer", "1.3.0", files("1.3.0")),
		npmtest.Pack(t, "@acme/tracer", "1.4.0-beta.0", files("1.4.0-beta.0")),
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "p.tgz"), packed)
		run(dir, "publish", "./p.tgz", "--tag", "beta")
	}
	ours, theirs := t.TempDir(), t.TempDir()
	for _, dir := range []string{ours, theirs} {
		write(t, filepath.Join(dir, "package.json"), []byte("{\n\t\"name\": \"consumer\",\n\t\"version\": \"1.0.0\"\n}\n"))
		run(dir, "install", "@acme/tracer@^1.3.0")
	}
	for _, version := range []string{"1.4.0-beta.0", "1.3.0"} { // there, and back after a cancel
		for _, file := range []string{"package.json", "package-lock.json"} {
			path := filepath.Join(ours, file)
			src := read(t, path)
			p := pin.Pin{Name: "@acme/tracer", Value: version}
			if pin.IsLock(file) {
				base, err := pin.Registry(file, src, p.Name)
				if err != nil {
					t.Fatal(err)
				}
				if p.Manifest, err = npm.Manifest(t.Context(), project.NPM{Registry: base, Package: p.Name}, version); err != nil {
					t.Fatal(err)
				}
			}
			now, _, err := pin.Edit(file, src, p)
			if err != nil {
				t.Fatal(err)
			}
			write(t, path, now)
		}
		run(theirs, "install", "--package-lock-only", "--save-exact", "@acme/tracer@"+version)
		for _, file := range []string{"package.json", "package-lock.json"} {
			if got, want := read(t, filepath.Join(ours, file)), read(t, filepath.Join(theirs, file)); !bytes.Equal(got, want) {
				t.Errorf("%s, %s:\n%s\nand npm's\n%s", version, file, got, want)
			}
		}
		run(ours, "ci")
		if got := read(t, filepath.Join(ours, "node_modules/@acme/tracer/package.json")); !strings.Contains(string(got), `"version":"`+version+`"`) {
			t.Errorf("npm ci installed %s", got)
		}
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
