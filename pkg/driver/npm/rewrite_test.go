package npm

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/npmtest"
)

func TestRewrite(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"package.json": "{\r\n\t\"version\" :\t\"1.4.0\" , \"name\":\"tracer\",\n\n  \"dependencies\": {\"other\": \"1.4.0\"},\"n\": 1.50, \"k\\u00e9y\":\"1.4.0\"}  \n",
		"npm-shrinkwrap.json": `{"name":"tracer","version":"1.4.0","lockfileVersion":3,"packages":{"":{"name":"tracer","version":"1.4.0"},` +
			`"node_modules/other":{"version":"1.4.0"}}}`,
		"index.js":                         "module.exports = '1.4.0'\n",
		"node_modules/other/package.json":  `{"name":"other","version":"1.4.0"}`,
		"node_modules/npm-shrinkwrap.json": `{"version":"1.4.0"}`,
	}
	from, err := openTarball(npmtest.Pack(t, "tracer", "1.4.0", files))
	if err != nil {
		t.Fatal(err)
	}
	to, err := from.rewrite("1.4.0-beta.12")
	if err != nil {
		t.Fatal(err)
	}
	want := maps.Clone(files)
	want["package.json"] = strings.Replace(files["package.json"], `"1.4.0" ,`, `"1.4.0-beta.12" ,`, 1)
	want["npm-shrinkwrap.json"] = strings.Replace(files["npm-shrinkwrap.json"], `"1.4.0"`, `"1.4.0-beta.12"`, 2)
	if got := contents(t, to.unpacked); !maps.Equal(got, want) {
		t.Errorf("the rewritten package has\n%q\nwant\n%q", got, want)
	}
	if to.version != "1.4.0-beta.12" || from.version != "1.4.0" {
		t.Errorf("versions %s and %s", from.version, to.version)
	}
	if same, err := from.rewrite("1.4.0"); err != nil || same != from {
		t.Errorf("rewritten to its own version: %v, %v", same, err)
	}
}

// contents reads an archive with nothing of ours.
func contents(t testing.TB, unpacked []byte) map[string]string {
	t.Helper()
	files := map[string]string{}
	r := tar.NewReader(bytes.NewReader(unpacked))
	for {
		head, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(head.Name, "package/")] = string(data)
	}
}

func TestRewriteOfShrinkwrapVariants(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ doc, want string }{
		"no version at all":   {`{"packages":{}}`, `{"packages":{}}`},
		"an old version":      {`{"version":"1.3.0"}`, `{"version":"1.3.0"}`},
		"the old format":      {`{"version":"1.4.0","dependencies":{"x":{"version":"1.4.0"}}}`, `{"version":"1.5.0","dependencies":{"x":{"version":"1.4.0"}}}`},
		"only in packages":    {`{"packages":{"":{"version":"1.4.0"}}}`, `{"packages":{"":{"version":"1.5.0"}}}`},
		"packages come first": {`{"packages":{"":{"version":"1.4.0"}},"version":"1.4.0"}`, `{"packages":{"":{"version":"1.5.0"}},"version":"1.5.0"}`},
	} {
		got, err := withVersion(shrinkwrapFile, []byte(c.doc), "1.4.0", "1.5.0")
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %s, %v, want %s", name, got, err, c.want)
		}
	}
	for _, doc := range []string{``, `[]`, `{`, `{"version":"1.4.0"} {}`, `{"packages":{"":{"version":"1.4.0"},"":{}}}`, `{"packages":[]}`} {
		if got, err := withVersion(shrinkwrapFile, []byte(doc), "1.4.0", "1.5.0"); !driver.IsRefused(err) {
			t.Errorf("%s: %s, %v, want a refusal", doc, got, err)
		}
	}
}

func TestRewriteRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		packed []byte
		want   string
	}{
		"a version with escapes": {
			zip(t, archive(t, entry{name: manifestFile, data: `{"name":"tracer","version":"1\u002e4.0"}`})), "plain characters",
		},
		"a size that is stated elsewhere": {oddSize(t), "can not be edited"},
	} {
		tb, err := openTarball(c.packed)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := tb.rewrite("1.4.0-beta.0"); !driver.IsRefused(err) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want a refusal with %q", name, err, c.want)
		}
	}
}

// oddSize is a package whose package.json has its size in binary, as GNU tar writes it for huge files.
func oddSize(t *testing.T) []byte {
	t.Helper()
	unpacked := archive(t, entry{name: manifestFile, data: plainManifest})
	head := unpacked[:block]
	copy(head[124:136], append([]byte{0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, byte(len(plainManifest))))
	copy(head[148:156], "        ")
	sum := 0
	for _, b := range head {
		sum += int(b)
	}
	copy(head[148:156], fmt.Sprintf("%06o\x00 ", sum))
	return zip(t, unpacked)
}

func TestMentions(t *testing.T) {
	t.Parallel()
	files := map[string]string{"index.js": "1.4.0-beta.0", "lib/a.js": "v1.4.0-beta.0!", "lib/b.js": "1.4.0-beta.1"}
	tb, err := openTarball(npmtest.Pack(t, "tracer", "1.4.0", files))
	if err != nil {
		t.Fatal(err)
	}
	if err := tb.mentions("1.4.0-beta.0"); !driver.IsRefused(err) || !strings.Contains(err.Error(), "index.js, lib/a.js:") {
		t.Errorf("%v, want a refusal with both files", err)
	}
	if err := tb.mentions("1.4.0-beta.2"); err != nil {
		t.Error(err)
	}
}

func TestProve(t *testing.T) {
	t.Parallel()
	base := []entry{{name: manifestFile, data: plainManifest}, {name: "package/a", data: "a"}, {name: "package/b", data: "b"}}
	build := func(version string, change func(e []entry) []entry) *tarball {
		t.Helper()
		e := change(slices.Clone(base))
		e[0].data = strings.Replace(e[0].data, "1.4.0", version, 1)
		tb, err := openTarball(zip(t, archive(t, e...)))
		if err != nil {
			t.Fatal(err)
		}
		return tb
	}
	final := build("1.4.0", func(e []entry) []entry { return e })
	if err := prove(build("1.4.0-beta.0", func(e []entry) []entry { return e }), final); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(e []entry) []entry{
		"other data":            func(e []entry) []entry { e[1].data = "A"; return e },
		"another name":          func(e []entry) []entry { e[1].name = "package/c"; return e },
		"one less":              func(e []entry) []entry { return e[:2] },
		"one more":              func(e []entry) []entry { return append(e, entry{name: "package/c"}) },
		"another order":         func(e []entry) []entry { e[1], e[2] = e[2], e[1]; return e },
		"a folder":              func(e []entry) []entry { e[1] = entry{name: "package/a/", kind: tar.TypeDir}; return e },
		"more in the manifest":  func(e []entry) []entry { e[0].data = strings.Replace(e[0].data, "}", `,"x":1}`, 1); return e },
		"space in the manifest": func(e []entry) []entry { e[0].data += " "; return e },
	} {
		if err := prove(build("1.4.0-beta.0", change), final); !driver.IsRefused(err) {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
}

// The property: rewriting changes the version and nothing else, always in the same way, and can be taken back to the byte.
func TestRewriteProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		version := drawVersion(t, "version")
		beta := betaOf(version, rapid.Uint64Range(0, 1<<40).Draw(t, "n"))
		from, err := openTarball(zipRapid(t, drawArchive(t, version)))
		if err != nil {
			t.Fatalf("open: %v", err)
		}
		to, err := from.rewrite(beta)
		if err != nil {
			t.Fatalf("rewrite: %v", err)
		}
		checkRewritten(t, from, to)
		again, err := from.rewrite(beta)
		if err != nil || !bytes.Equal(again.packed, to.packed) {
			t.Fatalf("rewriting twice comes to different bytes, %v", err)
		}
		back, err := to.rewrite(version)
		if err != nil || !bytes.Equal(back.unpacked, from.unpacked) {
			t.Fatalf("rewriting back does not come to the same archive, %v", err)
		}
	})
}

