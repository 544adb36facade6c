package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/topology/accounts"
	"github.com/sluice-gate/sluice/services/e2e/chaos/internal/rig"
)

// instances of each service run at once.
const instances = 2

// arena is one cluster with its services, and the clients of the harness.
type arena struct {
	*rig.Cluster
	name     string
	dir      string
	services []*rig.Service
	admin    jetstream.JetStream // may do everything: it seeds, it meddles, it reads
	gateway  jetstream.JetStream // may ask anything under any name
	operator jetstream.JetStream // may ask without a name
	conns    []*nats.Conn
	journal  *journal.Journal
	catalog  *catalog.Catalog
	hub      *hub
	book     *book
}

// newArena starts a cluster with services of these kinds. Whatever it returns is to be closed.
func newArena(ctx context.Context, name string, s rig.Setup, kinds []string) (*arena, error) {
	a := &arena{name: name, dir: s.Dir, hub: newHub(), book: newBook()}
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return a, err
	}
	var err error
	if a.Cluster, err = rig.NewCluster(s); err != nil {
		return a, fmt.Errorf("%s: the brokers: %w", name, err)
	}
	if err := a.connect(ctx); err != nil {
		return a, fmt.Errorf("%s: %w", name, err)
	}
	for _, kind := range kinds {
		for i := range instances {
			service, err := a.NewService(kind, i)
			if err != nil {
				return a, fmt.Errorf("%s: %w", name, err)
			}
			a.services = append(a.services, service)
			if err := service.Up(); err != nil {
				return a, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return a, nil
}

// connect makes the streams and the clients.
func (a *arena) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for user, js := range map[string]*jetstream.JetStream{
		accounts.Admin: &a.admin, accounts.Gateway: &a.gateway, accounts.Operator: &a.operator,
	} {
		nc, err := a.Connect(user)
		if err != nil {
			return fmt.Errorf("connect as %s: %w", user, err)
		}
		a.conns = append(a.conns, nc)
		if *js, err = jetstream.New(nc); err != nil {
			return err
		}
	}
	for !a.answers(ctx) {
		if !pause(ctx, 250*time.Millisecond) {
			return errors.New("the brokers do not answer: see their logs (-keep)")
		}
	}
	if err := a.Init(ctx); err != nil {
		return err
	}
	var err error
	if a.journal, err = journal.Open(ctx, a.admin, "chaos"); err != nil {
		return err
	}
	if a.catalog, err = catalog.Open(ctx, a.admin); err != nil {
		return err
	}
	_, err = a.admin.Conn().Subscribe(topology.AllJournals, a.hub.heard)
	return err
}

// answers tells whether the cluster has found itself.
func (a *arena) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err := a.admin.AccountInfo(ctx)
	return err == nil
}

// close stops everything.
func (a *arena) close() error {
	for _, nc := range a.conns {
		nc.Close()
	}
	for _, s := range a.services {
		s.Close()
	}
	if a.Cluster == nil {
		return nil
	}
	return a.Cluster.Close()
}

// healthy waits until every replica of every stream follows its leader. Its error says what is not so when time is up.
func (a *arena) healthy(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		ill := a.current(ctx)
		if ill == nil || !pause(ctx, 250*time.Millisecond) {
			return ill
		}
	}
}

func (a *arena) current(ctx context.Context) error {
	for _, name := range []string{topology.StreamSluice, topology.StreamTimers, topology.StreamEvidence} {
		asking, cancel := context.WithTimeout(ctx, 2*time.Second)
		s, err := a.admin.Stream(asking, name)
		cancel()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		in := s.CachedInfo().Cluster
		if in == nil || in.Leader == "" {
			return fmt.Errorf("%s has no leader", name)
		}
		for _, p := range in.Replicas {
			if p.Offline || !p.Current {
				return fmt.Errorf("%s is led by %s, and on %s it is current %t, offline %t, %d behind",
					name, in.Leader, p.Name, p.Current, p.Offline, p.Lag)
			}
		}
	}
	return nil
}

