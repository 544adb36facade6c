package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/drivertest"
	"github.com/sluice-gate/sluice/pkg/driver/internal/channelfile"
	"github.com/sluice-gate/sluice/pkg/project"
)

// bundle is a directory with its two drivers.
type bundle struct {
	*testing.T
	dir             string
	publish         *Driver
	promote         *Driver
	beta, latest    string // the channel files
	link            string // of latest
	releasesStarted int
}

func setup(t *testing.T) *bundle {
	t.Helper()
	dir := t.TempDir()
	b := &bundle{T: t, dir: dir}
	for role, d := range map[driver.Role]**Driver{driver.Publish: &b.publish, driver.Promote: &b.promote} {
		var err error
		if *d, err = New(project.Files{Dir: dir}, role); err != nil {
			t.Fatal(err)
		}
	}
	channels := filepath.Join(dir, "channels", "tracer")
	b.beta, b.latest, b.link = filepath.Join(channels, "beta.json"), filepath.Join(channels, "latest.json"), filepath.Join(channels, "latest")
	return b
}

// release makes the facts of a new release.
func (b *bundle) release(version, content string) driver.Facts {
	b.releasesStarted++
	return driver.Facts{
		Release: fmt.Sprintf("release-%d", b.releasesStarted), Project: "tracer", Attempt: 1, Version: version,
		Artifact: driver.Artifact{
			Name: "tracer-" + version + ".tgz", Digest: driver.Digest([]byte(content)),
			Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil },
		},
	}
}

func (b *bundle) do(d driver.Driver, f driver.Facts) driver.Done {
	b.Helper()
	done, err := d.Do(b.Context(), f)
	if err != nil {
		b.Fatalf("do %s: %v", f.Version, err)
	}
	return done
}

func (b *bundle) refused(err error, words string) {
	b.Helper()
	if !driver.IsRefused(err) || !strings.Contains(err.Error(), words) {
		b.Errorf("the error is %v, want a refusal with %q", err, words)
	}
}

func (b *bundle) read(name string) string {
	b.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		b.Fatal(err)
	}
	return string(content)
}

func (b *bundle) write(name, content string) {
	b.Helper()
	if err := errors.Join(os.Remove(name), os.WriteFile(name, []byte(content), 0o600)); err != nil {
		b.Fatal(err)
	}
}

func TestChannelFile(t *testing.T) {
	b := setup(t)
	b.do(b.promote, b.release("1.3.0", "old"))
	b.do(b.promote, b.release("1.4.0", "new"))
	digest := driver.Digest([]byte("new"))
	hex := strings.TrimPrefix(digest, "sha256:")
	want := `{
  "project": "tracer",
  "channel": "latest",
  "version": "1.4.0",
  "digest": "` + digest + `",
  "size": 3,
  "name": "tracer-1.4.0.tgz",
  "path": "artifacts/sha256/` + hex + `/tracer-1.4.0.tgz",
  "release": "release-2",
  "before": "1.3.0@` + driver.Digest([]byte("old")) + `"
}
`
	if got := b.read(b.latest); got != want {
		t.Errorf("the channel file is\n%s\nwant\n%s", got, want)
	}
	for name, mode := range map[string]os.FileMode{
		b.latest: 0o644, filepath.Join(b.dir, "versions/tracer/1.4.0.json"): 0o644,
		filepath.Join(b.dir, "artifacts/sha256", hex, "tracer-1.4.0.tgz"): 0o444,
	} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v, want the mode %v", name, info.Mode(), err, mode)
		}
	}
}

// A plain static web server serves the directory: the channel file, the path in it, and the address that stays.
func TestServedStatically(t *testing.T) {
	b := setup(t)
	server := httptest.NewServer(http.FileServer(http.Dir(b.dir)))
	defer server.Close()
	get := func(path string) string {
		t.Helper()
		resp, err := server.Client().Get(server.URL + "/" + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v", path, resp.Status, err)
		}
		return string(body)
	}
	for _, version := range []string{"1.3.0", "1.4.0"} {
		b.do(b.promote, b.release(version, "bytes of "+version))
		r, err := channelfile.Parse([]byte(get("channels/tracer/latest.json")))
		if err != nil {
			t.Fatal(err)
		}
		if got := get(r.Path); got != "bytes of "+version {
			t.Errorf("the path of the channel file leads to %q", got)
		}
		if got := get("channels/tracer/latest"); got != "bytes of "+version {
			t.Errorf("the link leads to %q", got)
		}
	}
}

