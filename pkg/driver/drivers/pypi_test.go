package drivers_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/drivers"
	"github.com/sluice-gate/sluice/pkg/project"
)

// index is a Python package index, written from the description of the upload API (https://docs.pypi.org/api/upload/: a multipart form with
// :action=file_upload, protocol_version=1, content, sha256_digest, filetype, pyversion, metadata_version, name and version; basic
// authentication as __token__; a file name is never used again) and from the specification of the simple API in JSON
// (https://packaging.python.org/en/latest/specifications/simple-repository-api/: files with filename and hashes).
type index struct {
	*httptest.Server

	mu    sync.Mutex
	files map[string][]byte
	posts int
	html  bool                                                      // it lists them as older indexes do
	fault func(w http.ResponseWriter, r *http.Request, pass func()) // of uploads; nil for none
}

func newIndex(t *testing.T) *index {
	t.Helper()
	x := &index{files: map[string][]byte{}}
	x.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x.mu.Lock()
		defer x.mu.Unlock()
		if user, token, _ := r.BasicAuth(); user != "__token__" || token != "hunter2" {
			http.Error(w, "Invalid or non-existent authentication information for "+token, http.StatusForbidden)
			return
		}
		switch pass := func() { x.upload(t, w, r) }; {
		case r.URL.Path == "/simple/tracer-lib/" && strings.Contains(r.Header.Get("Accept"), "application/vnd.pypi.simple.v1+json"):
			x.list(w)
		case r.Method == http.MethodPost && r.URL.Path == "/legacy/":
			if x.posts++; x.fault != nil {
				x.fault(w, r, pass)
				return
			}
			pass()
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(x.Close)
	return x
}

func (x *index) list(w http.ResponseWriter) {
	if x.html {
		for name, data := range x.files {
			sum := sha256.Sum256(data)
			_, _ = fmt.Fprintf(w, "<a data-x='1' href=\"../../packages/%s#sha256=%s\">%s</a><br/>\n", name, hex.EncodeToString(sum[:]), name)
		}
		return
	}
	w.Header().Set("Content-Type", "application/vnd.pypi.simple.v1+json")
	files := []any{}
	for name, data := range x.files {
		sum := sha256.Sum256(data)
		files = append(files, map[string]any{"filename": name, "url": name, "hashes": map[string]string{"sha256": hex.EncodeToString(sum[:])}})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"meta": map[string]string{"api-version": "1.0"}, "name": "tracer-lib", "files": files})
}

func (x *index) upload(t *testing.T, w http.ResponseWriter, r *http.Request) {
	t.Helper()
	file, head, err := r.FormFile("content")
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	data, err := io.ReadAll(file)
	sum := sha256.Sum256(data)
	want := map[string]string{
		":action": "file_upload", "protocol_version": "1", "metadata_version": "2.1", "name": "tracer-lib", "version": "1.4.0",
		"sha256_digest": hex.EncodeToString(sum[:]), "filetype": "sdist", "pyversion": "source", "summary": "$(touch hacked) & \"more\"",
	}
	if strings.HasSuffix(head.Filename, ".whl") {
		want["filetype"], want["pyversion"] = "bdist_wheel", "py3"
	}
	for name, value := range want {
		if got := r.FormValue(name); got != value || err != nil {
			t.Errorf("%s: %s is %q, want %q, %v", head.Filename, name, got, value, err)
		}
	}
	if got := r.MultipartForm.Value["requires_dist"]; len(got) != 2 {
		t.Errorf("%s: requires_dist is %q", head.Filename, got)
	}
	if _, taken := x.files[head.Filename]; taken {
		http.Error(w, "File already exists.", http.StatusBadRequest)
		return
	}
	x.files[head.Filename] = data
}

// has is what the index has, and how often something was uploaded since it was asked the last time.
func (x *index) has() (files map[string][]byte, posts int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	posts, x.posts = x.posts, 0
	return maps.Clone(x.files), posts
}

func (x *index) faults(fault func(w http.ResponseWriter, r *http.Request, pass func())) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.fault = fault
}

const metadata = "Metadata-Version: 2.1\nName: tracer-lib\nVersion: 1.4.0\nSummary: $(touch hacked) & \"more\"\n" +
	"Requires-Dist: left\nRequires-Dist: right; python_version > '3'\n\nIt traces.\n"

