package oci

import (
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/ocitest"
	"github.com/sluice-gate/sluice/pkg/project"
)

// bench is a project with one image on a real registry, and both of its drivers.
type bench struct {
	*testing.T
	options  []remote.Option
	image    name.Repository
	to       name.Repository
	pub, pro project.OCI
	publish  driver.Publisher
	promote  driver.Driver
}

// newBench makes a bench for an image; its releases are promoted to another repository when to is not empty.
func newBench(t *testing.T, r *ocitest.Registry, image, to string) *bench {
	t.Helper()
	b := &bench{T: t, options: []remote.Option{r.Auth()}, image: parse(t, r.Host+"/"+image)}
	b.pub = project.OCI{
		Image: b.image.Name(), From: project.DefaultFrom, Username: ocitest.User, TokenFile: tokenFile(t, r.Password),
	}
	b.pro, b.to = b.pub, b.image
	if to != "" {
		b.pro.To, b.to = r.Host+"/"+to, parse(t, r.Host+"/"+to)
	}
	b.open()
	return b
}

func (b *bench) open() {
	b.Helper()
	var err error
	if b.publish, err = Publish(b.pub, withWaits(quick()), WithPromote(b.pro)); err != nil {
		b.Fatal(err)
	}
	if b.promote, err = Promote(b.pro, withWaits(quick())); err != nil {
		b.Fatal(err)
	}
}

// beta pushes an image as CI does, plans its release and publishes its beta.
func (b *bench) beta(version string, p pushable) driver.Facts {
	b.Helper()
	push(b.T, b.image, p, b.options, strings.ReplaceAll(version, "+", "_")+"-beta")
	f := facts(b.T, version, p)
	plan, err := b.publish.Plan(b.Context(), f)
	if err != nil {
		b.Fatal(err)
	}
	f.Version, f.Beta = plan.Version, plan.Beta
	if _, err := b.publish.Do(b.Context(), f); err != nil {
		b.Fatal(err)
	}
	return f
}

// release takes an image all the way.
func (b *bench) release(version string, p pushable) driver.Facts {
	b.Helper()
	f := b.beta(version, p)
	if _, err := b.promote.Do(b.Context(), f); err != nil {
		b.Fatal(err)
	}
	return f
}

// wantTags checks what tags point to: "latest", "sha256:…"; an empty digest is for no such tag.
func (b *bench) wantTags(repo name.Repository, tagDigest ...string) {
	b.Helper()
	for i := 0; i < len(tagDigest); i += 2 {
		got := ""
		if desc, err := remote.Head(repo.Tag(tagDigest[i]), b.options...); err == nil {
			got = desc.Digest.String()
		} else if status(err) != 404 {
			b.Fatal(err)
		}
		if got != tagDigest[i+1] {
			b.Errorf("%s is %s, want %s", repo.Tag(tagDigest[i]), got, tagDigest[i+1])
		}
	}
}

func someImage(t *testing.T) v1.Image {
	t.Helper()
	image, err := random.Image(2<<10, 2)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func someIndex(t *testing.T) v1.ImageIndex {
	t.Helper()
	index, err := random.Index(1<<10, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	return index
}
