package npm

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"path"
	"slices"
	"strings"
)

// maxReadme bounds what of a readme goes into the publish document, in bytes.
const maxReadme = 256 << 10

// document is the body of a publish request, as the npm command line builds it (libnpmpublish 11, lib/publish.js): the package's
// manifest, the tag, and the package itself as an attachment. With an empty access the registry decides who may read a
// package that is new. The commit becomes gitHead when it looks like one of git.
func document(t *tarball, registry, tag, access, commit string) ([]byte, error) {
	attachment := t.name + "-" + t.version + ".tgz"
	address := registry + "/" + t.name + "/-/" + attachment
	if after, ok := strings.CutPrefix(address, "https:"); ok {
		address = "http:" + after // as npm does; the registry serves another anyway
	}
	manifest := t.published()
	manifest["_id"] = t.name + "@" + t.version
	manifest["dist"] = map[string]string{"integrity": t.integrity(), "shasum": t.shasum(), "tarball": address}
	if _, err := hex.DecodeString(commit); err == nil && (len(commit) == 40 || len(commit) == 64) {
		manifest["gitHead"] = commit
	}
	doc := map[string]any{
		"_id": t.name, "name": t.name,
		"dist-tags": map[string]string{tag: t.version},
		"versions":  map[string]any{t.version: manifest},
		"_attachments": map[string]any{attachment: map[string]any{
			"content_type": "application/octet-stream",
			"data":         base64.StdEncoding.EncodeToString(t.packed),
			"length":       len(t.packed),
		}},
	}
	if description, ok := t.manifest["description"]; ok {
		doc["description"] = description
	}
	if access != "" {
		doc["access"] = access
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(doc)
	return out.Bytes(), err
}

// published is package.json as registries list it, with those of npm's corrections that an installer depends on
// (@npmcli/package-json 7, lib/normalize.js): no keys that begin with "_", bin and bundleDependencies in their long form, and
// the install script that a native addon has without saying so.
func (t *tarball) published() map[string]any {
	m := map[string]any{}
	for key, value := range t.manifest {
		if !strings.HasPrefix(key, "_") {
			m[key] = value
		}
	}
	if bin, ok := t.manifest["bin"]; ok {
		var command string
		if json.Unmarshal(bin, &command) == nil {
			m["bin"] = map[string]string{path.Base(t.name): command}
		}
	}
	t.publishBundled(m)
	t.publishAddon(m)
	if name, text := t.readme(); name != "" {
		m["readme"], m["readmeFilename"] = text, name
	}
	return m
}

func (t *tarball) publishBundled(m map[string]any) {
	value, ok := t.manifest["bundleDependencies"]
	if !ok {
		value, ok = t.manifest["bundledDependencies"]
	}
	delete(m, "bundledDependencies")
	if !ok {
		return
	}
	m["bundleDependencies"] = value
	var all bool
	if json.Unmarshal(value, &all) != nil {
		return
	}
	names := []string{}
	if all {
		var dependencies map[string]json.RawMessage
		_ = json.Unmarshal(t.manifest["dependencies"], &dependencies) // nothing to bundle when there are none
		for name := range dependencies {
			names = append(names, name)
		}
		slices.Sort(names)
	}
	m["bundleDependencies"] = names
}

func (t *tarball) publishAddon(m map[string]any) {
	var scripts map[string]json.RawMessage
	_ = json.Unmarshal(t.manifest["scripts"], &scripts) // no scripts are as good as none that can be read
	if string(t.manifest["gypfile"]) == "false" || scripts["install"] != nil || scripts["preinstall"] != nil {
		return
	}
	for _, f := range t.files {
		if path.Dir(f.Name)+"/" == root && path.Ext(f.Name) == ".gyp" {
			with := map[string]any{"install": "node-gyp rebuild"}
			for name, script := range scripts {
				with[name] = script
			}
			m["scripts"], m["gypfile"] = with, true
			return
		}
	}
}

// readme finds the text that a registry shows: README.md before any other README.
func (t *tarball) readme() (name, text string) {
	for _, f := range t.files {
		base := path.Base(f.Name)
		lower := strings.ToLower(base)
		if path.Dir(f.Name)+"/" != root || lower != "readme" && !strings.HasPrefix(lower, "readme.") {
			continue
		}
		if name == "" || lower == "readme.md" {
			data := t.data(f)
			name, text = base, strings.ToValidUTF8(string(data[:min(len(data), maxReadme)]), "\uFFFD")
		}
	}
	return name, text
}
