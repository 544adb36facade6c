package npm

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
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

// What unpacks to more than the bound is read up to the bound: 8 MiB of zeros are 8 KiB packed.
func TestBomb(t *testing.T) {
	t.Parallel()
	const bound = 1 << 20
	bomb := zip(t, archive(t, entry{name: manifestFile, data: plainManifest}, entry{name: "package/zeros", data: strings.Repeat("\x00", 8<<20)}))
	if len(bomb) > 16<<10 {
		t.Fatalf("the bomb has %d bytes", len(bomb))
	}
	_, err := openWithin(bomb, bounds{packed: bound, unpacked: bound, files: 10})
	wantRefused(t, err, "unpacked, it is larger than 1 MiB")
	if _, err := openTarball(bomb); err != nil {
		t.Errorf("within the bounds: %v", err)
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	if got := defaultBounds(); got != (bounds{packed: 128 << 20, unpacked: 512 << 20, files: 100_000}) {
		t.Errorf("%+v", got) // what doc.go promises
	}
	packed := npmtest.Pack(t, "tracer", "1.4.0", map[string]string{"a": "", "b": ""})
	most := bounds{packed: 1 << 20, unpacked: 1 << 20, files: 3}
	a := facts("1.4.0", packed).Artifact
	if _, err := readArtifact(t.Context(), a, most); err != nil {
		t.Error(err)
	}
	most.files = 2
	_, err := readArtifact(t.Context(), a, most)
	wantRefused(t, err, "more than 2 files")
	most.packed = int64(len(packed)) - 1
	_, err = readArtifact(t.Context(), a, most)
	wantRefused(t, err, "it is larger than")
}