type fatal interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkRewritten compares two packages by a JSON parser and the sizes and data of their files, not by the code under test.
func checkRewritten(t fatal, from, to *tarball) {
	t.Helper()
	if len(from.files) != len(to.files) {
		t.Fatalf("%d files became %d", len(from.files), len(to.files))
	}
	for i, f := range from.files {
		g := to.files[i]
		if f.Name != g.Name || f.Mode != g.Mode || !f.ModTime.Equal(g.ModTime) || f.Typeflag != g.Typeflag {
			t.Fatalf("%+v became %+v", f.Header, g.Header)
		}
		a, b := from.data(f), to.data(g)
		if f.Name != manifestFile && f.Name != shrinkwrapFile {
			if !bytes.Equal(a, b) {
				t.Fatalf("%s changed", f.Name)
			}
			continue
		}
		was, is := parse(t, a), parse(t, b)
		if f.Name == manifestFile && is["version"] != to.version {
			t.Fatalf("%s says version %v, want %s", f.Name, is["version"], to.version)
		}
		for _, m := range []map[string]any{was, is} {
			forget(m, from.version, to.version)
		}
		if !reflect.DeepEqual(was, is) {
			t.Fatalf("%s changed in more than its version:\n%s\n%s", f.Name, a, b)
		}
	}
}

func parse(t fatal, doc []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(doc, &m); err != nil {
		t.Fatalf("not JSON any more: %v\n%s", err, doc)
	}
	return m
}

// forget removes the places of the package's own version.
func forget(m map[string]any, versions ...string) {
	drop := func(m map[string]any) {
		if v, ok := m["version"].(string); ok && slices.Contains(versions, v) {
			delete(m, "version")
		}
	}
	drop(m)
	if packages, ok := m["packages"].(map[string]any); ok {
		if self, ok := packages[""].(map[string]any); ok {
			drop(self)
		}
	}
}

func drawVersion(t *rapid.T, label string) string {
	n := rapid.Uint64Range(0, 30)
	return fmt.Sprintf("%d.%d.%d", n.Draw(t, label+" major"), n.Draw(t, label+" minor"), n.Draw(t, label+" patch"))
}

