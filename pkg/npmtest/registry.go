package npmtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/internal/serving"
)

// Registry is a running npm registry.
type Registry struct {
	URL   string // "http://127.0.0.1:PORT", no slash at the end
	Token string // of the user "ci", who may publish everything

	home string // for npm: its settings and its cache
}

const config = `
storage: %s/storage
auth: { htpasswd: { file: %s/htpasswd, max_users: 100 } }
security: { api: { jwt: { sign: { expiresIn: 7d } } } } # its other tokens hold the password, and cost a bcrypt a request
uplinks: {}
packages:
  '@private/*': { access: $authenticated, publish: $authenticated, unpublish: $authenticated }
  '**': { access: $all, publish: $authenticated, unpublish: $authenticated }
max_body_size: 200mb
web: { enable: false }
log: { type: stdout, format: json, level: error }
`

// Start runs a registry until the test ends. It takes about a second. Packages of the scope @private are only for those who are logged in.
func Start(t testing.TB) *Registry {
	t.Helper()
	installed, dir := Install(t), t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, config, dir, dir), 0o600); err != nil {
		t.Fatal(err)
	}
	server := exec.Command("node", filepath.Join(installed, "serve.js"), installed, file)
	server.Dir = dir
	port := serving.Start(t, "the npm registry server", server)

	r := &Registry{URL: fmt.Sprintf("http://127.0.0.1:%d", port), home: dir}
	r.Token = r.User(t, "ci")
	settings := fmt.Sprintf("%s/:_authToken=%s\naudit=false\nfund=false\nupdate-notifier=false\n",
		strings.TrimPrefix(r.URL, "http:"), r.Token)
	if err := os.WriteFile(r.settings(), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

// settings is the path of npm's settings. They are written once: an npm that finds them half written asks a registry elsewhere.
func (r *Registry) settings() string { return filepath.Join(r.home, "npmrc") }

// User adds a user and returns a token of theirs.
func (r *Registry) User(t testing.TB, name string) string {
	t.Helper()
	body := fmt.Sprintf(`{"name":%q,"password":"for-tests-only"}`, name)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, r.URL+"/-/user/org.couchdb.user:"+name, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct{ Token string }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.Token == "" {
		t.Fatalf("add the user %s to the registry: %s, %v", name, res.Status, err)
	}
	return answer.Token
}

// NPM runs the npm command line in dir, against this registry and logged in as "ci", and returns what it printed on its
// standard output.
func (r *Registry) NPM(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "npm", args...)
	cmd.Dir = dir
	cmd.Env = r.Env()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("npm %s: %w\n%s%s", strings.Join(args, " "), err, stdout.Bytes(), stderr.Bytes())
	}
	return stdout.String(), nil
}

// Env is the environment in which npm uses this registry as "ci". Settings of the machine do not reach it.
func (r *Registry) Env() []string {
	var env []string
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(strings.ToLower(kv), "="); !strings.HasPrefix(name, "npm_") && !strings.HasSuffix(name, "_proxy") {
			env = append(env, kv)
		}
	}
	return append(env,
		"npm_config_registry="+r.URL+"/",
		"npm_config_userconfig="+r.settings(),
		"npm_config_globalconfig="+filepath.Join(r.home, "none"),
		"npm_config_cache="+filepath.Join(r.home, "cache"),
	)
}

// Packument is what the registry shows of a package.
type Packument struct {
	Tags     map[string]string `json:"dist-tags"`
	Versions map[string]struct {
		GitHead    string
		Deprecated string
		Dist       struct{ Integrity, Tarball string }
	}
}

// Packument reads what the registry shows of a package; it is empty when the registry has no such package.
func (r *Registry) Packument(t testing.TB, name string) Packument {
	t.Helper()
	var p Packument
	body := get(t, r.URL+"/"+strings.ReplaceAll(name, "/", "%2f"), 0)
	if err := json.Unmarshal(body, &p); err != nil {
		t.Fatalf("what the registry says of %s: %v", name, err)
	}
	return p
}

// Tarball downloads a version.
func (r *Registry) Tarball(t testing.TB, name, version string) []byte {
	t.Helper()
	url := r.Packument(t, name).Versions[version].Dist.Tarball
	if url == "" {
		t.Fatalf("the registry has no %s@%s", name, version)
	}
	return get(t, url, http.StatusOK)
}

// get reads a URL; status 0 accepts any.
func get(t testing.TB, url string, status int) []byte {
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
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if status != 0 && res.StatusCode != status {
		t.Fatalf("GET %s: %s", url, res.Status)
	}
	return body
}