// leader is the node that leads SLUICE, or -1.
func (a *arena) leader(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	s, err := a.admin.Stream(ctx, topology.StreamSluice)
	if err != nil || s.CachedInfo().Cluster == nil {
		return -1
	}
	var i int
	if _, err := fmt.Sscanf(s.CachedInfo().Cluster.Leader, "n%d", &i); err != nil {
		return -1
	}
	return i
}

// idle waits until the services have nothing left to do: no message is pending for them or in their hands.
func (a *arena) idle(ctx context.Context) bool {
	for {
		if a.nothingPending(ctx) {
			return true
		}
		if !pause(ctx, time.Second) {
			return false
		}
	}
}

func (a *arena) nothingPending(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for _, c := range topology.Consumers() {
		kind, _, _ := strings.Cut(c.Config.Durable, "-")
		if !slices.ContainsFunc(a.services, func(s *rig.Service) bool { return s.Kind == kind }) {
			continue
		}
		consumer, err := a.admin.Consumer(ctx, c.Stream, c.Config.Durable)
		if err != nil {
			return false
		}
		if in := consumer.CachedInfo(); in.NumPending > 0 || in.NumAckPending > 0 {
			return false
		}
	}
	return true
}

// until reads a release whenever something is heard of it, and once in a while, until ok. It notes when it read its end.
func (a *arena) until(ctx context.Context, id string, ok func(release.State) bool) (release.State, error) {
	heard, leave := a.hub.listen(id)
	defer leave()
	const soon, seldom = 15 * time.Millisecond, time.Second // what is heard of may not be stored yet
	look := time.NewTimer(0)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return release.State{}, ctx.Err()
		case <-heard:
			look.Reset(soon)
			continue
		case <-look.C:
		}
		reading, cancel := context.WithTimeout(ctx, 2*time.Second)
		e, err := a.journal.Load(reading, id)
		cancel()
		if err == nil && e.State.Phase.Ended() {
			a.book.ended(id)
		}
		if err == nil && ok(e.State) {
			return e.State, nil
		}
		look.Reset(seldom)
	}
}

// logs are the logs of all processes.
func (a *arena) logs() []string {
	found, _ := filepath.Glob(filepath.Join(a.dir, "*.log"))
	return found
}

// hub tells who waits for a release that something was heard of it.
type hub struct {
	mu      sync.Mutex
	waiting map[string]chan struct{}
	traps   map[*trap]struct{}
}

// trap is sprung by the first record of an event that one of these instances wrote.
type trap struct {
	event  string
	sprung chan *nats.Msg
}

func newHub() *hub { return &hub{waiting: map[string]chan struct{}{}, traps: map[*trap]struct{}{}} }

func (h *hub) heard(m *nats.Msg) {
	id := m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]
	h.mu.Lock()
	defer h.mu.Unlock()
	if c := h.waiting[id]; c != nil {
		select {
		case c <- struct{}{}:
		default:
		}
	}
	for t := range h.traps {
		if t.event == m.Header.Get(journal.HeaderEvent) {
			delete(h.traps, t)
			t.sprung <- m
		}
	}
}

// listen is for one listener of a release at a time.
func (h *hub) listen(id string) (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting[id] = c
	return c, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.waiting[id] == c {
			delete(h.waiting, id)
		}
	}
}

// next waits for a record of an event to be published.
func (h *hub) next(ctx context.Context, event string, within time.Duration) (*nats.Msg, error) {
	t := &trap{event, make(chan *nats.Msg, 1)}
	h.mu.Lock()
	h.traps[t] = struct{}{}
	h.mu.Unlock()
	patience := time.NewTimer(within)
	defer patience.Stop()
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.traps, t)
	}()
	select {
	case m := <-t.sprung:
		return m, nil
	case <-patience.C:
		return nil, errors.New("it does not happen")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// pause waits for a while; false when ctx ended before.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
