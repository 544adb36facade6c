package e2e_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// outside stands between the services and what is outside: it breaks drivers and mends them, does something just before a
// driver acts, and answers the http checks of production and staging.
type outside struct {
	mu      sync.Mutex
	broken  map[action]error
	before  map[action]func()
	answers map[string]int // by host of an http check: its status
	shut    map[driver.Role]error
}

// action is what a driver does for a project: Look, Do, Undo.
type action struct {
	project string
	role    driver.Role
	act     string
}

const (
	look = "look"
	do   = "do"
	undo = "undo"
)

func newOutside() *outside {
	return &outside{broken: map[action]error{}, before: map[action]func(){}, answers: map[string]int{}, shut: map[driver.Role]error{}}
}

// breaks lets an action be refused from now on.
func (o *outside) breaks(project string, role driver.Role, act, why string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.broken[action{project, role, act}] = driver.Refusef("%s", why)
}

// fails lets an action fail from now on, for a reason that may pass.
func (o *outside) fails(project string, role driver.Role, act, why string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.broken[action{project, role, act}] = errors.New(why)
}

// shuts lets no driver be opened for these roles from now on.
func (o *outside) shuts(why error, roles ...driver.Role) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, r := range roles {
		o.shut[r] = why
	}
}

func (o *outside) closed(r driver.Role) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.shut[r]
}

// mends takes back all that breaks and shuts did.
func (o *outside) mends() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.broken)
	clear(o.shut)
}

// first calls f before the next such action is done, in the hands of whoever does it.
func (o *outside) first(project string, role driver.Role, act string, f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.before[action{project, role, act}] = f
}

// says sets what an http check of a host gets.
func (o *outside) says(host string, status int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answers[host] = status
}

// RoundTrip answers a check: 200, unless something else was said.
func (o *outside) RoundTrip(r *http.Request) (*http.Response, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	status, ok := o.answers[r.URL.Host]
	if !ok {
		status = http.StatusOK
	}
	return &http.Response{StatusCode: status, Request: r, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(""))}, nil
}

// mendsOf is mends for one project.
func (o *outside) mendsOf(project string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	maps.DeleteFunc(o.broken, func(a action, _ error) bool { return a.project == project })
}

func (o *outside) act(a action) error {
	o.mu.Lock()
	f := o.before[a]
	delete(o.before, a)
	o.mu.Unlock()
	if f != nil {
		f()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.broken[a]
}

func (o *outside) around(d driver.Driver, project string, role driver.Role) driver.Driver {
	handled := handledDriver{inner: d, outside: o, action: action{project: project, role: role}}
	if p, ok := d.(driver.Publisher); ok {
		return handledPublisher{handled, p}
	}
	return handled
}

type handledDriver struct {
	inner   driver.Driver
	outside *outside
	action  action
}

func (d handledDriver) Look(ctx context.Context, f driver.Facts) (driver.Seen, error) {
	d.action.act = look
	if err := d.outside.act(d.action); err != nil {
		return driver.Seen{}, err
	}
	return d.inner.Look(ctx, f)
}

func (d handledDriver) Do(ctx context.Context, f driver.Facts) (driver.Done, error) {
	d.action.act = do
	if err := d.outside.act(d.action); err != nil {
		return driver.Done{}, err
	}
	return d.inner.Do(ctx, f)
}

func (d handledDriver) Undo(ctx context.Context, f driver.Facts, back driver.Back) (driver.Done, error) {
	d.action.act = undo
	if err := d.outside.act(d.action); err != nil {
		return driver.Done{}, err
	}
	return d.inner.Undo(ctx, f, back)
}

type handledPublisher struct {
	handledDriver
	planner driver.Publisher
}

func (d handledPublisher) Plan(ctx context.Context, f driver.Facts) (driver.Plan, error) {
	return d.planner.Plan(ctx, f)
}

// breakable is a driver that the world may break: a deployment or a promotion.
type breakable struct {
	driver.Driver
	world *world
	role  driver.Role
}

func (b breakable) Do(ctx context.Context, f driver.Facts) (driver.Done, error) {
	if b.world.broken != nil {
		if err := b.world.broken(b.role, f); err != nil {
			return driver.Done{}, err
		}
	}
	return b.Driver.Do(ctx, f)
}

// bubbleAt is a bubble whose world begins at a time. Nothing runs before, so that years cost nothing.
func bubbleAt(t *testing.T, at string, f func(w *world)) {
	t.Helper()
	emptyPools()
	defer emptyPools()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(moment(t, at)))
		w := newWorld(t)
		defer w.end()
		f(w)
	})
}

