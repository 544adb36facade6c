package e2e_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/topology/accounts"
)

const composeProject = `project: tracer
publish: { files: { dir: %[1]q } }
stage:   { exec: { command: ["/bin/sh", %[2]q] } }
soak:    { delay: 2s }
watch:
  - { name: errors, signal: { max: 0 } }
  - { name: smoke, exec: { command: ["true"] }, interval: 1s, failures: 1 }
promote: { files: { dir: %[1]q } }
`

const (
	webhookSecret = "webhooks0123456789"
	composeHooks  = `hooks:
  - path: /hooks/github
    source: github
    secret_env: GITHUB_WEBHOOK_SECRET
    merges:
      - { repository: acme/tracer, project: tracer, on: push, version: "{body.version}", artifact: "tracer-{commit}.bin" }
`
)

// TestCompose runs docker-compose.yml as processes: the broker with the configuration that compose mounts, init, and every
// service under its own user. It takes releases through them as CI and operator and by a webhook, and restarts everything in
// between. Then it tries, in the running system, what each user may not do.
func TestCompose(t *testing.T) {
	t.Parallel()
	c := newComposed(t)
	site, staging := filepath.Join(c.dir, "files"), filepath.Join(c.dir, "staging.txt")
	write(t, filepath.Join(c.dir, "deploy.sh"), fmt.Sprintf("echo \"$SLUICE_ACTION $SLUICE_VERSION\" >> %q\n", staging))
	write(t, filepath.Join(c.dir, "sluice.yaml"), fmt.Sprintf(composeProject, site, filepath.Join(c.dir, "deploy.sh")))

	c.start(theBroker)
	c.initialize()
	c.start(all()...)
	c.as(accounts.Operator, "apply", "-f", filepath.Join(c.dir, "sluice.yaml"))
	if got := c.as(accounts.Viewer, "status"); !strings.Contains(got, "no releases yet: tracer") {
		t.Errorf("a viewer sees %s", got)
	}

	c.as(accounts.CI, c.merge("1.0.0", "--wait")...) // exit code 0: promoted
	c.latestIs(site, "1.0.0")

	id := c.as(accounts.CI, c.merge("1.1.0", "--delay", "1h")...)
	c.until(id, release.Soaking)
	c.nats(accounts.Operator, "pub", "-J", topology.Request(topology.VerbCancel, id, accounts.Operator), "login is broken")
	c.cancelled(id, accounts.Operator, "login is broken")

	id = c.as(accounts.CI, c.merge("1.2.0", "--delay", "1h")...)
	c.until(id, release.Soaking)
	c.nats(accounts.App, "pub", topology.Signal("tracer", ""), "nil map in the login")
	c.cancelled(id, "watcher", "errors")

	// Everything down and up again. The cancel is stored while only the broker runs.
	id = c.as(accounts.CI, c.merge("1.3.0", "--delay", "1h")...)
	c.until(id, release.Soaking)
	handled(t, c.admin)
	c.stop(all()...)
	c.nats(accounts.Operator, "pub", "-J", topology.Request(topology.VerbCancel, id, ""), "not today")
	c.stop(theBroker)
	c.start(theBroker)
	c.initialize() // compose runs it again at every start
	c.start(all()...)
	c.cancelled(id, "", "not today")
	c.latestIs(site, "1.0.0")

	id = c.as(accounts.CI, c.merge("1.4.0", "--delay", "1h")...)
	c.until(id, release.Soaking)
	c.forbidden(id)
	c.as(accounts.Operator, "expedite", id, "hotfix")
	if s := c.until(id, release.Promoted); s.Expedited == nil || s.Expedited.By != accounts.Operator {
		t.Errorf("expedited by %+v", s.Expedited)
	}
	c.latestIs(site, "1.4.0")

	// A build that hands in its artifact with the plain nats command, and tells of it by a webhook.
	write(t, filepath.Join(c.dir, "gateway.yaml"), composeHooks)
	c.start(theGateway)
	built := write(t, filepath.Join(c.dir, "built.bin"), "tracer 1.5.0")
	c.nats(accounts.CI, "object", "put", topology.BucketArtifacts, built, "--name", "tracer-c0ffee.bin", "--no-progress", "--force")
	id = c.webhook(`{"ref":"refs/heads/main","after":"c0ffee","version":"v1.5.0","repository":{"full_name":"acme/tracer"},"sender":{"login":"ana"}}`)
	if s := c.until(id, release.Promoted); s.Merge.Actor != "ana" || s.Version != "1.5.0" {
		t.Errorf("%+v", s)
	}
	c.latestIs(site, "1.5.0")
	const want = "deploy 1.0.0\ndeploy 1.1.0\nrestore 1.0.0\ndeploy 1.2.0\nrestore 1.0.0\ndeploy 1.3.0\nrestore 1.0.0\ndeploy 1.4.0\n" +
		"deploy 1.5.0\n"
	if got, err := os.ReadFile(staging); err != nil || string(got) != want {
		t.Errorf("staging ran %v\n%s\nwant\n%s", err, got, want)
	}

	handled(t, c.admin)
	c.stop(all()...)
	c.stop(theGateway)
	c.stop(theBroker)
	for _, name := range append(all(), theGateway) {
		log := strings.ToLower(c.log(name))
		for _, wrong := range []string{"permissions violation", "the broker refuses", "panic", "data race"} {
			if strings.Contains(log, wrong) {
				t.Errorf("%s says %q", name, wrong)
			}
		}
		for _, secret := range append(slices.Collect(maps.Values(secrets())), strings.ToLower(webhookSecret)) {
			if strings.Contains(log, secret) {
				t.Errorf("%s logs the password %q", name, secret)
			}
		}
	}
}

func write(t testing.TB, file, text string) string {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// merge is the command that hands in a version.
func (c *composed) merge(version string, more ...string) []string {
	c.Helper()
	file := write(c, filepath.Join(c.dir, "tracer-"+version+".bin"), "tracer "+version)
	args := []string{
		"merge", "tracer", "--artifact", file, "--version", version, "--commit", "c" + strings.ReplaceAll(version, ".", "-"),
		"--id", uuid.Must(uuid.NewV7()).String(),
	}
	return append(args, more...)
}

// cancelled waits until a release is cancelled and what it changed is put back.
func (c *composed) cancelled(id, by, why string) {
	c.Helper()
	s := c.untilState(id, "cancelled and put back", putBack)
	if s.Phase != release.Cancelled || s.End.By != by || !strings.Contains(s.End.Reason, why) {
		c.Errorf("it is %s by %q: %s; want cancelled by %q: %s", s.Phase, s.End.By, s.End.Reason, by, why)
	}
}

// webhook sends a push to the gateway as GitHub does, and returns the release that it is.
func (c *composed) webhook(body string) string {
	c.Helper()
	mac := hmac.New(sha256.New, []byte(webhookSecret))
	mac.Write([]byte(body))
	req, err := http.NewRequest(http.MethodPost, "http://"+c.hooks+"/hooks/github", strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-GitHub-Event", "push")
	req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct{ Releases []struct{ Release string } }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode != http.StatusOK || len(answer.Releases) != 1 {
		c.Fatalf("%s %+v %v", res.Status, answer, err)
	}
	return answer.Releases[0].Release
}

func (c *composed) latestIs(site, version string) {
	c.Helper()
	data, err := os.ReadFile(filepath.Join(site, "channels", "tracer", "latest.json"))
	if err != nil || !strings.Contains(string(data), fmt.Sprintf(`"version": %q`, version)) {
		c.Errorf("latest is not %s: %s %v", version, data, err)
	}
}
