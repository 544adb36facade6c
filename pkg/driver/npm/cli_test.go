package npm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/npmtest"
	"github.com/sluice-gate/sluice/pkg/project"
)

// The npm command line sees what the driver did, installs it, and runs it: as a user does, in both modes, with and without a scope.
func testNPM(t *testing.T, registry *npmtest.Registry) {
	for i, mode := range []project.NPMMode{project.Republish, project.Retag} {
		for _, name := range []string{"tracer", "@acme/tracer"} {
			name := fmt.Sprintf("%s%d", name, i)
			t.Run(string(mode)+" "+name, func(t *testing.T) {
				t.Parallel()
				b := newBench(t, registry, name, mode)
				seed(t, registry, name)
				packed := b.pack("1.4.0", map[string]string{
					"package.json": fmt.Sprintf("{\n  \"name\": %q,\n  \"version\": \"1.4.0\",\n  \"bin\": \"./cli.js\"\n}\n", name),
					"cli.js":       "#!/usr/bin/env node\nconsole.log('traced by', require('./package.json').version)\n",
				})
				f := b.plan("", packed)
				b.beta(f)
				beta := map[project.NPMMode]string{project.Republish: "1.4.0-beta.0", project.Retag: "1.4.0"}[mode]
				if got := viewTags(b); !maps.Equal(got, map[string]string{"latest": "0.0.1", "beta": beta}) {
					t.Errorf("npm view says %v after the publish", got)
				}
				if got := install(b, name+"@beta"); got != "traced by "+beta {
					t.Errorf("the beta says %q", got)
				}

				done, err := b.promote.Do(t.Context(), f)
				if err != nil || done.Before != "0.0.1" || done.Value != "1.4.0" || done.Existed {
					t.Errorf("promote: %+v, %v", done, err)
				}
				if got := viewTags(b); !maps.Equal(got, map[string]string{"latest": "1.4.0", "beta": beta}) {
					t.Errorf("npm view says %v after the promotion", got)
				}
				if got := install(b, name); got != "traced by 1.4.0" {
					t.Errorf("the release says %q", got)
				}
				checkSame(b, packed, beta)
			})
		}
	}
}

// checkSame checks that everybody gets CI's package, and that the beta differs from it by the version.
func checkSame(b *bench, packed []byte, beta string) {
	b.Helper()
	ours, err := openTarball(packed)
	if err != nil {
		b.Fatal(err)
	}
	shown := b.shown()
	if got := shown.Versions["1.4.0"].Dist.Integrity; got != ours.integrity() {
		b.Errorf("the release's integrity is %s, CI's is %s", got, ours.integrity())
	}
	if got := shown.Versions["1.4.0"].GitHead; got != strings.Repeat("a", 40) {
		b.Errorf("gitHead is %q", got)
	}
	soaked, released := npmtest.Unpack(b, b.registry.Tarball(b, b.cfg.Package, beta)), npmtest.Unpack(b, b.registry.Tarball(b, b.cfg.Package, "1.4.0"))
	for name, data := range released {
		if name == manifestFile {
			data = strings.Replace(data, `"version": "1.4.0"`, `"version": "`+beta+`"`, 1)
		}
		if soaked[name] != data {
			b.Errorf("%s soaked as %q", name, soaked[name])
		}
	}
	if len(soaked) != len(released) {
		b.Errorf("%d files soaked, %d are released", len(soaked), len(released))
	}
}

func viewTags(b *bench) map[string]string {
	b.Helper()
	out, err := b.registry.NPM(b.Context(), b.TempDir(), "view", b.cfg.Package, "dist-tags", "--json", "--prefer-online")
	if err != nil {
		b.Fatal(err)
	}
	tags := map[string]string{}
	if err := json.Unmarshal([]byte(out), &tags); err != nil {
		b.Fatalf("%v in %s", err, out)
	}
	return tags
}

