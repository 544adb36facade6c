package promtest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sluice-gate/sluice/pkg/internal/fetched"
	"github.com/sluice-gate/sluice/pkg/natstest"
)

// StartAlertmanager runs one with this configuration until the test ends, alone, and returns its URL.
func StartAlertmanager(t testing.TB, configuration string) string {
	t.Helper()
	program, err := fetched.Deb(t.Context(), "prometheus-alertmanager", "prometheus-alertmanager")
	if err != nil {
		t.Fatalf("get Alertmanager: %v", err)
	}
	dir := t.TempDir()
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
