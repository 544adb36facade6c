package ocitest

import (
	"testing"

	"github.com/sluice-gate/sluice/pkg/internal/fetched"
)

// Install makes sure that the registry server is there and returns its path. The first time takes some seconds, where it has to be
// downloaded.
func Install(t testing.TB) string {
	t.Helper()
	path, err := fetched.Deb(t.Context(), "docker-registry", "docker-registry")
	if err != nil {
		t.Fatalf("get the registry server: %v", err)
	}
	return path
}
