package oci

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"pgregory.net/rapid"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
)

func TestCandidates(t *testing.T) {
	from, err := parseTemplate(project.DefaultFrom)
	if err != nil {
		t.Fatal(err)
	}
	tags := []string{
		"latest", "beta", "main", "1.2", "1.9.0", "1.10.0", "1.10.0-beta", "1.11.0-beta", "1.10.0-rc.1", "1.10.0_b", "v1.12.0", "2026-11-23", "sha-7f3a",
	}
	for _, c := range []struct {
		from            template
		betas, anything bool
		want            string
	}{
		{from, false, false, "1.10.0_b 1.10.0 1.9.0 1.10.0-rc.1"},
		{from, true, false, "1.11.0-beta 1.10.0-beta"},
		{template{}, false, false, "1.10.0_b 1.10.0 1.9.0 1.11.0-beta 1.10.0-rc.1 1.10.0-beta"},
		{from, false, true, "1.10.0_b 1.10.0 1.9.0 v1.12.0 1.2 1.10.0-rc.1 sha-7f3a 2026-11-23"},
	} {
		var got []string
		for _, found := range candidates(tags, c.from, c.betas, c.anything) {
			got = append(got, found.tag)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v: %q, want %q", c, got, c.want)
		}
	}
}

func TestTemplates(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "{{version}}-beta": "1.4.0-beta", "beta-{{version}}": "beta-1.4.0", "b.{{version}}.x": "b.1.4.0.x",
		"{{version}}": "is the tag of the release itself", "beta": "want {{version}} once", "{{version}}-{{version}}": "want {{version}} once",
		"{{version}}_beta": "want {{version}} once", "{{commit}}-{{version}}": "want {{version}} once", "{{version}} beta": "want {{version}} once",
	} {
		from, err := parseTemplate(text)
		switch {
		case err != nil:
			wantRefused(t, err, want)
		case !from.set():
			if want != "" {
				t.Errorf("%q is none", text)
			}
		default:
			version, ok := from.version(from.name("1.4.0"))
			if from.name("1.4.0") != want || version != "1.4.0" || !ok {
				t.Errorf("%q: %q, and back %q, %t", text, from.name("1.4.0"), version, ok)
			}
		}
	}
}

// Every version has a tag of its own, and is found again by it.
func TestTagsOfVersions(t *testing.T) {
	from := template{suffix: "-beta"}
	rapid.Check(t, func(t *rapid.T) {
		version := rapid.StringMatching(`[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(-[a-z]{1,4}\.[0-9])?(\+[0-9a-z]{1,8})?`).Draw(t, "version")
		for _, name := range []string{version, from.name(version)} {
			tag, err := tagOf(name)
			if err != nil || nameOf(tag) != name {
				t.Fatalf("%q: %q, %v, and back %q", name, tag, err, nameOf(tag))
			}
		}
		if back, ok := from.version(from.name(version)); !ok || back != version {
			t.Fatalf("%q, %t", back, ok)
		}
		value := valueOf(version, "sha256:"+strings.Repeat("a", 64))
		if name, digest, err := parseValue(value); err != nil || name != version || valueOf(name, digest) != value {
			t.Fatalf("%q, %q, %v", name, digest, err)
		}
	})
}

func TestValuesFromOutside(t *testing.T) {
	good := "sha256:" + strings.Repeat("0", 64)
	for _, value := range []string{"1.4.0", "@", "1.4.0@", "@" + good, "1.4.0@" + strings.ToUpper(good), "../x@" + good, "a b@" + good, good, "1.4.0@" + good + "@x"} {
		_, _, err := parseValue(value)
		wantRefused(t, err, "can not go back to")
	}
	for _, name := range []string{"", "-a", ".a", "a/b", "a:b", "ä", strings.Repeat("a", 129)} {
		if _, err := tagOf(name); !driver.IsRefused(err) {
			t.Errorf("%q is a tag: %v", name, err)
		}
	}
}

func TestArtifacts(t *testing.T) {
	for raw, want := range map[string]string{
		`{"schemaVersion":2,"config":{},"layers":[]}`:                                                        string(types.OCIManifestSchema1),
		`{"schemaVersion":2,"manifests":[]}`:                                                                 string(types.OCIImageIndex),
		`{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{}}`: string(types.DockerManifestSchema2),
		`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","config":{}}`:              "neither an image nor an index",
		`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","manifests":[]}`:        "neither an image nor an index",
		`{"schemaVersion":2,"mediaType":"text/html","config":{}}`:                                            "neither an image nor an index",
		`{"schemaVersion":1,"name":"x"}`:                                                                     "no manifest of schema version 2",
		`{"schemaVersion":2}`:                                                                                "neither an image nor an index",
		`not json`:                                                                                           "no manifest of schema version 2",
		``:                                                                                                   "no manifest of schema version 2",
		strings.Repeat(" ", maxManifest+1):                                                                   "is larger than",
	} {
		m, err := artifact(t.Context(), driver.Artifact{
			Name: "app-1.4.0.json", Digest: driver.Digest([]byte(raw)),
			Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader([]byte(raw))), nil },
		})
		if err != nil {
			wantRefused(t, err, want)
		} else if string(m.mediaType) != want || m.digest != driver.Digest([]byte(raw)) || !bytes.Equal(m.raw, []byte(raw)) {
			t.Errorf("%q: %+v, want %s", raw, m, want)
		}
	}
}

