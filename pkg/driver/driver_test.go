package driver_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/sluice-gate/sluice/pkg/driver"
)

func artifact(name string, content []byte) driver.Artifact {
	return driver.Artifact{Name: name, Digest: driver.Digest(content), Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	}}
}

func TestSafeName(t *testing.T) {
	for _, name := range []string{"tracer-1.4.0.tgz", "a", "_x", "1", "a@b+c~d=e", strings.Repeat("a", driver.MaxName)} {
		if got, err := driver.SafeName("name", name); err != nil || got != name {
			t.Errorf("SafeName(%q) = %q, %v", name, got, err)
		}
	}
	for _, name := range []string{
		"", ".", "..", "../x", "a/b", `a\b`, "-rf", ".hidden", "a b", "a\nb", "a\x00b", "$(touch x)", "`x`", "ä", "a:b", "~root",
		strings.Repeat("a", driver.MaxName+1), strings.Repeat("a", 1<<20),
	} {
		_, err := driver.SafeName("artifact name", name)
		if !driver.IsRefused(err) {
			t.Errorf("SafeName(%.20q): %v, want a refusal", name, err)
			continue
		}
		if msg := err.Error(); !strings.HasPrefix(msg, "artifact name") || strings.Contains(msg, "\n") || len(msg) > 500 {
			t.Errorf("SafeName(%.20q): the error is not one short line that says what: %.600q", name, msg)
		}
	}
}

func TestDigestHex(t *testing.T) {
	digits := strings.Repeat("0a", 32)
	if got, err := driver.DigestHex("sha256:" + digits); err != nil || got != digits {
		t.Errorf("got %q, %v", got, err)
	}
	for _, digest := range []string{"", digits, "sha256:", "sha256:" + digits + "0", "sha512:" + digits, "sha256:" + strings.ToUpper(digits), "sha256:../" + digits[3:]} {
		if _, err := driver.DigestHex(digest); !driver.IsRefused(err) {
			t.Errorf("DigestHex(%q): %v, want a refusal", digest, err)
		}
	}
}

func TestVerified(t *testing.T) {
	content := bytes.Repeat([]byte("tracer"), 10_000)
	for name, reader := range map[string]func(io.Reader) io.Reader{
		"plain": func(r io.Reader) io.Reader { return r }, "one byte": iotest.OneByteReader,
		"half": iotest.HalfReader, "data with EOF": iotest.DataErrReader,
	} {
		got, err := io.ReadAll(driver.Verified(reader(bytes.NewReader(content)), driver.Digest(content)))
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		for what, bad := range map[string][]byte{"truncated": content[1:], "longer": append(content[:len(content):len(content)], 0), "empty": nil} {
			r := driver.Verified(reader(bytes.NewReader(bad)), driver.Digest(content))
			if _, err := io.ReadAll(r); !driver.IsRefused(err) {
				t.Errorf("%s, %s: %v, want a refusal", name, what, err)
			}
			if _, err := r.Read(make([]byte, 1)); !driver.IsRefused(err) {
				t.Errorf("%s, %s: reading on after the refusal: %v", name, what, err)
			}
		}
	}
	broken := errors.New("broken")
	if _, err := io.ReadAll(driver.Verified(iotest.ErrReader(broken), driver.Digest(content))); !errors.Is(err, broken) || driver.IsRefused(err) {
		t.Errorf("a read error is %v, want it as it was", err)
	}
	if _, err := io.ReadAll(driver.Verified(bytes.NewReader(content), "nonsense")); !driver.IsRefused(err) {
		t.Errorf("no digest: %v, want a refusal", err)
	}
}

