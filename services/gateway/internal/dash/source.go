package dash

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

const (
	settled    = 20 * time.Millisecond // what is heard is about to be stored, and seldom comes alone
	lookAround = 5 * time.Second       // how often stops and heartbeats are read: nobody tells of them
	lookLive   = 3                     // after so many of these, the live releases are read: a hint may have been lost
	lookAll    = 24                    // and after so many everything is
	readWithin = 30 * time.Second
	heardMost  = 20_000 // releases that are heard of at once; of more, everything is read
	// triesMost is how often a release is read that was heard of and is as it was: what was heard may have lost its
	// compare-and-set, or is not stored yet. Each time is four times later.
	triesMost = 4
)

// notRead is what people are told meanwhile.
const notRead = "The broker can not be read: this is what was known last."

// source keeps a hub up with the broker. It is the only one of a process that listens.
type source struct {
	nc      *nats.Conn
	journal *journal.Journal
	catalog *catalog.Catalog
	hub     *hub
	log     *zap.Logger
	asked   chan struct{} // somebody here changed what stops projects

	mu    sync.Mutex
	heard map[string]int // releases that were heard of, and how often they were read in vain
	lost  bool           // of more than could be noted
	hint  chan struct{}
}

func newSource(nc *nats.Conn, j *journal.Journal, c *catalog.Catalog, h *hub, log *zap.Logger) *source {
	return &source{
		nc: nc, journal: j, catalog: c, hub: h, log: log, asked: make(chan struct{}, 1), heard: map[string]int{}, hint: make(chan struct{}, 1),
	}
}

