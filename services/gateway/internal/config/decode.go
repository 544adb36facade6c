package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/sluice-gate/sluice/pkg/project"
)

// MaxSize bounds a file, in bytes.
const MaxSize = 256 << 10

// position is where something stands in the file; both count from 1.
type position struct{ line, column int }

// decoder collects what is wrong on the way. Everything is named by its path, such as "hooks[0].merges[1].on".
type decoder struct {
	file string
	at   map[string]position
	errs project.Errors
}

// document reads the one mapping that the file is.
func (d *decoder) document(src []byte) ast.Node {
	switch {
	case len(src) > MaxSize:
		d.failAt(position{1, 1}, "", "the file has %d bytes; allowed are %d", len(src), MaxSize)
		return nil
	case !utf8.Valid(src):
		d.failAt(position{1, 1}, "", "the file is not UTF-8 text")
		return nil
	}
	src = bytes.ReplaceAll(bytes.TrimPrefix(src, []byte("\uFEFF")), []byte("\r\n"), []byte("\n"))
	file, err := parser.ParseBytes(src, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		at, message := position{1, 1}, "it can not be read"
		var syntax yaml.Error
		if errors.As(err, &syntax) { // without the excerpt of the file that the library adds: it may hold a secret
			at, message = tokenPosition(syntax.GetToken()), syntax.GetMessage()
		}
		d.failAt(at, "", "not YAML: %s", message)
		return nil
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		d.failAt(position{1, 1}, "", "want one document with hooks; it has %d", len(file.Docs))
		return nil
	}
	return file.Docs[0].Body
}

func tokenPosition(tk *token.Token) position {
	if tk == nil || tk.Position == nil {
		return position{1, 1}
	}
	return position{max(1, tk.Position.Line), max(1, tk.Position.Column)}
}

// fail reports a problem of the field at path, or of the closest field around it that the file has.
func (d *decoder) fail(path, format string, args ...any) {
	at := position{1, 1}
	for p := path; p != ""; p = p[:max(0, strings.LastIndexAny(p, ".["))] {
		if found, ok := d.at[p]; ok {
			at = found
			break
		}
	}
	d.failAt(at, path, format, args...)
}

func (d *decoder) failAt(at position, path, format string, args ...any) {
	d.errs = append(d.errs, &project.Error{
		File: d.file, Line: at.line, Column: at.column, Field: path, Problem: fmt.Sprintf(format, args...),
	})
}

func (d *decoder) inOrder() project.Errors {
	slices.SortStableFunc(d.errs, func(a, b *project.Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Field, b.Field))
	})
	return d.errs
}

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// unique reports a value that another path has already.
func (d *decoder) unique(known map[string]string, value, path, what string) {
	if value == "" {
		return
	}
	if first, twice := known[value]; twice {
		d.fail(path, "%s is %s %s too: remove one", quote(value), what, first)
		return
	}
	known[value] = path
}

// section is one mapping of the file.
type section struct {
	*decoder
	path   string
	values map[string]ast.Node
}

// section reads the mapping at path. Fields that it may not have and fields given twice are reported and left out.
func (d *decoder) section(path string, node ast.Node, fields ...string) (section, bool) {
	s := section{d, path, map[string]ast.Node{}}
	mapping, ok := node.(*ast.MappingNode)
	if !ok {
		d.fail(path, "must be fields with values (%s)", strings.Join(fields, ", "))
		return s, false
	}
	for _, entry := range mapping.Values {
		at := tokenPosition(entry.Key.GetToken())
		key, ok := entry.Key.(*ast.StringNode)
		switch {
		case !ok:
			d.failAt(at, path, "a field's name must be text; allowed: %s", strings.Join(fields, ", "))
		case !slices.Contains(fields, key.Value):
			d.failAt(at, s.at(strings.Trim(quote(key.Value), `"`)), "%s", unknown(key.Value, fields))
		case s.has(key.Value):
			d.failAt(at, s.at(key.Value), "is there twice, first on line %d: remove one", d.at[s.at(key.Value)].line)
		default:
			d.place(s.at(key.Value), at, entry.Value)
			s.values[key.Value] = entry.Value
		}
	}
	return s, true
}

// place remembers where a field stands: a scalar by its value, anything else by its name.
func (d *decoder) place(path string, name position, value ast.Node) {
	d.at[path] = name
	if _, ok := value.(*ast.StringNode); ok {
		d.at[path] = tokenPosition(value.GetToken())
	}
}

func unknown(name string, fields []string) string {
	switch near, ok := project.Nearest(name, fields); {
	case name == "secret" || name == "token":
		return "secrets are never written here: name the variable with secret_env, or the file with secret_file"
	case ok:
		return fmt.Sprintf("unknown field, did you mean %s? allowed: %s", near, strings.Join(fields, ", "))
	}
	return "unknown field; allowed: " + strings.Join(fields, ", ")
}

func (s section) has(name string) bool { return s.values[name] != nil }

func (s section) at(name string) string {
	if s.path == "" {
		return name
	}
	return s.path + "." + name
}

// need reports a field that is missing.
func (s section) need(name, why string) {
	if !s.has(name) {
		s.fail(s.at(name), "is missing: %s", why)
	}
}

// needItems reports a list that is missing or empty.
func (s section) needItems(name, why string) {
	if list, ok := s.values[name].(*ast.SequenceNode); !s.has(name) || ok && len(list.Values) == 0 {
		s.fail(s.at(name), "is missing or empty: %s", why)
	}
}

// refuse reports fields that are there.
func (s section) refuse(why string, names ...string) {
	for _, name := range names {
		if s.has(name) {
			s.fail(s.at(name), "%s", why)
		}
	}
}

// text is the field as text that passes check, or empty when there is none.
func (s section) text(name string, check func(string) error) string {
	if !s.has(name) {
		return ""
	}
	return s.scalar(s.at(name), s.values[name], check)
}

func (d *decoder) scalar(path string, node ast.Node, check func(string) error) string {
	var value string
	switch node := node.(type) {
	case *ast.StringNode:
		value = node.Value
	case *ast.LiteralNode: // of several lines, as a long expression is
		value = strings.TrimSpace(node.Value.Value)
	default:
		d.fail(path, "must be text: put it in quotes")
		return ""
	}
	if strings.ContainsRune(value, 0) {
		d.fail(path, "must not contain a NUL character")
		return ""
	}
	if err := check(value); err != nil {
		d.fail(path, "%s", err)
		return ""
	}
	return value
}

// list is the field's items, or nil when there are none.
func (s section) list(name string, most int) []ast.Node {
	if !s.has(name) {
		return nil
	}
	sequence, ok := s.values[name].(*ast.SequenceNode)
	switch {
	case !ok:
		s.fail(s.at(name), "must be a list")
		return nil
	case len(sequence.Values) > most:
		s.fail(s.at(name), "has %d items; allowed are %d", len(sequence.Values), most)
		return nil
	}
	for i, item := range sequence.Values {
		s.decoder.at[index(s.at(name), i)] = start(item)
	}
	return sequence.Values
}

// start is where a node's text begins. A block mapping's own token is its first colon.
func start(node ast.Node) position {
	if m, ok := node.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		return tokenPosition(m.Values[0].Key.GetToken())
	}
	return tokenPosition(node.GetToken())
}

// quote repeats a value in an error, on one line and cut short.
func quote(value string) string {
	const most = 48
	if runes := []rune(value); len(runes) > most {
		value = string(runes[:most]) + "…"
	}
	return strconv.Quote(value)
}
