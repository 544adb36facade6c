package driver_test

import (
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/driver"
)

// A project that goes by the order of its merges may call its versions as it likes, as long as they are safe names.
func TestVersionsByMerge(t *testing.T) {
	for version, ok := range map[string]bool{
		"1.4.0": true, "build-42": true, "2026.11.23+7": true, "7": true, "a..b": true,
		"": false, ".": false, "..": false, "../x": false, "-f": false, "a-": false, "a b": false, "a/b": false, "a@b": false, "a\nb": false,
		strings.Repeat("x", driver.MaxName+1): false,
	} {
		got, err := driver.Facts{Version: version, AnyVersion: true}.CleanVersion()
		if (err == nil) != ok || ok && got != version || !ok && !driver.IsRefused(err) {
			t.Errorf("%.20q: %q, %v", version, got, err)
		}
		if driver.SafeVersion(version) != ok {
			t.Errorf("%.20q: safe is %t", version, !ok)
		}
	}
	if got, err := (driver.Facts{Version: "v1.4.0"}).CleanVersion(); got != "1.4.0" || err != nil {
		t.Errorf("semantic: %q, %v", got, err)
	}
	if _, err := (driver.Facts{Version: "build-42"}).CleanVersion(); !driver.IsRefused(err) {
		t.Errorf("not semantic: %v", err)
	}
}