func TestBetaThenLatest(t *testing.T) {
	b := setup(t)
	one, two := b.release("1.3.0", "one"), b.release("1.4.0", "two")
	b.do(b.publish, one)
	b.do(b.promote, one)
	b.do(b.publish, two)
	two.Artifact.Open = func(context.Context) (io.ReadCloser, error) {
		return nil, errors.New("the artifact is not to be read again")
	}
	done := b.do(b.promote, two)
	if one, two := "1.3.0@"+one.Artifact.Digest, "1.4.0@"+two.Artifact.Digest; done.Value != two || done.Before != one {
		t.Errorf("the promotion: %+v", done)
	}
	hotfix := b.release("1.3.1", "hotfix")
	b.do(b.publish, hotfix) // a beta may be a fix of an older line
	_, err := b.promote.Do(b.Context(), hotfix)
	b.refused(err, "does not go back to 1.3.1")
}

func TestBeforeSurvivesANextAttempt(t *testing.T) {
	b := setup(t)
	one := b.do(b.publish, b.release("1.3.0", "one"))
	two := b.release("1.4.0", "two")
	b.do(b.publish, two)
	two.Attempt++
	if again := b.do(b.publish, two); again.Before != one.Value || !again.Existed {
		t.Errorf("the second attempt: %+v, want %q before it", again, one.Value)
	}
}

// Two releases of one artifact (merge, cancel, merge again): undoing the first late does not take the second away.
func TestUndoOfAnEarlierReleaseOfTheSameArtifact(t *testing.T) {
	b := setup(t)
	one := b.do(b.publish, b.release("1.3.0", "one"))
	two, again := b.release("1.4.0", "two"), b.release("1.4.0", "two")
	first := b.do(b.publish, two)
	second := b.do(b.publish, again)
	if second.Before != first.Value || second.Existed {
		t.Errorf("the second release: %+v", second)
	}
	undone, err := b.publish.Undo(b.Context(), two, driver.Back{Value: one.Value})
	if err != nil || undone.Value != second.Value || !strings.Contains(undone.Note, again.Release) {
		t.Errorf("the late undo: %+v, %v", undone, err)
	}
	undone, err = b.publish.Undo(b.Context(), again, driver.Back{Value: one.Value})
	if err != nil || undone.Value != one.Value {
		t.Errorf("the undo: %+v, %v", undone, err)
	}
}

func TestVersionFromTheArtifact(t *testing.T) {
	b := setup(t)
	f := b.release("", "one")
	f.Artifact.Name = "tracer-1.4.0-linux.tar.gz"
	plan, err := b.publish.Plan(b.Context(), f)
	if err != nil || plan != (driver.Plan{Version: "1.4.0", Beta: "1.4.0"}) {
		t.Errorf("plan: %+v, %v", plan, err)
	}
	if done := b.do(b.promote, f); !strings.HasPrefix(done.Value, "1.4.0@") { // no publish action planned it
		t.Errorf("do: %+v", done)
	}
	f.Artifact.Name = "tracer.zip"
	_, err = b.publish.Plan(b.Context(), f)
	b.refused(err, "states a version")
}

// What a person changed is refused, with the path, and not overwritten.
func TestChangedByHand(t *testing.T) {
	b := setup(t)
	one, two := b.release("1.3.0", "one"), b.release("1.4.0", "two")
	first := b.do(b.promote, one)
	b.do(b.publish, two)
	stored := filepath.Join(b.dir, channelfile.ArtifactPath(two.Artifact.Digest, two.Artifact.Name))
	channel := b.read(b.latest)

	b.write(stored, "twisted")
	_, err := b.promote.Do(b.Context(), two)
	b.refused(err, stored)
	if got := b.read(b.latest); got != channel {
		t.Errorf("the channel was moved to damaged bytes:\n%s", got)
	}
	b.write(stored, "two")

	for what, text := range map[string]string{
		"no JSON": "1.3.0\n", "empty": "", "torn": channel[:40], "another's": strings.Replace(channel, `"tracer"`, `"other"`, 1),
		"a path outside": strings.Replace(channel, `"path": "artifacts`, `"path": "../artifacts`, 1),
	} {
		b.write(b.latest, text)
		_, err = b.promote.Do(b.Context(), two)
		b.refused(err, b.latest)
		_, err = b.promote.Undo(b.Context(), one, driver.Back{})
		b.refused(err, b.latest)
		_, err = b.promote.Look(b.Context(), one)
		b.refused(err, b.latest)
		if got := b.read(b.latest); got != text {
			t.Errorf("%s: it was overwritten with\n%s", what, got)
		}
	}
	b.write(b.latest, channel)

	b.write(b.link, "a file of somebody's")
	_, err = b.promote.Do(b.Context(), two)
	b.refused(err, "in the way")
	if err := os.Remove(b.link); err != nil {
		t.Fatal(err)
	}
	done := b.do(b.promote, two)
	if got := b.read(b.link); got != "two" || done.Before != first.Value {
		t.Errorf("put right: the link leads to %q, %+v", got, done)
	}
	if err := os.Remove(filepath.Join(b.dir, channelfile.ArtifactPath(one.Artifact.Digest, one.Artifact.Name))); err != nil {
		t.Fatal(err)
	}
	_, err = b.promote.Undo(b.Context(), two, driver.Back{Value: first.Value})
	b.refused(err, "is missing")
	_, err = b.promote.Undo(b.Context(), two, driver.Back{Value: "1.2.0@" + two.Artifact.Digest})
	b.refused(err, "does not have it")
}

