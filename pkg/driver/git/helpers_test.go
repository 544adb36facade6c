package git

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/retry"
	"github.com/sluice-gate/sluice/pkg/project"
)

const (
	goodToken = "hunter2+token"
	emptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
	gitConfig = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n\tfsync = none\n[receive]\n\tautogc = false\n"
)

func quick() retry.Policy { return retry.Policy{First: 2 * time.Millisecond, Tries: 6} }

// origin is a bare repository behind git's own HTTP server, which wants a token.
type origin struct {
	dir string // of the repository
	url string
}

// gitEnv keeps the settings of this machine's user out of the tests.
func gitEnv(dir string) []string {
	const date = "1700000000 +0000"
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_PROJECT_ROOT=" + dir,
		"GIT_HTTP_EXPORT_ALL=1", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_AUTHOR_DATE=" + date,
		"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com", "GIT_COMMITTER_DATE=" + date,
	}
}

// newOrigin makes a repository with nothing in it.
func newOrigin(t *testing.T) *origin {
	t.Helper()
	root := t.TempDir()
	o := &origin{dir: filepath.Join(root, "tracer.git")}
	// What `git init --bare` makes, gitrepository-layout(5), without a process: the suite needs hundreds.
	o.write(t, "HEAD", "ref: refs/heads/main\n")
	o.write(t, "config", gitConfig)
	if err := os.Mkdir(filepath.Join(o.dir, "refs"), 0o750); err != nil {
		t.Fatal(err)
	}
	if tree := o.object(t, "tree", ""); tree != emptyTree {
		t.Fatalf("the empty tree is %s", tree)
	}
	program, err := exec.LookPath("git")
	if err != nil {
		t.Fatalf("git is needed: apt-get install git: %v", err)
	}
	backend := &cgi.Handler{Path: program, Args: []string{"http-backend"}, Dir: root, Env: append(gitEnv(root), "REMOTE_USER=ci"), Stderr: io.Discard}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user == "" || password != goodToken {
			w.Header().Set("Www-Authenticate", `Basic realm="test"`)
			http.Error(w, "wrong, "+password+"\x1b[2J "+r.Header.Get("Authorization"), http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	o.url = server.URL + "/tracer.git"
	return o
}

// git runs git in the repository, and returns what it says.
func (o *origin) git(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(context.Background(), "git", args...) // not the test's: it is used in its clean-up too
	cmd.Dir, cmd.Env, cmd.Stdin = o.dir, gitEnv(filepath.Dir(o.dir)), strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// object writes a loose object, as "git hash-object -w" does (gitformat-loose(5)), without a process.
func (o *origin) object(t *testing.T, kind, content string) (hash string) {
	t.Helper()
	text := fmt.Sprintf("%s %d\x00%s", kind, len(content), content)
	sum := sha1.Sum([]byte(text))
	hash = hex.EncodeToString(sum[:])
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	o.write(t, filepath.Join("objects", hash[:2], hash[2:]), packed.String())
	return hash
}

// write writes a file of the repository.
func (o *origin) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(o.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// commit makes a commit, as CI's merge has it: always the same for the same contents.
func (o *origin) commit(t *testing.T, content string) string {
	t.Helper()
	const who = "a <a@example.com> 1700000000 +0000"
	return o.object(t, "commit", "tree "+emptyTree+"\nauthor "+who+"\ncommitter "+who+"\n\n"+content)
}

// refs is what the repository has: the contents of the commit of each ref.
func (o *origin) refs(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for line := range strings.Lines(o.git(t, "", "for-each-ref", "--format=%(refname) %(if)%(*subject)%(then)%(*subject)%(else)%(subject)%(end)")) {
		name, content, _ := strings.Cut(strings.TrimSpace(line), " ")
		found[name] = content
	}
	return found
}

// settings are those of a driver that may do all.
func (o *origin) settings(t *testing.T) project.Git {
	t.Helper()
	return project.Git{Remote: o.url, Token: project.Token{File: tokenFile(t, goodToken)}, Candidate: "rc"}
}

func tokenFile(t *testing.T, token string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// facts is a release of a commit; its candidate is the first.
func facts(version, commit string) driver.Facts {
	return driver.Facts{
		Release: "01970000-0000-7000-8000-000000000001", Project: "tracer", Attempt: 1, Commit: commit, Version: version, Beta: version + "-rc.1",
		Artifact: artifact("tracer-"+version+".zip", "zip"),
	}
}

func artifact(name, content string) driver.Artifact {
	return driver.Artifact{
		Name: name, Digest: driver.Digest([]byte(content)),
		Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil },
	}
}

func wantRefused(t *testing.T, err error, want string) {
	t.Helper()
	if !driver.IsRefused(err) || !strings.Contains(err.Error(), want) || strings.ContainsAny(err.Error(), "\n\x1b") || len(err.Error()) > 600 {
		t.Errorf("the error is %v, want a refusal with %q", err, want)
	}
}

// wantAgain checks that the error is one to try again after.
func wantAgain(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || driver.IsRefused(err) || !strings.Contains(err.Error(), want) {
		t.Errorf("the error is %v, want one that is no refusal, with %q", err, want)
	}
}

func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
