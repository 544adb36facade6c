package pin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// entry is a package as package-lock.json lists it, and as a registry does.
// https://docs.npmjs.com/cli/v11/configuring-npm/package-lock-json,
// https://github.com/npm/registry/blob/main/docs/responses/package-metadata.md
type entry struct {
	Name      string `json:"name"`
	Version   string `json:"version"`
	Resolved  string `json:"resolved"`
	Integrity string `json:"integrity"`
	Link      bool   `json:"link"`

	Dependencies         map[string]string `json:"dependencies"`
	DevDependencies      map[string]string `json:"devDependencies"`
	OptionalDependencies map[string]string `json:"optionalDependencies"`
	PeerDependencies     map[string]string `json:"peerDependencies"`
	Bin                  map[string]string `json:"bin"`
	Engines              map[string]string `json:"engines"`
	OS                   []string          `json:"os"`
	CPU                  []string          `json:"cpu"`
	HasInstallScript     bool              `json:"hasInstallScript"`

	Dist struct{ Integrity, Tarball string } `json:"dist"` // only a registry's
}

// IsLock tells whether a file, by its name, is a lock file of npm's, for which [Pin].Manifest is needed.
func IsLock(file string) bool {
	base := path.Base(filepath.ToSlash(file))
	return base == "package-lock.json" || base == "npm-shrinkwrap.json"
}

// Registry is the base URL of the registry that a lock file has a package from.
func Registry(file string, src []byte, name string) (string, error) {
	e, _, err := locked(src, name)
	if err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	base, _, ok := strings.Cut(e.Resolved, "/"+name+"/-/")
	if !ok {
		return "", fmt.Errorf("%s: does not say which registry %s is from: name it", file, name)
	}
	return base, nil
}

// installed is where npm puts a package that the root depends on.
func installed(name string) string { return "node_modules/" + name }

// locked finds a package that the root of a lock file depends on, and all that are listed.
func locked(src []byte, name string) (entry, map[string]entry, error) {
	var lock struct {
		LockfileVersion int              `json:"lockfileVersion"`
		Packages        map[string]entry `json:"packages"`
	}
	if err := json.Unmarshal(src, &lock); err != nil {
		return entry{}, nil, fmt.Errorf("not a lock file: %w", err)
	}
	if lock.LockfileVersion != 2 && lock.LockfileVersion != 3 {
		return entry{}, nil, fmt.Errorf("lockfileVersion %d: known are 2 and 3, which npm 7 and newer write", lock.LockfileVersion)
	}
	root, e := lock.Packages[""], lock.Packages[installed(name)]
	switch {
	case e.Version == "" && !e.Link, !anyNames(name, root.Dependencies, root.DevDependencies, root.OptionalDependencies):
		return entry{}, nil, fmt.Errorf("does not name %s as a dependency: npm install it once, in any version", name)
	case e.Link:
		return entry{}, nil, fmt.Errorf("%s is a link to %s: there is no version to change", name, e.Resolved)
	case e.Name != "" && e.Name != name:
		return entry{}, nil, fmt.Errorf("%s is another name for %s: only npm install can change that", name, e.Name)
	}
	return e, lock.Packages, nil
}

func anyNames(name string, groups ...map[string]string) bool {
	return slices.ContainsFunc(groups, func(g map[string]string) bool { _, ok := g[name]; return ok })
}

// editLock puts another version of a package into a lock file: its version, where it is from and its integrity, and what the root says
// that it depends on. Whatever would change more of the tree than that one package is refused, as only npm can resolve it.
func editLock(src []byte, p Pin) ([]byte, Change, error) {
	was, all, err := locked(src, p.Name)
	if err != nil {
		return nil, Change{}, err
	}
	now, err := p.manifest()
	if err != nil {
		return nil, Change{}, err
	}
	if what := differs(was, now); what != "" {
		return nil, Change{}, fmt.Errorf("%s %s has other %s than %s: run npm install --package-lock-only", p.Name, p.Value, what, was.Version)
	}
	for _, where := range slices.Sorted(maps.Keys(all)) {
		if e := all[where]; where != "" && anyNames(p.Name, e.Dependencies, e.OptionalDependencies, e.PeerDependencies) {
			return nil, Change{}, fmt.Errorf("%s depends on %s too: run npm install --package-lock-only", where, p.Name)
		}
	}
	fields := map[string]string{"version": p.Value, "resolved": now.Dist.Tarball, "integrity": now.Dist.Integrity}
	var places []place
	var version place
	err = eachString(src, func(keys []string, from, to int) {
		text := ""
		switch n := len(keys); {
		case n == 4 && keys[0] == "packages" && keys[1] == "" && slices.Contains(groups(), keys[2]) && keys[3] == p.Name:
			text = p.Value
		case n == 3 && (keys[0] == "packages" && keys[1] == installed(p.Name) || keys[0] == "dependencies" && keys[1] == p.Name):
			text = fields[keys[2]]
		}
		if text == "" {
			return
		}
		places = append(places, place{from, to, quoted(text)})
		if keys[0] == "packages" && keys[len(keys)-1] == "version" {
			version = places[len(places)-1]
		}
	})
	if err != nil {
		return nil, Change{}, err
	}
	change := Change{Line: line(src, version.from), Was: string(src[version.from:version.to]), Now: version.text}
	var out []byte
	last := 0
	for _, at := range places {
		out = slices.Concat(out, src[last:at.from], []byte(at.text))
		last = at.to
	}
	return append(out, src[last:]...), change, nil
}

// manifest is what the registry says of the version.
func (p Pin) manifest() (entry, error) {
	var m entry
	if len(p.Manifest) == 0 {
		return m, errors.New("what the registry says of the version is needed: its integrity, and where it is")
	}
	if err := json.Unmarshal(p.Manifest, &m); err != nil {
		return m, fmt.Errorf("what the registry says of %s %s is not what it should be: %w", p.Name, p.Value, err)
	}
	if m.Version != p.Value || m.Dist.Integrity == "" || m.Dist.Tarball == "" {
		return m, fmt.Errorf("the registry does not say where %s %s is, and with which integrity", p.Name, p.Value)
	}
	return m, nil
}

// differs names what of a package would change the tree; empty when nothing does.
func differs(was, now entry) string {
	for _, e := range []*entry{&was, &now} {
		for name := range e.OptionalDependencies { // a registry lists them twice
			delete(e.Dependencies, name)
		}
		for name, file := range e.Bin { // "./cli.js" is npm's "cli.js"
			e.Bin[name] = path.Clean(file)
		}
	}
	for what, same := range map[string]bool{
		"dependencies": maps.Equal(was.Dependencies, now.Dependencies), "bin": maps.Equal(was.Bin, now.Bin),
		"optional dependencies": maps.Equal(was.OptionalDependencies, now.OptionalDependencies),
		"peer dependencies":     maps.Equal(was.PeerDependencies, now.PeerDependencies),
		"engines":               maps.Equal(was.Engines, now.Engines), "scripts": was.HasInstallScript == now.HasInstallScript,
		"platforms": slices.Equal(was.OS, now.OS) && slices.Equal(was.CPU, now.CPU),
	} {
		if !same {
			return what
		}
	}
	return ""
}

// quoted is a string in JSON as npm writes it.
func quoted(text string) string {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(text); err != nil {
		return `""` // a string can be encoded
	}
	return strings.TrimSuffix(out.String(), "\n")
}
