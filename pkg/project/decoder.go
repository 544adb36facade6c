package project

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
)

// decoder turns the file's nodes into a Project and collects what is wrong on the way. Everything is named by its path, such
// as "publish.npm.tag"; where a path stands in the file is looked up when an error needs it.
type decoder struct {
	file  string
	lines []string
	at    map[string]position
	errs  Errors
}

// fail reports a problem of the field at path, or of the closest field around it that the file has.
func (d *decoder) fail(path, format string, args ...any) {
	at := position{1, 1}
	for p := path; p != ""; p = parent(p) {
		if found, ok := d.at[p]; ok {
			at = found
			break
		}
	}
	d.failAt(at, path, format, args...)
}

// failAt keeps the position inside the file: the library puts a value that is not there behind it.
func (d *decoder) failAt(at position, path, format string, args ...any) {
	if len(d.lines) > 0 {
		at.line = min(at.line, len(d.lines))
		at.column = min(at.column, utf8.RuneCountInString(d.lines[at.line-1])+1)
	}
	d.errs = append(d.errs, &Error{d.file, at.line, at.column, path, fmt.Sprintf(format, args...)})
}

// clean tells that nothing wrong was found so far at the paths or below them.
func (d *decoder) clean(paths ...string) bool {
	return !slices.ContainsFunc(d.errs, func(e *Error) bool {
		return slices.ContainsFunc(paths, func(path string) bool {
			return e.Field == path || strings.HasPrefix(e.Field, path+".") || strings.HasPrefix(e.Field, path+"[")
		})
	})
}

func parent(path string) string { return path[:max(0, strings.LastIndexAny(path, ".["))] }

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// place remembers where path stands: a scalar by its value, a collection by its name.
func (d *decoder) place(path string, name position, value ast.Node) {
	switch value.(type) {
	case *ast.MappingNode, *ast.SequenceNode, *ast.NullNode:
		d.at[path] = name
	default:
		d.at[path] = d.start(value)
	}
}

// section is one mapping of the file.
type section struct {
	*decoder
	path   string
	values map[string]ast.Node
}

// section reads the mapping at path. Fields that its kind does not have and fields given twice are reported and left out.
func (d *decoder) section(path string, node ast.Node, of kind) (section, bool) {
	s := section{d, path, map[string]ast.Node{}}
	mapping, ok := node.(*ast.MappingNode)
	if !ok {
		d.fail(path, "must be fields with values (%s); it is %s", strings.Join(of.fields(), ", "), kindOf(node))
		return s, false
	}
	if len(mapping.Values) > maxFields {
		d.fail(path, "has %d fields; allowed: %s", len(mapping.Values), strings.Join(of.fields(), ", "))
		return s, false
	}
	for _, entry := range mapping.Values {
		at := tokenPosition(entry.Key.GetToken())
		key, ok := entry.Key.(*ast.StringNode)
		if !ok {
			d.failAt(at, path, "a field's name must be text; allowed: %s", strings.Join(of.fields(), ", "))
			continue
		}
		name := key.Value
		if !slices.Contains(of.fields(), name) {
			d.failAt(at, join(path, printable(name)), "%s", unknownField(of, name))
			continue
		}
		if _, twice := s.values[name]; twice {
			first := d.at[join(path, name)]
			d.failAt(at, join(path, name), "is there twice, first on line %d: remove one", first.line)
			continue
		}
		d.place(join(path, name), at, entry.Value)
		s.values[name] = entry.Value
	}
	return s, true
}

func (s section) has(name string) bool { return s.values[name] != nil }

func (s section) at(name string) string { return join(s.path, name) }

// require reports a field that is missing.
func (s section) require(name, why string) {
	if !s.has(name) {
		s.fail(s.at(name), "is missing: %s", why)
	}
}

// text is the field as text that passes check, or empty when there is none.
func (s section) text(name string, check func(string) error) string {
	if !s.has(name) {
		return ""
	}
	return s.scalar(s.at(name), s.values[name], check)
}

// scalar is the text at path, or empty when it is something else or does not pass check.
func (d *decoder) scalar(path string, node ast.Node, check func(string) error) string {
	var value string
	switch node := node.(type) {
	case *ast.StringNode:
		value = node.Value
	case *ast.LiteralNode:
		value = node.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		d.fail(path, "must be text; it is %s: put it in quotes", kindOf(node))
		return ""
	default:
		d.fail(path, "must be text; it is %s", kindOf(node))
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

// duration is the field as parse reads it, or unset when there is none.
func (s section) duration(name string, unset time.Duration, parse func(string) (time.Duration, error)) time.Duration {
	if !s.has(name) {
		return unset
	}
	path := s.at(name)
	switch node := s.values[name].(type) {
	case *ast.StringNode:
		d, err := parse(node.Value)
		if err != nil {
			s.fail(path, "%s", err)
			return unset
		}
		return d
	case *ast.IntegerNode, *ast.FloatNode:
		s.fail(path, "%s has no unit: write it like 2h, 30m, 10s, 2d or 0s", quote(node.GetToken().Value))
	default:
		s.fail(path, "must be a duration like 2h, 30m, 1h30m, 2d or 0s; it is %s", kindOf(node))
	}
	return unset
}

// number is the field as a whole number within bounds, or unset when there is none.
func (s section) number(name string, unset, least, most int) int {
	if !s.has(name) {
		return unset
	}
	node, ok := s.values[name].(*ast.IntegerNode)
	if !ok {
		s.fail(s.at(name), "must be a whole number from %d to %d; it is %s", least, most, kindOf(s.values[name]))
		return unset
	}
	n, err := strconv.Atoi(fmt.Sprint(node.Value))
	if err != nil || n < least || n > most {
		s.fail(s.at(name), "%s is out of bounds: allowed are %d to %d", quote(node.GetToken().Value), least, most)
		return unset
	}
	return n
}

// flag is the field as true or false, or false when there is none.
func (s section) flag(name string) bool {
	if !s.has(name) {
		return false
	}
	node, ok := s.values[name].(*ast.BoolNode)
	if !ok {
		s.fail(s.at(name), "must be true or false; it is %s", kindOf(s.values[name]))
		return false
	}
	return node.Value
}

// list is the field's items, or nil when there are none.
func (s section) list(name string, most int) []ast.Node {
	if !s.has(name) {
		return nil
	}
	sequence, ok := s.values[name].(*ast.SequenceNode)
	if !ok {
		s.fail(s.at(name), "must be a list; it is %s", kindOf(s.values[name]))
		return nil
	}
	if len(sequence.Values) > most {
		s.fail(s.at(name), "has %d items; allowed are %d", len(sequence.Values), most)
		return nil
	}
	for i, item := range sequence.Values {
		s.decoder.at[index(s.at(name), i)] = s.start(item)
	}
	return sequence.Values
}

// printable is name as it may stand in an error's field.
func printable(name string) string {
	quoted := quote(name)
	if quoted == `"`+name+`"` && name != "" {
		return name
	}
	return quoted
}
