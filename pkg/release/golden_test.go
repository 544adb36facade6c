package release_test

import (
	"flag"
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	flag.Bool("update", false, "write the golden files and the diagram anew")
	os.Exit(m.Run())
}

// updating tells whether golden files are to be written, not compared.
func updating() bool { return flag.Lookup("update").Value.String() == "true" }

// golden compares text with a file, or writes the file.
func golden(t *testing.T, file, got string) {
	t.Helper()
	want, err := os.ReadFile(file)
	if string(want) == got {
		return
	}
	if updating() {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err != nil {
		t.Fatalf("%v; write it with go test -update", err)
	}
	t.Errorf("%s is out of date: %s; read the difference, then write it with go test -update", file, firstDifference(string(want), got))
}
