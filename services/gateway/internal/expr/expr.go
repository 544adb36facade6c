// Package expr is the expressions of a generic hook: CEL over the delivery's body and headers.
//
// An expression sees `body`, the JSON that was sent, and `header`, a map of lower-case names to first values. It has no side
// effects and no clock, and its cost is bounded, so that whoever may send a body can not keep the gateway busy with it.
package expr

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/cel-go/cel"

	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// maxCost bounds one evaluation, in CEL's units: an operator costs about one, going over a list its length.
const maxCost = 100_000

// maxProblem bounds what is told of a failure, in bytes.
const maxProblem = 200

// Program is a compiled expression. Its zero value is none.
type Program struct {
	text    string
	program cel.Program
}

// Text compiles an expression that gives text.
func Text(text string) (Program, error) { return compile(text, cel.StringType) }

// Condition compiles an expression that gives true or false.
func Condition(text string) (Program, error) { return compile(text, cel.BoolType) }

func compile(text string, want *cel.Type) (Program, error) {
	if strings.TrimSpace(text) == "" {
		return Program{}, errors.New("must not be empty")
	}
	env, err := cel.NewEnv(
		cel.Variable("body", cel.DynType), cel.Variable("header", cel.MapType(cel.StringType, cel.StringType)))
	if err != nil {
		return Program{}, fmt.Errorf("CEL: %w", err)
	}
	ast, issues := env.Compile(text)
	if issues.Err() != nil {
		found := issues.Errors()
		return Program{}, fmt.Errorf("not CEL: %s (at %d:%d of the expression)", releasepb.Line(found[0].Message, maxProblem),
			found[0].Location.Line(), found[0].Location.Column()+1)
	}
	if got := ast.OutputType(); !got.IsExactType(want) && !got.IsExactType(cel.DynType) {
		return Program{}, fmt.Errorf("gives %s, want %s", got, want)
	}
	program, err := env.Program(ast, cel.CostLimit(maxCost))
	if err != nil {
		return Program{}, fmt.Errorf("CEL: %w", err)
	}
	return Program{text: text, program: program}, nil
}

// Set tells whether there is an expression.
func (p Program) Set() bool { return p.program != nil }

// String is the expression as it was written.
func (p Program) String() string { return p.text }

// Text is what the expression gives for a delivery, as text; "" without an expression. Anything but text is an error.
func (p Program) Text(body any, header map[string]string) (string, error) {
	if !p.Set() {
		return "", nil
	}
	value, err := p.eval(body, header)
	if err != nil {
		return "", err
	}
	text, ok := value.(string)
	if !ok {
		return "", fmt.Errorf("gives %T, want text: wrap it as in string(body.number)", value)
	}
	return text, nil
}

// True tells whether the condition holds for a delivery; it does without an expression.
func (p Program) True(body any, header map[string]string) (bool, error) {
	if !p.Set() {
		return true, nil
	}
	value, err := p.eval(body, header)
	if err != nil {
		return false, err
	}
	yes, ok := value.(bool)
	if !ok {
		return false, fmt.Errorf("gives %T, want true or false", value)
	}
	return yes, nil
}

func (p Program) eval(body any, header map[string]string) (any, error) {
	out, _, err := p.program.Eval(map[string]any{"body": body, "header": header})
	if err != nil {
		return nil, errors.New(releasepb.Line(err.Error(), maxProblem))
	}
	return out.Value(), nil
}
