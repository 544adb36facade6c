package service

import (
	"context"
	"sync"
	"time"
)

// Bounds of what is done aside.
const (
	// AsideWithin is how long one thing may take that is done aside, and so how much longer at most a service takes to stop.
	AsideWithin = 3 * time.Second
	mostAside   = 16
)

// asides is what a service does in the background.
type asides struct {
	mu   sync.Mutex
	n    int
	none chan struct{} // closed when nothing is under way any more; nil while nobody waits for that
}

// Aside does something that nothing may wait for and nothing depends on, in the background, within [AsideWithin]. Its context is not
// ended by ctx. A service that stops waits for it. It is false, and nothing is done, when too much is under way already.
func (e Env) Aside(ctx context.Context, do func(ctx context.Context)) bool {
	a := e.asides
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.n >= mostAside {
		return false
	}
	a.n++
	go func() {
		defer a.done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), AsideWithin)
		defer cancel()
		do(ctx)
	}()
	return true
}

func (a *asides) done() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.n--; a.n == 0 && a.none != nil {
		close(a.none)
		a.none = nil
	}
}

// wait waits until nothing is under way, for as long as that may take.
func (a *asides) wait() {
	a.mu.Lock()
	if a.n == 0 {
		a.mu.Unlock()
		return
	}
	if a.none == nil {
		a.none = make(chan struct{})
	}
	none := a.none
	a.mu.Unlock()
	select {
	case <-none:
	case <-time.After(AsideWithin):
	}
}
