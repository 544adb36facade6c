package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/npmtest"
)

// TestNPM takes packages through the gate on a real registry, in both modes and with a scoped name. Staging is a consumer as
// real ones are: its package.json depends on the package, and the deployment installs the beta and runs it.
func TestNPM(t *testing.T) {
	t.Parallel()
	registry := npmtest.Start(t)
	for _, c := range []struct{ project, name, mode string }{
		{"tracer", "tracer", "republish"},
		{"scoped", "@sluice-e2e/tracer", "republish"},
		{"retagged", "retagged", "retag"},
		{"scoped-retag", "@sluice-e2e/retagged", "retag"},
	} {
		t.Run(c.project, func(t *testing.T) {
			t.Parallel()
			n := newNPMWorld(t, registry, c.project, c.name, c.mode)
			n.firstEver("1.3.0")
			n.promotes("1.4.0")
			n.cancels("1.5.0")
		})
	}
}

type npmWorld struct {
	*up
	registry      *npmtest.Registry
	project, name string
	mode          string
	consumer      string
}

const npmProject = `project: %[1]s
publish: { npm: { registry: %[2]q, package: %[3]q, mode: %[4]s, tag: beta, token_env: SLUICE_E2E_NPM_TOKEN, access: public } }
stage:
  exec: { command: [%[5]q], env: { npm_config_userconfig: %[6]q, npm_config_cache: %[7]q }, timeout: 2m }
soak: { delay: 3s }
promote: { npm: { registry: %[2]q, package: %[3]q, mode: %[4]s, tag: latest, token_env: SLUICE_E2E_NPM_TOKEN, access: public } }
`

// The deployment to staging: the consumer gets the version, and its program, which uses the package, is run.
const deployScript = `#!/bin/sh
set -eu
cd %q
test -n "$SLUICE_BETA" || exit 0
npm install --silent --save-exact "%s@$SLUICE_BETA" >&2
node app.js > ran.txt
`

