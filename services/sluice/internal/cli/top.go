package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/pkg/find"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

// TopScreen is what `sluice top` shows, and what it may do. Its functions may be called at the same time.
type TopScreen struct {
	// Look asks the broker for what is to be seen, at the cost of `sluice status`.
	Look func(context.Context) (board.Board, error)
	// Heard has something in it when it is worth to look again.
	Heard <-chan struct{}
	// Errors counts the looks that failed in the last soak of a release, or its bake, in so many parts.
	Errors func(ctx context.Context, id string, parts int) ([]int, error)
	// Ask stores a request and returns what became of it, in a line.
	Ask func(ctx context.Context, id string, verb release.Verb, reason string) (string, error)

	In  io.Reader
	Out io.Writer
	// Style is that of the terminal.
	Style show.Style
}

func (a *app) top() *cobra.Command {
	var actor string
	cmd := &cobra.Command{
		Use: "top [PROJECT]", GroupID: groupLook, Args: cobra.MaximumNArgs(1),
		Short: "Watch everything on one live screen, and stop or speed up what is on it",
		Long: `Shows every live release with what is left of its soak, a bar that fills, and its errors over time. A key asks for a
cancel, a hold, to resume, to expedite or to approve: it asks why, says what will happen, and does it when you say yes. The
keys are on the screen. It costs what sluice status --watch costs, and for each release that soaks or bakes a read of its
measurements every ten seconds.`,
		Example:           "  sluice top\n  sluice top tracer",
		ValidArgsFunction: a.completeProjects,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !a.asks || !a.outStyle.Terminal {
				return errors.New("sluice top needs a terminal: see sluice status --watch")
			}
			ctx, cancel := within(cmd.Context())
			defer cancel()
			c, err := a.open(ctx)
			if err != nil {
				return err
			}
			defer c.close()
			as := format(formatTable)
			v := &view{app: a, client: c, as: &as}
			if len(args) > 0 {
				if err := c.find.Project(ctx, args[0]); err != nil {
					return err
				}
				v.project = args[0]
			}
			who, err := c.actor(actor)
			if err != nil {
				return err
			}
			heard, unsubscribe, err := c.hear()
			if err != nil {
				return err
			}
			defer unsubscribe()
			return a.upper.Top(cmd.Context(), TopScreen{
				Look: v.once, Heard: heard, Errors: c.errors, Ask: a.asker(c, who), In: a.in, Out: a.out, Style: a.outStyle,
			})
		},
	}
	cmd.Flags().StringVar(&actor, "actor", "", "who asks (the NATS user, or $USER)")
	return codes(cmd)
}

// errors counts the looks of a release that failed.
func (c *client) errors(ctx context.Context, id string, parts int) ([]int, error) {
	ctx, cancel := within(ctx)
	defer cancel()
	now, err := c.journal.Now(ctx)
	if err != nil {
		return nil, err
	}
	r, p, err := c.evidence(ctx, id, now)
	if err != nil {
		return nil, err
	}
	return show.Errors(r, p, parts), nil
}

// asker stores requests in the name of somebody, who looks at a screen that nothing else may write to.
func (a *app) asker(c *client, who string) func(context.Context, string, release.Verb, string) (string, error) {
	quiet := *a
	quiet.err, quiet.errStyle, quiet.asks = io.Discard, show.Style{}, false
	return func(ctx context.Context, id string, verb release.Verb, reason string) (string, error) {
		q := ask{verb: verb, reason: reason, actor: who, timeout: answerWithin}
		reading, cancel := within(ctx)
		defer cancel()
		e, err := c.journal.Load(reading, id)
		if err != nil && !errors.Is(err, journal.ErrNone) {
			return "", err
		}
		found := find.Found{ID: id, Entry: e}
		if err := quiet.because(reading, c, found, &q); err != nil {
			return "", err
		}
		seq, err := c.request(ctx, id, q)
		if err != nil {
			return "", err
		}
		text, err := quiet.answer(ctx, c, found, q, seq)
		if err != nil {
			return "", fmt.Errorf("stored at sequence %d: %w", seq, err)
		}
		return text, nil
	}
}
