package expr

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/cel-go/cel"
)

// Template is text with expressions in it.
type Template struct{ parts []part }

// part is literal text, or an expression.
type part struct {
	literal string
	program cel.Program // nil for a literal
}

// ParseTemplate compiles the expressions of a template.
func ParseTemplate(source string) (*Template, error) {
	t := &Template{}
	rest := source
	for rest != "" {
		before, after, found := strings.Cut(rest, "${")
		if !found {
			t.literal(rest)
			break
		}
		if strings.HasSuffix(before, "$") { // $${ is a plain ${
			t.literal(before + "{")
			rest = after
			continue
		}
		t.literal(before)
		end := closing(after)
		if end < 0 {
			return nil, errors.New("an expression that begins with ${ has no } at its end; a plain ${ is written $${")
		}
		program, err := compile(Action, after[:end], cel.StringType, cel.IntType, cel.UintType, cel.DoubleType, cel.BoolType)
		if err != nil {
			return nil, fmt.Errorf("${%s}: %w", oneLine(after[:end]), err)
		}
		t.parts = append(t.parts, part{program: program})
		rest = after[end+1:]
	}
	return t, nil
}

func (t *Template) literal(text string) {
	if text != "" {
		t.parts = append(t.parts, part{literal: text})
	}
}

// closing is the index of the brace that ends an expression, or -1. Braces in strings and in maps are the expression's own.
func closing(source string) int {
	depth := 0
	var quoted byte
	for i := 0; i < len(source); i++ {
		c := source[i]
		switch {
		case quoted != 0 && c == '\\':
			i++
		case quoted != 0:
			if c == quoted {
				quoted = 0
			}
		case c == '"' || c == '\'':
			quoted = c
		case c == '{':
			depth++
		case c == '}' && depth == 0:
			return i
		case c == '}':
			depth--
		}
	}
	return -1
}

// Value is the value of the template: that of its expression when it is one expression and nothing else, otherwise text.
func (t *Template) Value(ctx context.Context, vars Vars) (any, error) {
	if len(t.parts) == 1 && t.parts[0].program != nil {
		return evaluate(ctx, t.parts[0].program, vars)
	}
	return t.Text(ctx, vars, func(s string) (string, error) { return s, nil })
}

// Text is the template with the value of each expression in its place, as escape makes it fit there.
func (t *Template) Text(ctx context.Context, vars Vars, escape func(string) (string, error)) (string, error) {
	var text strings.Builder
	for _, p := range t.parts {
		if p.program == nil {
			text.WriteString(p.literal)
			continue
		}
		value, err := evaluate(ctx, p.program, vars)
		if err != nil {
			return "", err
		}
		fits, err := escape(fmt.Sprint(value))
		if err != nil {
			return "", err
		}
		text.WriteString(fits)
	}
	return text.String(), nil
}
