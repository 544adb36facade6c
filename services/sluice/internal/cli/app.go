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

	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

// Code is the exit code of the command.
type Code int

// The exit codes. A script can tell by them what became of a release.
const (
	Done        Code = 0 // it is as was asked for: promoted, cancelled, held, …
	Wrong       Code = 1 // a mistake in the command, or no answer from the broker
	Cancelled   Code = 3 // merge --wait: somebody, or the watcher, cancelled the release
	Failed      Code = 4 // merge --wait, rollback: an outside action was refused or gave up
	Superseded  Code = 5 // merge --wait: a newer release took its place
	Refused     Code = 6 // the merge or the request was refused, or came too late
	TimedOut    Code = 7 // it is not decided yet; it goes on
	Interrupted Code = 130
)

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

// app is one call of the command line.
type app struct {
	in       io.Reader
	out, err io.Writer
	outStyle show.Style // of out
	errStyle show.Style // of err
	connect  connection // flags
	upper    Up
}

// Up is what `sluice up` runs. Without it the command line is for CI, and a third of the size.
type Up struct {
	Run    func(ctx context.Context, cfg UpConfig) error // nil: there is no such command
	Broker string                                        // the version of the broker that is embedded
	// Check looks once at what the checks look at; nil: there is no such command.
	Check func(ctx context.Context, project string, s Stretch) []Tried
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

Exit codes: 0 done, 1 wrong, 3 cancelled, 4 failed, 5 superseded, 6 refused or too late, 7 not decided yet.`,
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
	root.AddCommand(a.init(), a.apply(), a.merge(), a.pin(), a.tail(), a.status(), a.log())
	root.AddCommand(a.evidence(), a.backtest(), a.doctor(), a.version())
	root.AddCommand(a.requests()...)
	root.AddCommand(a.stops()...)
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
