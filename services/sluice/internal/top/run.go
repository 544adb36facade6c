package top

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/services/sluice/internal/cli"
)

// Run shows the screen until somebody leaves it, or ctx ends.
func Run(ctx context.Context, s cli.TopScreen) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ask := func(id string, verb release.Verb, reason string) (string, error) { return s.Ask(ctx, id, verb, reason) }
	p := tea.NewProgram(New(ask, s.Style), tea.WithContext(ctx), tea.WithInput(s.In), tea.WithOutput(s.Out), tea.WithoutSignalHandler())
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		feed(ctx, s, p.Send)
	}()
	_, err := p.Run()
	told := ctx.Err() != nil // to stop
	cancel()
	<-fed
	if told {
		return nil
	}
	return err
}

const (
	settled = 100 * time.Millisecond // what is heard is about to be stored, and seldom comes alone
	unheard = 10 * time.Second       // look again even when nothing is heard; the errors are read no more often
	again   = time.Second            // after what could not be seen
)

const (
	mostErrors   = 64 // of so many releases the errors are read
	errorsAtOnce = 4
	parts        = 20
	rest         = 9 // times as long as it takes nothing is read: it may be much
)

// feed sends what is to be seen: the board when something was heard, and now and then, and the errors of what is watched. It ends with ctx.
func feed(ctx context.Context, s cli.TopScreen, send func(tea.Msg)) {
	var next time.Time // when the errors are read again
	var reading sync.WaitGroup
	defer reading.Wait()
	var took atomic.Int64
	var busy atomic.Bool
	for ctx.Err() == nil {
		b, err := s.Look(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			send(failedMsg{err})
			wait(ctx, nil, again)
			continue
		}
		send(boardMsg{b, time.Now()})
		if began := time.Now(); !began.Before(next.Add(rest*time.Duration(took.Load()))) && busy.CompareAndSwap(false, true) {
			next = began.Add(unheard)
			reading.Go(func() { // the board does not wait for it
				sendErrors(ctx, s, b, send)
				took.Store(int64(time.Since(began)))
				busy.Store(false)
			})
		}
		wait(ctx, s.Heard, unheard)
		wait(ctx, nil, settled)
	}
}

// sendErrors reads the errors of the releases that are watched. One that can not be read is drawn next time, perhaps.
func sendErrors(ctx context.Context, s cli.TopScreen, b board.Board, send func(tea.Msg)) {
	var reading errgroup.Group
	reading.SetLimit(errorsAtOnce)
	n := 0
	for _, row := range b.Rows {
		if p := row.State.Phase; p != release.Soaking && p != release.Baking && p != release.Held || n == mostErrors {
			continue
		}
		n++
		id := row.State.Release
		reading.Go(func() error {
			counts, err := s.Errors(ctx, id, parts)
			if err == nil && ctx.Err() == nil {
				send(errorsMsg{id, counts})
			}
			return nil
		})
	}
	_ = reading.Wait() // there are no errors
}

func wait(ctx context.Context, heard <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-heard:
	case <-timer.C:
	}
}
