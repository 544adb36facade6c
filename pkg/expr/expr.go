package expr

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/ext"
)

// Bounds of an expression: its length in bytes, and the steps that its evaluation may take, by CEL's own count.
const (
	maxSource = 4 << 10
	maxSteps  = 1_000_000
	askEvery  = 100 // iterations of a comprehension between two looks at the context
)

// Scope is where an expression stands, and so what it may name.
type Scope int

// The scopes, with the names that the package comment says.
const (
	Action   Scope = iota // what is done outside for a release
	Answer                // the same, and the answer to it
	Delivery              // what was sent to us, of which there is no release yet
	Reading               // what a check read, of which a number is to be taken
	Value                 // that number
	Response              // what an address answered, and how
	Alert                 // one of the alerts that a delivery tells of

	scopes int = iota // how many there are
)

// Vars is what an expression sees, by the names of the package comment.
type Vars map[string]any

// texts are the variables of an action that are text.
func texts() []string {
	return []string{
		"release.id", "release.project", "release.commit", "release.ref", "release.url", "release.actor", "release.version", "release.beta",
		"release.stage", "release.artifact", "release.digest", "undo.id", "undo.version", "undo.beta", "undo.digest", "action", "key",
	}
}

// variable is a name and what it stands for.
type variable struct {
	name string
	kind *cel.Type
}

// variables are what may be named in a scope.
func (s Scope) variables() []variable {
	var vars []variable
	if s == Action || s == Answer {
		for _, name := range texts() {
			vars = append(vars, variable{name, cel.StringType})
		}
		vars = append(vars, variable{"release.attempt", cel.IntType})
	}
	table := cel.MapType(cel.StringType, cel.StringType)
	switch s {
	case Answer:
		vars = append(vars, variable{"status", cel.IntType}, variable{"header", table}, variable{"body", cel.DynType})
	case Delivery:
		vars = append(vars, variable{"header", table}, variable{"body", cel.DynType}, variable{"purl", table})
	case Reading:
		vars = append(vars, variable{"status", cel.IntType}, variable{"header", table}, variable{"body", cel.DynType})
	case Response:
		vars = append(vars, variable{"status", cel.IntType}, variable{"header", table}, variable{"body", cel.DynType},
			variable{"latency_ms", cel.DoubleType}, variable{"tls_days_left", cel.DoubleType})
	case Value:
		vars = append(vars, variable{"value", cel.DoubleType})
	case Alert:
		vars = append(vars, variable{"header", table}, variable{"body", cel.DynType}, variable{"alert", cel.DynType})
	case Action:
	}
	return vars
}

// known lists the names for whoever misspelt one.
func (s Scope) known() string {
	var names []string
	for _, v := range s.variables() {
		names = append(names, v.name)
	}
	return strings.Join(names, ", ")
}

// environments are what CEL knows in each scope. Expressions share them: one of its own makes a condition 40 KiB large instead of 2, and
// takes twenty times as long to make, and a watcher has one for each check of each release.
//
//nolint:gochecknoglobals // made once, when it is needed, and never changed
var environments = func() (all [scopes]func() (*cel.Env, error)) {
	for s := range all {
		all[s] = sync.OnceValues(Scope(s).environment)
	}
	return all
}()

func (s Scope) environment() (*cel.Env, error) {
	options := []cel.EnvOption{ext.Strings(), cel.CrossTypeNumericComparisons(true)}
	for _, v := range s.variables() {
		options = append(options, cel.Variable(v.name, v.kind))
	}
	return cel.NewEnv(options...)
}

// compile makes a program of an expression whose value has one of the kinds, as far as that can be known.
func compile(scope Scope, source string, kinds ...*cel.Type) (cel.Program, error) {
	if strings.TrimSpace(source) == "" {
		return nil, errors.New("the expression is empty")
	}
	if len(source) > maxSource {
		return nil, fmt.Errorf("the expression has %d bytes; allowed are %d", len(source), maxSource)
	}
	env, err := environments[scope]()
	if err != nil {
		return nil, err
	}
	ast, issues := env.Compile(source)
	if issues.Err() != nil {
		first := issues.Errors()[0]
		if strings.HasPrefix(first.Message, "undeclared reference") {
			return nil, fmt.Errorf("at character %d of the expression: there is no such name; known are %s", first.Location.Column()+1, scope.known())
		}
		return nil, fmt.Errorf("at character %d of the expression: %s", first.Location.Column()+1, oneLine(first.Message))
	}
	if err := oneOf(ast.OutputType(), kinds); err != nil {
		return nil, err
	}
	return env.Program(ast, cel.CostLimit(maxSteps), cel.InterruptCheckFrequency(askEvery))
}

