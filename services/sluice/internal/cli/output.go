package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

// The formats of what a command prints.
const (
	formatTable = "table" // for people, whatever it looks like; also called text
	formatJSON  = "json"
	formatYAML  = "yaml"
)

// format is what -o says. It is the same for every command that prints what it found; its schemas are in deploy/schemas.
type format string

// outputFlag gives a command -o.
func outputFlag(cmd *cobra.Command, f *format) {
	*f = formatTable
	cmd.Flags().VarP(f, flagOutput, "o", "`format` for people or for programs: table, json or yaml")
	_ = cmd.RegisterFlagCompletionFunc(flagOutput, cobra.FixedCompletions( // fails only if the flag is missing
		[]cobra.Completion{formatTable, formatJSON, formatYAML}, cobra.ShellCompDirectiveNoFileComp))
}

// flagOutput is the name of -o.
const flagOutput = "output"

// String is the format, as the help shows it.
func (f *format) String() string { return string(*f) }

// Type is what the help calls it.
func (*format) Type() string { return "format" }

// Set reads the flag.
func (f *format) Set(text string) error {
	switch text {
	case formatTable, "text":
		*f = formatTable
	case formatJSON, formatYAML:
		*f = format(text)
	default:
		return fmt.Errorf("want %s, %s or %s", formatTable, formatJSON, formatYAML)
	}
	return nil
}

// machine tells whether a program reads it.
func (f *format) machine() bool { return *f == formatJSON || *f == formatYAML }

// encode is a value for programs. That in YAML is derived from that in JSON, so that the same schema holds for both.
func (f *format) encode(v any) (string, error) {
	text, err := encode(v)
	if err != nil || *f != formatYAML {
		return text, err
	}
	return show.YAML([]byte(text))
}

// tell prints what a command found: for people as text says, for programs v.
func (a *app) tell(f *format, v any, text string) (err error) {
	if f.machine() {
		if text, err = f.encode(v); err != nil {
			return err
		}
	}
	_, err = fmt.Fprint(a.out, text)
	return err
}

// tellNext is tell for one of several that come one after the other: in JSON each is a line, in YAML a document.
func (a *app) tellNext(f *format, v any, text string) error {
	if *f == formatYAML {
		if _, err := fmt.Fprint(a.out, documentMark); err != nil {
			return err
		}
	}
	return a.tell(f, v, text)
}

// documentMark begins each document of a stream of YAML.
const documentMark = "---\n"

// encode is a value in JSON, on one line.
func encode(v any) (string, error) {
	data, err := json.Marshal(v)
	return string(data) + "\n", err
}