func TestSettings(t *testing.T) {
	for name, c := range map[string]project.Files{
		"no directory": {}, "an unsafe channel": {Dir: "d", Channel: "../latest"}, "a channel like its file": {Dir: "d", Channel: "latest.json"},
	} {
		if _, err := New(c, driver.Promote); !driver.IsRefused(err) {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
	if _, err := New(project.Files{Dir: "d"}, "sell"); !driver.IsRefused(err) {
		t.Errorf("a role that there is not: %v, want a refusal", err)
	}
}

// A writer waits for the lock until its context ends, and does not write afterwards.
func TestWaitingForTheLock(t *testing.T) {
	b := setup(t)
	one := b.release("1.3.0", "one")
	holder, err := b.promote.begin(b.Context(), "tracer")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	result := make(chan error)
	go func() { _, err := b.promote.Do(ctx, one); result <- err }()
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("the writer that waited: %v", err)
	}
	go func() { _, err := b.promote.Do(b.Context(), one); result <- err }()
	if _, err := os.Stat(b.latest); err == nil {
		t.Error("somebody wrote without the lock")
	}
	holder.end()
	if err := <-result; err != nil {
		t.Error(err)
	}
}

// Processes publish at once, while a reader reads: it never sees a torn channel, nor one that leads to bytes that are not there.
func TestManyProcesses(t *testing.T) {
	b := setup(t)
	const processes, releases = 4, 6
	var calls []drivertest.Call
	for i := range processes * releases {
		content := strings.Repeat(fmt.Sprintf("bytes of 1.%d.0. ", i), 2000)
		f := b.release(fmt.Sprintf("1.%d.0", i), content)
		f.Artifact.Open = nil
		calls = append(calls, drivertest.Call{Facts: f, Artifact: []byte(content)})
	}
	command := drivertest.ChildCommand(t, "killed", b.dir, string(driver.Publish), "0")
	var writers sync.WaitGroup
	for p := range processes {
		writers.Go(func() {
			for i := range releases {
				end, out, err := drivertest.RunChild(b.Context(), calls[i*processes+p], command)
				if err != nil || !end.Success() {
					t.Errorf("%s: %v, %v\n%s", calls[i*processes+p], err, end, out)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	defer func() { <-done }()
	reads := 0
	for reading := true; reading; reads++ {
		select {
		case <-done:
			reading = false
		default:
		}
		raw, err := os.ReadFile(b.beta)
		if errors.Is(err, os.ErrNotExist) && reading {
			continue
		}
		r, err2 := channelfile.Parse(raw)
		if err != nil || err2 != nil {
			t.Fatalf("a torn channel: %v, %v\n%s", err, err2, raw)
		}
		content, err := os.ReadFile(filepath.Join(b.dir, r.Path))
		if err != nil || driver.Digest(content) != r.Digest {
			t.Fatalf("the channel leads to other bytes: %v\n%s", err, raw)
		}
	}
	t.Logf("read %d times", reads)
	r, err := b.publish.readChannel("tracer")
	if err != nil {
		t.Fatal(err)
	}
	if link := b.read(filepath.Join(b.dir, "channels/tracer/beta")); driver.Digest([]byte(link)) != r.Digest {
		t.Error("the link and the channel file differ")
	}
	if versions, err := os.ReadDir(filepath.Join(b.dir, "versions/tracer")); err != nil || len(versions) != len(calls) {
		t.Errorf("%d versions of %d, %v", len(versions), len(calls), err)
	}
}

func ExampleNew() {
	dir, err := os.MkdirTemp("", "files-example-*")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	latest, err := New(project.Files{Dir: dir, Channel: "latest"}, driver.Promote)
	if err != nil {
		panic(err)
	}
	content := []byte("what soaked")
	done, err := latest.Do(context.Background(), driver.Facts{
		Release: "01970000-0000-7000-8000-000000000001", Project: "tracer", Attempt: 1, Version: "1.4.0",
		Artifact: driver.Artifact{Name: "tracer-1.4.0.tgz", Digest: driver.Digest(content), Open: func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(content)), nil
		}},
	})
	fmt.Println(done.Value, err)
	served, err := os.ReadFile(filepath.Join(dir, "channels/tracer/latest"))
	fmt.Println(string(served), err)
	// Output:
	// 1.4.0@sha256:f0cc1239b7037aebf2573c8fe834532f8fef5fffbac5267605d8e9f3d2d22050 <nil>
	// what soaked <nil>
}
