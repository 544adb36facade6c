package journal

import (
	"context"
	"errors"
	"fmt"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// Do obeys a command: it loads the release, decides, and appends what was decided. When somebody else appends first it
// loads and decides again, until its patience or ctx ends. It returns the release as it is then, and whether anything was appended; the
// latter also with an error, when it came after some of several events. cause is the message that led to it.
//
// Appending is safe on a release that is read a little behind; concluding that there is nothing to append is not. So that
// is concluded only from what the leader of the stream has.
//
// Its errors are those of [release.Decide], ErrNone for any command but [release.Admit] to a release without a journal, and
// what failed in reading and appending. After one of those the command may have been obeyed all the same; doing it again is
// harmless.
func (j *Journal) Do(ctx context.Context, id string, c release.Command, cause string) (Entry, bool, error) {
	appended, sure := false, false
	for n := again(0); ; {
		e, err := j.doLoad(ctx, id, c, sure)
		if err != nil {
			return e, appended, err
		}
		events, err := release.Decide(e.State, c)
		if nothing := err != nil || len(events) == 0; nothing && !sure && !errors.Is(err, release.ErrEnded) {
			sure = true
			continue
		}
		var some bool
		e, some, err = j.appendAll(ctx, e, events, cause, err)
		appended = appended || some
		if !errors.Is(err, ErrConflict) {
			return e, appended, err
		}
		if err := n.pause(ctx); err != nil {
			return e, appended, fmt.Errorf("%w: %w", ErrConflict, err)
		}
		sure = true // what was read was behind
	}
}

// DoOn is Do on the release as it is in e, and on no other: it loses with ErrConflict when anything was appended since e was
// read. So what the caller found out meanwhile still holds when the command is obeyed. That there is nothing to append, and the
// errors of [release.Decide], are concluded from e alone.
func (j *Journal) DoOn(ctx context.Context, e Entry, c release.Command, cause string) (after Entry, appended bool, err error) {
	events, err := release.Decide(e.State, c)
	return j.appendAll(ctx, e, events, cause, err)
}

// appendAll appends what was decided, unless deciding failed. It returns the release as it is after the last that was appended.
func (j *Journal) appendAll(
	ctx context.Context, e Entry, events []release.Event, cause string, decided error,
) (last Entry, appended bool, err error) {
	for _, ev := range events {
		after, err := j.Append(ctx, e, ev, cause)
		if err != nil {
			return e, appended, err
		}
		e, appended = after, true
	}
	return e, appended, decided
}

// doLoad reads the release, from the leader of the stream if it must be sure.
func (j *Journal) doLoad(ctx context.Context, id string, c release.Command, sure bool) (e Entry, err error) {
	var m stored
	if subject := topology.Release(id); sure && subject != "" {
		m, err = j.leaderLast(ctx, topology.StreamSluice, subject)
	} else {
		m, err = j.last(ctx, subject)
	}
	if errors.Is(err, ErrNone) {
		if _, admit := c.(release.Admit); admit {
			return Entry{}, nil
		}
		if !sure {
			return j.Load(ctx, id)
		}
	}
	if err != nil {
		return Entry{}, err
	}
	return entry(m)
}
