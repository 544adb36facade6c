package pin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// groups are the lists of what an npm package installs. A peer dependency says what others may have, so it is none.
// https://docs.npmjs.com/cli/v11/configuring-npm/package-json#dependencies
func groups() []string { return []string{"dependencies", "devDependencies", "optionalDependencies"} }

// packageJSON finds a dependency of an npm package.
func packageJSON(src []byte, p Pin) ([]place, error) {
	var out []place
	err := eachString(src, func(keys []string, from, to int) {
		if len(keys) == 2 && slices.Contains(groups(), keys[0]) && keys[1] == p.Name {
			out = append(out, place{from, to, quoted(p.Value)})
		}
	})
	return out, err
}

// eachString shows every string of a JSON document that is a value: the keys that lead to it, and where it is, with its quotes. An
// element of an array has an empty key.
func eachString(src []byte, show func(keys []string, from, to int)) error {
	d := json.NewDecoder(bytes.NewReader(src))
	var keys []string
	var depth []json.Delim
	isKey := false
	for {
		before := d.InputOffset()
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("line %d: not JSON: %w", line(src, int(d.InputOffset())), err)
		}
		switch v := t.(type) {
		case json.Delim:
			if v == '{' || v == '[' {
				depth, keys, isKey = append(depth, v), append(keys, ""), v == '{'
				continue
			}
			depth, keys = depth[:len(depth)-1], keys[:len(keys)-1]
		case string:
			if isKey {
				keys[len(keys)-1], isKey = v, false
				continue
			}
			to := int(d.InputOffset())
			show(keys, int(before)+bytes.IndexByte(src[before:to], '"'), to)
		}
		isKey = len(depth) > 0 && depth[len(depth)-1] == '{'
	}
}

// goMod finds a module that is required. A version without the v that all have there (https://go.dev/ref/mod#versions), as SLUICE_BETA is,
// gets it.
func goMod(src []byte, p Pin) ([]place, error) {
	if p.Value != "" && p.Value[0] >= '0' && p.Value[0] <= '9' {
		p.Value = "v" + p.Value
	}
	if err := module.Check(p.Name, p.Value); err != nil {
		return nil, err
	}
	f, err := modfile.ParseLax("go.mod", src, nil)
	if err != nil {
		return nil, err
	}
	var out []place
	for _, r := range f.Require {
		if r.Mod.Path != p.Name {
			continue
		}
		to := r.Syntax.End.Byte
		from := r.Syntax.Start.Byte + bytes.LastIndex(src[r.Syntax.Start.Byte:to], []byte(r.Mod.Version))
		out = append(out, place{from, from + len(r.Mod.Version), p.Value})
	}
	return out, nil
}

// requirement is one line of requirements.txt, or one string of pyproject.toml: name, extras, what it says of versions, and the
// rest: a marker, a comment, options. https://packaging.python.org/en/latest/specifications/dependency-specifiers/
func requirement(text string, p Pin) (from, to int, ok bool, err error) {
	m := regexp.MustCompile(`^\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?`).FindStringSubmatchIndex(text)
	if m == nil || normal(text[m[2]:m[3]]) != normal(p.Name) {
		return 0, 0, false, nil
	}
	rest := text[m[1]:]
	switch {
	case strings.HasPrefix(strings.TrimSpace(rest), "@"):
		return 0, 0, false, errURL
	case strings.Contains(rest, "--hash"), strings.HasSuffix(strings.TrimRight(rest, " \t\r"), `\`):
		return 0, 0, false, errors.New("is pinned by hashes, which another version does not have: let pip-compile write that file")
	}
	version := strings.TrimRight(regexp.MustCompile(`^[^;#]*`).FindString(rest), " \t\r")
	blanks := len(version) - len(strings.TrimLeft(version, " \t"))
	return m[1] + blanks, m[1] + len(version), true, nil
}

// normal is a name of a Python package as PyPI compares it.
// https://packaging.python.org/en/latest/specifications/name-normalization/
func normal(name string) string {
	return strings.ToLower(regexp.MustCompile(`[-_.]+`).ReplaceAllString(name, "-"))
}

// exactly is a version as a requirement has it.
func exactly(value string) string { return "==" + strings.TrimLeft(value, "=") }

func requirements(src []byte, p Pin) ([]place, error) {
	var out []place
	at := 0
	for text := range strings.Lines(string(src)) {
		from, to, ok, err := requirement(strings.TrimRight(text, "\r\n"), p)
		if err != nil {
			return nil, fmt.Errorf("line %d: %s %w", line(src, at), p.Name, err)
		}
		if ok {
			out = append(out, place{at + from, at + to, exactly(p.Value)})
		}
		at += len(text)
	}
	return out, nil
}

// dockerfile finds the image that a stage is built from. https://docs.docker.com/reference/dockerfile/#from
func dockerfile(src []byte, p Pin) ([]place, error) {
	var out []place
	from := regexp.MustCompile(`(?im)^[ \t]*FROM[ \t]+(?:--platform=\S+[ \t]+)?(\S+)`)
	for _, m := range from.FindAllSubmatchIndex(src, -1) {
		if imageOf(string(src[m[2]:m[3]])) == p.Name {
			out = append(out, place{m[2], m[3], reference(p.Name, p.Value)})
		}
	}
	return out, nil
}
