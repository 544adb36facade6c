package npm

import (
	"os"
	"path/filepath"
	"testing"
)

// tokenFile is a file with a token, for tests that run in parallel and so can not set the environment.
func tokenFile(t *testing.T, token string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
