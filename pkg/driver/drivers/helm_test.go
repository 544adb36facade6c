package drivers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/drivers"
	"github.com/sluice-gate/sluice/pkg/ocitest"
	"github.com/sluice-gate/sluice/pkg/project"
)

// What Helm calls the parts of a chart: https://helm.sh/docs/topics/registries/ and
// github.com/helm/helm pkg/registry/constants.go.
const (
	helmConfig = "application/vnd.cncf.helm.config.v1+json"
	helmChart  = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
)

// chart is what "helm push" makes of a packed chart: a manifest whose configuration is Chart.yaml as JSON, and whose one layer is the package.
type chart struct {
	manifest []byte
	config   v1.Layer
	packed   v1.Layer
}

func newChart(t *testing.T, version, values string) chart {
	t.Helper()
	files := tarOf(t, "app/Chart.yaml", "apiVersion: v2\nname: app\nversion: "+version+"\nappVersion: "+version+"\n",
		"app/values.yaml", values, "app/templates/service.yaml", "apiVersion: v1\nkind: Service\nmetadata: { name: {{ .Release.Name }} }\n")
	about, err := json.Marshal(map[string]string{"apiVersion": "v2", "name": "app", "version": version, "appVersion": version})
	if err != nil {
		t.Fatal(err)
	}
	c := chart{config: static.NewLayer(about, helmConfig), packed: static.NewLayer([]byte(gzipped(t, files)), helmChart)}
	described := func(l v1.Layer) v1.Descriptor {
		digest, err := l.Digest()
		if err != nil {
			t.Fatal(err)
		}
		size, err := l.Size()
		if err != nil {
			t.Fatal(err)
		}
		media, err := l.MediaType()
		if err != nil {
			t.Fatal(err)
		}
		return v1.Descriptor{MediaType: media, Digest: digest, Size: size}
	}
	c.manifest, err = json.Marshal(v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: described(c.config), Layers: []v1.Descriptor{described(c.packed)},
		Annotations: map[string]string{"org.opencontainers.image.title": "app", "org.opencontainers.image.version": version},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// RawManifest and MediaType are of a chart as something that can be tagged.
func (c chart) RawManifest() ([]byte, error)        { return c.manifest, nil }
func (c chart) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

// push is what CI does after the merge, as the example says: helm push, and crane tag.
func (c chart) push(t *testing.T, repo name.Repository, login remote.Option, tags ...string) {
	t.Helper()
	for _, l := range []v1.Layer{c.config, c.packed} {
		if err := remote.WriteLayer(repo, l, login); err != nil {
			t.Fatal(err)
		}
	}
	for _, tag := range tags {
		if err := remote.Put(repo.Tag(tag), c, login); err != nil {
			t.Fatal(err)
		}
	}
}

// facts is the release that "sluice merge app-chart --artifact app-1.4.0.json" makes, with what "crane manifest" printed.
func (c chart) facts(version string) driver.Facts {
	return driver.Facts{
		Release: "01970000-0000-7000-8000-000000000001", Project: "app-chart", Attempt: 1, Try: 1,
		Artifact: driver.Artifact{
			Name: "app-" + version + ".json", Digest: driver.Digest(c.manifest),
			Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(c.manifest)), nil },
		},
	}
}

// The example of a Helm chart, against a real registry: what soaked under charts-beta is what everybody pulls from charts, byte for byte, also
// when another chart of the same name was pushed meanwhile; and one whose tag was moved while it soaked is not promoted.
func TestHelmChart(t *testing.T) {
	registry := ocitest.Start(t)
	t.Setenv("REGISTRY_TOKEN", registry.Password)
	p, err := project.Parse("helm", []byte(strings.ReplaceAll(example(t, "helm/project.yaml"), "registry.example/", registry.Host+"/")))
	if err != nil {
		t.Fatal(err)
	}
	open := func(a project.Action, role driver.Role) driver.Driver {
		d, err := drivers.Open(p, a, role)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	publish, promote := open(*p.Publish, driver.Publish).(driver.Publisher), open(*p.Promote, driver.Promote)
	repo := func(path string) name.Repository {
		r, err := name.NewRepository(registry.Host + path)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	betas, everybody := repo("/charts-beta/app"), repo("/charts/app")
	c := newChart(t, "1.4.0", "replicas: 2\n")
	c.push(t, betas, registry.Auth(), "1.4.0", "1.4.0-beta")

	f := c.facts("1.4.0")
	plan, err := publish.Plan(t.Context(), f)
	if err != nil || plan.Version != "1.4.0" || plan.Beta != "1.4.0-beta" {
		t.Fatalf("%+v, %v", plan, err)
	}
	f.Version, f.Beta = plan.Version, plan.Beta
	if _, err := publish.Do(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if got, err := remote.Head(betas.Tag("beta"), registry.Auth()); err != nil || got.Digest.String() != f.Artifact.Digest {
		t.Errorf("beta is %v, %v", got, err)
	}
	if _, err := remote.Head(everybody.Tag("1.4.0"), registry.Auth()); err == nil {
		t.Error("everybody has it before it soaked")
	}
	newChart(t, "1.5.0", "replicas: 3\n").push(t, betas, registry.Auth(), "1.5.0", "1.5.0-beta", "beta")
	if _, err := promote.Do(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"1.4.0", "latest"} {
		pulled(t, everybody.Tag(tag), registry.Auth(), c)
	}

	moved := newChart(t, "1.6.0", "replicas: 4\n")
	moved.push(t, betas, registry.Auth(), "1.6.0", "1.6.0-beta")
	f = moved.facts("1.6.0")
	f.Version, f.Beta = "1.6.0", "1.6.0-beta"
	if _, err := publish.Do(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	newChart(t, "1.6.0", "replicas: 400\n").push(t, betas, registry.Auth(), "1.6.0-beta")
	if _, err := promote.Do(t.Context(), f); !driver.IsRefused(err) || !strings.Contains(err.Error(), "the tag of the beta was moved") {
		t.Errorf("a chart whose beta was moved: %v", err)
	}
	pulled(t, everybody.Tag("latest"), registry.Auth(), c)
}

// pulled compares what "helm pull" gets by a tag with the chart that CI pushed.
func pulled(t *testing.T, tag name.Tag, login remote.Option, want chart) {
	t.Helper()
	got, err := remote.Get(tag, login)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Manifest, want.manifest) {
		t.Errorf("%s is not the chart that soaked", tag)
	}
	manifest, err := v1.ParseManifest(bytes.NewReader(got.Manifest))
	if err != nil || manifest.Config.MediaType != helmConfig || len(manifest.Layers) != 1 || manifest.Layers[0].MediaType != helmChart {
		t.Fatalf("%s: %+v, %v", tag, manifest, err)
	}
	for l, digest := range map[v1.Layer]v1.Hash{want.config: manifest.Config.Digest, want.packed: manifest.Layers[0].Digest} {
		blob, err := remote.Layer(tag.Context().Digest(digest.String()), login)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := contents(t, blob), contents(t, l); got != want {
			t.Errorf("%s: %s has %d bytes, want %d", tag, digest, len(got), len(want))
		}
	}
}

func contents(t *testing.T, l v1.Layer) string {
	t.Helper()
	r, err := l.Compressed()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
