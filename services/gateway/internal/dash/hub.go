package dash

import (
	"sync"
	"time"

	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
)

// hub is the model with its readers. It is safe for concurrent use.
type hub struct {
	mu      sync.RWMutex
	model   *Model
	version uint64
	offset  time.Duration // by how much the broker's clock is ahead of this machine's
	ready   chan struct{} // closed when the model was loaded
	loaded  bool
	away    string // why the broker can not be read; empty: it can

	listeners map[*listener]struct{}
}

// listener is told that something changed. What it misses while it is busy is in the next state.
type listener struct {
	release string // only of this release, and of what stops; empty: of everything
	dirty   chan struct{}
}

func newHub() *hub {
	return &hub{model: NewModel(), ready: make(chan struct{}), listeners: map[*listener]struct{}{}}
}

// now is the broker's time, as well as this machine knows it.
func (h *hub) now() time.Time {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return time.Now().Add(h.offset)
}

// clock sets the broker's time.
func (h *hub) clock(broker time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.offset = time.Until(broker)
}

// read gives the model to a function that only reads it, with the broker's time and the version.
func (h *hub) read(f func(m *Model, now time.Time, version uint64)) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	f(h.model, time.Now().Add(h.offset), h.version)
}

// apply takes entries in and tells who listens.
func (h *hub) apply(entries []journal.Entry) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	changed := h.model.Apply(entries...)
	if len(changed) > 0 {
		h.version++
		h.tell(changed)
	}
	return changed
}

// surround takes in what is around releases, and what stops projects; nil gates leave those as they are.
func (h *hub) surround(names []string, gates map[string]release.Gate, why string, rows []board.Row) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.model.Surround(rows)
	if names != nil {
		h.model.Projects(names, gates, why, time.Now().Add(h.offset))
	}
	h.version++
	h.tell(nil)
}

// done says that the model was loaded.
func (h *hub) done() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.loaded {
		h.loaded = true
		close(h.ready)
	}
}

// reach says whether the broker can be read.
func (h *hub) reach(why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.away != why {
		h.away = why
		h.version++
		h.tell(nil)
	}
}

// tell tells the listeners; nil releases are all. The caller holds the lock.
func (h *hub) tell(releases []string) {
	for l := range h.listeners {
		mine := l.release == "" || releases == nil
		for i := 0; !mine && i < len(releases); i++ {
			mine = releases[i] == l.release
		}
		if !mine {
			continue
		}
		select {
		case l.dirty <- struct{}{}:
		default: // it has not looked since it was told the last time
		}
	}
}

// listen begins to be told, until the function is called.
func (h *hub) listen(id string) (*listener, func()) {
	l := &listener{release: id, dirty: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.listeners[l] = struct{}{}
	return l, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.listeners, l)
	}
}
