package dash_test

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/lane"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/webtest"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
	"github.com/sluice-gate/sluice/services/gateway/internal/dash"
)

const (
	eachReleases = 10 // of each project: one was promoted, one soaks, the others wait

	// What is asked for, with room for a machine that does other things, too.
	firstByteWithin  = 500 * time.Millisecond
	firstPaintWithin = 1500 * time.Millisecond
	updateWithin     = time.Second
	heapMayGrow      = 1 << 20 // bytes
	nodesMayGrow     = 500
)

// sizes are how many projects there are, how many changes a page is open for, and by how much all may take longer. The race detector gets
// a fraction; make test runs it without, too.
func sizes() (projects, updates, slower int) {
	if raceDetector {
		return 50, 500, 20
	}
	return 500, 10_000, 1
}

// TestMany: with 5,000 releases in 500 projects a page is there at once, a change is seen at once, and a page that was open for 10,000
// changes is no larger than before.
func TestMany(t *testing.T) {
	w := newWorld(t, &outside{latency: map[string]float64{}}, t.TempDir(), t.TempDir())
	ids := many(t, w)
	began := time.Now()
	d, base := w.dashboard(config.Dashboard{Listen: config.DashboardListen})
	<-d.Ready()
	t.Logf("%d releases are read in %s", d.Known(), time.Since(began).Round(time.Millisecond))
	if d.Known() != len(ids) {
		t.Errorf("%d releases are known", d.Known())
	}
	b := webtest.Start(t)
	p := b.Open(t, base, desk)
	p.Until("document.querySelector('#pulse').textContent === 'live'")
	painted(t, p, base)
	if n := cards(p); n > 250 {
		t.Errorf("%d cards are shown", n)
	}

	t.Run("latency", func(t *testing.T) { latency(t, w, p, ids) })
	t.Run("growth", func(t *testing.T) { growth(t, w, d, p, base, ids) })
	for _, problem := range p.Problems() {
		t.Error(problem)
	}
}

