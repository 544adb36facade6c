package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

// full is the command line with every command that there is.
func full() *app {
	return &app{out: &bytes.Buffer{}, err: &bytes.Buffer{}, upper: Up{
		Run:   func(context.Context, UpConfig) error { return nil },
		Check: func(context.Context, string, Stretch) []Tried { return nil },
		Top:   func(context.Context, TopScreen) error { return nil },
	}}
}

// all are its commands, but the help.
func all(root *cobra.Command) []*cobra.Command {
	var out []*cobra.Command
	for _, c := range root.Commands() {
		if c.Name() != "help" {
			out = append(out, append([]*cobra.Command{c}, all(c)...)...)
		}
	}
	return out
}

// silent are the commands that print no data: what they do goes on until they are stopped, or is for a shell, or for a person's eyes only.
func silent() []string {
	return []string{"up", "init", "tail", "pin", "top", "completion", "verify", "checkpoint"}
}

// Every command has examples that begin as it does, documents its exit codes, is in a group, and prints what it found in every format.
func TestEveryCommand(t *testing.T) {
	root := full().root()
	for _, c := range all(root) {
		if c.Example == "" {
			t.Errorf("%s has no example", c.CommandPath())
		}
		if c.HasSubCommands() {
			continue
		}
		named := false
		for line := range strings.SplitSeq(c.Example, "\n") {
			named = named || strings.Contains(line, c.CommandPath())
		}
		if !named {
			t.Errorf("%s: its examples are of something else:\n%s", c.CommandPath(), c.Example)
		}
		if !strings.Contains(c.Long, "\n\nExit codes: 0 done, 1 wrong, or the broker does not answer") && c.Name() != "tail" {
			t.Errorf("%s does not document its exit codes", c.CommandPath())
		}
		if c.Short == "" || c.Parent() == root && c.GroupID == "" {
			t.Errorf("%s has no short help, or no group", c.CommandPath())
		}
		if has := c.Flags().Lookup(flagOutput) != nil; has == slices.Contains(silent(), c.Name()) {
			t.Errorf("%s: -o is there: %t", c.CommandPath(), has)
		}
		if c.Flags().ShorthandLookup("o") != nil && c.Flags().Lookup(flagOutput) == nil {
			t.Errorf("%s: -o is something else there", c.CommandPath())
		}
	}
}

// Every command is run by some script, over the real binary.
func TestEveryCommandIsRun(t *testing.T) {
	scripts, err := filepath.Glob("../../testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var run strings.Builder
	for _, path := range scripts {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		run.WriteString(strings.NewReplacer("\nstart ", "\nexec sluice up ", "\nwatch ", "\nexec sluice status ").Replace(string(text)))
	}
	for _, c := range all(full().root()) {
		if words := strings.TrimPrefix(c.CommandPath(), "sluice "); !regexp.MustCompile(
			`(?m)^(! )?(exec|code \d+|term run) sluice(-client)?( --\S+ \S+)* ` + words + `\b`).MatchString(run.String()) {
			t.Errorf("no script runs %s", c.CommandPath())
		}
	}
}

// Every example can be run: its commands and flags are there.
func TestExamples(t *testing.T) {
	for _, c := range append(all(full().root()), full().root()) {
		for line := range strings.SplitSeq(c.Example, "\n") {
			_, args, ok := strings.Cut(line, "sluice ")
			if !ok {
				continue
			}
			found, rest, err := full().root().Find(strings.Fields(args))
			if err != nil || found.Parent() == nil {
				t.Errorf("%q: there is no such command: %v", line, err)
				continue
			}
			for _, flag := range regexp.MustCompile(` --([a-z-]+)`).FindAllStringSubmatch(" "+strings.Join(rest, " "), -1) {
				if name := flag[1]; found.Flags().Lookup(name) == nil && found.InheritedFlags().Lookup(name) == nil && found.Name() != "tail" {
					t.Errorf("%q: there is no flag --%s", line, name)
				}
			}
		}
	}
}

// What the README says of the exit codes is what the command has.
func TestCodesOfTheREADME(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range allCodes() {
		row := fmt.Sprintf("\n| %d | %s |", c, c)
		if !strings.Contains(string(readme), row) {
			t.Errorf("the table of exit codes has no row %q", strings.TrimSpace(row))
		}
	}
	if n := len(regexp.MustCompile(`(?m)^\| \d+ \| [a-z]+ \|`).FindAllString(string(readme), -1)); n != len(allCodes()) {
		t.Errorf("it has %d rows, want %d", n, len(allCodes()))
	}
}

func TestFormats(t *testing.T) {
	type pair struct {
		B string `json:"b"`
		A int    `json:"a"`
	}
	for given, want := range map[string]string{
		"table": "for people\n", "text": "for people\n", "json": `{"b":"x: y","a":1}` + "\n", "yaml": "b: \"x: y\"\na: 1\n",
	} {
		var out bytes.Buffer
		a := &app{out: &out}
		var f format
		if err := f.Set(given); err != nil {
			t.Fatal(err)
		}
		if err := a.tell(&f, pair{"x: y", 1}, "for people\n"); err != nil || out.String() != want {
			t.Errorf("%s: %q, %v", given, out.String(), err)
		}
	}
	if err := new(format).Set("xml"); err == nil {
		t.Error("xml is a format")
	}
}

// Nothing that a program reads is coloured, nor cut.
func TestMachinesSeeNoStyle(t *testing.T) {
	var out bytes.Buffer
	a := &app{out: &out, outStyle: show.Style{Colour: true, Terminal: true}}
	f := format(formatJSON)
	if err := a.tell(&f, []string{strings.Repeat("x", 1000)}, a.outStyle.Red("no")); err != nil || strings.Contains(out.String(), "\x1b") {
		t.Errorf("%q, %v", out.String(), err)
	}
}
