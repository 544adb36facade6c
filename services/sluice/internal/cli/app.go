// Package cli is the command line of Sluice, for people and for CI.
//
// What a program wants to read goes to standard output: a release's id, a table, an outcome. All else goes to standard
// error. An error is one line that says what, where, and what to do, and the exit code says what became of it (see [Code]).
//
// Every command but up and init works for a user of the account OPS: it asks by the request subjects, reads journals
// straight from the stream (direct reads), and has no consumers.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"golang.org/x/term"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

// app is one call of the command line.
type app struct {
	in       io.Reader
	out, err io.Writer
	outStyle show.Style // of out
	errStyle show.Style // of err
	connect  connection // flags
	asks     bool       // somebody sits at in and err, and can be asked
	upper    Up
}

// Up is what `sluice up` runs. Without it the command line is for CI, and a third of the size.
type Up struct {
	Run    func(ctx context.Context, cfg UpConfig) error // nil: there is no such command
	Broker string                                        // the version of the broker that is embedded
	// Check looks once at what the checks look at; nil: there is no such command.
	Check func(ctx context.Context, project string, s Stretch) []Tried
	// Tell is a journal record as CDEvents, to be written as JSON; nil: there is no such format.
	Tell func(source string, r journal.Record) ([]any, error)
	// Top shows the live view of a terminal, until it is left or ctx ends; nil: there is no such command.
	Top func(ctx context.Context, s TopScreen) error
}

// UpConfig is what the flags of `sluice up` say.
type UpConfig struct {
	Data          string        // the data directory
	Listen        string        // host:port of the broker
	HTTP          string        // host:port of health and metrics
	Projects      []string      // project files to apply
	Gateway       string        // the gateway's file; empty: no webhooks are taken
	GatewayListen string        // host:port that they come in at
	Dashboard     string        // host:port of the dashboard; empty: where it always is; "off": there is none
	EvidenceAge   time.Duration // how long what the watcher measured is kept; 0: as it is, 30 days at first
	Log           *zap.Logger
	Banner        io.Writer // where it is told that all runs; nil: nowhere
}

// Main runs the command line with the process's arguments and streams, and returns its exit code.
func Main(up Up) Code {
	ctx, stop := service.UntilSignal()
	defer stop()
	a := &app{
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
		outStyle: show.StyleOf(os.Stdout, os.Getenv), errStyle: show.StyleOf(os.Stderr, os.Getenv), upper: up,
	}
	a.asks = a.errStyle.Terminal && term.IsTerminal(int(os.Stdin.Fd())) && os.Getenv("CI") == "" // some give their jobs a terminal
	return a.run(ctx, os.Args[1:])
}

func (a *app) run(ctx context.Context, args []string) Code {
	root := a.root() //nolint:contextcheck // each command gets the context from cobra
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	err := root.ExecuteContext(ctx)
	var code *codeError
	switch {
	case err == nil:
		return Done
	case errors.As(err, &code):
		if code.err != nil {
			a.complain(err)
		}
		return code.code
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return Interrupted
	}
	a.complain(err)
	return Wrong
}

// complain prints an error. Several, as a project file may have, stand one in a line, each with its place first.
func (a *app) complain(err error) {
	if text := err.Error(); strings.Contains(text, "\n") {
		a.say("%s", text)
		return
	}
	a.say("%s %v", a.errStyle.Red("sluice:"), err)
}

// say writes a line to standard error.
func (a *app) say(format string, args ...any) {
	_, _ = fmt.Fprintf(a.err, format+"\n", args...)
}

// print writes a line to standard output.
func (a *app) print(format string, args ...any) error {
	_, err := fmt.Fprintf(a.out, format+"\n", args...)
	return err
}

// The groups of the help.
const (
	groupRun    = "run"
	groupShip   = "ship"
	groupWatch  = "watch"
	groupLook   = "look"
	groupDecide = "decide"
	groupStop   = "stop"
)

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "sluice",
		Short: "A staging gate for software releases",
		Long: `Sluice is a staging gate for software releases: a merge publishes a beta, the beta soaks in staging
while it is watched, and then exactly what soaked is promoted, unless somebody or something said no.

A <release> is named by its id, by the first 4 or more characters of it, as project@version, or by its
project alone: then it is the one that occupies staging, for retry the one that failed last, and for rollback the
one that was promoted last.

The broker is that of --server, --context, NATS_URL or NATS_CONTEXT; contexts, credentials and certificates are those of the
nats command. Colours are left out when NO_COLOR is set or nobody looks. What -o json and -o yaml print is described by the
JSON Schemas in deploy/schemas.`,
		Example:       "  sluice status\n  sluice show tracer\n  sluice cancel tracer login is broken",
		SilenceErrors: true, SilenceUsage: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				return fmt.Errorf("there is no command %q: did you mean %s?", args[0], strings.Join(near, " or "))
			}
			return fmt.Errorf("there is no command %q: see sluice --help", args[0])
		},
		SuggestionsMinimumDistance: 2,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.AddGroup(
		&cobra.Group{ID: groupRun, Title: "Run it:"},
		&cobra.Group{ID: groupShip, Title: "Ship:"},
		&cobra.Group{ID: groupWatch, Title: "Watch:"},
		&cobra.Group{ID: groupLook, Title: "Look:"},
		&cobra.Group{ID: groupDecide, Title: "Decide about a release:"},
		&cobra.Group{ID: groupStop, Title: "Stop and go, for a project or all:"},
	)
	connectionFlags(&a.connect, root.PersistentFlags())
	if a.upper.Run != nil {
		root.AddCommand(a.up())
	}
	if a.upper.Check != nil {
		root.AddCommand(a.check())
	}
	if a.upper.Top != nil {
		root.AddCommand(a.top())
	}
	root.AddCommand(a.init(), a.apply(), a.merge(), a.pin(), a.tail(), a.projects(), a.status(), a.show(), a.log())
	root.AddCommand(a.evidence(), a.printed(), a.backtest(), a.doctor(), a.audit(), a.version(), a.completion())
	root.AddCommand(a.requests()...)
	root.AddCommand(a.stops()...)
	root.CompletionOptions.DisableDefaultCmd = true // ours has examples, and completes what bash would take apart
	document(codes(root, allCodes()[2:]...))
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w: see %s --help", err, cmd.CommandPath())
	})
	return root
}

// within bounds what a command does that only reads, or stores one thing.
func within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, 30*time.Second)
}

// exactly asks for arguments, and names the ones that are missing.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return fmt.Errorf("which %s? usage: %s", names[len(args)], cmd.UseLine())
		}
		if len(args) > len(names) {
			return fmt.Errorf("unexpected argument %q: usage: %s", args[len(names)], cmd.UseLine())
		}
		return nil
	}
}

// atLeast asks for arguments that others may follow.
func atLeast(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		return exactly(names...)(cmd, args[:min(len(args), len(names))])
	}
}
