package service

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// What is done aside is bounded in number and time, outlives what began it, and is waited for no longer than it may take.
func TestAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := Env{asides: &asides{}}
		ctx, cancel := context.WithCancel(t.Context())
		var ended atomic.Int64
		for range mostAside {
			if !e.Aside(ctx, func(ctx context.Context) { <-ctx.Done(); ended.Add(1) }) {
				t.Fatal("refused too early")
			}
		}
		if e.Aside(ctx, func(context.Context) { t.Error("too many") }) {
			t.Error("there is no bound")
		}
		cancel()
		synctest.Wait()
		if n := ended.Load(); n != 0 {
			t.Errorf("%d were ended by who began them", n)
		}
		began := time.Now()
		e.asides.wait()
		synctest.Wait()
		if took := time.Since(began); took != AsideWithin || ended.Load() != mostAside {
			t.Errorf("%d of %d are over after %s", ended.Load(), mostAside, took)
		}
		done := make(chan struct{})
		if !e.Aside(t.Context(), func(context.Context) { time.Sleep(time.Second); close(done) }) {
			t.Error("it is refused when nothing is under way any more")
		}
		e.asides.wait()
		select {
		case <-done:
		default:
			t.Error("it was not waited for")
		}
	})
}
