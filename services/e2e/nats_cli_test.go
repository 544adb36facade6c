package e2e_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// TestNatsCLI takes releases through a real `sluice up` with nothing but the real nats command: no Sluice on the machine of
// whoever hands in, looks and decides.
func TestNatsCLI(t *testing.T) {
	t.Parallel()
	n := newNATSCLI(t)
	shown := n.watch()

	// Held, extended, resumed and cancelled, while it soaks.
	id := n.merge("1.0.0")
	n.until(id, release.Soaking)
	n.stored("pub", "-J", topology.Request("hold", id, "ana"), "wait for QA")
	if s := n.until(id, release.Held); s.Held == nil || s.Held.By != "ana" || s.Held.Reason != "wait for QA" {
		t.Errorf("held by %+v", s.Held)
	}
	n.stored("pub", "-J", topology.Request("extend", id, "ana"), "30m more traffic")
	follow(t, n.journal, id, "extended", func(s release.State) bool { return s.Remaining > time.Hour })
	n.stored("pub", "-J", topology.Request("resume", id, "lee"), "QA is happy")
	follow(t, n.journal, id, "soaking again", func(s release.State) bool { return s.Phase == release.Soaking && s.Held == nil })
	n.stored("req", topology.Request("hold", id, "lee"), "or not") // a request is answered by the same acknowledgement
	n.until(id, release.Held)
	n.stored("req", topology.Request("resume", id, "lee"), "it is")
	follow(t, n.journal, id, "soaking again", func(s release.State) bool { return s.Phase == release.Soaking && s.Held == nil })
	n.stored("pub", "-J", topology.Request("cancel", id, ""), "login is broken")
	if s := follow(t, n.journal, id, "cancelled and put back", putBack); s.Phase != release.Cancelled || s.End.Reason != "login is broken" {
		t.Errorf("it is %s by %q: %s", s.Phase, s.End.By, s.End.Reason)
	}
	n.latestIs("")

	// Expedited. A cancel after that comes too late, and its sender is told in the journal.
	id = n.merge("1.1.0")
	n.until(id, release.Soaking)
	n.stored("pub", "-J", topology.Request("expedite", id, "ana"), "hotfix")
	if s := n.until(id, release.Promoted); s.Expedited == nil || s.Expedited.By != "ana" || s.Expedited.Reason != "hotfix" {
		t.Errorf("expedited by %+v", s.Expedited)
	}
	n.latestIs("1.1.0")
	n.stored("pub", "-J", topology.Request("cancel", id, "ana"), "oh no")
	eventually(t, "the late cancel is answered", func() error {
		if got := shown.String(); !strings.Contains(got, "too late") {
			return fmt.Errorf("nats sub shows\n%s", got)
		}
		return nil
	})
	for _, want := range []string{id, `"type":"promoted"`, `"expedited"`} {
		if !strings.Contains(shown.String(), want) {
			t.Errorf("nats sub does not show %s:\n%s", want, shown)
		}
	}

	// What failed is retried, and what was promoted is rolled back.
	broken := filepath.Join(n.site, "broken")
	if err := os.WriteFile(broken, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	retried := n.merge("1.1.1")
	follow(t, n.journal, retried, "failed and put back", func(s release.State) bool { return s.Phase == release.Failed && putBack(s) })
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	n.stored("pub", "-J", topology.Request("retry", retried, "ana"), "mended")
	n.until(retried, release.Soaking)
	n.stored("pub", "-J", topology.Request("expedite", retried, "ana"), "it has waited enough")
	n.until(retried, release.Promoted)
	n.stored("pub", "-J", topology.Request("rollback", retried, "ana"), "worse than before")
	n.until(retried, release.RolledBack)
	n.latestIs("1.1.0")

	// A subject with a slip in it stores nothing, and the command fails, with -J and without.
	id = n.merge("1.2.0")
	n.until(id, release.Soaking)
	handled(t, n.admin)
	before := n.lastSeq()
	wrong := "sluice.cancle." + id
	if out, err := n.run("pub", "-J", wrong, "typo"); err == nil || strings.Contains(out, "Stored in") {
		t.Errorf("nats pub -J %s: %v\n%s", wrong, err, out)
	}
	if out, err := n.run("pub", wrong, "typo"); err == nil {
		t.Errorf("plain nats pub %s succeeds:\n%s", wrong, out)
	}
	if after := n.lastSeq(); after != before {
		t.Errorf("something was stored: %d messages before, %d after", before, after)
	}

	// A request that names no release is stored: the broker can not know. It is kept where it can be seen, with the reason.
	n.stored("pub", "-J", "sluice.cancel.tracer", "login is broken")
	handled(t, n.admin)
	out, err := n.run("stream", "get", topology.StreamSluice, "-S", "sluice.dead.cancel.tracer")
	if err != nil || !strings.Contains(out, `release \"tracer\": want a UUID`) {
		t.Errorf("nats stream get: %v\n%s", err, out)
	}

	// Whoever names itself in a way that is none of our names is heard all the same, at once: the broker has acknowledged it.
	n.stored("pub", "-J", topology.Request("cancel", id, "")+".ana@corp", "end of the test")
	if s := follow(t, n.journal, id, "cancelled and put back", putBack); s.Phase != release.Cancelled || s.End.By != "ana@corp" {
		t.Errorf("it is %s by %q", s.Phase, s.End.By)
	}
}

// natsCLI is a running `sluice up` and the nats command of somebody on its machine, who has no password.
type natsCLI struct {
	*up
	cli, home, site string
	journal         *journal.Journal
	admin           jetstream.JetStream
}

const cliProject = `project: tracer
publish: { files: { dir: %[1]q } }
stage:   { exec: { command: ["test", "!", "-e", "%[1]s/broken"] } }
soak:    { delay: 1h }
promote: { files: { dir: %[1]q } }
`

func newNATSCLI(t *testing.T) *natsCLI {
	t.Helper()
	site := t.TempDir()
	n := &natsCLI{
		up: newUp(t, map[string]string{"tracer": fmt.Sprintf(cliProject, site)}), cli: natstest.CLI(t), home: t.TempDir(), site: site,
	}
	n.env = []string{"SLUICE_ADMIN_PASSWORD=of-admin"}
	n.start()
	n.ready("tracer")
	n.admin = n.connectAdmin("of-admin")
	var err error
	if n.journal, err = journal.Open(t.Context(), n.admin, "test"); err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *natsCLI) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(n.t.Context(), n.cli, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + n.home, "NATS_URL=" + n.url()}
	return cmd
}