func oneOf(got *cel.Type, kinds []*cel.Type) error {
	names := make([]string, 0, len(kinds))
	for _, kind := range kinds {
		if got.IsExactType(kind) {
			return nil
		}
		names = append(names, kind.String())
	}
	if got.IsExactType(cel.DynType) && len(kinds) == 1 {
		return nil // known only when it is asked
	}
	return fmt.Errorf("the expression is of type %s; it must be %s", got, strings.Join(names, ", "))
}

func evaluate(ctx context.Context, program cel.Program, vars Vars) (any, error) {
	value, _, err := program.ContextEval(ctx, map[string]any(vars))
	return native(value, err)
}

// native is the value of an expression as Go has it.
func native(value ref.Val, err error) (any, error) {
	if value, err = checked(value, err); err != nil {
		return nil, err
	}
	return value.Value(), nil
}

func valueOf(ctx context.Context, program cel.Program, vars Vars) (ref.Val, error) {
	value, _, err := program.ContextEval(ctx, map[string]any(vars))
	return checked(value, err)
}

func checked(value ref.Val, err error) (ref.Val, error) {
	if err != nil {
		return nil, fmt.Errorf("%s", oneLine(err.Error()))
	}
	if types.IsUnknownOrError(value) {
		return nil, fmt.Errorf("the expression has no value: %v", value)
	}
	return value, nil
}

// oneLine cuts a message from outside to a line that can be shown.
func oneLine(text string) string {
	const most = 200
	text, _, _ = strings.Cut(text, "\n")
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// Condition is an expression that is true or false; nil is true.
type Condition struct{ program cel.Program }

// ParseCondition compiles a condition.
func ParseCondition(scope Scope, source string) (*Condition, error) {
	program, err := compile(scope, source, cel.BoolType)
	if err != nil {
		return nil, err
	}
	return &Condition{program}, nil
}

// Holds tells whether the condition is true. An error is a value that is not there, or one that is not true or false.
func (c *Condition) Holds(ctx context.Context, vars Vars) (bool, error) {
	if c == nil {
		return true, nil
	}
	return truth(evaluate(ctx, c.program, vars))
}

// Is is Holds for who can not stop it: it takes as many steps as are allowed at most.
func (c *Condition) Is(vars Vars) (bool, error) {
	if c == nil {
		return true, nil
	}
	value, _, err := c.program.Eval(map[string]any(vars))
	return truth(native(value, err))
}

func truth(value any, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	yes, ok := value.(bool)
	if !ok {
		return false, fmt.Errorf("it is of type %T, not true or false", value)
	}
	return yes, nil
}

// Text is an expression whose value is text; nil is the empty one.
type Text struct{ program cel.Program }

// ParseText compiles an expression whose value is text.
func ParseText(scope Scope, source string) (*Text, error) {
	program, err := compile(scope, source, cel.StringType)
	if err != nil {
		return nil, err
	}
	return &Text{program}, nil
}

// Of is the text. An error is a value that is not there, or one that is no text.
func (t *Text) Of(ctx context.Context, vars Vars) (string, error) {
	if t == nil {
		return "", nil
	}
	value, err := evaluate(ctx, t.program, vars)
	if err != nil {
		return "", err
	}
	text, ok := value.(string)
	if !ok {
		return "", fmt.Errorf("it is of type %T, not text: wrap it as in string(body.number)", value)
	}
	return text, nil
}

// Number is an expression whose value is a number.
type Number struct{ program cel.Program }

// ParseNumber compiles an expression whose value is a number.
func ParseNumber(scope Scope, source string) (*Number, error) {
	program, err := compile(scope, source, cel.DoubleType, cel.IntType, cel.UintType, cel.DynType)
	if err != nil {
		return nil, err
	}
	return &Number{program}, nil
}

// Of is the number; ok is false where there is null in its place. An error is a value that is not there, or one that is no number.
func (n *Number) Of(ctx context.Context, vars Vars) (number float64, ok bool, err error) {
	value, err := evaluate(ctx, n.program, vars)
	if err != nil {
		return 0, false, err
	}
	switch v := value.(type) {
	case float64:
		return v, true, nil
	case int64:
		return float64(v), true, nil
	case uint64:
		return float64(v), true, nil
	}
	if value == nil || value == types.NullValue.Value() {
		return 0, false, nil
	}
	return 0, false, fmt.Errorf("it is of type %T, not a number: wrap it as in double(body.text)", value)
}