func TestFetch(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	content := []byte("bytes of tracer")
	path, err := driver.Fetch(ctx, artifact("tracer-1.4.0.tgz", content), dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) || path != filepath.Join(dir, "tracer-1.4.0.tgz") {
		t.Errorf("%s holds %q, %v", path, got, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}

	empty := t.TempDir()
	wrong := artifact("tracer-1.4.0.tgz", content)
	wrong.Digest = driver.Digest([]byte("other"))
	for name, a := range map[string]driver.Artifact{
		"wrong digest": wrong, "unsafe name": artifact("../tracer.tgz", content), "no artifact": {Name: "a", Digest: driver.Digest(nil)},
	} {
		if _, err := driver.Fetch(ctx, a, empty); !driver.IsRefused(err) {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := driver.Fetch(cancelled, artifact("a", content), empty); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if left, _ := os.ReadDir(empty); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestReadVerifiesWhatItsUserLeaves(t *testing.T) {
	a := artifact("a", []byte("a long story"))
	first := func(r io.Reader) error { _, err := r.Read(make([]byte, 1)); return err }
	if err := a.Read(t.Context(), first); err != nil {
		t.Error(err)
	}
	a.Digest = driver.Digest([]byte("a short one"))
	if err := a.Read(t.Context(), first); !driver.IsRefused(err) {
		t.Errorf("%v, want a refusal", err)
	}
}

func TestSecret(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv("SLUICE_TEST_TOKEN", " hush \n")
	t.Setenv("SLUICE_TEST_EMPTY", "")
	t.Setenv("SLUICE_TEST_LINES", "hush\nhush")

	for _, c := range []struct{ env, file, want string }{
		{"", "", ""}, {"SLUICE_TEST_TOKEN", "", "hush"}, {"", file("token", "hush\n"), "hush"},
	} {
		if got, err := driver.Secret(c.env, c.file); err != nil || got != c.want {
			t.Errorf("Secret(%q, %q) = %q, %v", c.env, c.file, got, err)
		}
	}
	for _, c := range []struct{ env, file string }{
		{"SLUICE_TEST_EMPTY", ""}, {"SLUICE_TEST_NOT_SET", ""}, {"SLUICE_TEST_LINES", ""}, {"SLUICE_TEST_TOKEN", file("both", "hush")},
		{"", file("empty", "\n")}, {"", file("lines", "hush\nhush")}, {"", file("nul", "hush\x00")}, {"", file("huge", strings.Repeat("hush", 1<<20))},
		{"", filepath.Join(dir, "missing")},
	} {
		got, err := driver.Secret(c.env, c.file)
		if !driver.IsRefused(err) || got != "" {
			t.Errorf("Secret(%q, %q) = %q, %v, want a refusal", c.env, c.file, got, err)
		} else if strings.Contains(err.Error(), "hush") {
			t.Errorf("Secret(%q, %q) tells the secret: %v", c.env, c.file, err)
		}
	}
}

func TestVersions(t *testing.T) {
	for in, want := range map[string]string{"1.4.0": "1.4.0", "v1.4.0": "1.4.0", "1.4.0-beta.2": "1.4.0-beta.2", "1.4.0+b": "1.4.0+b"} {
		if got, err := driver.CleanVersion(in); err != nil || got != want {
			t.Errorf("CleanVersion(%q) = %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "1", "1.4", "1.04.0", "latest", "1.4.0 ", "1.4.0\n", "../1.4.0", "vv1.4.0", "1.4.0-" + strings.Repeat("9a", 1<<19)} {
		if got, err := driver.CleanVersion(in); !driver.IsRefused(err) || len(err.Error()) > 500 {
			t.Errorf("CleanVersion(%.20q) = %q, %v, want a short refusal", in, got, err)
		}
	}
	for name, want := range map[string]string{
		"tracer-1.4.0.tgz": "1.4.0", "tracer_v1.4.0_linux_amd64.tar.gz": "1.4.0", "tracer-1.4.0-linux.zip": "1.4.0", "1.4.0": "1.4.0",
		"tracer-1.4.0-rc.1.tgz": "1.4.0-rc.1", "acme-tracer-10.20.30.tgz": "10.20.30", "tracer@1.4.0": "1.4.0",
		"tracer.tgz": "", "tracer-1.4.tgz": "", "tracer-1.4.0.1.tgz": "", "a-1.0.0-b-2.0.0.tgz": "", "tracer1.4.0.tgz": "",
	} {
		if got := driver.VersionInName(name); got != want {
			t.Errorf("VersionInName(%q) = %q, want %q", name, got, want)
		}
	}
	for _, c := range []struct {
		a, b string
		want bool
	}{{"1.4.1", "1.4.0", true}, {"1.10.0", "1.9.0", true}, {"1.4.0", "1.4.0-beta.1", true}, {"1.4.0", "1.4.0", false}, {"1.3.0", "1.4.0", false}, {"1.0.0", "by hand", true}, {"by hand", "1.0.0", false}} {
		if got := driver.Newer(c.a, c.b); got != c.want {
			t.Errorf("Newer(%q, %q) = %v", c.a, c.b, got)
		}
	}
}

func TestArtifactVersion(t *testing.T) {
	npm := func(files map[string]string) []byte {
		var b bytes.Buffer
		zipped := gzip.NewWriter(&b)
		files0 := tar.NewWriter(zipped)
		for name, content := range files {
			if err := files0.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
				t.Fatal(err)
			}
			if _, err := files0.Write([]byte(content)); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(files0.Close(), zipped.Close()); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for _, c := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"tracer.tgz", npm(map[string]string{"package/package.json": `{"version":"1.4.0"}`}), "1.4.0"},
		{"tracer-9.9.9.tgz", npm(map[string]string{"package/package.json": `{"version":"1.4.0"}`}), "1.4.0"},
		{"tracer-1.5.0.tgz", npm(map[string]string{"package/deep/package.json": `{"version":"1.4.0"}`}), "1.5.0"},
		{"tracer-1.5.0.tgz", []byte("no archive"), "1.5.0"},
		{"tracer-1.5.0.zip", []byte("no archive"), "1.5.0"},
	} {
		if got, err := driver.ArtifactVersion(t.Context(), artifact(c.name, c.content)); err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %s", c.name, got, err, c.want)
		}
	}
	wrong := artifact("tracer-1.4.0.tgz", npm(map[string]string{"package/package.json": `{"version":"1.4.0"}`}))
	wrong.Digest = driver.Digest(nil)
	for name, a := range map[string]driver.Artifact{
		"none": artifact("tracer.tgz", []byte("x")), "wrong digest": wrong,
		"nonsense inside": artifact("tracer-1.4.0.tgz", npm(map[string]string{"package/package.json": `{"version":"latest"}`})),
	} {
		if got, err := driver.ArtifactVersion(t.Context(), a); !driver.IsRefused(err) {
			t.Errorf("%s: %q, %v, want a refusal", name, got, err)
		}
	}
}
