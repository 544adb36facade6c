package oci

import (
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/ocitest"
)

func TestRegistry(t *testing.T) {
	t.Parallel()
	registry := ocitest.Start(t)
	for name, test := range map[string]func(*testing.T, *ocitest.Registry){
		"all the way": testAllTheWay, "to another repository": testToAnotherRepository, "a chart": testChart,
		"a moved tag": testMovedTag, "a taken version": testTaken, "undo": testUndo, "wrong password": testWrongPassword,
		"from an index": testIndexOfIndexes, "build metadata": testBuildMetadata,
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(t, registry) })
	}
}

func testAllTheWay(t *testing.T, r *ocitest.Registry) {
	b := newBench(t, r, "way/app", "")
	old := b.release("1.3.0", someImage(t))
	index := someIndex(t)
	digest := digestOf(t, index)
	push(t, b.image, index, b.options, "1.4.0-beta", "main")

	f := facts(t, "1.4.0", index)
	f.Version = "" // the artifact's name says it
	plan, err := b.publish.Plan(t.Context(), f)
	want := driver.Plan{Version: "1.4.0", Beta: "1.4.0-beta", Before: "1.3.0-beta@" + old.Artifact.Digest}
	if err != nil || plan != want {
		t.Fatalf("%+v, %v, want %+v", plan, err, want)
	}
	f.Version = "1.4.0"
	done, err := b.publish.Do(t.Context(), f)
	if err != nil || done != (driver.Done{Value: "1.4.0-beta@" + digest, Before: want.Before}) {
		t.Errorf("%+v, %v", done, err)
	}
	b.wantTags(b.image, "beta", digest, "1.4.0", "", "latest", old.Artifact.Digest)

	// What soaked is what everybody gets, to the byte, although another beta was published meanwhile.
	b.beta("1.5.0", someImage(t))
	done, err = b.promote.Do(t.Context(), f)
	if err != nil || done != (driver.Done{Value: "1.4.0@" + digest, Before: "1.3.0@" + old.Artifact.Digest}) {
		t.Errorf("%+v, %v", done, err)
	}
	b.wantTags(b.image, "latest", digest, "1.4.0", digest, "1.4.0-beta", digest, "1.3.0", old.Artifact.Digest)
	if seen, err := b.promote.Look(t.Context(), f); err != nil || seen != (driver.Seen{Value: done.Value, Version: "1.4.0", Mine: true}) {
		t.Errorf("%+v, %v", seen, err)
	}
	if again, err := b.promote.Do(t.Context(), f); err != nil || !again.Existed || again.Value != done.Value {
		t.Errorf("again: %+v, %v", again, err)
	}
	_, err = b.promote.Do(t.Context(), old)
	wantRefused(t, err, "latest points to 1.4.0, which is newer than 1.3.0: a channel only moves forward")
}

func testToAnotherRepository(t *testing.T, r *ocitest.Registry) {
	b := newBench(t, r, "copy/app", "copy-public/app")
	index := someIndex(t)
	digest := digestOf(t, index)
	f := b.release("1.4.0", index)
	b.wantTags(b.image, "beta", digest, "1.4.0", "", "latest", "")
	b.wantTags(b.to, "beta", "", "1.4.0-beta", "", "1.4.0", digest, "latest", digest)
	got, err := remote.Index(b.to.Tag("latest"), b.options...)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(got); err != nil { // reads every manifest and every blob, and compares their digests
		t.Errorf("the copy is not whole: %v", err)
	}

	// The version is fixed for others who push to that repository, too.
	other := someImage(t)
	push(t, b.to, other, b.options, "1.5.0")
	push(t, b.image, someImage(t), b.options)
	next := someImage(t)
	push(t, b.image, next, b.options)
	_, err = b.publish.Plan(t.Context(), facts(t, "1.5.0", next))
	wantRefused(t, err, "version 1.5.0 is taken: ")
	_, err = b.publish.Plan(t.Context(), facts(t, "1.3.0", next))
	wantRefused(t, err, "which is newer than 1.3.0: it could never be promoted")
	if done, err := b.promote.Undo(t.Context(), f, driver.Back{Value: "1.5.0@" + digestOf(t, other)}); err != nil ||
		done.Value != "1.5.0@"+digestOf(t, other) || done.Before != "1.4.0@"+digest {
		t.Errorf("%+v, %v", done, err)
	}
	b.wantTags(b.to, "latest", digestOf(t, other), "1.4.0", digest)
}

