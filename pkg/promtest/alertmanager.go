package promtest

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/internal/fetched"
	"github.com/sluice-gate/sluice/pkg/natstest"
)

// shared is where Debian's Alertmanager looks for its templates, if it was installed.
const shared = "/usr/share/prometheus/alertmanager"

// StartAlertmanager runs one with this configuration until the test ends, alone, and returns its URL.
func StartAlertmanager(t testing.TB, configuration string) string {
	t.Helper()
	program, err := fetched.Deb(t.Context(), "prometheus-alertmanager", "prometheus-alertmanager")
	if err != nil {
		t.Fatalf("get Alertmanager: %v", err)
	}
	dir := t.TempDir()
	if _, err := os.Stat(shared); err != nil {
		program = moved(t, program, dir)
	}
	file := filepath.Join(dir, "alertmanager.yml")
	if err := os.WriteFile(file, []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 5 { // somebody else may have taken the port by then
		address := natstest.FreeAddress(t)
		if serve(t, dir, address, program, "--config.file="+file, "--storage.path="+filepath.Join(dir, "data"),
			"--cluster.listen-address=", "--log.level=error") {
			return "http://" + address
		}
	}
	t.Fatal("Alertmanager does not start")
	return ""
}

// moved is a copy of the program, which was unpacked and not installed, that looks for its templates where it runs: a path of the same
// length stands in the place of the other.
func moved(t testing.TB, program, dir string) string {
	t.Helper()
	code, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	here := "." + strings.Repeat("/", len(shared)-1)
	moved := filepath.Join(dir, "alertmanager")
	if err := os.WriteFile(moved, bytes.ReplaceAll(code, []byte(shared), []byte(here)), 0o700); err != nil {
		t.Fatal(err)
	}
	templates := filepath.Join(filepath.Dir(filepath.Dir(program)), strings.TrimPrefix(shared, "/usr"))
	for _, name := range []string{"default.tmpl", "email.tmpl"} {
		text, err := os.ReadFile(filepath.Join(templates, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return moved
}
