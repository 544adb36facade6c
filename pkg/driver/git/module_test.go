package git

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/driver"
)

// The go command takes a candidate for a pre-release and a release for the latest, of a module in a folder too, both of one commit.
func TestGoModule(t *testing.T) {
	o := newOrigin(t)
	blob := o.git(t, "module git.example.com/acme/tracer.git/pkg/x\n", "hash-object", "-w", "--stdin")
	folder := o.git(t, "100644 blob "+blob+"\tgo.mod\n", "mktree")
	for _, name := range []string{"x", "pkg"} {
		folder = o.git(t, "040000 tree "+folder+"\t"+name+"\n", "mktree")
	}
	commit := o.git(t, "one", "commit-tree", folder)
	o.git(t, "", "branch", "main", commit)
	cfg := o.settings(t)
	cfg.Tag = "pkg/x/v{{version}}"
	f := facts("1.4.0", commit)

	must[driver.Done](t)(must[driver.Publisher](t)(Publish(cfg, withWaits(quick()))).Do(t.Context(), f))
	if version, hash := o.download(t, "latest"); version != "v1.4.0-rc.1" || hash != commit { // where there is no release
		t.Errorf("the latest is %s of %s", version, hash)
	}
	must[driver.Done](t)(must[driver.Driver](t)(Promote(cfg, withWaits(quick()))).Do(t.Context(), f))
	for query, want := range map[string]string{"latest": "v1.4.0", "v1.4.0-rc.1": "v1.4.0-rc.1", "v1.4": "v1.4.0"} {
		if version, hash := o.download(t, query); version != want || hash != commit {
			t.Errorf("%s is %s of %s, want %s of %s", query, version, hash, want, commit)
		}
	}
}

// download asks the go command which version of the module that is, and of which commit. It comes to the repository by its path, in
// place of the network.
func (o *origin) download(t *testing.T, query string) (version, hash string) {
	t.Helper()
	dir := t.TempDir()
	settings := "[url \"file://" + o.dir + "\"]\n\tinsteadOf = https://git.example.com/acme/tracer\n\tinsteadOf = https://git.example.com/acme/tracer.git\n"
	if err := os.WriteFile(filepath.Join(dir, "gitconfig"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", "git.example.com/acme/tracer.git/pkg/x@"+query)
	cmd.Dir = dir
	cmd.Env = append(gitEnv(dir), "GIT_CONFIG_GLOBAL="+filepath.Join(dir, "gitconfig"), "GOPROXY=direct", "GONOSUMDB=*", "GOFLAGS=-modcacherw",
		"GOPATH="+dir, "GOCACHE="+filepath.Join(dir, "cache"), "GOWORK=off", "GOTOOLCHAIN=local", "GOVCS=*:git")
	out, err := cmd.Output()
	var found struct {
		Version, Error string
		Origin         struct{ Hash string }
	}
	if jsonErr := json.Unmarshal(out, &found); jsonErr != nil || err != nil || found.Error != "" {
		t.Fatalf("go mod download: %v, %v: %s", err, jsonErr, strings.TrimSpace(string(out)))
	}
	return found.Version, found.Origin.Hash
}
