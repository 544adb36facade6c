package oci

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/drivertest"
	"github.com/sluice-gate/sluice/pkg/project"
)

// TestConformance runs the drivers' suite in both roles: for images, and for indexes that are copied to another repository, which is
// where the most requests are that can fail. The registry is one in memory, so that each check begins with an empty one;
// TestRegistry has a real one.
func TestConformance(t *testing.T) {
	const env = "SLUICE_TEST_REGISTRY_TOKEN"
	t.Setenv(env, "hunter2")
	t.Setenv(env+"_WRONG", "wrong-hunter2")
	for _, c := range []struct {
		name string
		role driver.Role
		to   string
	}{
		{"publish", driver.Publish, ""},
		{"promote", driver.Promote, ""},
		{"copy", driver.Promote, "registry.example/public/app"},
	} {
		t.Run(c.name, func(t *testing.T) {
			drivertest.Run(t, drivertest.Subject{Role: c.role, New: func(t *testing.T) drivertest.Peer {
				t.Helper()
				p := &peer{role: c.role, server: direct{memory("ci", "hunter2")}, cfg: project.OCI{
					Image: "registry.example/team/app", From: project.DefaultFrom, To: c.to, Username: "ci", TokenEnv: env,
				}}
				return p.hooks()
			}})
		})
	}
}

// peer is one registry.
type peer struct {
	role   driver.Role
	server http.RoundTripper
	cfg    project.OCI
}

func (p *peer) driver(t *testing.T, cfg project.OCI, line http.RoundTripper) driver.Driver {
	t.Helper()
	w := quick()
	if strings.HasSuffix(t.Name(), "/"+string(drivertest.Concurrent)) {
		w.settle = 100 * time.Millisecond // nearer to what it really is: here it has something to wait for
	}
	var d driver.Driver
	var err error
	if p.role == driver.Promote {
		d, err = Promote(cfg, withWaits(w), withTransport(line))
	} else {
		d, err = Publish(cfg, withWaits(w), withTransport(line))
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (p *peer) hooks() drivertest.Peer {
	through := func(t *testing.T, line *drivertest.Transport) driver.Driver {
		t.Helper()
		line.Base = p.server
		return p.driver(t, p.cfg, line)
	}
	h := drivertest.Peer{
		Open:     func(t *testing.T) driver.Driver { t.Helper(); return p.driver(t, p.cfg, p.server) },
		State:    p.state,
		Artifact: p.artifact,
		OnWrite: func(t *testing.T, before func(int)) driver.Driver {
			t.Helper()
			return through(t, &drivertest.Transport{Before: before})
		},
		Kill: func(t *testing.T, n int, call drivertest.Call) bool {
			t.Helper()
			line := &drivertest.Transport{KillAt: n}
			if _, err := call.Run(t.Context(), through(t, line)); (err != nil) != line.Killed() {
				t.Fatalf("%s with a line that is dead: %t: %v", call, line.Killed(), err)
			}
			return line.Killed()
		},
		LoseAnswer: func(t *testing.T, n int) driver.Driver {
			t.Helper()
			return through(t, &drivertest.Transport{LoseAt: n})
		},
		WrongSecret: func(t *testing.T) (driver.Driver, string) {
			t.Helper()
			cfg := p.cfg
			cfg.TokenEnv += "_WRONG"
			return p.driver(t, cfg, p.server), "wrong-hunter2"
		},
		Outage: func(t *testing.T) driver.Driver {
			t.Helper()
			return through(t, &drivertest.Transport{Down: true})
		},
	}
	if p.role == driver.Promote {
		h.Prepare = p.prepare
	}
	return h
}

// options are those of somebody who is not the driver.
func (p *peer) options() []remote.Option {
	return []remote.Option{remote.WithTransport(p.server), remote.WithAuth(&authn.Basic{Username: "ci", Password: "hunter2"})}
}

func parse(t *testing.T, image string) name.Repository {
	t.Helper()
	repo, err := name.NewRepository(image)
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

// artifact pushes an image, without a tag, and is its manifest.
func (p *peer) artifact(t *testing.T, version, content string) (string, []byte) {
	t.Helper()
	var image pushable = imageOf(t, content)
	if p.cfg.To != "" {
		image = indexOf(t, content)
	}
	push(t, parse(t, p.cfg.Image), image, p.options())
	raw, err := image.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	return "tracer-" + version + ".json", raw
}

// prepare tags the beta of a release that is to be promoted.
func (p *peer) prepare(t *testing.T, f driver.Facts) driver.Facts {
	t.Helper()
	repo := parse(t, p.cfg.Image)
	desc, err := remote.Get(repo.Digest(f.Artifact.Digest), p.options()...)
	if err != nil {
		t.Fatal(err)
	}
	f.Beta = f.Version + "-beta"
	if err := remote.Tag(repo.Tag(f.Beta), desc, p.options()...); err != nil {
		t.Fatal(err)
	}
	return f
}

// state reads all tags, with nothing of the driver's.
func (p *peer) state(t *testing.T) drivertest.State {
	t.Helper()
	s := drivertest.State{Stored: map[string]string{}}
	to, channel := p.cfg.Image, map[driver.Role]string{driver.Publish: "beta", driver.Promote: "latest"}[p.role]
	if p.cfg.To != "" {
		to = p.cfg.To
	}
	for _, image := range []string{p.cfg.Image, to} {
		repo := parse(t, image)
		tags, err := remote.List(repo, p.options()...)
		if err != nil && status(err) != http.StatusNotFound {
			t.Fatal(err)
		}
		for _, tag := range tags {
			content := p.content(t, repo.Tag(tag))
			if image == to && tag == channel {
				s.Channel = content
			} else {
				s.Stored[image+":"+tag] = content
			}
		}
	}
	return s
}

// content is what somebody gets who pulls, for any platform.
func (p *peer) content(t *testing.T, ref name.Reference) string {
	t.Helper()
	desc, err := remote.Get(ref, p.options()...)
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Annotations map[string]string
		Manifests   []struct{ Digest string }
		Layers      []v1.Descriptor
	}
	if err := json.Unmarshal(desc.Manifest, &manifest); err != nil {
		t.Fatal(err)
	}
	for _, child := range manifest.Manifests {
		p.content(t, ref.Context().Digest(child.Digest))
	}
	for _, blob := range manifest.Layers {
		layer, err := remote.Layer(ref.Context().Digest(blob.Digest.String()), p.options()...)
		if err != nil {
			t.Fatal(err)
		}
		if size, err := layer.Size(); err != nil || size != blob.Size {
			t.Fatalf("%s names a blob that is not there: %d, %v", ref, size, err)
		}
	}
	return manifest.Annotations["content"]
}
