package npmtest

import (
	_ "embed"
	"testing"

	"github.com/sluice-gate/sluice/pkg/internal/fetched"
)

//go:embed package.json
var packageJSON []byte

//go:embed package-lock.json
var packageLock []byte

//go:embed .npmrc
var npmrc []byte

//go:embed serve.js
var serveJS []byte

// Install makes sure that the registry server is there and returns the folder that holds it. The first time takes half
// a minute, afterwards it takes nothing.
func Install(t testing.TB) string {
	t.Helper()
	dir, err := fetched.NPM(t.Context(), "verdaccio", map[string][]byte{
		"package.json": packageJSON, "package-lock.json": packageLock, ".npmrc": npmrc, "serve.js": serveJS,
	})
	if err != nil {
		t.Fatalf("install the npm registry server: %v", err)
	}
	return dir
}
