package project

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const (
	// MaxSize bounds a project file, in bytes. A file of two dozen checks has some 3 KiB.
	MaxSize = 64 << 10

	maxNesting = 16 // of flow collections and of sequences on one line; a valid file has 7
	maxFields  = 64 // of a mapping; a valid one has 15
	maxRefused = 20 // tokens: more of the same say nothing new
)

// position is where something stands in the file; both count from 1.
type position struct{ line, column int }

// document reads the one mapping that a project file is. It keeps duplicate keys, for the decoder to report with all else.
func (d *decoder) document(src []byte) *ast.MappingNode {
	if len(src) > MaxSize {
		d.failAt(position{1, 1}, "", "the file has %d bytes; allowed are %d", len(src), MaxSize)
		return nil
	}
	if at, ok := firstInvalid(src); !ok {
		d.failAt(at, "", "the file is not UTF-8 text here")
		return nil
	}
	src = bytes.TrimPrefix(src, []byte("\uFEFF"))
	src = bytes.ReplaceAll(src, []byte("\r\n"), []byte("\n")) // the lexer counts the line of a comment twice otherwise
	d.lines = strings.Split(string(src), "\n")
	tokens := lexer.Tokenize(string(src))
	if d.refuseTokens(tokens); len(d.errs) > 0 {
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		d.failAt(syntaxPosition(err), "", "not YAML: %s", syntaxMessage(err))
		return nil
	}
	if len(file.Docs) > 1 {
		at := position{1, 1}
		if start := file.Docs[1].Start; start != nil {
			at = tokenPosition(start)
		}
		d.failAt(at, "", "a second document: allowed is one project per file")
		return nil
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		d.failAt(position{1, 1}, "", "the file is empty: it needs at least `project: <name>`")
		return nil
	}
	root, ok := file.Docs[0].Body.(*ast.MappingNode)
	if !ok {
		d.failAt(d.start(file.Docs[0].Body), "", "must be fields with values, such as `project: <name>`; it is %s", kindOf(file.Docs[0].Body))
		return nil
	}
	return root
}

// refuseTokens refuses what a project file has no use for, before anything is expanded or nested: aliases can blow a small
// file up, tags and merge keys hide what a value is.
func (d *decoder) refuseTokens(tokens token.Tokens) {
	depth, dashes, line := 0, 0, 0
	for _, tk := range tokens {
		at := tokenPosition(tk)
		switch tk.Type { //nolint:exhaustive // a list of what is refused; the parser knows the rest
		case token.AnchorType, token.AliasType, token.MergeKeyType:
			d.failAt(at, "", "anchors, aliases and merge keys are not allowed: write the value out")
		case token.TagType:
			d.failAt(at, "", "tags are not allowed: write the value without one")
		case token.DirectiveType:
			d.failAt(at, "", "directives are not allowed: remove the line")
		case token.MappingKeyType:
			d.failAt(at, "", "keys with a question mark are not allowed: write `name: value`")
		case token.MappingStartType, token.SequenceStartType:
			depth++
		case token.MappingEndType, token.SequenceEndType:
			depth--
		case token.SequenceEntryType:
			if at.line != line {
				dashes, line = 0, at.line
			}
			dashes++
		}
		if len(d.errs) == maxRefused {
			return
		}
		if depth > maxNesting || dashes > maxNesting {
			d.failAt(at, "", "nested too deeply: allowed are %d levels", maxNesting)
			return
		}
	}
}

// firstInvalid is the place of the first byte that is not UTF-8.
func firstInvalid(src []byte) (position, bool) {
	at := position{1, 1}
	for len(src) > 0 {
		r, size := utf8.DecodeRune(src)
		if r == utf8.RuneError && size == 1 {
			return at, false
		}
		at.column++
		if r == '\n' {
			at = position{at.line + 1, 1}
		}
		src = src[size:]
	}
	return at, true
}

func tokenPosition(tk *token.Token) position {
	if tk == nil || tk.Position == nil {
		return position{1, 1}
	}
	return position{max(1, tk.Position.Line), max(1, tk.Position.Column)}
}

func syntaxPosition(err error) position {
	var syntax yaml.Error
	if errors.As(err, &syntax) {
		return tokenPosition(syntax.GetToken())
	}
	return position{1, 1}
}

// syntaxMessage leaves out the excerpt of the file that the library adds: it may hold a secret.
func syntaxMessage(err error) string {
	var syntax yaml.Error
	if errors.As(err, &syntax) {
		return syntax.GetMessage()
	}
	return "it can not be read"
}

// start is where a node's text begins. A block mapping's own token is its first colon.
func (d *decoder) start(node ast.Node) position {
	if m, ok := node.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		return tokenPosition(m.Values[0].Key.GetToken())
	}
	return tokenPosition(node.GetToken())
}

// kindOf names a node's kind in words of the user.
func kindOf(node ast.Node) string {
	switch node.(type) {
	case *ast.NullNode:
		return "empty"
	case *ast.StringNode, *ast.LiteralNode:
		return "text"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.BoolNode:
		return "true or false"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "fields with values"
	case *ast.SequenceNode:
		return "a list"
	default:
		return fmt.Sprintf("a %s", node.Type())
	}
}
