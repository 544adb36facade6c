package npm

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/npmtest"
)

// entry is one entry of an archive that a test builds by hand.
type entry struct {
	name string
	data string
	kind byte // tar.TypeReg unless set
	link string
	pax  map[string]string
}

const plainManifest = `{"name":"tracer","version":"1.4.0"}`

func archive(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range entries {
		if e.kind == 0 {
			e.kind = tar.TypeReg
		}
		head := &tar.Header{Name: e.name, Size: int64(len(e.data)), Typeflag: e.kind, Linkname: e.link, Mode: 0o644, PAXRecords: e.pax}
		if err := w.WriteHeader(head); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zip(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestOpenTarball(t *testing.T) {
	t.Parallel()
	packed := npmtest.Pack(t, "@acme/tracer", "1.4.0", map[string]string{"lib/index.js": "hello"})
	got, err := openTarball(packed)
	if err != nil {
		t.Fatal(err)
	}
	if data, ok := got.file("package/lib/index.js"); !ok || string(data) != "hello" {
		t.Errorf("lib/index.js is %q, %t", data, ok)
	}
	if got.name != "@acme/tracer" || got.version != "1.4.0" || !strings.HasPrefix(got.integrity(), "sha512-") || len(got.shasum()) != 40 {
		t.Errorf("%s@%s, %s, %s", got.name, got.version, got.integrity(), got.shasum())
	}
}

func TestHostileTarballs(t *testing.T) {
	t.Parallel()
	manifest := entry{name: manifestFile, data: plainManifest}
	withManifest := func(doc string) []byte { return zip(t, archive(t, entry{name: manifestFile, data: doc})) }
	with := func(e entry) []byte { return zip(t, archive(t, manifest, e)) }
	whole := archive(t, manifest, entry{name: "package/index.js", data: strings.Repeat("x", 2000)})

	for name, c := range map[string]struct {
		packed []byte
		want   string
	}{
		"nothing":             {nil, "not an npm package"},
		"no gzip":             {archive(t, manifest), "not an npm package"},
		"cut off gzip":        {zip(t, whole)[:60], "damaged"},
		"cut off archive":     {zip(t, whole[:2048+512]), "cut off"},
		"no archive":          {zip(t, bytes.Repeat([]byte("no"), 600)), "archive is damaged"},
		"more after the end":  {zip(t, append(bytes.Clone(whole), whole...)), "goes on after its end"},
		"a leap":              {with(entry{name: "package/../../etc/cron.d/x"}), "must be within"},
		"a leap within":       {with(entry{name: "package/a/../b"}), "must be within"},
		"an absolute name":    {with(entry{name: "/etc/passwd"}), "must be within"},
		"another root":        {with(entry{name: "other/index.js"}), "must be within"},
		"a root like ours":    {with(entry{name: "package-other/index.js"}), "must be within"},
		"a dot":               {with(entry{name: "package/./index.js"}), "must be within"},
		"a windows leap":      {with(entry{name: `package/..\..\x`}), "must be within"},
		"a control character": {with(entry{name: "package/a\x1b[2J"}), "must be within"},
		"no UTF-8":            {with(entry{name: "package/\xff\xfe", pax: nil}), "must be within"},
		"a symbolic link":     {with(entry{name: "package/x", kind: tar.TypeSymlink, link: "/etc/passwd"}), "neither a file nor a folder"},
		"a hard link":         {with(entry{name: "package/x", kind: tar.TypeLink, link: "/etc/passwd"}), "neither a file nor a folder"},
		"a device":            {with(entry{name: "package/x", kind: tar.TypeChar}), "neither a file nor a folder"},
		"a pipe":              {with(entry{name: "package/x", kind: tar.TypeFifo}), "neither a file nor a folder"},
		"the same name twice": {with(entry{name: "package/package.json", data: plainManifest}), "twice"},
		"almost the same":     {with(entry{name: "package/Package.json", data: plainManifest}), "some systems take for"},
		"almost the other":    {with(entry{name: "package/npm-Shrinkwrap.json"}), "some systems take for"},
		"a folder of that":    {with(entry{name: "package/npm-shrinkwrap.json/", kind: tar.TypeDir}), "some systems take for"},
		"no package.json":     {zip(t, archive(t, entry{name: "package/index.js"})), "has no package/package.json"},
		"no JSON":             {withManifest("module.exports = {}"), "not a JSON object"},
		"a list":              {withManifest("[]"), "not a JSON object"},
		"JSON that is not UTF-8": {
			withManifest("{\"name\":\"tracer\",\"version\":\"1.4.0\",\"x\":\"\xff\"}"), "not UTF-8",
		},
		"no name":          {withManifest(`{"version":"1.4.0"}`), `no "name"`},
		"no version":       {withManifest(`{"name":"tracer"}`), `no "version"`},
		"a version of 1.4": {withManifest(`{"name":"tracer","version":1.4}`), `no "version"`},
		"two versions":     {withManifest(`{"name":"tracer","version":"1.4.0","version":"1.5.0"}`), "twice"},
		"two versions, one in disguise": {
			withManifest(`{"name":"tracer","version":"1.4.0","ver\u0073ion":"1.5.0"}`), "twice",
		},
		"an odd version":     {withManifest(`{"name":"tracer","version":"v1.4.0"}`), "semantic version"},
		"a private package":  {withManifest(`{"name":"tracer","version":"1.4.0","private": true }`), "do not publish"},
		"a name with a leap": {withManifest(`{"name":"../tracer","version":"1.4.0"}`), "not a name"},
		"a name with a path": {withManifest(`{"name":"@a/b/c","version":"1.4.0"}`), "not a name"},
		"a name for a query": {withManifest(`{"name":"tracer?x","version":"1.4.0"}`), "not a name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := openTarball(c.packed)
			if !driver.IsRefused(err) || !strings.Contains(err.Error(), c.want) || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("%q, want a refusal with %q", err, c.want)
			}
		})
	}
}

// A gigabyte of zeros takes a megabyte packed. Reading it stops at the bound.
func TestBomb(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	zipped, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(zipped)
	if err := w.WriteHeader(&tar.Header{Name: "package/zeros", Size: maxUnpacked, Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range maxUnpacked >> 20 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := openTarball(out.Bytes()); !driver.IsRefused(err) || !strings.Contains(err.Error(), "larger than 512 MiB") {
		t.Errorf("%v, want a refusal", err)
	}
}

func TestTooManyFiles(t *testing.T) {
	t.Parallel()
	entries := []entry{{name: manifestFile, data: plainManifest}}
	for i := range maxFiles {
		entries = append(entries, entry{name: fmt.Sprintf("package/%d", i)})
	}
	if _, err := openTarball(zip(t, archive(t, entries...))); !driver.IsRefused(err) || !strings.Contains(err.Error(), "more than 100000 files") {
		t.Errorf("%v, want a refusal", err)
	}
}

func TestTooLargeArtifact(t *testing.T) {
	t.Parallel()
	zeros := make([]byte, maxPacked+1)
	a := driver.Artifact{Name: "tracer.tgz", Digest: driver.Digest(zeros), Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(zeros)), nil
	}}
	if _, err := readArtifact(t.Context(), a); !driver.IsRefused(err) || !strings.Contains(err.Error(), "larger than 128 MiB") {
		t.Errorf("%v, want a refusal", err)
	}
}
