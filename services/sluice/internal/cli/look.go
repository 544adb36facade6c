package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/pkg/find"
	"github.com/sluice-gate/sluice/pkg/story"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

// endedOfProject is how many ended releases `sluice status PROJECT` shows.
const endedOfProject = 5

func (a *app) status() *cobra.Command {
	var watch bool
	var out format
	cmd := &cobra.Command{
		Use: "status [PROJECT|RELEASE]", GroupID: groupLook, Args: cobra.MaximumNArgs(1),
		Short: "Show what is on its way, and what ended last",
		Long: `Shows what is paused and frozen, every live release and, of each project, the one that ended last; of one project
more of them; of one release all that matters. Of a lane that several projects share it tells who occupies it and who
waits, in order. A release that waits for a window, a stop, approvals or another project says
so, and when it will be promoted if nobody says anything more. The verdict is what the watcher saw last: pass while nothing
failed, inconclusive while a check had nothing to see. Times are in this machine's zone; what is left of a soak is by the
broker's clock.`,
		Example:           "  sluice status --watch\n  sluice status tracer -o json",
		ValidArgsFunction: a.completeAny,
		RunE: func(cmd *cobra.Command, args []string) error {
			name := strings.Join(args, "")
			ctx, cancel := within(cmd.Context())
			defer cancel()
			c, err := a.open(ctx)
			if err != nil {
				return err
			}
			defer c.close()
			v := &view{app: a, client: c, as: &out, watch: watch}
			if err := v.choose(ctx, name); err != nil {
				return err
			}
			if watch {
				return v.follow(cmd.Context())
			}
			b, err := v.look(ctx)
			if err != nil {
				return err
			}
			return v.write(b, b.Now, false)
		},
	}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "show it again whenever it changes")
	outputFlag(cmd, &out)
	return codes(cmd, TimedOut)
}

// view is what status shows: all projects, one project, or one release.
type view struct {
	*app
	client      *client
	as          *format
	watch       bool
	project, id string
}

// choose finds out what is asked for.
func (v *view) choose(ctx context.Context, name string) error {
	if name == "" {
		return nil
	}
	if known, err := v.client.find.Known(ctx, name); err != nil {
		return err
	} else if known {
		v.project = name
		return nil
	}
	found, err := v.client.find.Release(ctx, name)
	if err != nil {
		return err
	}
	if found.Entry.Seq == 0 {
		return notAdmitted(ctx, v.client, found.ID)
	}
	v.id = found.ID
	return nil
}

// lookAt finds the release that somebody wants to look at, and shows it. A project stands for its newest release when nothing of it is in
// staging, and that is said.
func (a *app) lookAt(ctx context.Context, name string, see func(context.Context, *client, find.Found) error) error {
	ctx, cancel := within(ctx)
	defer cancel()
	c, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	found, err := c.find.Read(ctx, name)
	if err != nil {
		return err
	}
	if found.Newest {
		a.say("nothing of %s is in staging: this is its newest release", name)
	}
	if found.Entry.Seq == 0 {
		return notAdmitted(ctx, c, found.ID)
	}
	return see(ctx, c, found)
}

// notAdmitted tells of an id without a journal.
func notAdmitted(ctx context.Context, c *client, id string) error {
	pending, err := c.find.Pending(ctx, id)
	if err != nil {
		return err
	}
	if pending {
		return fail(TimedOut, "the merge of release %s is stored and not admitted yet: is the publisher running?", id)
	}
	return fmt.Errorf("no release has the id %s: see `sluice status`", id)
}

// look asks the broker for what is to be seen.
func (v *view) look(ctx context.Context) (board.Board, error) {
	r := &board.Reader{Journal: v.client.journal, Catalog: v.client.catalog}
	switch {
	case v.id != "":
		e, err := v.client.journal.Load(ctx, v.id)
		if err != nil {
			return board.Board{}, err
		}
		row, now, err := r.Release(ctx, e.State)
		return board.Board{Now: now, Rows: []board.Row{row}}, err
	case v.project != "":
		return r.Project(ctx, v.project, endedOfProject)
	}
	return r.All(ctx)
}

// text is what was seen, as it looks now.
func (v *view) text(b board.Board, now time.Time) (string, error) {
	switch {
	case v.as.machine() && v.id != "":
		return v.as.encode(show.JSONOf(b.Rows[0], now))
	case v.as.machine():
		return v.as.encode(jsonOf(b, now))
	case v.id != "":
		return show.Details(b.Rows[0], now, v.outStyle), nil
	}
	return v.table(b, now), nil
}

func jsonOf(b board.Board, now time.Time) []show.JSON {
	out := []show.JSON{}
	for _, row := range b.Rows {
		out = append(out, show.JSONOf(row, now))
	}
	return out
}

// key is the same for two boards that differ only by the time that has passed.
func key(b board.Board) (string, error) {
	rows := jsonOf(b, b.Now)
	for i := range rows {
		rows[i].Left, rows[i].WatchedAt = 0, nil
		if rows[i].Attention {
			rows[i].Why = ""
		}
	}
	var stops []string
	for _, s := range b.Stopped {
		stops = append(stops, show.Stopped(s.Project, s.Stop, b.Now))
	}
	text, err := encode([]any{rows, stops})
	return text + show.Lanes(b.Shared, b.Now, show.Style{}), err
}