// install installs a package into a new consumer, and returns what its command says there.
func install(b *bench, spec string) string {
	b.Helper()
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"name":"consumer","version":"1.0.0","private":true}`), 0o600); err != nil {
		b.Fatal(err)
	}
	if _, err := b.registry.NPM(b.Context(), dir, "install", spec, "--prefer-online"); err != nil {
		b.Fatal(err)
	}
	command := filepath.Base(b.cfg.Package)
	out, err := exec.CommandContext(b.Context(), filepath.Join(dir, "node_modules", ".bin", command)).Output()
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// What npm itself packs is rewritten, and back again to the byte.
func testPackedByNPM(t *testing.T, registry *npmtest.Registry) {
	dir := t.TempDir()
	for name, data := range map[string]string{
		"package.json":                          "{\n\t\"version\": \"1.4.0\",\n\t\"name\": \"packed\",\n\t\"dependencies\": {}\n}\n",
		"npm-shrinkwrap.json":                   `{"name":"packed","version":"1.4.0","lockfileVersion":3,"requires":true,"packages":{"":{"name":"packed","version":"1.4.0"}}}`,
		"index.js":                              "module.exports = 1\n",
		strings.Repeat("long/", 30) + "name.js": "// a name that takes a header of its own\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := registry.NPM(t.Context(), dir, "pack"); err != nil {
		t.Fatal(err)
	}
	packed, err := os.ReadFile(filepath.Join(dir, "packed-1.4.0.tgz"))
	if err != nil {
		t.Fatal(err)
	}
	from, err := openTarball(packed)
	if err != nil {
		t.Fatal(err)
	}
	to, err := from.rewrite("1.4.0-beta.10")
	if err != nil {
		t.Fatal(err)
	}
	checkRewritten(t, from, to)
	if got := strings.Count(string(to.unpacked), `"1.4.0-beta.10"`); got != 3 || len(from.files) != 4 {
		t.Errorf("%d files, the version is there %d times, want 4 and 3", len(from.files), got)
	}
	back, err := to.rewrite("1.4.0")
	if err != nil || !bytes.Equal(back.unpacked, from.unpacked) {
		t.Errorf("rewriting back does not come to the same archive, %v", err)
	}
}

// What the driver tells the registry of a package is what npm publish tells it of the same file.
func testAsNPM(t *testing.T, registry *npmtest.Registry) {
	files := func(name string) map[string]string {
		return map[string]string{
			"package.json": fmt.Sprintf(`{ "name": %q, "version": "1.4.0", "description": "traces <things> & more", "bin": "cli.js", "license": "MIT",
				"dependencies": {"left": "^1.0.0", "right": "~2.0.0"}, "optionalDependencies": {"maybe": "*"}, "peerDependencies": {"host": ">=1"},
				"bundledDependencies": ["left"], "engines": {"node": ">=18"}, "os": ["linux"], "scripts": {"test": "true"}, "_mine": 1, "n": 1.50 }`, name),
			"cli.js": "1\n", "binding.gyp": "{}\n", "README.md": "# Tracer\n", "readme.txt": "no\n", "node_modules/left/package.json": `{"name":"left","version":"1.0.0"}`,
		}
	}
	manifest := func(name string) map[string]any {
		t.Helper()
		var all struct{ Versions map[string]map[string]any }
		getJSON(t, registry.URL+"/"+name, &all)
		m := all.Versions["1.4.0"]
		for _, own := range []string{"_nodeVersion", "_npmVersion", "_from", "_resolved", "_integrity", "gitHead", "dist"} {
			delete(m, own)
		}
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var same map[string]any
		if err := json.Unmarshal([]byte(strings.ReplaceAll(string(text), name, "NAME")), &same); err != nil {
			t.Fatal(err)
		}
		return same
	}

	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "npm.tgz"), npmtest.Pack(t, "by-npm", "1.4.0", files("by-npm")), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := registry.NPM(t.Context(), dir, "publish", "./npm.tgz"); err != nil {
		t.Fatal(err)
	}
	put(t, registry, npmtest.Pack(t, "by-us", "1.4.0", files("by-us")), latest)
	if want, got := manifest("by-npm"), manifest("by-us"); !reflect.DeepEqual(want, got) {
		t.Errorf("the registry lists\n%v\nand of npm\n%v", got, want)
	}
}

func wantEqual(t *testing.T, want, got any) {
	t.Helper()
	if !reflect.DeepEqual(want, got) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
}

func getJSON(t *testing.T, url string, into any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}
