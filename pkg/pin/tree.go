package pin

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/pelletier/go-toml/v2/unstable"
)

// yamlField finds a scalar by its path, such as image.tag in the values of a Helm chart.
func yamlField(src []byte, p Pin) ([]place, error) {
	docs, err := documents(src)
	if err != nil {
		return nil, err
	}
	var out []place
	for _, body := range docs {
		for _, n := range under(body, strings.Split(p.Name, ".")) {
			at, err := scalar(src, n, p.Value)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.Name, err)
			}
			out = append(out, at)
		}
	}
	return out, nil
}

// kustomize finds an image that is replaced. https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/images/
func kustomize(src []byte, p Pin) ([]place, error) {
	docs, err := documents(src)
	if err != nil {
		return nil, err
	}
	field := "newTag"
	if strings.HasPrefix(p.Value, "sha256:") {
		field = "digest"
	} else if strings.Contains(p.Value, "@") {
		return nil, errors.New("an image has a newTag or a digest, not both: pin one of them")
	}
	var out []place
	for _, body := range docs {
		for _, images := range under(body, []string{"images"}) {
			list, ok := images.(*ast.SequenceNode)
			if !ok {
				return nil, errors.New("images is no list")
			}
			for _, image := range list.Values {
				if name := under(image, []string{"name"}); len(name) == 0 || name[0].GetToken().Value != p.Name {
					continue
				}
				found := under(image, []string{field})
				if len(found) == 0 {
					return nil, fmt.Errorf("image %s has no %s: add it once by hand, with any value", p.Name, field)
				}
				at, err := scalar(src, found[0], p.Value)
				if err != nil {
					return nil, fmt.Errorf("image %s: %w", p.Name, err)
				}
				out = append(out, at)
			}
		}
	}
	return out, nil
}

func documents(src []byte) ([]ast.Node, error) {
	f, err := parser.ParseBytes(src, 0)
	if err != nil {
		return nil, errors.New(strings.TrimSpace(yaml.FormatError(err, false, false)))
	}
	var out []ast.Node
	for _, d := range f.Docs {
		out = append(out, d.Body)
	}
	return out, nil
}

// under are the values at a path of keys. A key may have dots itself.
func under(n ast.Node, path []string) []ast.Node {
	if len(path) == 0 {
		return []ast.Node{n}
	}
	var pairs []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		pairs = m.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{m}
	}
	var out []ast.Node
	for _, pair := range pairs {
		for i := range path {
			if pair.Key.GetToken().Value == strings.Join(path[:i+1], ".") {
				out = append(out, under(pair.Value, path[i+1:])...)
			}
		}
	}
	return out
}

// scalar is the place of a plain or quoted value, and what is to stand there in the same style.
func scalar(src []byte, n ast.Node, value string) (place, error) {
	known := []ast.NodeType{ast.StringType, ast.IntegerType, ast.FloatType, ast.BoolType, ast.NullType}
	t := n.GetToken()
	if !slices.Contains(known, n.Type()) || strings.Contains(t.Value, "\n") {
		return place{}, fmt.Errorf("line %d: is of kind %s, and no single value", t.Position.Line, strings.ToLower(n.Type().String()))
	}
	lines := bytes.SplitAfter(src, []byte("\n"))
	from := 0
	for _, l := range lines[:t.Position.Line-1] {
		from += len(l)
	}
	from += len(string([]rune(string(lines[t.Position.Line-1]))[:t.Position.Column-1]))
	for _, quote := range []string{`"`, "'", ""} {
		if old := quote + t.Value + quote; bytes.HasPrefix(src[from:], []byte(old)) {
			if quote == "" && !plain(value) {
				quote = `"`
			}
			return place{from, from + len(old), quote + value + quote}, nil
		}
	}
	return place{}, fmt.Errorf("line %d: is written in a way that can not be changed in place: write it in quotes", t.Position.Line)
}

// plain tells whether a value without quotes is the same string: 1.4 is a number, and 1.4.0 is none.
func plain(value string) bool {
	var got any
	err := yaml.Unmarshal([]byte(value), &got)
	return err == nil && got == value
}

// pyproject finds a requirement in a list of them, or a dependency of Poetry's.
// https://packaging.python.org/en/latest/specifications/pyproject-toml/#dependencies-optional-dependencies
func pyproject(src []byte, p Pin) ([]place, error) {
	var parse unstable.Parser
	parse.Reset(src)
	var table []string
	var out []place
	for parse.NextExpression() {
		e := parse.Expression()
		switch e.Kind { //nolint:exhaustive // nothing else stands at the top of a line
		case unstable.Table, unstable.ArrayTable:
			table = keyOf(e)
		case unstable.KeyValue:
			found, err := dependency(src, slices.Concat(table, keyOf(e)), e.Value(), p)
			if err != nil {
				return nil, err
			}
			out = append(out, found...)
		}
	}
	if err := parse.Error(); err != nil {
		return nil, fmt.Errorf("not TOML: %w", err)
	}
	return out, nil
}

func keyOf(n *unstable.Node) []string {
	var out []string
	for it := n.Key(); it.Next(); {
		out = append(out, string(it.Node().Data))
	}
	return out
}

func dependency(src []byte, key []string, v *unstable.Node, p Pin) ([]place, error) {
	text := func(n *unstable.Node) (from, to int) { // without its quotes
		from, to = int(n.Raw.Offset), int(n.Raw.Offset+n.Raw.Length)
		for to-from >= 2 && (src[from] == '"' || src[from] == '\'') && src[to-1] == src[from] {
			from, to = from+1, to-1
		}
		return from, to
	}
	path, last := strings.Join(key, "."), len(key)-1
	switch {
	case strings.HasPrefix(path, "tool.poetry.") && last > 2 && key[last-1] == "dependencies" && normal(key[last]) == normal(p.Name):
	case v.Kind == unstable.Array && (path == "project.dependencies" || strings.HasPrefix(path, "project.optional-dependencies.") ||
		strings.HasPrefix(path, "dependency-groups.")):
		var out []place
		for it := v.Children(); it.Next(); {
			if it.Node().Kind != unstable.String {
				continue
			}
			start, end := text(it.Node())
			from, to, ok, err := requirement(string(src[start:end]), p)
			if err != nil {
				return nil, fmt.Errorf("line %d: %s %w", line(src, start), p.Name, err)
			}
			if ok {
				out = append(out, place{start + from, start + to, exactly(p.Value)})
			}
		}
		return out, nil
	default:
		return nil, nil
	}
	if v.Kind != unstable.String {
		return nil, fmt.Errorf("%s is no string: give it a version alone", path)
	}
	from, to := text(v)
	return []place{{from, to, p.Value}}, nil
}