func tarOf(t *testing.T, files ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for i := 0; i < len(files); i += 2 {
		if err := w.WriteHeader(&tar.Header{Name: files[i], Mode: 0o644, Size: int64(len(files[i+1])), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, files[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func wheel(t *testing.T, code string) string {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for name, text := range map[string]string{"tracer_lib/__init__.py": code, "tracer_lib-1.4.0.dist-info/METADATA": metadata} {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func sdist(t *testing.T) string {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(tarOf(t, "tracer_lib-1.4.0/PKG-INFO", metadata, "tracer_lib-1.4.0/setup.py", "")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

const (
	wheelName = "tracer_lib-1.4.0-py3-none-any.whl"
	sdistName = "tracer_lib-1.4.0.tar.gz"
)

func python(packed []byte) driver.Facts {
	return driver.Facts{
		Release: "01970000-0000-7000-8000-000000000001", Project: "tracer", Attempt: 1, Version: "1.4.0", Beta: "1.4.0",
		Artifact: driver.Artifact{
			Name: "tracer-1.4.0.tar", Digest: driver.Digest(packed),
			Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(packed)), nil },
		},
	}
}

// indexes are the drivers of the example, over two indexes.
func indexes(t *testing.T) (publish, promote driver.Driver, staging, production *index) {
	t.Helper()
	p, err := project.Parse("pypi", []byte(example(t, "pypi/project.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.Abs(examples + "/pypi")
	if err != nil {
		t.Fatal(err)
	}
	open := func(a project.Action, role driver.Role, x *index) driver.Driver {
		a.Exec.Dir = dir
		a.Exec.Env["UPLOAD_URL"], a.Exec.Env["SIMPLE_URL"] = x.URL+"/legacy/", x.URL+"/simple/"
		d, err := drivers.Open(p, a, role)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	staging, production = newIndex(t), newIndex(t)
	t.Setenv("STAGING_TOKEN", "hunter2")
	t.Setenv("PYPI_TOKEN", "hunter2")
	return open(*p.Publish, driver.Publish, staging), open(*p.Promote, driver.Promote, production), staging, production
}

// What soaked is what everybody gets, byte for byte, once, whatever breaks on the way. It needs python3.
func TestPyPI(t *testing.T) {
	publish, promote, staging, production := indexes(t)
	staging.html = true
	want := map[string]string{wheelName: wheel(t, "1"), sdistName: sdist(t)}
	f := python(tarOf(t, wheelName, want[wheelName], sdistName, want[sdistName]))
	for _, step := range []struct {
		d driver.Driver
		x *index
	}{{publish, staging}, {promote, production}} {
		once := true
		for name, fault := range map[string]func(w http.ResponseWriter, r *http.Request, pass func()){
			"lost": func(_ http.ResponseWriter, r *http.Request, _ func()) {
				step.x.upload(t, httptest.NewRecorder(), r)
				panic(http.ErrAbortHandler)
			},
			"busy": func(w http.ResponseWriter, _ *http.Request, _ func()) {
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(http.StatusTooManyRequests)
			},
			"down": func(w http.ResponseWriter, _ *http.Request, _ func()) { w.WriteHeader(http.StatusBadGateway) },
			"died": func(http.ResponseWriter, *http.Request, func()) { panic(http.ErrAbortHandler) },
			"400 for a success": func(w http.ResponseWriter, _ *http.Request, pass func()) {
				pass()
				http.Error(w, "File already exists.", http.StatusBadRequest)
			},
			"fine": nil,
		} {
			once = true
			step.x.mu.Lock()
			clear(step.x.files)
			step.x.mu.Unlock()
			step.x.faults(func(w http.ResponseWriter, r *http.Request, pass func()) {
				if len(step.x.files) == 0 || !once || fault == nil { // it breaks between the two files
					pass()
					return
				}
				once = false
				fault(w, r, pass)
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			begun := time.Now()
			_, err := step.d.Do(ctx, f)
			for again := f; err != nil && !driver.IsRefused(err) && ctx.Err() == nil; { // as the service does
				again.Attempt++
				_, err = step.d.Do(ctx, again)
			}
			if cancel(); err != nil || name == "busy" && time.Since(begun) < time.Second {
				t.Errorf("%s: %v after %s", name, err, time.Since(begun))
			}
			files, posts := step.x.has()
			for name, data := range want {
				if string(files[name]) != data {
					t.Errorf("%s is not what CI built", name)
				}
			}
			if most := map[string]int{"fine": 2, "lost": 2, "400 for a success": 2, "busy": 3, "down": 3, "died": 3}[name]; len(files) != 2 || posts != most {
				t.Errorf("%s: %d files after %d uploads, want %d", name, len(files), posts, most)
			}
		}
		if _, err := step.d.Do(t.Context(), f); err != nil {
			t.Error(err)
		}
		if _, posts := step.x.has(); posts != 0 {
			t.Errorf("done again it uploaded %d files", posts)
		}
	}
	if _, err := publish.Undo(t.Context(), f, driver.Back{}); err != nil {
		t.Error(err)
	}
	if _, err := promote.Undo(t.Context(), f, driver.Back{}); !driver.IsRefused(err) || !strings.Contains(err.Error(), "yank '1.4.0' there by hand") {
		t.Error(err)
	}
}

// What is not the release's, or not fit, is refused in one line without the token, and nothing is uploaded.
func TestPyPIRefusals(t *testing.T) {
	publish, _, staging, _ := indexes(t)
	whl := wheel(t, "1")
	for want, packed := range map[string][]byte{
		"which is no wheel and no sdist: pack":    tarOf(t, "../../"+wheelName, whl),
		"'$(touch hacked)-1.4.0.tar.gz', which":   tarOf(t, "$(touch hacked)-1.4.0.tar.gz", ""),
		"is version 1.5.0, and the release is":    tarOf(t, "tracer_lib-1.5.0-py3-none-any.whl", whl),
		"has files of 2 projects":                 tarOf(t, wheelName, whl, "other-1.4.0.tar.gz", ""),
		"has files of 0 projects":                 tarOf(t),
		"not a gzip file":                         tarOf(t, sdistName, "no"),
		"tracer_lib-1.4.0.tar.gz has no metadata": tarOf(t, sdistName, gzipped(t, tarOf(t, "x/PKG-INFO", "\nno\n"))),
	} {
		_, err := publish.Do(t.Context(), python(packed))
		if !driver.IsRefused(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if files, posts := staging.has(); len(files) > 0 || posts > 0 {
		t.Errorf("it uploaded %d files", posts)
	}
	if _, err := publish.Do(t.Context(), python(tarOf(t, wheelName, whl))); err != nil {
		t.Fatal(err)
	}
	_, err := publish.Do(t.Context(), python(tarOf(t, wheelName, wheel(t, "2"))))
	if !driver.IsRefused(err) || !strings.Contains(err.Error(), "is published already, with other contents") {
		t.Error(err)
	}
	job := exec.CommandContext(t.Context(), examples+"/pypi/upload") // the driver would cut the token out too
	job.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LOGIN_FROM=T", "T=hunter3hunter3", "SIMPLE_URL=" + staging.URL + "/simple",
		"SLUICE_ACTION=publish", "SLUICE_VERSION=1.4.0", "SLUICE_ARTIFACT_PATH=" + filepath.Join(t.TempDir(), "a.tar")}
	packed := tarOf(t, wheelName, whl)
	job.Env = append(job.Env, "SLUICE_DIGEST="+driver.Digest(packed))
	if err := os.WriteFile(strings.TrimPrefix(job.Env[7], "SLUICE_ARTIFACT_PATH="), packed, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := job.CombinedOutput(); err == nil || strings.Contains(string(out), "hunter3") || !strings.Contains(string(out), "for ***") {
		t.Errorf("%v, %s", err, out)
	}
	for token, want := range map[string]string{"hunter3hunter3": "does not accept the token in STAGING_TOKEN", "": "STAGING_TOKEN"} {
		t.Setenv("STAGING_TOKEN", token)
		_, err := publish.Do(t.Context(), python(tarOf(t, wheelName, whl)))
		if !driver.IsRefused(err) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter3") {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func gzipped(t *testing.T, data []byte) string {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