// many makes projects with releases: one record each, which has the state.
func many(t *testing.T, w *world) []string {
	t.Helper()
	manyProjects, _, _ := sizes()
	ids := make([]string, manyProjects*eachReleases)
	now := time.Now().UTC()
	var group errgroup.Group
	group.SetLimit(8)
	for p := range manyProjects {
		name := fmt.Sprintf("project-%03d", p)
		group.Go(func() error {
			record := lane.Record{}
			for i := range eachReleases {
				id := uuid.Must(uuid.NewV7()).String()
				ids[p*eachReleases+i] = id
				s := state(name, id, i, now)
				if _, err := w.journal.Append(t.Context(), journal.Entry{State: s}, release.WasApproved{Said: release.Said{By: "ana"}}, "test"); err != nil {
					return err
				}
				switch i {
				case 0:
					record.Promoted = map[string]string{name: id}
				case 1:
					record.Owner, record.Project = id, name
				default:
					record.Waiting = append(record.Waiting, lane.Waiting{Release: id, Project: name})
				}
				err := w.journal.SetCommit(t.Context(), name, fmt.Sprintf("c%d", i), releasepb.CommitRecord{Release: id, Attempt: 1, MergeSeq: uint64(i + 1)}, 0)
				if err != nil {
					return err
				}
			}
			if _, err := w.journal.SetLane(t.Context(), name, record, 0); err != nil {
				return err
			}
			_, _, err := w.catalog.Apply(t.Context(), name+".yaml", []byte("project: "+name+"\n"))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	return ids
}

func state(project, id string, i int, now time.Time) release.State {
	s := release.State{
		Release: id, Project: project, Version: fmt.Sprintf("1.%d.0", i), Phase: release.Queued, MergedAt: now, PhaseAt: now,
		Merge:  release.Merge{Commit: fmt.Sprintf("c%d", i), Ref: "main", Actor: "ana", Seq: uint64(i + 1)},
		Policy: release.Policy{Lane: project, Collision: release.Queue, Delay: 2 * time.Hour, Approvals: 16},
	}
	switch i {
	case 0:
		s.Phase, s.End = release.Promoted, release.Said{At: now}
	case 1:
		s.Phase, s.StagedAt, s.SoakFrom, s.Due = release.Soaking, now, now, now.Add(2*time.Hour)
	}
	return s
}

func cards(p *webtest.Page) (n int) {
	p.Eval("document.querySelectorAll('.card').length", &n)
	return n
}

// painted holds the browser's own figures to what is asked for: the middle one of three loads, as the machine does other things, too.
func painted(t *testing.T, p *webtest.Page, base string) {
	t.Helper()
	type figures struct{ Byte, Paint, Bytes float64 }
	var all []figures
	for range 3 {
		p.Goto(base)
		var at figures
		p.Eval(`new Promise((done) => new PerformanceObserver((list) => {
			const n = performance.getEntriesByType('navigation')[0], e = list.getEntriesByName('first-contentful-paint')[0];
			if (e) done({Byte: n.responseStart, Paint: e.startTime, Bytes: n.encodedBodySize});
		}).observe({type: 'paint', buffered: true}))`, &at)
		all = append(all, at)
	}
	slices.SortFunc(all, func(a, b figures) int { return cmp.Compare(a.Paint, b.Paint) })
	t.Logf("first byte after %.0f ms, first contentful paint after %.0f ms, %.0f KiB", all[1].Byte, all[1].Paint, all[1].Bytes/1024)
	_, _, slower := sizes()
	const perMS = float64(time.Millisecond)
	if some := float64(slower); all[1].Byte > some*float64(firstByteWithin)/perMS || all[1].Paint > some*float64(firstPaintWithin)/perMS {
		t.Errorf("too slow: %+v", all)
	}
	p.Until("document.querySelector('#pulse').textContent === 'live'")
}

// latency is how long it takes from a record that is stored to a browser that shows it.
func latency(t *testing.T, w *world, p *webtest.Page, ids []string) {
	var worst, sum time.Duration
	const rounds = 10
	for i := range rounds {
		id := ids[i*eachReleases+1]
		e, err := w.journal.Load(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		seen := make(chan time.Time, 1)
		reason := fmt.Sprintf("held in round %d", i)
		go func() {
			p.Eval(fmt.Sprintf(`new Promise((done) => { const look = () => document.querySelector('#c-soaking').innerText.includes(%q) && done(1);
				new MutationObserver(look).observe(document.body, {subtree: true, childList: true, characterData: true}); look(); })`, reason), nil)
			seen <- time.Now()
		}()
		began := time.Now()
		held := release.WasHeld{Holding: release.Holding{Said: release.Said{By: "ana", At: began, Reason: reason}}}
		if _, err := w.journal.Append(t.Context(), e, held, "test"); err != nil {
			t.Fatal(err)
		}
		took := (<-seen).Sub(began)
		sum, worst = sum+took, max(worst, took)
	}
	t.Logf("a change is seen after %s on average, after %s at most", (sum / rounds).Round(time.Millisecond), worst.Round(time.Millisecond))
	if _, _, slower := sizes(); worst > time.Duration(slower)*updateWithin {
		t.Errorf("a change is seen only after %s", worst)
	}
}

// growth: ten thousand changes, each sent and shown by itself.
func growth(t *testing.T, w *world, d *dash.Dash, p *webtest.Page, base string, ids []string) {
	e, err := w.journal.Load(t.Context(), ids[1])
	if err != nil {
		t.Fatal(err)
	}
	d.Hurry()
	p.Goto(base + "/projects?q=project-000") // the only page that is open
	p.Until("document.querySelector('#pulse').textContent === 'live'")
	p.Eval("window.seen = 0; new MutationObserver(() => window.seen++).observe(document.querySelector('#all-projects'), "+
		"{subtree: true, childList: true, characterData: true}); 0", nil)
	push := func(from, to int) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for i := from; i < to && ctx.Err() == nil; i++ {
			e.Seq++
			e.State.Version = fmt.Sprintf("1.0.%d", i)
			sent := d.Sent()
			for d.Push(e); d.Sent() == sent && ctx.Err() == nil; {
				<-time.After(100 * time.Microsecond)
			}
		}
		p.Until(fmt.Sprintf("document.querySelector('#all-projects').innerText.includes('1.0.%d')", to-1))
	}
	_, manyUpdates, _ := sizes()
	push(0, 500)
	before, nodes := p.Heap()
	server := heap()
	began := time.Now()
	push(500, 500+manyUpdates)
	after, more := p.Heap()
	grown := heap() - server
	for range 20 { // the broker in this process lets go of what it cached after some seconds; what leaks stays
		if grown <= 4*heapMayGrow {
			break
		}
		<-time.After(time.Second)
		grown = heap() - server
	}
	var seen int
	p.Eval("window.seen", &seen)
	t.Logf("%d changes in %s, of which %d were shown; the page's heap went from %.0f to %.0f KiB and its nodes from %d to %d; "+
		"the gateway's heap grew by %d KiB", manyUpdates, time.Since(began).Round(time.Millisecond), seen-500, before/1024, after/1024, nodes, more,
		grown/1024)
	if seen < manyUpdates {
		t.Errorf("only %d changes were shown", seen)
	}
	if after-before > heapMayGrow || more-nodes > nodesMayGrow {
		t.Errorf("the page grows: from %.0f to %.0f bytes, from %d to %d nodes", before, after, nodes, more)
	}
	if grown > 4*heapMayGrow {
		t.Errorf("the gateway grows by %d bytes", grown)
	}
	for _, problem := range p.Problems() {
		t.Error(problem)
	}
}

// heap is what this process holds on to, in bytes.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestBrokerIsAway: while the broker is away that is said at once, and what happened meanwhile is seen when it is back.
func TestBrokerIsAway(t *testing.T) {
	w := newWorld(t, &outside{latency: map[string]float64{}}, t.TempDir(), t.TempDir())
	w.apply("shop", "")
	d, base := w.dashboard(config.Dashboard{Listen: config.DashboardListen})
	<-d.Ready()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/live?page=board", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	in := bufio.NewReader(res.Body)
	until := func(part string) {
		t.Helper()
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatalf("until %s: %v", part, err)
			}
			if strings.Contains(line, part) {
				return
			}
		}
	}
	until("Nothing soaks")
	w.broker.Stop()
	until("The broker can not be read")
	w.broker.Start(t)
	until(`"notices":[]`)
	s := state("shop", uuid.Must(uuid.NewV7()).String(), 1, time.Now().UTC())
	for range 100 { // the test's own connection comes back, too
		if _, err = w.journal.Append(t.Context(), journal.Entry{State: s}, release.WasApproved{}, "test"); err == nil {
			break
		}
	}
	until(s.Release)
}

// TestManyLook: a hundred who look at the same cost as one, and one that reads nothing costs nobody else.
func TestManyLook(t *testing.T) {
	w := newWorld(t, &outside{latency: map[string]float64{}}, t.TempDir(), t.TempDir())
	w.apply("shop", "")
	d, base := w.dashboard(config.Dashboard{Listen: config.DashboardListen})
	<-d.Ready()
	looking := make(chan string, 100)
	for i := range 100 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/live?page=board", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		if i == 0 { // it never reads
			continue
		}
		go func() {
			text := make([]byte, 64<<10)
			for all := ""; !strings.Contains(all, "seen by all"); {
				n, err := res.Body.Read(text)
				all += string(text[:n])
				if err != nil {
					break
				}
			}
			looking <- "seen"
		}()
	}
	s := state("shop", uuid.Must(uuid.NewV7()).String(), 1, time.Now().UTC())
	s.Held, s.Phase = &release.Holding{Said: release.Said{By: "ana", Reason: "seen by all"}}, release.Held
	began := time.Now()
	if _, err := w.journal.Append(t.Context(), journal.Entry{State: s}, release.WasApproved{}, "test"); err != nil {
		t.Fatal(err)
	}
	for range 99 {
		select {
		case <-looking:
		case <-time.After(time.Minute):
			t.Fatal("not all have seen it")
		}
	}
	t.Logf("all have seen it after %s", time.Since(began).Round(time.Millisecond))
}
