package accounts_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/topology/accounts"
)

// nats runs the real nats command as a user and returns what it prints. It waits so long for an answer.
func (b *testBundle) nats(t *testing.T, bin, wait, user string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	all := []string{"--server", b.url, "--timeout", wait}
	if user != accounts.Local {
		all = append(all, "--user", user, "--password", password(user))
	}
	cmd := exec.CommandContext(ctx, bin, append(all, args...)...)
	home := t.TempDir() // no context of the machine's user
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home, "NATS_CONTEXT=", "NATS_URL=")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestTheNatsCommand is what people type, with the command that they have.
func TestTheNatsCommand(t *testing.T) {
	t.Parallel()
	bin := natstest.CLI(t)
	b := setupLocal(t)
	file := filepath.Join(t.TempDir(), "tracer-1.4.0.tgz")
	if err := os.WriteFile(file, []byte(strings.Repeat("tracer", 50_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	project := filepath.Join(t.TempDir(), "sluice.yaml")
	if err := os.WriteFile(project, []byte("project: tracer"), 0o600); err != nil {
		t.Fatal(err)
	}
	const stored, refused = "Stored in Stream: SLUICE", "permissions violation"
	cancel := topology.Request(topology.VerbCancel, release2, "")
	var refusals sync.WaitGroup
	for _, c := range []struct {
		user string
		ok   bool
		want string
		args []string
	}{
		{accounts.CI, true, stored, []string{"pub", "-J", topology.Merge("tracer"), "{}"}},
		{accounts.CI, true, `"stream":"SLUICE"`, []string{"req", topology.Merge("tracer"), "{}"}},
		{accounts.CI, true, "SHA-256", []string{"object", "put", topology.BucketArtifacts, file, "--name", "tracer-1.4.0.tgz", "--no-progress"}},
		{accounts.CI, true, "SHA-256", []string{"object", "put", topology.BucketArtifacts, file, "--name", "tracer-1.4.0.tgz", "--no-progress", "--force"}},
		{accounts.CI, true, "tracer-1.4.0.tgz", []string{"object", "info", topology.BucketArtifacts, "tracer-1.4.0.tgz"}},
		{accounts.CI, false, refused, []string{"pub", "-J", cancel, "login is broken"}},
		{accounts.CI, false, refused, []string{"kv", "put", topology.BucketProjects, "tracer", "x"}},
		{accounts.Operator, true, stored, []string{"pub", "-J", cancel, "login is broken"}},
		{accounts.Operator, true, stored, []string{"pub", "-J", topology.Request(topology.VerbExpedite, release2, accounts.Operator), "ship it"}},
		{accounts.Operator, false, refused, []string{"pub", "-J", topology.Request(topology.VerbExpedite, release2, "ben"), "ship it"}},
		{accounts.Operator, true, stored, []string{"pub", "-J", topology.Stop(topology.StopFreeze, topology.AllProjects, ""), "48h the fair"}},
		{accounts.Operator, false, refused, []string{"pub", "-J", topology.Stop(topology.StopUnfreeze, topology.AllProjects, ""), "over"}},
		{accounts.Operator, false, refused, []string{"pub", "-J", topology.Project("tracer"), "{}"}},
		{accounts.Operator, false, refused, []string{"pub", "-J", topology.Release(release), "{}"}},
		{accounts.Operator, false, refused, []string{"stream", "purge", topology.StreamSluice, "--force"}},
		{accounts.Operator, false, refused, []string{"stream", "rm", topology.StreamSluice, "--force"}},
		{accounts.Operator, false, refused, []string{"consumer", "rm", topology.StreamSluice, topology.ConsumerPromoter, "--force"}},
		{accounts.Operator, true, "project: tracer", []string{"kv", "put", topology.BucketProjects, "tracer", "project: tracer"}},
		{accounts.Viewer, true, "project: tracer", []string{"kv", "get", topology.BucketProjects, "tracer", "--raw"}},
		{accounts.Viewer, true, `"deny_delete": true`, []string{"stream", "info", topology.StreamSluice, "--json"}},
		{accounts.Viewer, true, "the journal", []string{"stream", "get", topology.StreamSluice, "-S", topology.Release(release)}},
		{accounts.Viewer, false, refused, []string{"pub", "-J", cancel, "login is broken"}},
		{accounts.App, true, "Published", []string{"pub", topology.Signal("tracer", ""), "panic: nil map"}},
		{accounts.Local, true, stored, []string{"pub", "-J", topology.Request(topology.VerbExpedite, release2, "ben"), "ship it"}},
		{accounts.Local, true, stored, []string{"pub", "-J", topology.Request(topology.VerbResume, release2, ""), "go on"}},
		{accounts.Local, true, stored, []string{"pub", "-J", topology.Merge("tracer"), "{}"}},
		{accounts.Local, true, "SHA-256", []string{"object", "put", topology.BucketArtifacts, file, "--name", "local.tgz", "--no-progress"}},
		{accounts.Local, false, refused, []string{"pub", "-J", topology.Release(release), "{}"}},
	} {
		run := func(wait string) {
			out, err := b.nats(t, bin, wait, c.user, c.args...)
			if (err == nil) != c.ok || !strings.Contains(strings.ToLower(out), strings.ToLower(c.want)) {
				t.Errorf("%s: nats %s: %v, want %q in\n%s", c.user, strings.Join(c.args, " "), err, c.want, out)
			}
		}
		if c.ok {
			run("20s")
		} else { // the command waits for an answer that does not come: all of these at once
			refusals.Go(func() { run("2s") })
		}
	}
	refusals.Wait()
	before := b.snapshot(t)
	if m, err := b.js.Stream(b.ctx, topology.StreamSluice); err != nil || m.CachedInfo().State.Msgs == 0 {
		t.Errorf("the stream is gone: %v", err)
	}
	if got := before.victims[topology.Release(release)]; !strings.HasSuffix(got, `{"the journal":1}`) {
		t.Errorf("the journal is %q", got)
	}
}

// TestNatsSubShowsWhatHappens is `nats sub 'sluice.release.*'` in a viewer's terminal.
func TestNatsSubShowsWhatHappens(t *testing.T) {
	t.Parallel()
	bin := natstest.CLI(t)
	b := setupOne(t)
	done := make(chan string, 1)
	go func() {
		out, err := b.nats(t, bin, "10s", accounts.Viewer, "sub", "sluice.release.*", "--count", "1")
		if err != nil {
			out += err.Error()
		}
		done <- out
	}()
	tick := time.NewTicker(50 * time.Millisecond) // until the command has subscribed, nobody tells when
	defer tick.Stop()
	for {
		select {
		case out := <-done:
			if !strings.Contains(out, `{"promoted":true}`) || !strings.Contains(out, topology.Release(release2)) {
				t.Errorf("nats sub printed\n%s", out)
			}
			return
		case <-tick.C:
			if _, err := b.js.Publish(b.ctx, topology.Release(release2), []byte(`{"promoted":true}`)); err != nil {
				t.Fatal(err)
			}
		}
	}
}
