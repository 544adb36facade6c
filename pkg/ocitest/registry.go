package ocitest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/crypto/bcrypt"
)

// User is the user of every registry, who may do everything.
const User = "ci"

// Registry is a running OCI registry.
type Registry struct {
	Host     string // "127.0.0.1:PORT", over plain HTTP
	Password string // of User
}

const config = `
version: 0.1
log: { level: info, formatter: text, accesslog: { disabled: true } }
storage: { filesystem: { rootdirectory: %[1]s/storage }, delete: { enabled: true } }
auth: { htpasswd: { realm: test, path: %[1]s/htpasswd } }
http: { addr: "127.0.0.1:0" }
`

// guard runs the server for as long as somebody holds the guard's standard input open. So it ends with the test's process, however
// that ends.
const guard = `"$0" serve "$1" & server=$!; read -r _; kill "$server"; wait "$server"`

// Start runs a registry until the test ends. It takes some tens of milliseconds.
func Start(t testing.TB) *Registry {
	t.Helper()
	dir := t.TempDir()
	r := &Registry{Password: "for-tests-only"}
	hash, err := bcrypt.GenerateFromPassword([]byte(r.Password), bcrypt.MinCost) // it is checked at each request
	if err != nil {
		t.Fatal(err)
	}
	file, users := filepath.Join(dir, "config.yml"), User+":"+string(hash)+"\n"
	for path, content := range map[string]string{file: fmt.Sprintf(config, dir), filepath.Join(dir, "htpasswd"): users} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server := exec.Command("sh", "-c", guard, Install(t), file)
	server.Dir = dir
	stdin, err := server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	log, err := server.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatalf("start the registry server: %v", err)
	}
	t.Cleanup(func() {
		_ = stdin.Close() // it ends by itself; Kill is for one that hangs
		hung := time.AfterFunc(5*time.Second, func() { _ = server.Process.Kill() })
		_ = server.Wait()
		hung.Stop()
	})
	late := time.AfterFunc(30*time.Second, func() { _ = stdin.Close() })
	r.Host = listening(t, log)
	late.Stop()
	go func() { _, _ = io.Copy(io.Discard, log) }()
	return r
}

// listening reads the server's log up to the line that says where it listens.
func listening(t testing.TB, log io.Reader) string {
	t.Helper()
	where := regexp.MustCompile(`listening on (127\.0\.0\.1:\d+)`)
	said := ""
	for lines := bufio.NewScanner(log); lines.Scan(); {
		if found := where.FindStringSubmatch(lines.Text()); found != nil {
			return found[1]
		}
		said += lines.Text() + "\n"
	}
	t.Fatalf("the registry server did not start:\n%s", said)
	return ""
}

// Auth is User's login, for clients of the tests' own.
func (r *Registry) Auth() remote.Option {
	return remote.WithAuth(&authn.Basic{Username: User, Password: r.Password})
}

// DockerConfig makes a folder with the logins of registries, as DOCKER_CONFIG names it.
func DockerConfig(t testing.TB, registries ...*Registry) string {
	t.Helper()
	auths := map[string]any{}
	for _, r := range registries {
		auths[r.Host] = map[string]string{"username": User, "password": r.Password}
	}
	b, err := json.Marshal(map[string]any{"auths": auths})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}