func TestVersionOf(t *testing.T) {
	for _, c := range []struct{ stated, named, annotated, want string }{
		{"1.4.0", "app-1.3.0.json", "1.2.0", "1.4.0"},
		{"v1.4.0", "manifest.json", "", "1.4.0"},
		{"", "app-1.4.0.json", "", "1.4.0"},
		{"", "manifest.json", "1.4.0", "1.4.0"},
		{"", "app-1.4.0.json", "1.4.0", "1.4.0"},
		{"", "app-1.4.0.json", "1.5.0", "refused"},
		{"", "manifest.json", "22.04", "refused"},
		{"", "manifest.json", "", "refused"},
		{"1.4", "app-1.4.0.json", "", "refused"},
	} {
		got, err := versionOf(manifest{version: c.annotated}, driver.Facts{Version: c.stated, Artifact: driver.Artifact{Name: c.named}})
		if c.want == "refused" {
			if !driver.IsRefused(err) {
				t.Errorf("%+v: %q, %v", c, got, err)
			}
		} else if err != nil || got != c.want {
			t.Errorf("%+v: %q, %v", c, got, err)
		}
	}
}

// A mistake in the settings is told before anything is asked.
func TestSettings(t *testing.T) {
	good := project.OCI{Image: "registry.example/team/app"}
	for _, c := range []struct {
		want   string
		change func(*project.OCI)
	}{
		{"image: say which one", func(c *project.OCI) { c.Image = "" }},
		{"want a registry and a repository", func(c *project.OCI) { c.Image = "app" }},
		{"want a registry and a repository", func(c *project.OCI) { c.Image = "team/app" }},
		{"without a tag", func(c *project.OCI) { c.Image += ":latest" }},
		{"without a tag", func(c *project.OCI) { c.Image = "registry.example/Team/App" }},
		{"to: ", func(c *project.OCI) { c.To = "https://registry.example/app" }},
		{"tag \"a b\"", func(c *project.OCI) { c.Tag = "a b" }},
		{"tag \"1.4.0\" is that of a version", func(c *project.OCI) { c.Tag = "1.4.0" }},
		{"from", func(c *project.OCI) { c.From = "beta" }},
		{"not both", func(c *project.OCI) { c.TokenEnv, c.TokenFile = "A", "b" }},
	} {
		cfg := good
		c.change(&cfg)
		_, err := Promote(cfg)
		wantRefused(t, err, c.want)
	}
	to := good
	to.To = "registry.example/public/app"
	_, err := Publish(to)
	wantRefused(t, err, "a beta stays where CI pushed it")
	same := good
	same.Tag = "beta"
	_, err = Publish(good, WithPromote(same))
	wantRefused(t, err, "would give the beta to everybody")
	same.Image = "registry.example/other/app"
	if _, err = Publish(good, WithPromote(same)); err != nil {
		t.Errorf("the same tag of another image: %v", err)
	}
	_, err = Publish(good, WithPromote(project.OCI{}))
	wantRefused(t, err, "promote: oci: image")
}

// Credentials of one registry do not go to another.
func TestWhoseCredentials(t *testing.T) {
	for to, named := range map[string]bool{"": true, "registry.example/public/app": true, "registry.example:443/app/x": false, "other.example/public/app": false} {
		c, err := open(project.OCI{Image: "registry.example/team/app", To: to, Username: "ci", TokenEnv: "TOKEN"}, LatestTag, collect(nil))
		if err != nil || c.to.auth.named() != named || !c.image.auth.named() {
			t.Errorf("%s: %+v, %v", to, c.to.auth, err)
		}
	}
}

// Versions in any form are in no order, and the channel goes where it is told.
func TestAnyVersion(t *testing.T) {
	front, d, f := faulty(t, quick())
	f.AnyVersion, f.Version = true, "2026-11-23.b"
	opts := (&peer{server: front.server}).options()
	to := parse(t, "registry.example/public/app")
	push(t, to, imageOf(t, "two"), opts, "2027-01-01", "latest")
	push(t, parse(t, "registry.example/team/app"), indexOf(t, "one"), opts, "2026-11-23.b-beta")
	done, err := d.Do(t.Context(), f)
	want := "2027-01-01@" + digestOf(t, imageOf(t, "two"))
	if err != nil || done.Before != want || done.Value != "2026-11-23.b@"+f.Artifact.Digest {
		t.Errorf("%+v, %v", done, err)
	}
	if done, err = d.Undo(t.Context(), f, driver.Back{Value: want}); err != nil || done.Value != want {
		t.Errorf("%+v, %v", done, err)
	}
}
