package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// Code is the exit code of the command.
type Code int

// The exit codes. A script can tell by them what became of a release.
const (
	Done        Code = 0 // it is as was asked for: promoted, cancelled, held, …
	Wrong       Code = 1 // a mistake in the command, or no answer from the broker; doctor, check: something is not well
	Cancelled   Code = 3 // --wait: somebody, or the watcher, cancelled the release
	Failed      Code = 4 // --wait, rollback: an outside action was refused or gave up
	Superseded  Code = 5 // --wait: a newer release took its place
	Refused     Code = 6 // the merge or the request was refused, or came too late
	TimedOut    Code = 7 // it is not decided yet; it goes on
	Broken      Code = 8 // audit verify: something was removed or changed
	Interrupted Code = 130
)

// String is the code in a word, as the field result of -o json has it.
func (c Code) String() string {
	switch c {
	case Done:
		return "done"
	case Wrong:
		return "wrong"
	case Cancelled:
		return "cancelled"
	case Failed:
		return "failed"
	case Superseded:
		return "superseded"
	case Refused:
		return "refused"
	case TimedOut:
		return "undecided"
	case Broken:
		return "broken"
	case Interrupted:
		return "interrupted"
	}
	return "exit " + strconv.Itoa(int(c))
}

// means is what the help says of the code.
func (c Code) means() string {
	switch c { //nolint:exhaustive // the others mean what they are called
	case Wrong:
		return "wrong, or the broker does not answer"
	case Refused:
		return "refused or too late"
	case TimedOut:
		return "not decided yet"
	case Broken:
		return "something was removed or changed"
	}
	return c.String()
}

// allCodes are the exit codes in order.
func allCodes() []Code {
	return []Code{Done, Wrong, Cancelled, Failed, Superseded, Refused, TimedOut, Broken, Interrupted}
}

// codeError is an error with its exit code.
type codeError struct {
	code Code
	err  error // nil: all has been said
}

func (e *codeError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *codeError) Unwrap() error { return e.err }

// fail makes an error with an exit code.
func fail(code Code, format string, args ...any) error {
	return &codeError{code, fmt.Errorf(format, args...)}
}

// annotationCodes is where a command keeps its exit codes.
const annotationCodes = "exit-codes"

// codes says which exit codes a command has beside those that every command has: 0, 1 and 130.
func codes(cmd *cobra.Command, more ...Code) *cobra.Command {
	var all []string
	for _, c := range append([]Code{Done, Wrong}, more...) {
		all = append(all, strconv.Itoa(int(c))+" "+c.means())
	}
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	cmd.Annotations[annotationCodes] = strings.Join(all, ", ")
	return cmd
}

// document adds the exit codes to the help of a command and of all below it.
func document(cmd *cobra.Command) {
	if cmd.Annotations[annotationCodes] == "" {
		codes(cmd)
	}
	if cmd.Long == "" {
		cmd.Long = cmd.Short + "."
	}
	cmd.Long += "\n\nExit codes: " + cmd.Annotations[annotationCodes] + "."
	for _, sub := range cmd.Commands() {
		document(sub)
	}
}