func moment(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// applies stores a project file; DIR in it is the directory of the world's artifacts and channels.
func (w *world) applies(name, src string) {
	w.Helper()
	src = "project: " + name + "\n" + strings.ReplaceAll(src, "DIR", w.dir)
	if _, _, err := w.catalog.Apply(w.Context(), name+".yaml", []byte(src)); err != nil {
		w.Fatal(err)
	}
}

// says publishes a pause, a freeze, or the end of one, as the nats command does.
func (w *world) says(verb, project, actor, body string) uint64 {
	w.Helper()
	ack, err := w.js.Publish(w.Context(), topology.Stop(verb, project, actor), []byte(body))
	if err != nil {
		w.Fatal(err)
	}
	return ack.Sequence
}

// sleepTo lets the bubble's time pass to at.
func (w *world) sleepTo(at time.Time) {
	w.Helper()
	time.Sleep(time.Until(at)) // in a bubble
}

// soaks merges a release and waits until it soaks.
func (w *world) soaks(name, version string) (string, release.State) {
	w.Helper()
	id := w.merge(name, version)
	return id, w.untilPhase(id, release.Soaking)
}

// mergeAs merges a release whose id is known before.
func (w *world) mergeAs(id, name, version string) {
	w.Helper()
	w.merge(name, version, func(m *releasepb.MergeEvent) { m.ID = id })
}

// promotes merges a release and waits until it is promoted.
func (w *world) promotes(name, version string) string {
	w.Helper()
	id := w.merge(name, version)
	w.untilPhase(id, release.Promoted)
	return id
}

// untilPostponed waits until the release waits for something of this kind, and returns what.
func (w *world) untilPostponed(id string, by release.Obstructing) release.State {
	w.Helper()
	return w.until(id, "postponed by "+string(by), func(s release.State) bool {
		return s.Phase == release.Soaking && s.Postponed != nil && s.Postponed.Kind == by
	})
}

// promotedAt waits until the release is promoted, and checks that this was at, or at most within later.
func (w *world) promotedAt(id string, at time.Time, within time.Duration) release.State {
	w.Helper()
	s := w.until(id, "promoted", func(s release.State) bool { return s.Phase == release.Promoted || s.Phase == release.Baking })
	if late := s.PhaseAt.Sub(at); late < 0 || late > within {
		w.Errorf("%s %s was promoted at %s, want at %s and at most %s later\n%s", s.Project, s.Version, s.PhaseAt, at, within, w.story(id))
	}
	return s
}

// refused waits for the answer to a request and returns why it was refused.
func (w *world) refused(id string, seq uint64) string {
	w.Helper()
	w.until(id, "answered", func(s release.State) bool { return s.Folded >= seq })
	for _, r := range w.records(id) {
		if e, ok := r.Event.(release.WasRefused); ok && e.Seq == seq {
			return e.Said.Reason
		}
	}
	w.Errorf("request %d was not refused:\n%s", seq, w.story(id))
	return ""
}

// contains checks a text that people read.
func (w *world) contains(what, got string, want ...string) {
	w.Helper()
	for _, text := range want {
		if !strings.Contains(got, text) {
			w.Errorf("%s is %q, want %q in it", what, got, text)
		}
	}
}

// count is how many records of a type the release's journal has.
func (w *world) count(id, event string) int {
	w.Helper()
	n := 0
	for _, r := range w.records(id) {
		if r.Type == event {
			n++
		}
	}
	return n
}

// attention is the header of the last record of a type that says why somebody should look.
func (w *world) attention(id, event string) string {
	w.Helper()
	said := ""
	for _, r := range w.records(id) {
		if r.Type == event {
			said = w.header(r)
		}
	}
	return said
}

// header is what a record's header says to look at.
func (w *world) header(r record) string {
	w.Helper()
	s, err := w.js.Stream(w.Context(), topology.StreamSluice)
	if err != nil {
		w.Fatal(err)
	}
	m, err := s.GetMsg(w.Context(), r.seq)
	if err != nil {
		w.Fatal(err)
	}
	return m.Header.Get(journal.HeaderAttention)
}

// load is the release as it is now.
func (w *world) load(id string) release.State {
	w.Helper()
	e, err := w.journal.Load(w.Context(), id)
	if err != nil {
		w.Fatal(err)
	}
	return e.State
}