func drawArchive(t *rapid.T, version string) []byte {
	entries := []entry{{name: manifestFile, data: drawManifest(t, version)}}
	if rapid.Bool().Draw(t, "shrinkwrap") {
		own := rapid.SampledFrom([]string{version, "0.0.1"}).Draw(t, "shrinkwrap version")
		entries = append(entries, entry{name: shrinkwrapFile, data: fmt.Sprintf("{%s\"version\":%q,\"packages\":{\"\":{\"version\":%q},\"node_modules/x\":{\"version\":%q}}}",
			drawSpace(t), own, version, version)})
	}
	names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{1,8}(/[a-z]{1,60}){0,3}`), 0, 6, rapid.ID).Draw(t, "names")
	for _, name := range names {
		data := rapid.SliceOfN(rapid.Byte(), 0, 1100).Draw(t, "data")
		entries = append(entries, entry{name: "package/" + name + ".js", data: string(data)})
	}
	return archiveRapid(t, rapid.Permutation(entries).Draw(t, "order"))
}

func drawSpace(t *rapid.T) string { return rapid.StringMatching(`[ \t\n\r]{0,5}`).Draw(t, "space") }

// drawManifest writes package.json in some person's style.
func drawManifest(t *rapid.T, version string) string {
	fields := []string{
		`"name"` + drawSpace(t) + `:"tracer"`,
		`"version"` + drawSpace(t) + `:` + drawSpace(t) + `"` + version + `"`,
		`"dependencies":{"version":"` + version + `","x":"` + version + `"}`,
	}
	for i, key := range rapid.SliceOfN(rapid.String(), 0, 4).Draw(t, "keys") {
		name, err := json.Marshal(fmt.Sprintf("%d%s", i, key))
		if err != nil {
			t.Fatalf("marshal: %v", err)
		}
		value := rapid.SampledFrom([]string{`"` + version + `"`, "1.50", "-0", "1e3", "null", `[ "version" ]`, `{ "version":"` + version + `" }`, `"\u00e9\/"`}).Draw(t, "value")
		fields = append(fields, string(name)+":"+drawSpace(t)+value)
	}
	return drawSpace(t) + "{" + strings.Join(rapid.Permutation(fields).Draw(t, "fields"), drawSpace(t)+","+drawSpace(t)) + drawSpace(t) + "}" + drawSpace(t)
}

func archiveRapid(t *rapid.T, entries []entry) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range entries {
		if err := w.WriteHeader(&tar.Header{Name: e.name, Size: int64(len(e.data)), Typeflag: tar.TypeReg, Mode: 0o644}); err != nil {
			t.Fatalf("header: %v", err)
		}
		if _, err := io.WriteString(w, e.data); err != nil {
			t.Fatalf("data: %v", err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	return out.Bytes()
}

func zipRapid(t *rapid.T, unpacked []byte) []byte {
	packed, err := pack(unpacked)
	if err != nil {
		t.Fatalf("pack: %v", err)
	}
	return packed
}

// Whatever comes: a package is refused, or it can be rewritten as the property says, or that is refused.
func FuzzRewrite(f *testing.F) {
	for _, doc := range []string{plainManifest, `{"version":"1.4.0" ,"name":"a","x":{"version":1}}`, "{\"name\":\"tracer\",\n\"version\":\"1.4.0\"}\n"} {
		f.Add(archive(f, entry{name: manifestFile, data: doc}, entry{name: "package/index.js", data: "x"}))
	}
	f.Add(archive(f, entry{name: "package/", kind: tar.TypeDir}, entry{name: shrinkwrapFile, data: plainManifest}, entry{name: manifestFile, data: plainManifest}))
	f.Add(archive(f, entry{name: manifestFile, data: plainManifest})[:block+len(plainManifest)]) // without its last padding and end
	f.Fuzz(func(t *testing.T, unpacked []byte) {
		packed, err := pack(unpacked)
		if err != nil {
			t.Fatal(err)
		}
		from, err := openTarball(packed)
		if err != nil {
			if !driver.IsRefused(err) {
				t.Fatalf("%v is no refusal", err)
			}
			return
		}
		to, err := from.rewrite("9.9.9-beta.9")
		if err != nil {
			if !driver.IsRefused(err) {
				t.Fatalf("%v is no refusal", err)
			}
			return
		}
		if from.version != to.version {
			checkRewritten(t, from, to)
		}
	})
}

// Whatever a JSON document is, an edit changes the value of one key of it, or is refused.
func FuzzWithVersion(f *testing.F) {
	for _, doc := range []string{plainManifest, `{"version":"1.4.0"}`, ` { "a" : [1,{"version":"1.4.0"}] , "version" : "1.4.0" } `, `{"version":"1.4.0","version":"1.4.0"}`, `{"version":1}`, `[]`, ``} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		edited, err := withVersion(manifestFile, doc, "1.4.0", "2.0.0-beta.7")
		if err != nil || !json.Valid(doc) {
			return
		}
		was, is := parse(t, doc), parse(t, edited)
		if was["version"] != "1.4.0" || is["version"] != "2.0.0-beta.7" {
			t.Fatalf("version %v became %v", was["version"], is["version"])
		}
		delete(was, "version")
		delete(is, "version")
		if !reflect.DeepEqual(was, is) {
			t.Fatalf("more changed than the version:\n%s\n%s", doc, edited)
		}
	})
}
