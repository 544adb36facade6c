package expr

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// List is an expression whose value is a list.
type List struct{ program cel.Program }

// ParseList compiles an expression whose value is a list.
func ParseList(scope Scope, source string) (*List, error) {
	program, err := compile(scope, source, cel.ListType(cel.DynType), cel.DynType)
	if err != nil {
		return nil, err
	}
	return &List{program}, nil
}

// Of are the items, for [Vars]. An error is a value that is not there, one that is no list, or a list of more than most items.
func (l *List) Of(ctx context.Context, vars Vars, most int) ([]any, error) {
	value, err := valueOf(ctx, l.program, vars)
	if err != nil {
		return nil, err
	}
	list, ok := value.(traits.Lister)
	if !ok {
		return nil, fmt.Errorf("it is of type %s, not a list", value.Type().TypeName())
	}
	var items []any
	for it := list.Iterator(); it.HasNext() == types.True; {
		if items = append(items, it.Next()); len(items) > most {
			return nil, fmt.Errorf("the list has more than %d items", most)
		}
	}
	return items, nil
}

// Table is an expression whose value is names with texts: a map, or a list of maps, of pairs, of maps with a name (or key) and a
// value, and of texts such as "env:staging" or "env=staging", as monitoring systems write their tags. A name that comes twice has
// its last value. Numbers and truth values are written out; what is neither text nor one of these is left out.
type Table struct{ program cel.Program }

// ParseTable compiles an expression whose value is names with texts.
func ParseTable(scope Scope, source string) (*Table, error) {
	program, err := compile(scope, source, cel.DynType, cel.ListType(cel.DynType), cel.ListType(cel.StringType),
		cel.MapType(cel.StringType, cel.DynType), cel.MapType(cel.StringType, cel.StringType),
		cel.ListType(cel.MapType(cel.StringType, cel.DynType)), cel.ListType(cel.MapType(cel.StringType, cel.StringType)))
	if err != nil {
		return nil, err
	}
	return &Table{program}, nil
}

// Of is the table; nil is an empty one. An error is a value that is not there, or one that is no table.
func (t *Table) Of(ctx context.Context, vars Vars) (map[string]string, error) {
	table := map[string]string{}
	if t == nil {
		return table, nil
	}
	value, err := valueOf(ctx, t.program, vars)
	if err != nil {
		return nil, err
	}
	if !into(table, value) {
		return nil, fmt.Errorf("it is of type %s, not names with values", value.Type().TypeName())
	}
	return table, nil
}

// into adds what a value says to a table, and tells whether it can say anything.
func into(table map[string]string, value ref.Val) bool {
	switch value := value.(type) {
	case traits.Mapper:
		if name, of, is := named(value); is {
			table[name] = of
			return true
		}
		for it := value.Iterator(); it.HasNext() == types.True; {
			key := it.Next()
			name, isText := key.Value().(string)
			if of, ok := text(value.Get(key)); ok && isText {
				table[name] = of
			}
		}
	case traits.Lister:
		for it := value.Iterator(); it.HasNext() == types.True; {
			item := it.Next()
			if name, of, ok := pair(item); ok {
				table[name] = of
			} else {
				into(table, item)
			}
		}
	case types.Null:
	default:
		return false
	}
	return true
}

// named is a map that says {name: …, value: …}, or {key: …, value: …}. A value that is no text is written as none.
func named(m traits.Mapper) (name, value string, is bool) {
	of, there := m.Find(types.String("value"))
	if !there {
		return "", "", false
	}
	for _, field := range []string{"name", "key"} {
		if found, there := m.Find(types.String(field)); there {
			name, isName := text(found)
			value, _ := text(of)
			return name, value, isName
		}
	}
	return "", "", false
}

// pair is an item of a list that is a name with a value: ["env", "staging"], "env:staging", "env=staging", or a map as in named.
func pair(item ref.Val) (name, value string, ok bool) {
	switch item := item.(type) {
	case types.String:
		at := strings.IndexAny(string(item), ":=")
		if at <= 0 {
			return "", "", false
		}
		return strings.TrimSpace(string(item[:at])), strings.TrimSpace(string(item[at+1:])), true
	case traits.Mapper:
		return named(item)
	case traits.Lister:
		if item.Size() != types.Int(2) {
			return "", "", false
		}
		name, ok := item.Get(types.Int(0)).(types.String)
		value, isText := text(item.Get(types.Int(1)))
		if !ok || !isText || strings.ContainsAny(string(name), ":=") { // two of "env:staging" are no pair
			return "", "", false
		}
		return string(name), value, true
	}
	return "", "", false
}

// text is a value that is text, or can be written as one.
func text(value ref.Val) (string, bool) {
	switch value.(type) {
	case types.String, types.Int, types.Uint, types.Double, types.Bool:
		return fmt.Sprint(value.Value()), true
	}
	return "", false
}
