package drivertest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/sluice-gate/sluice/pkg/driver"
)

// bench is one fresh peer, and releases for it. Two benches of the same subject make equal releases.
type bench struct {
	*testing.T
	subject Subject
	peer    Peer
	serial  int
}

func newBench(t *testing.T, s Subject) *bench {
	t.Helper()
	t.TempDir() // the directories that the subject makes from here on are not below the one that is checked
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	b := &bench{T: t, subject: s, peer: s.New(t)}
	t.Cleanup(func() {
		if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
			t.Errorf("left in the directory for temporary files: %v, %v", left, err)
		}
	})
	return b
}

// fresh is another bench like this one.
func (b *bench) fresh() *bench {
	b.Helper()
	return &bench{T: b.T, subject: b.subject, peer: b.subject.New(b.T)}
}

func (b *bench) open() driver.Driver { b.Helper(); return b.peer.Open(b.T) }

func (b *bench) state() State {
	b.Helper()
	s := b.peer.State(b.T)
	if s.Stored == nil {
		s.Stored = map[string]string{}
	}
	return s
}

// call makes the call of a new release of version with the given contents, planned and prepared as the services would.
func (b *bench) call(version, content string) Call {
	b.Helper()
	c := b.unprepared(version, content)
	if b.subject.Role == driver.Publish {
		plan, err := b.publisher(b.open()).Plan(b.Context(), c.Release())
		if err != nil {
			b.Fatalf("plan %s: %v", version, err)
		}
		c.Facts.Version, c.Facts.Beta = plan.Version, plan.Beta
	}
	if b.peer.Prepare != nil {
		c.Facts = b.peer.Prepare(b.T, c.Release())
	}
	return c
}

func (b *bench) unprepared(version, content string) Call {
	b.Helper()
	b.serial++
	name, artifact := "tracer-"+version+".tgz", []byte(content)
	if b.peer.Artifact != nil {
		name, artifact = b.peer.Artifact(b.T, version, content)
	}
	commit := fmt.Sprintf("%040x", b.serial)
	if b.peer.Commit != nil {
		commit = b.peer.Commit(b.T, version, content)
	}
	project := b.peer.Project
	if project == "" {
		project = "tracer"
	}
	return Call{
		Artifact: artifact,
		Facts: driver.Facts{
			Release: fmt.Sprintf("01970000-0000-7000-8000-%012d", b.serial), Project: project, Attempt: 1, Try: 1,
			Commit: commit, Ref: "refs/heads/main", URL: "https://git.example/tracer", Actor: "ana",
			Version: version, Beta: version,
			Artifact: driver.Artifact{Name: name, Digest: driver.Digest(artifact)},
		},
	}
}

func (b *bench) publisher(d driver.Driver) driver.Publisher {
	b.Helper()
	p, ok := d.(driver.Publisher)
	if !ok {
		b.Fatalf("%T is no driver.Publisher, which the publish role needs", d)
	}
	return p
}

// must makes the call by a driver of its own and fails the test when it fails.
func (b *bench) must(c Call) driver.Done {
	b.Helper()
	done, err := c.Run(b.Context(), b.open())
	if err != nil {
		b.Fatalf("%s: %v", c, err)
	}
	return done
}

// looks tells whether the driver can look at its channel, so that what it says about it can be checked.
func (b *bench) looks() bool { _, blind := b.subject.Lacks[Look]; return !blind }

func (b *bench) wantState(what string, want State) {
	b.Helper()
	if got := b.state(); got.Channel != want.Channel || !maps.Equal(got.Stored, want.Stored) {
		b.Errorf("%s: the peer holds\n%s\nwant\n%s", what, got, want)
	}
}

func (b *bench) wantChannel(what, content string) {
	b.Helper()
	if got := b.state(); got.Channel != content {
		b.Errorf("%s: the channel points to %q, want %q", what, got.Channel, content)
	}
}

// wantRefused checks that err is a refusal that can be shown to people.
func (b *bench) wantRefused(what string, err error) {
	b.Helper()
	if !driver.IsRefused(err) {
		b.Errorf("%s: the error is %.500v, want a refusal", what, err)
		return
	}
	b.wantReadable(what, err)
}

// wantReadable checks that an error begins with one line of bearable length, is short altogether, and does nothing to a terminal.
func (b *bench) wantReadable(what string, err error) {
	b.Helper()
	msg := err.Error()
	first, _, _ := strings.Cut(msg, "\n")
	if first == "" || len(first) > 600 || len(msg) > 8<<10 || !utf8.ValidString(msg) {
		b.Errorf("%s: the error is not a short line of text, with output after it at most: %d bytes, %.700q", what, len(msg), msg)
	}
	if i := strings.IndexFunc(msg, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }); i >= 0 {
		b.Errorf("%s: the error has a control character at %d: %.700q", what, i, msg)
	}
}

func (b *bench) wantCancelled(what string, err error) {
	b.Helper()
	if !errors.Is(err, context.Canceled) || driver.IsRefused(err) {
		b.Errorf("%s: the error is %v, want one that is context.Canceled and no refusal", what, err)
	}
}

// wantSaid checks that the error of an action that was cancelled in the middle says where that was.
func (b *bench) wantSaid(what string, err error) {
	b.Helper()
	if err != nil && len(err.Error()) < len(context.Canceled.Error())+len("a: b") {
		b.Errorf("%s, cancelled in the middle: the error is %v, which does not say what was not done, or what there is", what, err)
	}
}

// String lists a state for a test's message.
func (s State) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "  channel: %.80q", s.Channel)
	for name, content := range sorted(s.Stored) {
		fmt.Fprintf(&text, "\n  %s: %.80q", name, content)
	}
	return text.String()
}