func (n *natsCLI) run(args ...string) (string, error) {
	n.t.Helper()
	out, err := n.command(args...).CombinedOutput()
	n.t.Logf("$ nats %s\n%s", strings.Join(args, " "), out)
	return string(out), err
}

// stored runs a command that the broker must acknowledge.
func (n *natsCLI) stored(args ...string) {
	n.t.Helper()
	out, err := n.run(args...)
	if err != nil || !strings.Contains(out, "Stored in Stream: SLUICE") && !strings.Contains(out, `"stream":"SLUICE"`) {
		n.t.Fatalf("nats %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// merge hands in an artifact and a merge as CI does that has the nats command only.
func (n *natsCLI) merge(version string) string {
	n.t.Helper()
	id, name := uuid.Must(uuid.NewV7()).String(), "tracer-"+version+".bin"
	file := write(n.t, filepath.Join(n.home, name), "tracer "+version)
	if out, err := n.run("object", "put", topology.BucketArtifacts, file, "--name", name, "--no-progress"); err != nil {
		n.t.Fatalf("nats object put: %v\n%s", err, out)
	}
	n.stored("pub", "-J", topology.Merge("tracer"), fmt.Sprintf(`{"id":%q,"commit":"c-%s","version":%q,"artifact":%q,"actor":"ci"}`,
		id, strings.ReplaceAll(version, ".", "-"), version, name))
	return id
}

func (n *natsCLI) until(id string, p release.Phase) release.State {
	n.t.Helper()
	return follow(n.t, n.journal, id, string(p), func(s release.State) bool { return s.Phase == p })
}

func (n *natsCLI) latestIs(version string) {
	n.t.Helper()
	data, err := os.ReadFile(filepath.Join(n.site, "channels", "tracer", "latest.json"))
	if version == "" {
		if !os.IsNotExist(err) {
			n.t.Errorf("latest is %s", data)
		}
		return
	}
	if err != nil || !strings.Contains(string(data), fmt.Sprintf(`"version": %q`, version)) {
		n.t.Errorf("latest is not %s: %s %v", version, data, err)
	}
}

func (n *natsCLI) lastSeq() uint64 {
	n.t.Helper()
	stream, err := n.admin.Stream(n.t.Context(), topology.StreamSluice)
	if err != nil {
		n.t.Fatal(err)
	}
	return stream.CachedInfo().State.LastSeq
}

// watch runs `nats sub 'sluice.release.*'` until the test ends, and returns once it has subscribed.
func (n *natsCLI) watch() fmt.Stringer {
	n.t.Helper()
	out := &output{}
	cmd := n.command("sub", "sluice.release.*")
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	eventually(n.t, "nats sub has subscribed", func() error {
		if !strings.Contains(out.String(), "Subscribing") {
			return fmt.Errorf("it says %q", out)
		}
		return nil
	})
	return out
}

// output is what a running command has said.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