// The logins for another registry are those of docker's configuration.
func TestToAnotherRegistry(t *testing.T) {
	from, to := ocitest.Start(t), ocitest.Start(t)
	t.Setenv("DOCKER_CONFIG", ocitest.DockerConfig(t, to))
	b := newBench(t, from, "team/app", "")
	b.pro.To = to.Host + "/public/app"
	b.open()
	index := someIndex(t)
	b.release("1.4.0", index)
	got, err := remote.Index(parse(t, b.pro.To).Tag("latest"), to.Auth())
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(got); err != nil || digestOf(t, got) != digestOf(t, index) {
		t.Errorf("%s, want %s, %v", digestOf(t, got), digestOf(t, index), err)
	}
	if _, err := remote.Head(b.image.Tag("latest"), b.options...); status(err) != 404 {
		t.Errorf("the other registry has latest, too: %v", err)
	}

	t.Setenv("DOCKER_CONFIG", t.TempDir())
	_, err = b.promote.Do(t.Context(), b.pushed(t, "1.5.0"))
	wantRefused(t, err, "401")
}

// pushed is a beta that was never published by Sluice.
func (b *bench) pushed(t *testing.T, version string) driver.Facts {
	t.Helper()
	image := someImage(t)
	push(t, b.image, image, b.options, version+"-beta")
	return facts(t, version, image)
}

// A chart is an image whose configuration and layer have types of Helm's.
func testChart(t *testing.T, r *ocitest.Registry) {
	b := newBench(t, r, "charts/app", "stable/app")
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), "application/vnd.cncf.helm.config.v1+json")
	image, err := mutate.AppendLayers(base, static.NewLayer([]byte("a chart"), "application/vnd.cncf.helm.chart.content.v1.tar+gzip"))
	if err != nil {
		t.Fatal(err)
	}
	chart := mutate.Annotations(image, map[string]string{annotatedVersion: "0.7.1"}).(v1.Image)
	push(t, b.image, chart, b.options, "0.7.1-beta")
	f := facts(t, "", chart)
	f.Artifact.Name = "chart.json" // the annotation says the version
	plan, err := b.publish.Plan(t.Context(), f)
	if err != nil || plan.Version != "0.7.1" {
		t.Fatalf("%+v, %v", plan, err)
	}
	f.Version, f.Beta = plan.Version, plan.Beta
	if _, err := b.promote.Do(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	b.wantTags(b.to, "0.7.1", digestOf(t, chart), "latest", digestOf(t, chart))
	got, err := remote.Image(b.to.Tag("0.7.1"), b.options...)
	if err != nil {
		t.Fatal(err)
	}
	layers, err := got.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	if _, err := layers[0].Compressed(); err != nil {
		t.Error(err)
	}
	if _, err := got.RawConfigFile(); err != nil {
		t.Error(err)
	}
	f.Artifact.Name = "app-0.7.0.json"
	f.Version = ""
	_, err = b.publish.Plan(t.Context(), f)
	wantRefused(t, err, `says version 0.7.0 in its name and "0.7.1" in its annotation`)
}

