package pin

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Pin is what a file is to say.
type Pin struct {
	// Name is the dependency or image, as the file names it; in a values file the path of the field, "image.tag".
	Name string
	// Value is the version, for images a tag, a digest "sha256:…", or both: "1.4.0@sha256:…".
	Value string
	// Manifest is what the registry says of that version, in JSON. It is needed for a lock file of npm's, and for nothing else.
	Manifest []byte
}

// Change is what an edit came to.
type Change struct {
	Line     int    // of the place, from 1
	Was, Now string // what stood there, and what stands there now
}

// place is a range of a file, and what is to stand there.
type place struct {
	from, to int
	text     string
}

// finder returns the places of a pin, in order. None: the file does not name it.
type finder func(src []byte, p Pin) ([]place, error)

// Both are narrower than any of the formats: nothing that they let through has a meaning beyond itself in one of them.
const (
	names  = `^[A-Za-z0-9@_][A-Za-z0-9@._:/-]*$`
	values = `^[A-Za-z0-9^~=v][A-Za-z0-9._+@:~^=-]*$`
	most   = 512 // bytes of a name or a value
)

// finderOf knows what a file is by its name.
func finderOf(file string) (finder, error) {
	base := strings.ToLower(path.Base(filepath.ToSlash(file)))
	ext := path.Ext(base)
	switch {
	case base == "package.json", IsLock(base): // of a lock file there is more to change than one place: editLock
		return packageJSON, nil
	case base == "go.mod":
		return goMod, nil
	case base == "pyproject.toml":
		return pyproject, nil
	case strings.HasPrefix(base, "requirements") && (ext == ".txt" || ext == ".in"):
		return requirements, nil
	case base == "dockerfile" || base == "containerfile" || strings.HasPrefix(base, "dockerfile.") || ext == ".dockerfile":
		return dockerfile, nil
	case base == "kustomization.yaml" || base == "kustomization.yml":
		return kustomize, nil
	case ext == ".yaml" || ext == ".yml":
		return yamlField, nil
	}
	return nil, fmt.Errorf("%s: can not be pinned in: known are package.json, package-lock.json, requirements*.txt, pyproject.toml, go.mod, Dockerfile, "+
		"kustomization.yaml and other YAML files", file)
}

// Edit returns the file with the pin in it. file tells by its name what it is, and stands in errors; nothing is read or written.
func Edit(file string, src []byte, p Pin) ([]byte, Change, error) {
	find, err := finderOf(file)
	if err != nil {
		return nil, Change{}, err
	}
	if err := p.check(); err != nil {
		return nil, Change{}, fmt.Errorf("%s: %w", file, err)
	}
	if IsLock(file) {
		out, change, err := editLock(src, p)
		if err != nil {
			return nil, Change{}, fmt.Errorf("%s: %w", file, err)
		}
		return out, change, nil
	}
	places, err := find(src, p)
	if err != nil {
		return nil, Change{}, fmt.Errorf("%s: %w", file, err)
	}
	switch len(places) {
	case 0:
		return nil, Change{}, fmt.Errorf("%s: does not name %s: add it once by hand, with any version", file, p.Name)
	case 1:
	default:
		var lines []string
		for _, at := range places {
			lines = append(lines, fmt.Sprint(line(src, at.from)))
		}
		return nil, Change{}, fmt.Errorf("%s: names %s in lines %s: leave one, it can not be told which is meant", file, p.Name, strings.Join(lines, ", "))
	}
	at := places[0]
	change := Change{Line: line(src, at.from), Was: string(src[at.from:at.to]), Now: at.text}
	return slices.Concat(src[:at.from], []byte(at.text), src[at.to:]), change, nil
}

func (p Pin) check() error {
	for what, c := range map[string]struct{ text, pattern string }{"name": {p.Name, names}, "version": {p.Value, values}} {
		if len(c.text) > most || !regexp.MustCompile(c.pattern).MatchString(c.text) {
			return fmt.Errorf("the %s %.80q is none: want letters, digits and .-_+@:/ without blanks", what, c.text)
		}
	}
	return nil
}

// line is the number of the line that an offset is in.
func line(src []byte, at int) int { return bytes.Count(src[:at], []byte("\n")) + 1 }

// reference is an image with a tag, a digest, or both.
func reference(image, value string) string {
	if strings.HasPrefix(value, "sha256:") {
		return image + "@" + value
	}
	return image + ":" + value
}

// imageOf is an image reference without tag and digest.
func imageOf(ref string) string {
	ref, _, _ = strings.Cut(ref, "@")
	if i := strings.LastIndexByte(ref, ':'); i > strings.LastIndexByte(ref, '/') {
		ref = ref[:i]
	}
	return ref
}

var errURL = errors.New("is installed from a URL: there is no version to change")
