package pin_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/pin"
)

const digest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

// Each file has one place that is to change, marked by «…» with what stands there; all else stays.
func files() map[string]struct {
	file, src, name, value, want string
} {
	return map[string]struct{ file, src, name, value, want string }{
		"npm": {"package.json", "{\r\n\t\"name\": \"tracer\",\r\n\t\"dependencies\": { \"a\": \"1\", \"@acme/tracer\" : «\"^1.3.0\"»},\r\n" +
			"\t\"peerDependencies\": {\"@acme/tracer\": \"*\"}, \"x\": [{\"@acme/tracer\": \"no\"}] }\r\n", "@acme/tracer", "1.4.0-beta.0", `"1.4.0-beta.0"`},
		"npm, for development": {"web/package.json", `{"devDependencies":{"tracer":«"file:../tracer"»},"scripts":{"tracer":"run"}}`, "tracer", "1.4.0", `"1.4.0"`},
		"pip": {"requirements-staging.txt", "# tracer==1\nother==2 ; python_version < '3.9'\nAcme_Tracer[cli]«>=1.3, <2»  ; python_version > '3' # why\n",
			"acme-tracer", "1.4.0b0", "==1.4.0b0"},
		"pip, without a version": {"requirements.in", "-r other.txt\ntracer«»\n", "tracer", "1.4.0", "==1.4.0"},
		"pyproject": {"pyproject.toml", "[project]\nname = \"tracer\"\ndependencies = [\n  \"other>=1\", # tracer\n  'Tracer[x] «~= 1.3»; python_version > \"3\"',\n]\n",
			"tracer", "1.4.0", "==1.4.0"},
		"a group":         {"pyproject.toml", "[dependency-groups]\ndev = [{include-group = \"x\"}, \"tracer«»\"]\n", "tracer", "==1.4.0", "==1.4.0"},
		"poetry":          {"pyproject.toml", "[tool.poetry.dependencies]\npython = \"^3.12\"\ntracer = \"«^1.3»\" # latest\n", "tracer", "1.4.0", "1.4.0"},
		"go":              {"svc/go.mod", "module m\n\ngo 1.26\n\nrequire (\n\tv1.3.0.org/x v1.3.0\n\tacme.org/tracer «v1.3.0» // indirect\n)\n", "acme.org/tracer", "v1.4.0-rc.0", "v1.4.0-rc.0"},
		"go, SLUICE_BETA": {"go.mod", "module m\nrequire acme.org/tracer «v1.3.0»\n", "acme.org/tracer", "1.4.0-rc.1", "v1.4.0-rc.1"},
		"go, alone":       {"go.mod", "module m\nrequire acme.org/tracer «v1.3.0»\nreplace acme.org/tracer => ../tracer\n", "acme.org/tracer", "v1.4.0", "v1.4.0"},
		"docker": {"Dockerfile", "# FROM acme/tracer:1\nFROM golang:1.26 AS build\nfrom --platform=linux/arm64 «reg.acme.org:5000/tracer:1.3@sha256:ab» AS run\n",
			"reg.acme.org:5000/tracer", "1.4.0-beta@" + digest, "reg.acme.org:5000/tracer:1.4.0-beta@" + digest},
		"docker, by digest": {"deploy/Dockerfile.staging", "FROM «acme/tracer»\n", "acme/tracer", digest, "acme/tracer@" + digest},
		"helm":              {"values.yaml", "# ü\nimage:\n  repository: acme/tracer   # tag: 1\n  tag: «\"1.3.0\"»  # staging\nother: {image: {tag: x}}\n", "image.tag", "1.4.0", `"1.4.0"`},
		"helm, plain":       {"chart/values-staging.yml", "a: ö\n\"x.y\": { tag: «1.3.0» , b: 1 }\n", "x.y.tag", "1.4.0", "1.4.0"},
		"helm, a number":    {"values.yaml", "image: {tag: «1.3»}\n", "image.tag", "1.4", `"1.4"`},
		"helm, single":      {"values.yaml", "- 1\n---\nimage: {tag: «'1.3'»}\n", "image.tag", "1.4", `'1.4'`},
		"kustomize": {"overlays/staging/kustomization.yaml", "images:\n- name: acme/other\n  newTag: 1.3.0\n- newName: x\n  name: acme/tracer\n  newTag: «1.3.0»\n",
			"acme/tracer", "1.4.0-beta.0", "1.4.0-beta.0"},
		"kustomize, by digest": {"kustomization.yml", "images: [{name: acme/tracer, digest: «sha256:00»}]\n", "acme/tracer", digest, digest},
	}
}

// marked splits a file at its mark.
func marked(src string) (before, was, after string) {
	before, rest, _ := strings.Cut(src, "«")
	was, after, _ = strings.Cut(rest, "»")
	return before, was, after
}