func testMovedTag(t *testing.T, r *ocitest.Registry) {
	b := newBench(t, r, "moved/app", "")
	old := b.release("1.3.0", someImage(t))
	f := b.beta("1.4.0", someImage(t))
	intruder := someImage(t)
	push(t, b.image, intruder, b.options, "1.4.0-beta")
	_, err := b.promote.Do(t.Context(), f)
	wantRefused(t, err, "the tag of the beta was moved: ")
	if err != nil && (!strings.Contains(err.Error(), digestOf(t, intruder)) || !strings.Contains(err.Error(), f.Artifact.Digest)) {
		t.Errorf("it does not say from what to what: %v", err)
	}
	b.wantTags(b.image, "latest", old.Artifact.Digest, "1.4.0", "")

	// The channel of betas may point to whatever was merged last.
	push(t, b.image, intruder, b.options, "beta")
	good := b.pushed(t, "1.5.0")
	if _, err := b.promote.Do(t.Context(), good); err != nil {
		t.Error(err)
	}
	gone := facts(t, "1.6.0", someImage(t))
	_, err = b.promote.Do(t.Context(), gone)
	wantRefused(t, err, "1.6.0-beta, is gone")
	b.pro.From = ""
	b.open()
	_, err = b.promote.Do(t.Context(), gone)
	wantRefused(t, err, "it was never pushed there, or is gone")
	b.wantTags(b.image, "latest", good.Artifact.Digest, "1.6.0", "")

	// CI may push the same version again, after a cancel: then that is what soaks.
	b.open()
	first := b.beta("1.7.0", someImage(t))
	second := b.beta("1.7.0", someImage(t))
	_, err = b.promote.Do(t.Context(), second)
	if err != nil {
		t.Error(err)
	}
	_, err = b.promote.Do(t.Context(), first)
	wantRefused(t, err, "version 1.7.0 is taken: ")
	b.wantTags(b.image, "latest", second.Artifact.Digest, "1.7.0", second.Artifact.Digest, "beta", second.Artifact.Digest)
}

func testTaken(t *testing.T, r *ocitest.Registry) {
	b := newBench(t, r, "taken/app", "")
	there := someImage(t)
	push(t, b.image, there, b.options, "1.4.0")
	image := someImage(t)
	push(t, b.image, image, b.options, "1.4.0-beta")
	f := facts(t, "1.4.0", image)
	_, err := b.publish.Plan(t.Context(), f)
	wantRefused(t, err, "version 1.4.0 is taken: ")
	_, err = b.publish.Do(t.Context(), f)
	wantRefused(t, err, "version 1.4.0 is taken: ")
	_, err = b.promote.Do(t.Context(), f)
	wantRefused(t, err, "version 1.4.0 is taken: ")
	b.wantTags(b.image, "1.4.0", digestOf(t, there), "latest", "", "beta", "")

	// Somebody has set the version's tag to what is released: that is no conflict.
	push(t, b.image, image, b.options, "1.5.0", "1.5.0-beta")
	f = facts(t, "1.5.0", image)
	if _, err := b.publish.Plan(t.Context(), f); err != nil {
		t.Error(err)
	}
	if done, err := b.promote.Do(t.Context(), f); err != nil || done.Existed {
		t.Errorf("%+v, %v", done, err)
	}

	never := facts(t, "1.6.0", someImage(t))
	_, err = b.publish.Plan(t.Context(), never)
	wantRefused(t, err, "it was never pushed there, or is gone")
}

