package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"

	"github.com/sluice-gate/sluice/pkg/signal"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/sluice/internal/tail"
)

// tailing is what is made into signals.
type tailing struct {
	project, release string
	least, plain     string
	flush            time.Duration
}

func (a *app) tail() *cobra.Command {
	var t tailing
	cmd := &cobra.Command{
		Use: "tail --project PROJECT [-- COMMAND ARG...]", GroupID: groupWatch,
		Short: "Run a program, or read a log, and make its errors the project's signals",
		Long: `Runs a program and makes signals of its errors, which a check of the project counts, as in
watch: [{ name: errors, signal: { level: error } }]. Without a program it reads a log from standard input.

What the program prints is passed on unchanged, and its exit code is that of this command. It is never stopped nor made to
wait: what finds no room in the buffer while the broker is away is counted, and holds the release.

An error is a line of --level or worse, in JSON, logfmt or text (ERROR …, [error], E0102 …), or a stack trace, which is one
error. A line that names no level is an error on standard error and in a log, and none on standard output; --plain says
otherwise. A program that ends by itself with another status than 0, and has not said why, is an error too.`,
		Example: `  sluice tail --project tracer -- ./app --port 8080
  sluice tail --project tracer --plain info < app.log
  journalctl -fu app -o cat | sluice tail --project tracer`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.runTail(cmd.Context(), t, args) },
	}
	set := cmd.Flags()
	set.StringVar(&t.project, "project", os.Getenv("SLUICE_PROJECT"), "whose `project` (SLUICE_PROJECT)")
	set.StringVar(&t.release, "release", os.Getenv("SLUICE_RELEASE"), "for which `release` only, by its id (SLUICE_RELEASE)")
	set.StringVar(&t.least, "level", "error", "what is at least that bad: trace, debug, info, warn, error or fatal")
	set.StringVar(&t.plain, "plain", "error", "how bad is what names no `level`")
	set.DurationVar(&t.flush, "flush", 5*time.Second, "how long the last signals may take to be stored")
	set.SortFlags = false
	cmd.Annotations = map[string]string{annotationCodes: "that of the program, 0 done without one, 1 wrong"}
	return cmd
}

// appUser is whose inbox is used: that of the user of accounts.conf who may publish signals, and no more.
const appUser = "app"

func (a *app) runTail(ctx context.Context, t tailing, command []string) error {
	subject := topology.Signal(t.project, t.release)
	least, plain := signal.LevelOf(t.least), signal.LevelOf(t.plain)
	switch {
	case t.project == "":
		return fmt.Errorf("whose signals? name the project with --project, or in SLUICE_PROJECT")
	case subject == "":
		return cmp.Or(topology.CheckProject(t.project), topology.CheckRelease(t.release))
	case least == signal.Unknown:
		return fmt.Errorf("--level %q is none: trace, debug, info, warn, error or fatal", t.least)
	case plain == signal.Unknown:
		return fmt.Errorf("--plain %q is no level: trace, debug, info, warn, error or fatal", t.plain)
	}
	// The program starts whether or not there is a broker, and nothing is sent twice by waiting for one.
	c, err := a.dial(nats.RetryOnFailedConnect(true), nats.ReconnectBufSize(-1), nats.CustomInboxPrefix(topology.InboxPrefix(appUser)))
	if err != nil {
		return err
	}
	defer c.close()
	code, err := tail.Run(ctx, tail.Config{
		Command: command, In: a.in, Out: a.out, Err: a.err, Least: least, Plain: plain, Flush: t.flush,
		Say: func(format string, args ...any) {
			a.say("%s %s", a.errStyle.Red("sluice:"), fmt.Sprintf(format, args...))
		},
		Store: func(ctx context.Context, message []byte) error {
			if !c.js.Conn().IsConnected() {
				return fmt.Errorf("no NATS server answers %s", c.name())
			}
			storing, cancel := context.WithTimeout(ctx, dialWithin)
			defer cancel()
			_, err := c.publishTo(storing, topology.StreamSignals, subject, message)
			return err
		},
	})
	if err != nil {
		return err
	}
	if code != 0 {
		return &codeError{code: Code(code)}
	}
	return nil
}
