package npm

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/npmtest"
)

func TestDocument(t *testing.T) {
	t.Parallel()
	tb, err := openTarball(npmtest.Pack(t, "@acme/tracer", "1.4.0", map[string]string{
		"package.json": `{"name":"@acme/tracer","version":"1.4.0","description":"<&>","bin":"x.js","bundleDependencies":true,"dependencies":{"b":"1","a":"1"}}`,
	}))
	if err != nil {
		t.Fatal(err)
	}
	doc := func(registry, access, commit string) (got struct {
		ID          string `json:"_id"`
		Name        string
		Description string
		Access      *string
		Tags        map[string]string `json:"dist-tags"`
		Versions    map[string]struct {
			ID                 string `json:"_id"`
			GitHead            *string
			Bin                map[string]string
			BundleDependencies []string
			Dist               struct{ Tarball, Integrity, Shasum string }
		}
		Attachments map[string]struct {
			ContentType string `json:"content_type"`
			Data        string
			Length      int
		} `json:"_attachments"`
	},
	) {
		t.Helper()
		text, err := document(tb, registry, "beta", access, commit)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		return got
	}

	commit := strings.Repeat("0af", 13) + "b"
	got := doc("https://npm.example.com/base", "public", commit)
	version := got.Versions["1.4.0"]
	if got.ID != "@acme/tracer" || got.Name != "@acme/tracer" || got.Description != "<&>" || got.Tags["beta"] != "1.4.0" || len(got.Tags) != 1 ||
		got.Access == nil || *got.Access != "public" {
		t.Errorf("%+v", got)
	}
	if version.ID != "@acme/tracer@1.4.0" || version.Bin["tracer"] != "x.js" || strings.Join(version.BundleDependencies, " ") != "a b" ||
		version.GitHead == nil || *version.GitHead != commit {
		t.Errorf("%+v", version)
	}
	if d := version.Dist; d.Tarball != "http://npm.example.com/base/@acme/tracer/-/@acme/tracer-1.4.0.tgz" || d.Integrity != tb.integrity() || d.Shasum != tb.shasum() {
		t.Errorf("%+v", d)
	}
	a := got.Attachments["@acme/tracer-1.4.0.tgz"]
	if data, err := base64.StdEncoding.DecodeString(a.Data); err != nil || string(data) != string(tb.packed) || a.Length != len(data) || len(got.Attachments) != 1 {
		t.Errorf("the attachment is not the package: %v", err)
	}

	// Nothing is made up.
	for _, commit := range []string{"", "main", strings.Repeat("z", 40), strings.Repeat("a", 41)} {
		if got := doc("http://127.0.0.1:1", "", commit); got.Access != nil || got.Versions["1.4.0"].GitHead != nil {
			t.Errorf("commit %q: %+v", commit, got)
		}
	}
}