// This registry does not delete tags.
func testUndo(t *testing.T, r *ocitest.Registry) {
	b := newBench(t, r, "undo/app", "")
	first := b.release("1.3.0", someImage(t))
	done, err := b.promote.Undo(t.Context(), first, driver.Back{})
	if err != nil || done.Value != "1.3.0@"+first.Artifact.Digest || !strings.Contains(done.Note, "pointed to nothing before, and still points to 1.3.0@sha256:") {
		t.Errorf("%+v, %v", done, err)
	}
	b.wantTags(b.image, "latest", first.Artifact.Digest, "1.3.0", first.Artifact.Digest)

	second := b.release("1.4.0", someIndex(t))
	for _, c := range []struct {
		channel driver.Driver
		value   string
	}{{b.promote, "1.3.0@"}, {b.publish, "1.3.0-beta@"}} {
		done, err = c.channel.Undo(t.Context(), second, driver.Back{Value: c.value + first.Artifact.Digest})
		if err != nil || done.Value != c.value+first.Artifact.Digest || done.Note != "" || done.Existed {
			t.Errorf("%+v, %v", done, err)
		}
		done, err = c.channel.Undo(t.Context(), second, driver.Back{Value: c.value + first.Artifact.Digest})
		if err != nil || done.Value != c.value+first.Artifact.Digest || done.Note != "" || !done.Existed {
			t.Errorf("again: %+v, %v", done, err)
		}
	}
	b.wantTags(b.image, "latest", first.Artifact.Digest, "beta", first.Artifact.Digest, "1.4.0", second.Artifact.Digest)

	if _, err := b.promote.Do(t.Context(), second); err != nil { // what was rolled back may come again
		t.Fatal(err)
	}
	missing := "1.2.0@" + digestOf(t, someImage(t))
	_, err = b.promote.Undo(t.Context(), second, driver.Back{Value: missing})
	wantRefused(t, err, "can not go back to "+missing)
	own := "1.4.0@" + second.Artifact.Digest
	if done, err := b.promote.Undo(t.Context(), second, driver.Back{Value: own}); err != nil || done.Value != own || !strings.Contains(done.Note, "stays at") {
		t.Errorf("%+v, %v", done, err)
	}
	stranger := someImage(t)
	push(t, b.image, stranger, b.options, "latest")
	done, err = b.promote.Undo(t.Context(), second, driver.Back{Value: "1.3.0@" + first.Artifact.Digest})
	if err != nil || done.Value != "unknown@"+digestOf(t, stranger) || !strings.Contains(done.Note, "left alone") {
		t.Errorf("%+v, %v", done, err)
	}
	b.wantTags(b.image, "latest", digestOf(t, stranger))
}

func testWrongPassword(t *testing.T, r *ocitest.Registry) {
	b := newBench(t, r, "password/app", "")
	f := b.beta("1.4.0", someImage(t))
	b.pro.TokenFile = tokenFile(t, "not-"+r.Password)
	b.open()
	_, err := b.promote.Do(t.Context(), f)
	wantRefused(t, err, `it does not accept the credentials in the file "`)
	if err != nil && strings.Contains(err.Error(), r.Password) {
		t.Errorf("the error tells the password: %v", err)
	}
	b.wantTags(b.image, "1.4.0", "", "latest", "")
}

// Indexes may hold indexes.
func testIndexOfIndexes(t *testing.T, r *ocitest.Registry) {
	b := newBench(t, r, "nested/app", "nested-public/app")
	index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: someIndex(t)}, mutate.IndexAddendum{Add: someImage(t)})
	b.release("1.4.0", index)
	got, err := remote.Index(b.to.Tag("1.4.0"), b.options...)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(got); err != nil || digestOf(t, got) != digestOf(t, index) {
		t.Errorf("%s, want %s, %v", digestOf(t, got), digestOf(t, index), err)
	}
}

// A tag has no plus.
func testBuildMetadata(t *testing.T, r *ocitest.Registry) {
	b := newBench(t, r, "metadata/app", "")
	f := b.release("1.4.0+linux.7", someImage(t))
	b.wantTags(b.image, "1.4.0_linux.7", f.Artifact.Digest, "1.4.0_linux.7-beta", f.Artifact.Digest, "latest", f.Artifact.Digest)
	other := b.beta("1.5.0", someImage(t))
	if seen, err := b.promote.Look(t.Context(), other); err != nil || seen.Value != "1.4.0+linux.7@"+f.Artifact.Digest || seen.Mine {
		t.Errorf("%+v, %v", seen, err)
	}
}
