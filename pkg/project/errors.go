package project

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one thing that is wrong with a project file.
type Error struct {
	File    string // as given to Parse
	Line    int    // counts from 1
	Column  int    // counts from 1, in characters
	Field   string // "watch[1].http.url"; empty when it is the file as a whole
	Problem string // what is wrong, and what is allowed
}

// Error is "file:line:column: field: problem", on one line.
func (e *Error) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Problem)
	}
	return fmt.Sprintf("%s:%d:%d: %s: %s", e.File, e.Line, e.Column, e.Field, e.Problem)
}

// Errors is everything that is wrong with a project file, in the order of the file. It is never empty.
type Errors []*Error

// Error is one line for each.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find an *Error.
func (e Errors) Unwrap() []error {
	errs := make([]error, len(e))
	for i, one := range e {
		errs[i] = one
	}
	return errs
}

// inOrder sorts by position; errors at one position keep the order in which they were found.
func (e Errors) inOrder() Errors {
	slices.SortStableFunc(e, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return e
}
