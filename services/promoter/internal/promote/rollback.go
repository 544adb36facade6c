package promote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/react"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/work"
)

// promotingAgain is how soon a rollback looks again whether a promotion of the same project is over.
const promotingAgain = 2 * time.Second

// rollBack puts the channel back to what it was before the release's promotion.
//
// It must not collide with a promotion of the project. So it first writes down that it is rolling back, at some sequence of
// the stream. A claim after that is ineffective, as with a pause; a promotion that was claimed before is waited for.
func (l *look) rollBack(ctx context.Context, e journal.Entry) error {
	s := e.State
	var before release.Promotion
	since, err := l.env.Journal.ChangeProject(ctx, s.Project, func(r release.Record) (release.Record, error) {
		if r.Rolling != "" && r.Rolling != s.Release {
			return r, react.Later(promotingAgain, fmt.Sprintf("release %s is being rolled back", r.Rolling))
		}
		r.Rolling = s.Release
		before, _ = r.RollBack(s.Release, release.Said{}).Current()
		return r, nil
	})
	if err != nil {
		return err
	}
	if err := l.awaitPromotion(ctx, s, since); err != nil {
		return err
	}
	tools, err := work.Open(ctx, l.env.Catalog, l.open, s, driver.Promote)
	if err != nil {
		return err
	}
	begin := release.Begin{Work: release.Rollback, Instance: l.env.Instance, Timeout: tools.Timeout, At: l.hint.At}
	return work.Run(ctx, l.env, s.Release, begin, l.hint.Cause(), func(ctx context.Context, e journal.Entry) (out work.Outcome, err error) {
		out.Note = "nothing was promoted outside"
		if tools.Driver != nil {
			if out, err = l.undo(ctx, tools.Driver, e.State, before.Release); err != nil {
				return out, err
			}
		}
		_, err = l.env.Journal.ChangeProject(ctx, s.Project, func(r release.Record) (release.Record, error) {
			return r.RollBack(s.Release, *e.State.Recalled), nil
		})
		return out, err
	})
}

// undo has the driver put the channel back.
func (l *look) undo(ctx context.Context, d driver.Driver, s release.State, before string) (work.Outcome, error) {
	back := driver.Back{Value: s.Latest.Before}
	if before != "" {
		good, err := l.env.Journal.Load(ctx, before)
		if err != nil && !errors.Is(err, journal.ErrNone) {
			return work.Outcome{}, err
		}
		if err == nil {
			facts := work.Facts(l.env.Catalog, good.State, release.Rollback)
			back.Release = &facts
		}
	}
	done, err := d.Undo(ctx, work.Facts(l.env.Catalog, s, release.Rollback), back)
	return work.Outcome{Value: done.Value, Note: done.Note}, err
}

// awaitPromotion waits until no promotion of the project is under way that was claimed before a sequence of the stream.
func (l *look) awaitPromotion(ctx context.Context, s release.State, since uint64) error {
	owners, err := l.env.Journal.Owners(ctx, s.Project, since)
	if err != nil {
		return err
	}
	for _, id := range owners {
		e, err := l.env.Journal.LoadAt(ctx, id, since)
		if err != nil {
			return err
		}
		if id != s.Release && e.State.Phase == release.Promoting && e.State.Claim < since {
			return react.Later(promotingAgain, fmt.Sprintf("release %s of the project is being promoted", id))
		}
	}
	return nil
}

// rolled sees to it that a rollback that is over, or given up, does not stop the project any longer, whatever the release is then.
func (l *look) rolled(ctx context.Context, e journal.Entry) error {
	if e.State.Recalled == nil || e.State.Phase == release.RollingBack {
		return nil
	}
	return l.endRolling(ctx, e.State)
}

func (l *look) endRolling(ctx context.Context, s release.State) error {
	_, err := l.env.Journal.ChangeProject(ctx, s.Project, func(r release.Record) (release.Record, error) {
		if r.Rolling == s.Release {
			r.Rolling = ""
		}
		return r, nil
	})
	return err
}
