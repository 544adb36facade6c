package npmtest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"testing"
	"time"
)

// Pack builds a package the way "npm pack" does: every file under package/, the same time in all of them. Keys of files are
// paths within the package. Without a "package.json" among them one with just name and version is added.
func Pack(t testing.TB, name, version string, files map[string]string) []byte {
	t.Helper()
	all := map[string]string{
		"package.json": fmt.Sprintf("{\n  \"name\": %q,\n  \"version\": %q\n}\n", name, version),
	}
	maps.Copy(all, files)
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	archive := tar.NewWriter(zipped)
	for _, path := range slices.Sorted(maps.Keys(all)) {
		head := &tar.Header{
			Typeflag: tar.TypeReg, Name: "package/" + path, Mode: 0o644, Size: int64(len(all[path])),
			ModTime: time.Date(1985, 10, 26, 8, 15, 0, 0, time.UTC), // npm's, for reproducible packages
			Format:  tar.FormatUSTAR,
		}
		if err := archive.WriteHeader(head); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte(all[path])); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Unpack is what is in a package: contents by name ("package/package.json").
func Unpack(t testing.TB, packed []byte) map[string]string {
	t.Helper()
	zipped, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for r := tar.NewReader(zipped); ; {
		head, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[head.Name] = string(b)
	}
}
