package journal

import (
	"context"
	"errors"

	"github.com/sluice-gate/sluice/pkg/release"
)

// Do obeys a command: it loads the release, decides, and appends what was decided. When somebody else appends first it
// loads and decides again, until ctx ends. It returns the release as it is then, and whether anything was appended; the
// latter also with an error, when it came after some of several events. cause is the message that led to it.
//
// Its errors are those of [release.Decide], ErrNone for any command but [release.Admit] to a release without a journal, and
// what failed in reading and appending. After one of those the command may have been obeyed all the same; doing it again is
// harmless.
func (j *Journal) Do(ctx context.Context, id string, c release.Command, cause string) (Entry, bool, error) {
	appended := false
	for {
		e, err := j.Load(ctx, id)
		if _, admit := c.(release.Admit); admit && errors.Is(err, ErrNone) {
			err = nil
		}
		if err != nil {
			return e, appended, err
		}
		events, err := release.Decide(e.State, c)
		if err != nil {
			return e, appended, err
		}
		for _, ev := range events {
			var after Entry
			if after, err = j.Append(ctx, e, ev, cause); err != nil {
				break
			}
			e, appended = after, true
		}
		if !errors.Is(err, ErrConflict) {
			return e, appended, err
		}
		if err := ctx.Err(); err != nil {
			return e, appended, err
		}
	}
}