func newNPMWorld(t *testing.T, registry *npmtest.Registry, project, name, mode string) *npmWorld {
	t.Helper()
	dir := t.TempDir()
	n := &npmWorld{registry: registry, project: project, name: name, mode: mode, consumer: filepath.Join(dir, "consumer")}
	if err := os.MkdirAll(n.consumer, 0o755); err != nil {
		t.Fatal(err)
	}
	script, settings := filepath.Join(dir, "deploy"), filepath.Join(dir, "npmrc")
	for file, text := range map[string]string{
		filepath.Join(n.consumer, "package.json"): `{"name":"consumer","version":"0.0.0","private":true}`,
		filepath.Join(n.consumer, "app.js"):       fmt.Sprintf("console.log(require(%q))\n", name),
		settings:                                  "registry=" + registry.URL + "/\naudit=false\nfund=false\nupdate-notifier=false\n",
		script:                                    fmt.Sprintf(deployScript, n.consumer, name),
	} {
		if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	text := fmt.Sprintf(npmProject, project, registry.URL, name, mode, script, settings, filepath.Join(dir, "cache"))
	n.up = newUp(t, map[string]string{project: text})
	n.env = []string{"SLUICE_E2E_NPM_TOKEN=" + registry.Token}
	n.start()
	n.ready(project)
	return n
}

// merge hands in what CI built and returns the release and the tarball.
func (n *npmWorld) merge(version string, more ...string) (id string, tarball []byte, code int) {
	n.t.Helper()
	program := fmt.Sprintf("module.exports = 'tracer, built from %s'\n", version[:3])
	tarball = npmtest.Pack(n.t, n.name, version, map[string]string{"index.js": program})
	file := filepath.Join(n.t.TempDir(), "package.tgz")
	if err := os.WriteFile(file, tarball, 0o600); err != nil {
		n.t.Fatal(err)
	}
	args := append([]string{"merge", n.project, "--commit", "c-" + strings.ReplaceAll(version, ".", "-"), "--artifact", file}, more...)
	id, code = n.sluice(args...)
	return id, tarball, code
}

func (n *npmWorld) beta(version string) string {
	if n.mode == "retag" {
		return version
	}
	return version + "-beta.0"
}

// firstEver: a registry gives a package's first version to everybody, whatever its tag. The user is told.
func (n *npmWorld) firstEver(version string) {
	n.t.Helper()
	id, _, code := n.merge(version, "--wait")
	if code != 0 {
		n.t.Fatalf("merge --wait exited with %d", code)
	}
	story, _ := n.sluice("log", id)
	if !strings.Contains(story, "latest") || !strings.Contains(story, "first") {
		n.t.Errorf("nobody is told that the registry set latest to the first beta:\n%s", story)
	}
	n.tags(map[string]string{"latest": version, "beta": n.beta(version)})
}

func (n *npmWorld) promotes(version string) {
	n.t.Helper()
	before := n.registry.Packument(n.t, n.name).Tags["latest"]
	id, tarball, _ := n.merge(version, "--delay", "10s")
	n.until(id, "soaking")
	if _, code := n.sluice("hold", id, "let", "us", "look"); code != 0 {
		n.t.Fatalf("hold exited with %d", code)
	}
	n.tags(map[string]string{"latest": before, "beta": n.beta(version)})
	n.stagingRan(version)
	if _, code := n.sluice("resume", id); code != 0 {
		n.t.Fatalf("resume exited with %d", code)
	}
	n.until(id, "promoted")
	n.tags(map[string]string{"latest": version, "beta": n.beta(version)})

	all := n.registry.Packument(n.t, n.name)
	if n.mode == "retag" {
		if all.Tags["latest"] != all.Tags["beta"] {
			n.t.Errorf("latest is %s, what soaked is %s", all.Tags["latest"], all.Tags["beta"])
		}
		if got := n.tarball(version); !bytes.Equal(got, tarball) {
			n.t.Error("what everybody gets is not what CI built")
		}
		return
	}
	soaked, final := npmtest.Unpack(n.t, n.tarball(n.beta(version))), npmtest.Unpack(n.t, n.tarball(version))
	if len(soaked) != len(final) || len(final) == 0 {
		n.t.Errorf("%d files soaked, %d were promoted", len(soaked), len(final))
	}
	for name, text := range final {
		want := soaked[name]
		if name == "package/package.json" {
			want = strings.Replace(want, n.beta(version), version, 1)
		}
		if text != want {
			n.t.Errorf("%s is not what soaked:\n%s\n%s", name, text, want)
		}
	}
}

func (n *npmWorld) cancels(version string) {
	n.t.Helper()
	before := n.registry.Packument(n.t, n.name).Tags
	id, _, _ := n.merge(version, "--delay", "1h")
	n.until(id, "soaking")
	if _, code := n.sluice("cancel", id, "wrong", "colour"); code != 0 {
		n.t.Fatalf("cancel exited with %d", code)
	}
	n.until(id, "cancelled")
	n.eventually("the tags are put back", func() error {
		if got := n.registry.Packument(n.t, n.name).Tags; got["latest"] != before["latest"] || got["beta"] != before["beta"] {
			return fmt.Errorf("they are %v, were %v", got, before)
		}
		return nil
	})
	n.eventually("staging runs what was promoted last", func() error { return n.ran("1.4.0") })
}

func (n *npmWorld) tags(want map[string]string) {
	n.t.Helper()
	out, err := n.registry.NPM(n.t.Context(), n.t.TempDir(), "view", n.name, "dist-tags", "--json")
	if err != nil {
		n.t.Fatal(err)
	}
	for tag, version := range want {
		if !strings.Contains(out, fmt.Sprintf("%q: %q", tag, version)) {
			n.t.Errorf("npm view %s dist-tags: want %s to be %s\n%s", n.name, tag, version, out)
		}
	}
}

// stagingRan checks that the consumer really depends on the beta, and really ran it.
func (n *npmWorld) stagingRan(version string) {
	n.t.Helper()
	if err := n.ran(version); err != nil {
		n.t.Error(err)
	}
	manifest, err := os.ReadFile(filepath.Join(n.consumer, "package.json"))
	if err != nil {
		n.t.Fatal(err)
	}
	if want := fmt.Sprintf("%q:%q", n.name, n.beta(version)); !strings.Contains(string(manifest), want) {
		n.t.Errorf("the consumer's package.json does not have %s:\n%s", want, manifest)
	}
}

func (n *npmWorld) ran(version string) error {
	said, err := os.ReadFile(filepath.Join(n.consumer, "ran.txt"))
	if err != nil {
		return err
	}
	if !strings.Contains(string(said), "built from "+version[:3]) {
		return fmt.Errorf("staging ran %q, want version %s", said, version)
	}
	return nil
}

func (n *npmWorld) tarball(version string) []byte {
	n.t.Helper()
	return n.registry.Tarball(n.t, n.name, version)
}

func (n *npmWorld) until(id, phase string) {
	n.t.Helper()
	n.eventually(id+" is "+phase, func() error {
		out, _ := n.sluiceQuiet("status", id, "-o", "json")
		if !strings.Contains(out, fmt.Sprintf("%q", phase)) {
			return errors.New(out)
		}
		return nil
	})
}

func (n *npmWorld) eventually(what string, ok func() error) {
	n.t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			n.t.Fatalf("waited in vain until %s: %v", what, err)
		}
		<-time.After(100 * time.Millisecond)
	}
}
