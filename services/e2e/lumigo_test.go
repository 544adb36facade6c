package e2e_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/npmtest"
	"github.com/sluice-gate/sluice/pkg/topology"
)

const exampleDir = "../../deploy/examples/lumigo-style"

// TestLumigoStyle runs the worked example as it stands in deploy/examples: its project file, and the jobs of its CI configuration.
// Only what is somebody's is replaced: the addresses, and two hours by seconds.
func TestLumigoStyle(t *testing.T) {
	t.Parallel()
	l := newLumigo(t)

	// A registry gives a package's first version to everybody, so there is one already.
	l.merge("1.3.0")
	l.until(l.release("1.3.0"), "promoted")

	l.merge("1.4.0")
	id := l.release("1.4.0")
	l.until(id, "soaking")
	l.staging("1.4.0")
	l.tags(map[string]string{"beta": "1.4.0", "latest": "1.3.0"})
	l.until(id, "promoted") // nobody objects
	l.tags(map[string]string{"beta": "1.4.0", "latest": "1.4.0"})

	// The monitoring's webhook says something.
	l.apply("1h")
	l.merge("1.5.0")
	id = l.release("1.5.0")
	l.until(id, "soaking")
	l.staging("1.5.0")
	nc, _ := l.connect()
	if err := nc.Publish(topology.Signal("tracer", ""), []byte("TypeError: cannot read properties of undefined")); err != nil {
		t.Fatal(err)
	}
	l.until(id, "cancelled")
	if story, _ := l.sluice("log", id); !strings.Contains(story, "TypeError") || !strings.Contains(story, "watcher") {
		t.Errorf("why is not told:\n%s", story)
	}
	l.eventually("staging and beta are put back", func() error {
		return errors.Join(l.ran("1.4.0"), l.tagged("beta", "1.4.0"), l.tagged("latest", "1.4.0"))
	})

	// The fix can not wait.
	l.merge("1.6.0")
	id = l.release("1.6.0")
	l.until(id, "soaking")
	if _, code := l.sluice("expedite", "tracer", "--force", "--reason", "hotfix"); code != 0 {
		t.Fatalf("expedite exited with %d", code)
	}
	l.until(id, "promoted")
	l.tags(map[string]string{"latest": "1.6.0"})

	// CloudWatch says something.
	l.merge("1.7.0")
	id = l.release("1.7.0")
	l.until(id, "soaking")
	if err := os.WriteFile(l.alarms, []byte("staging-errors"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.until(id, "cancelled")
	if story, _ := l.sluice("log", id); !strings.Contains(story, "in ALARM: staging-errors") {
		t.Errorf("why is not told:\n%s", story)
	}
}

type lumigo struct {
	*npmWorld
	ci     *circle
	alarms string                    // the file with the names of what is in ALARM
	file   func(delay string) string // the example's project file, with what is somebody's replaced
}

// deployStaging is the repository's script that the CI's job runs: staging is a consumer that depends on the package.
const deployStaging = `#!/bin/sh
set -eu
cd %q
npm install --silent --save-exact "@acme/tracer@$1" >&2
node app.js > ran.txt
`

// awsCLI stands in for the aws CLI: it has credentials, and says what is in ALARM.
const awsCLI = `#!/bin/sh
set -eu
test "$AWS_REGION $AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY" = "eu-central-1 AKID secret"
cat %q
`

func newLumigo(t *testing.T) *lumigo {
	t.Helper()
	dir := t.TempDir()
	l := &lumigo{
		npmWorld: &npmWorld{registry: npmtest.Start(t), project: "tracer", name: "@acme/tracer", mode: "retag", consumer: filepath.Join(dir, "consumer")},
	}
	config, err := os.ReadFile(filepath.Join(exampleDir, ".circleci", "config.yml"))
	if err != nil {
		t.Fatal(err)
	}
	l.ci = newCircle(t, config, "token-of-circle")
	health := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(health.Close)
	l.alarms = filepath.Join(dir, "alarms")
	noAlarm, err := filepath.Abs(filepath.Join(exampleDir, "no-alarm-in-staging"))
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(l.consumer, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{
		l.alarms:                  "None",
		filepath.Join(bin, "aws"): fmt.Sprintf(awsCLI, l.alarms),
		filepath.Join(l.consumer, "package.json"): `{"name":"consumer","version":"0.0.0","private":true}`,
		filepath.Join(l.consumer, "app.js"):       `console.log(require("@acme/tracer"))`,
	} {
		if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	l.file = func(delay string) string { return l.projectFile(t, health.URL, noAlarm, delay) }
	l.up = newUp(t, map[string]string{"tracer": l.file("6s")})
	l.env = []string{"NPM_TOKEN=" + l.registry.Token, "CIRCLE_TOKEN=" + l.ci.token, "AWS_REGION=eu-central-1", "AWS_ACCESS_KEY_ID=AKID",
		"AWS_SECRET_ACCESS_KEY=secret", "PATH=" + bin + string(filepath.ListSeparator) + os.Getenv("PATH")}
	l.ci.env = append(l.registry.Env(), "NATS_URL="+l.url(), "PATH="+binaries(t)+string(filepath.ListSeparator)+os.Getenv("PATH"))
	l.start()
	l.ready("tracer")
	return l
}

// apply changes how long releases soak.
func (l *lumigo) apply(delay string) {
	l.t.Helper()
	file := filepath.Join(l.t.TempDir(), "tracer.yaml")
	if err := os.WriteFile(file, []byte(l.file(delay)), 0o600); err != nil {
		l.t.Fatal(err)
	}
	if _, code := l.sluice("apply", "-f", file); code != 0 {
		l.t.Fatalf("apply exited with %d", code)
	}
}

func (l *lumigo) projectFile(t *testing.T, health, noAlarm, delay string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(exampleDir, "project.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for _, change := range [][2]string{
		{`"https://npm.example.com"`, fmt.Sprintf("%q", l.registry.URL)},
		{"    project: gh/acme/tracer\n", fmt.Sprintf("    project: gh/acme/tracer\n    url: %q\n    interval: 1s\n", l.ci.server.URL)},
		{`"./no-alarm-in-staging"`, fmt.Sprintf("%q", noAlarm)},
		{`"https://staging.tracer.example/healthz"`, fmt.Sprintf("%q", health)},
		{"grace: 1m", "grace: 0s"},
		{"interval: 1m", "interval: 1s"},
		{"interval: 30s", "interval: 1s"},
		{"delay: 2h", "delay: " + delay},
	} {
		if !strings.Contains(text, change[0]) {
			t.Fatalf("the example has no %s any more", change[0])
		}
		text = strings.ReplaceAll(text, change[0], change[1])
	}
	return text
}

// merge is what a person does: the version is in main, and CI does the rest.
func (l *lumigo) merge(version string) {
	l.t.Helper()
	l.ci.commit(version, map[string]string{
		"package.json":      fmt.Sprintf(`{"name":"@acme/tracer","version":%q,"main":"index.js","scripts":{"test":"node index.js"}}`, version),
		"package-lock.json": fmt.Sprintf(`{"name":"@acme/tracer","version":%q,"lockfileVersion":3,"packages":{"":{"name":"@acme/tracer","version":%q}}}`, version, version),
		"index.js":          fmt.Sprintf("module.exports = 'tracer, built from %s'\n", version[:3]),
		"deploy-staging":    fmt.Sprintf(deployStaging, l.consumer),
	})
	p := l.ci.push()
	l.eventually("CI has handed in "+version, func() error {
		l.ci.mu.Lock()
		defer l.ci.mu.Unlock()
		if p.status == "failed" {
			l.t.Fatalf("the merge job failed:\n%s", p.said)
		}
		if p.status != "success" {
			return errors.New(p.status)
		}
		return nil
	})
}

// release is the id of the release of a version.
func (l *lumigo) release(version string) (id string) {
	l.t.Helper()
	l.eventually("there is a release "+version, func() error {
		out, code := l.sluiceQuiet("status", "tracer@"+version, "-o", "json")
		if code != 0 {
			return errors.New(out)
		}
		id = "tracer@" + version
		return nil
	})
	return id
}

func (l *lumigo) staging(version string) {
	l.t.Helper()
	if err := l.ran(version); err != nil {
		l.t.Error(err)
	}
}

func (l *lumigo) tagged(tag, version string) error {
	if got := l.registry.Packument(l.t, l.name).Tags[tag]; got != version {
		return fmt.Errorf("%s is %s, want %s", tag, got, version)
	}
	return nil
}