// run follows until ctx ends. It outlives the broker.
func (s *source) run(ctx context.Context) error {
	sub, err := s.nc.Subscribe("sluice.release.*", func(m *nats.Msg) { s.hear(m.Subject) })
	if err != nil {
		return fmt.Errorf("dashboard: listen to journals: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	connected, gone := s.nc.StatusChanged(nats.CONNECTED), s.nc.StatusChanged(nats.RECONNECTING)
	defer s.nc.RemoveStatusListener(connected)
	defer s.nc.RemoveStatusListener(gone)
	tick := time.NewTicker(lookAround)
	defer tick.Stop()
	again := s.look(ctx, s.all)
	for n := 1; ; {
		var wait <-chan time.Time
		if again > 0 {
			wait = time.After(again)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.hint:
			again = settled
		case <-wait:
			again = s.look(ctx, s.changed)
		case <-s.asked:
			s.look(ctx, s.around)
		case <-gone:
			s.hub.reach(notRead)
		case <-connected:
			s.look(ctx, s.all)
		case <-tick.C:
			switch {
			case n%lookAll == 0 || s.missing():
				s.look(ctx, s.all)
			case n%lookLive == 0:
				s.look(ctx, s.live)
			default:
				s.look(ctx, s.around)
			}
			n++
		}
	}
}

// stopsChanged has what stops projects read at once.
func (s *source) stopsChanged() {
	select {
	case s.asked <- struct{}{}:
	default:
	}
}

// missing tells whether nothing was read yet, or more was heard of than could be noted.
func (s *source) missing() bool {
	select {
	case <-s.hub.ready:
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.lost
	default:
		return true
	}
}

// hear notes that something happens to a release.
func (s *source) hear(subject string) {
	parsed, err := topology.ParseSubject(subject)
	if err != nil {
		return
	}
	s.mu.Lock()
	if len(s.heard) < heardMost {
		s.heard[parsed.Release] = 0
	} else {
		s.lost = true
	}
	s.mu.Unlock()
	select {
	case s.hint <- struct{}{}:
	default:
	}
}

// look reads, tells whether the broker could be read, and returns when to look at what was heard again; 0: not.
func (s *source) look(ctx context.Context, read func(context.Context) error) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	switch err := read(ctx); {
	case err == nil:
		s.hub.reach("")
	case ctx.Err() == nil || context.Cause(ctx) == context.DeadlineExceeded: //nolint:errorlint // it is exactly that
		s.log.Warn("dashboard: can not look", zap.Error(err))
		s.hub.reach(notRead)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	wait := time.Duration(0)
	for _, tries := range s.heard {
		if after := settled << (2 * tries); wait == 0 || after < wait {
			wait = after
		}
	}
	return wait
}

// all reads everything that matters now, at the cost that package board states.
func (s *source) all(ctx context.Context) (err error) {
	s.mu.Lock()
	lost := s.lost
	s.lost = false // what comes now may not be in what is read
	s.mu.Unlock()
	defer func() {
		if err != nil && lost {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.lost = true
		}
	}()
	names, err := s.catalog.Names(ctx)
	if err != nil {
		return err
	}
	seen, err := (&board.Reader{Journal: s.journal, Catalog: s.catalog}).See(ctx, names)
	if err != nil {
		return err
	}
	s.hub.clock(seen.Now)
	s.hub.apply(slices.Collect(maps.Values(seen.Releases)))
	if err := s.around(ctx); err != nil {
		return err
	}
	s.hub.done()
	return nil
}

// live reads the live releases, and what is around them.
func (s *source) live(ctx context.Context) error {
	var ids []string
	s.hub.read(func(m *Model, _ time.Time, _ uint64) { ids = m.Live() })
	entries, err := s.journal.LoadAll(ctx, ids)
	if err != nil {
		return err
	}
	s.hub.apply(slices.Collect(maps.Values(entries)))
	return s.around(ctx)
}

// changed reads the releases that were heard of.
func (s *source) changed(ctx context.Context) error {
	s.mu.Lock()
	heard := s.heard
	s.heard = map[string]int{}
	s.mu.Unlock()
	ids := slices.Sorted(maps.Keys(heard))
	entries, err := s.journal.LoadAll(ctx, ids)
	if err != nil {
		s.back(heard, nil)
		return err
	}
	changed := s.hub.apply(slices.Collect(maps.Values(entries)))
	s.back(heard, changed)
	if len(changed) == 0 {
		return nil
	}
	return s.nearby(ctx, changed)
}

// back keeps what was heard of and read in vain, to be read again.
func (s *source) back(heard map[string]int, changed []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range changed {
		delete(heard, id)
	}
	for id, tries := range heard {
		if _, again := s.heard[id]; !again && tries+1 < triesMost {
			s.heard[id] = tries + 1
		}
	}
}

// around reads what stops projects, the broker's time, and the heartbeats of what soaks and bakes.
func (s *source) around(ctx context.Context) error {
	at, err := s.journal.Now(ctx)
	if err != nil {
		return err
	}
	s.hub.clock(at)
	names, err := s.catalog.Names(ctx)
	if err != nil {
		return err
	}
	rows := s.watched(nil)
	gates, err := s.journal.Gates(ctx, names, 0)
	if ctx.Err() != nil {
		return err
	}
	why := ""
	if err != nil {
		why = "What is paused or frozen can not be told: " + err.Error()
		s.log.Warn("dashboard: stops can not be read", zap.Error(err))
		gates = nil
	}
	if err := (&board.Reader{Journal: s.journal, Catalog: s.catalog}).Surround(ctx, rows, gates); err != nil {
		return err
	}
	s.hub.surround(names, gates, why, rows)
	return nil
}

// nearby reads what is around some releases.
func (s *source) nearby(ctx context.Context, ids []string) error {
	rows := s.watched(ids)
	if len(rows) == 0 {
		return nil
	}
	var gates map[string]release.Gate
	s.hub.read(func(m *Model, _ time.Time, _ uint64) { gates = maps.Clone(m.gates) })
	if err := (&board.Reader{Journal: s.journal, Catalog: s.catalog}).Surround(ctx, rows, gates); err != nil {
		return err
	}
	s.hub.surround(nil, nil, "", rows)
	return nil
}

// watched are the releases, of these or of all, around which there is something.
func (s *source) watched(ids []string) []board.Row {
	var out []board.Row
	s.hub.read(func(m *Model, _ time.Time, _ uint64) {
		if ids == nil {
			ids = m.Live()
		}
		for _, id := range ids {
			if r, ok := m.Row(id); ok && (r.State.Phase == release.Soaking || r.State.Phase == release.Baking) {
				out = append(out, board.Row{State: r.State})
			}
		}
	})
	return out
}
