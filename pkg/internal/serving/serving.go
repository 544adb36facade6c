// Package serving runs the servers that tests need as processes.
package serving

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"testing"
	"time"
)

// Start runs a server until the test ends, and returns the port that it prints on its standard output, as {"port":1234}; what else it
// prints there is its log. The server ends when its standard input does, and so never outlives the test's process, however that ends.
func Start(t testing.TB, what string, server *exec.Cmd) (port int) {
	t.Helper()
	var stderr bytes.Buffer
	server.Stderr = &stderr
	stdin, errIn := server.StdinPipe()
	stdout, errOut := server.StdoutPipe()
	if err := errors.Join(errIn, errOut); err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatalf("start %s: %v", what, err)
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
			t.Fatalf("%s did not start: %v\n%s", what, lines.Err(), stderr.Bytes())
		}
		_ = json.Unmarshal(lines.Bytes(), &at) // or it is a line of the log
	}
	go func() { _, _ = io.Copy(io.Discard, stdout) }()
	return at.Port
}
