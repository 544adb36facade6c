package top

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/services/sluice/internal/cli"
)

// The board is looked at when something is heard, and now and then; the errors of what is watched no more often than that.
func TestFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heard := make(chan struct{}, 1)
		var looks atomic.Int64
		var broken atomic.Bool
		var mu sync.Mutex
		var allMeasured []string
		var allSent []tea.Msg
		s := cli.TopScreen{
			Heard: heard,
			Look: func(context.Context) (board.Board, error) {
				if looks.Add(1); broken.Load() {
					return board.Board{}, errors.New("away")
				}
				return lanes(), nil
			},
			Errors: func(_ context.Context, id string, n int) ([]int, error) {
				mu.Lock()
				defer mu.Unlock()
				if allMeasured = append(allMeasured, id); id == lanes().Rows[0].State.Release {
					return nil, errors.New("not to be read")
				}
				return make([]int, n), nil
			},
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			feed(ctx, s, func(msg tea.Msg) {
				mu.Lock()
				defer mu.Unlock()
				allSent = append(allSent, msg)
			})
		}()
		seen := func() ([]string, []tea.Msg) {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(allMeasured), slices.Clone(allSent)
		}
		synctest.Wait()
		measured, sent := seen()
		if looks.Load() != 1 || len(measured) != 3 || len(sent) != 3 { // a board, and the errors of two of three that are watched
			t.Fatalf("%d looks, measured %v, sent %v", looks.Load(), measured, sent)
		}
		if slices.Contains(measured, id(3)) {
			t.Error("what is queued is not watched")
		}
		time.Sleep(time.Second)
		heard <- struct{}{}
		synctest.Wait()
		time.Sleep(settled)
		synctest.Wait()
		measured, _ = seen()
		if looks.Load() != 2 || len(measured) != 3 {
			t.Errorf("%d looks, measured %v", looks.Load(), measured)
		}
		time.Sleep(2 * unheard)
		synctest.Wait()
		measured, _ = seen()
		if n := looks.Load(); n < 3 || n > 4 || len(measured) < 6 {
			t.Errorf("%d looks, measured %v", looks.Load(), measured)
		}
		broken.Store(true)
		time.Sleep(2 * unheard)
		synctest.Wait()
		_, sent = seen()
		if _, ok := sent[len(sent)-1].(failedMsg); !ok {
			t.Errorf("%T", sent[len(sent)-1])
		}
		cancel()
		<-done
	})
}
