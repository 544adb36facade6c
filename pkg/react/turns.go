package react

import "sync"

// Turns lets things that concern the same release happen one after the other, in order, and others at the same time.
type Turns struct {
	slots chan struct{}

	mu      sync.Mutex
	waiting map[string][]func() // by release; an entry without functions: one is running
}

// NewTurns makes one for a service.
func NewTurns() *Turns {
	return &Turns{slots: make(chan struct{}, mostAtOnce), waiting: map[string][]func(){}}
}

// take has f called when everything taken before under the same key is done.
func (t *Turns) take(key string, f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if queue, running := t.waiting[key]; running {
		t.waiting[key] = append(queue, f)
		return
	}
	t.waiting[key] = nil
	go func() {
		t.slots <- struct{}{}
		defer func() { <-t.slots }()
		for ; f != nil; f = t.next(key) {
			f()
		}
	}()
}

func (t *Turns) next(key string) func() {
	t.mu.Lock()
	defer t.mu.Unlock()
	queue := t.waiting[key]
	if len(queue) == 0 {
		delete(t.waiting, key)
		return nil
	}
	t.waiting[key] = queue[1:]
	return queue[0]
}