func TestEdit(t *testing.T) {
	for name, c := range files() {
		t.Run(name, func(t *testing.T) {
			before, was, after := marked(c.src)
			p := pin.Pin{Name: c.name, Value: c.value}
			got, change, err := pin.Edit(c.file, []byte(before+was+after), p)
			if err != nil {
				t.Fatal(err)
			}
			if want := before + c.want + after; string(got) != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			want := pin.Change{Line: strings.Count(before, "\n") + 1, Was: was, Now: c.want}
			if change != want {
				t.Errorf("it says %+v, want %+v", change, want)
			}
			again, change, err := pin.Edit(c.file, got, p)
			if err != nil || !bytes.Equal(again, got) || change.Was != change.Now {
				t.Errorf("the second time: %v, %+v\n%s", err, change, again)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	for want, c := range map[string]struct{ file, src, name, value string }{
		"Makefile: can not be pinned in":                                      {"Makefile", "", "a", "1"},
		`package.json: does not name tracer: add it once`:                     {"package.json", `{"peerDependencies":{"tracer":"1"}}`, "tracer", "1"},
		"package.json: names tracer in lines 1, 2: leave one":                 {"package.json", "{\"dependencies\":{\"tracer\":\"1\"},\n\"devDependencies\":{\"tracer\":\"1\"}}", "tracer", "1"},
		"package.json: line 2: not JSON":                                      {"package.json", "{\n]", "tracer", "1"},
		`package.json: the version "1\n2" is none`:                            {"package.json", "{}", "tracer", "1\n2"},
		`values.yaml: the version "$(id)" is none`:                            {"values.yaml", "a: 1", "a", "$(id)"},
		`values.yaml: the name "../a b" is none`:                              {"values.yaml", "a: 1", "../a b", "1"},
		`the version "AAAAAAAA`:                                               {"values.yaml", "a: 1", "a", strings.Repeat("A", 10<<20)},
		"requirements.txt: line 2: tracer is installed from a URL":            {"requirements.txt", "a\ntracer @ https://acme.org/tracer.zip\n", "tracer", "1"},
		"requirements.txt: line 1: tracer is pinned by hashes":                {"requirements.txt", "tracer==1 \\\n  --hash=sha256:00\n", "tracer", "1"},
		`go.mod: malformed module path "tracer"`:                              {"go.mod", "module m\n", "tracer", "v1.0.0"},
		"go.mod: go.mod:2":                                                    {"go.mod", "require (\n", "acme.org/tracer", "v1.0.0"},
		"values.yaml: image: line 2: is of kind mapping, and no single value": {"values.yaml", "image:\n  tag: 1\n", "image", "1"},
		"values.yaml: a: line 1: is of kind alias, and no single value":       {"values.yaml", "a: *b\n", "a", "1"},
		"kustomization.yaml: image tracer has no digest: add it once":         {"kustomization.yaml", "images: [{name: tracer, newTag: '1'}]", "tracer", digest},
		"kustomization.yaml: an image has a newTag or a digest, not both":     {"kustomization.yaml", "images: [{name: tracer, newTag: '1'}]", "tracer", "1@" + digest},
		"kustomization.yaml: images is no list":                               {"kustomization.yaml", "images: {}", "tracer", "1"},
		"pyproject.toml: not TOML":                                            {"pyproject.toml", "[project\n", "tracer", "1"},
		"pyproject.toml: tool.poetry.dependencies.tracer is no string: give":  {"pyproject.toml", "[tool.poetry.dependencies]\ntracer = {git = \"x\"}\n", "tracer", "1"},
		"Dockerfile: names tracer in lines 1, 2":                              {"Dockerfile", "FROM tracer AS a\nFROM tracer:1\n", "tracer", "1"},
	} {
		got, _, err := pin.Edit(c.file, []byte(c.src), pin.Pin{Name: c.name, Value: c.value})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %.200v, want %q", c.file, err, want)
			continue
		}
		if got != nil || len(err.Error()) > 300 {
			t.Errorf("%s: with an error of %d bytes it returns %q", c.file, len(err.Error()), got)
		}
	}
}

// FuzzEdit: whatever a file says, what comes out has the pin, once, and the rest unchanged.
func FuzzEdit(f *testing.F) {
	for _, c := range files() {
		before, was, after := marked(c.src)
		f.Add(c.file, []byte(before+was+after), c.name, c.value)
	}
	f.Fuzz(func(t *testing.T, file string, src []byte, name, value string) {
		p := pin.Pin{Name: name, Value: value}
		got, change, err := pin.Edit(file, src, p)
		if err != nil {
			return
		}
		if len(got)-len(src) != len(change.Now)-len(change.Was) {
			t.Fatalf("more than %+v is changed", change)
		}
		again, change, err := pin.Edit(file, got, p)
		if err != nil || !bytes.Equal(again, got) {
			t.Fatalf("the second time: %v, %+v\n%q\n%q", err, change, got, again)
		}
	})
}
