package ocitest_test

import (
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/sluice-gate/sluice/pkg/ocitest"
)

func TestRegistry(t *testing.T) {
	t.Parallel()
	registry, other := ocitest.Start(t), ocitest.Start(t)
	if registry.Host == other.Host {
		t.Fatal("two registries at one address")
	}
	repo, err := name.NewRepository(registry.Host + "/team/app")
	if err != nil {
		t.Fatal(err)
	}
	image, err := random.Image(1<<10, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(repo.Tag("beta"), image); err == nil {
		t.Error("somebody without a password may write")
	}
	if err := remote.Write(repo.Tag("beta"), image, registry.Auth()); err != nil {
		t.Fatal(err)
	}
	want, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := remote.Head(repo.Tag("beta"), registry.Auth()); err != nil || got.Digest != want {
		t.Errorf("%v, %v, want %s", got, err, want)
	}
}