func (v *view) table(b board.Board, now time.Time) string {
	if len(b.Rows) == 0 && len(b.Idle) == 0 {
		return "no projects yet: sluice apply -f sluice.yaml\n"
	}
	plain := func(text string) show.Cell { return show.Cell{Text: text} }
	rows := [][]show.Cell{}
	if len(b.Rows) > 0 {
		var head []show.Cell
		for _, name := range []string{"PROJECT", "VERSION", "PHASE", "LEFT", "WHEN", "VERDICT", "RELEASE", "BY", "WHY"} {
			head = append(head, show.Cell{Text: name, Style: v.outStyle.Dim})
		}
		rows = append(rows, head)
	}
	var ids []string
	for _, row := range b.Rows {
		ids = append(ids, row.State.Release)
	}
	short := show.Short(ids)
	for _, row := range b.Rows {
		s := row.State
		line := show.LineOf(row, now)
		why := show.Cell{Text: line.Why}
		if line.Warn {
			why.Style = v.outStyle.Yellow
		}
		version := s.Version
		if version == "" {
			version = "?"
		}
		rows = append(rows, []show.Cell{
			plain(s.Project), plain(version),
			{Text: story.Phase(s), Style: func(text string) string { return v.outStyle.Phase(s.Phase, text) }},
			plain(line.Left), plain(line.When), v.verdict(row), {Text: short[s.Release], Style: v.outStyle.Dim}, plain(line.By), why,
		})
	}
	text := ""
	if b.Unread != nil {
		text += v.outStyle.Yellow(fmt.Sprintf("what is paused or frozen can not be told: %v", b.Unread)) + "\n"
	}
	for _, s := range b.Stopped {
		text += v.outStyle.Yellow(show.Stopped(s.Project, s.Stop, now)) + "\n"
	}
	text += show.Table(rows, v.width())
	text += show.Lanes(b.Shared, now, v.outStyle)
	if len(b.Idle) > 0 {
		text += "no releases yet: " + strings.Join(b.Idle, ", ") + "\n"
	}
	return text
}

// verdict is what the watcher saw last.
func (v *view) verdict(row board.Row) show.Cell {
	word := show.VerdictOf(row)
	if word == "" {
		return show.Cell{Text: "-"}
	}
	return show.Cell{Text: string(word), Style: func(text string) string { return v.outStyle.Word(word, text) }}
}

// width is that of the terminal; 0 when there is none.
func (a *app) width() int { return widthOf(a.out, a.outStyle) }

func widthOf(w io.Writer, st show.Style) int {
	f, ok := w.(*os.File)
	if !ok || !st.Terminal {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

const (
	tick    = time.Second            // on a terminal the time that is left counts down
	settled = 100 * time.Millisecond // what is heard is about to be stored, and seldom comes alone
	unheard = 15 * time.Second       // look again even when nothing is heard
)

// follow shows it again whenever it changes, until it is interrupted. The broker is asked when something is heard, and now
// and then; a terminal is redrawn in between.
func (v *view) follow(ctx context.Context) error {
	heard, unsubscribe, err := v.client.hear()
	if err != nil {
		return err
	}
	defer unsubscribe()
	for last := ""; ctx.Err() == nil; pause(ctx, settled) {
		b, err := v.once(ctx)
		if err != nil {
			if ctx.Err() == nil {
				v.say("can not look: %v", err)
			}
			pause(ctx, tick)
			continue
		}
		if last, err = v.until(ctx, heard, b, last); err != nil {
			return err
		}
	}
	return nil // told to stop
}

// hear tells when a record of any release is stored, or about to be. It is a hint to look, as that of [journal.Journal.Follow].
func (c *client) hear() (heard <-chan struct{}, unsubscribe func(), err error) {
	hint := make(chan struct{}, 1)
	sub, err := c.js.Conn().Subscribe(topology.AllJournals, func(*nats.Msg) {
		select {
		case hint <- struct{}{}:
		default:
		}
	})
	if err != nil {
		return nil, nil, err
	}
	return hint, func() { _ = sub.Unsubscribe() }, nil
}

// until shows a board until something is heard, or it is time to look again. last is the key of the board that was written
// before; one with the same key is not written again.
func (v *view) until(ctx context.Context, heard <-chan struct{}, b board.Board, last string) (string, error) {
	asked := time.Now()
	key, err := key(b)
	if err != nil {
		return last, err
	}
	wait, redraw := unheard, v.outStyle.Terminal && !v.as.machine()
	if redraw {
		wait = tick
	}
	for written := last == key; ; written = !redraw {
		if redraw || !written {
			if err := v.write(b, b.Now.Add(time.Since(asked)), redraw); err != nil {
				return last, err
			}
		}
		select {
		case <-ctx.Done():
			return key, nil
		case <-heard:
			return key, nil
		case <-time.After(wait):
			if time.Since(asked) >= unheard {
				return key, nil
			}
		}
	}
}

func (v *view) write(b board.Board, now time.Time, redraw bool) error {
	text, err := v.text(b, now)
	if err != nil {
		return err
	}
	switch {
	case redraw:
		text = show.Redraw(text)
	case v.watch && *v.as == formatYAML:
		text = documentMark + text
	}
	_, err = fmt.Fprint(v.out, text)
	return err
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (v *view) once(ctx context.Context) (board.Board, error) {
	ctx, cancel := within(ctx)
	defer cancel()
	return v.look(ctx)
}
