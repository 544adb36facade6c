package journal_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// stop says something of a scope as an operator does, and returns its sequence. actor may be empty.
func (b *bundle) stop(t testing.TB, verb, scope, actor, body string) uint64 {
	t.Helper()
	subject := fmt.Sprintf("sluice.%s.%s", verb, scope)
	if actor != "" {
		subject += "." + actor
	}
	return b.store(t, &nats.Msg{Subject: subject, Data: []byte(body)})
}

// claimed takes a new release of the project to its claim.
func (b *bundle) claimed(t testing.TB) journal.Entry {
	t.Helper()
	b.id = newID()
	return b.append(t, b.soaking(t), claim())
}

// stopped settles a claim, and fails the test unless it is ineffective for a stop of this kind, or effective for "".
func (b *bundle) stopped(t testing.TB, c journal.Entry, want release.Obstructing, what string) release.Obstacle {
	t.Helper()
	against, err := b.j.Settle(b.ctx, c)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if len(against.Requests) > 0 || against.Effective() != (want == "") || against.Stop != nil && against.Stop.Kind != want {
		t.Fatalf("%s: %+v, want %q", what, against, want)
	}
	if against.Stop == nil {
		return release.Obstacle{}
	}
	return *against.Stop
}

func settleStops(t *testing.T, b *bundle) {
	before := b.claimed(t)
	b.stop(t, topology.StopPause, b.project, "ana", "nobody is here")
	after := b.claimed(t)
	b.stop(t, topology.StopUnpause, b.project, "bo", "")
	last := b.claimed(t)
	b.stopped(t, before, "", "a pause after the claim")
	if o := b.stopped(t, after, release.ByPause, "a pause before the claim"); !strings.Contains(o.Why, "paused by ana: nobody is here") || !o.ByPeople() {
		t.Errorf("%+v", o)
	}
	b.stopped(t, last, "", "an unpause before the claim")

	other := *b
	other.project = newID()
	b.stop(t, topology.StopPause, b.project, "", "")
	other.stopped(t, other.claimed(t), "", "another project")

	unpaused := b.stop(t, topology.StopUnpause, b.project, "", "")
	begun := b.claimed(t) // a word for all counts for each, and nobody unpauses one alone
	b.stop(t, topology.StopPause, topology.AllProjects, "ana", "the fair")
	stopped := b.claimed(t)
	b.stop(t, topology.StopUnpause, b.project, "ana", "")
	still := b.claimed(t)
	b.stop(t, topology.StopUnpause, topology.AllProjects, "bo", "")
	b.stopped(t, begun, "", "before all were paused")
	if o := b.stopped(t, stopped, release.ByPause, "all are paused"); !strings.Contains(o.Why, "all projects are paused by ana") {
		t.Errorf("%+v", o)
	}
	b.stopped(t, still, release.ByPause, "all are paused, and one is not")
	b.stopped(t, b.claimed(t), "", "all are unpaused")
	if unpaused > begun.Seq {
		t.Error("the stream is out of order")
	}
}

// settleNewestWord: who says it last is right, whoever it is, and however odd the name.
func settleNewestWord(t *testing.T, b *bundle) {
	for i, c := range []struct {
		verb, actor string
		want        release.Obstructing
	}{
		{topology.StopPause, "ana", release.ByPause},
		{topology.StopPause, "bo", release.ByPause},
		{topology.StopUnpause, "ana", ""},
		{topology.StopPause, "", release.ByPause},
		{topology.StopUnpause, "eve@corp", ""},
		{topology.StopPause, "eve@corp", release.ByPause},
		{topology.StopUnpause, "", ""},
		{topology.StopPause, "*x", release.ByPause},
		{topology.StopUnpause, "\x01", ""},
		{topology.StopPause, "\xff", release.ByPause},
		{topology.StopUnfreeze, "ana", release.ByPause},
		{topology.StopUnpause, "bo", ""},
		{topology.StopUnpause, "bo", ""},
		{topology.StopFreeze, "ana", release.ByFreeze},
		{topology.StopUnpause, "ana", release.ByFreeze},
		{topology.StopUnfreeze, "$x", ""},
	} {
		b.stop(t, c.verb, b.project, c.actor, "")
		b.stopped(t, b.claimed(t), c.want, fmt.Sprintf("step %d: %s by %q", i, c.verb, c.actor))
	}
}

func settleFreezes(t *testing.T, b *bundle) {
	now, err := b.j.Now(b.ctx)
	if err != nil {
		t.Fatal(err)
	}
	at := func(d time.Duration) string { return now.Add(d).UTC().Format(time.RFC3339Nano) }
	for body, want := range map[string]release.Obstructing{
		"":                          release.ByFreeze,
		"1h the fair":               release.ByFreeze,
		at(time.Hour) + " the fair": release.ByFreeze,
		fmt.Sprintf(`{"from":%q}`, at(time.Hour)):                               "",
		fmt.Sprintf(`{"from":%q,"until":%q}`, at(-time.Hour), at(time.Hour)):    release.ByFreeze,
		fmt.Sprintf(`{"from":%q,"until":%q}`, at(time.Hour), at(2*time.Hour)):   "",
		fmt.Sprintf(`{"from":%q,"until":%q}`, at(-2*time.Hour), at(-time.Hour)): release.ByFreeze, // nobody can have meant that
		"1ns": "", // over at the claim's time
	} {
		b.stop(t, topology.StopFreeze, b.project, "ana", body)
		b.stopped(t, b.claimed(t), want, body)
	}
	forced := b.soakingForced(t)
	b.stop(t, topology.StopFreeze, b.project, "ana", "1h")
	b.stopped(t, b.append(t, forced, claim()), "", "a freeze, and force")
	forced = b.soakingForced(t)
	b.stop(t, topology.StopPause, b.project, "ana", "")
	b.stopped(t, b.append(t, forced, claim()), release.ByPause, "a pause, and force")
}

func (b *bundle) soakingForced(t testing.TB) journal.Entry {
	t.Helper()
	b.id = newID()
	return b.append(t, b.soaking(t), release.WasExpedited{Said: release.Said{By: "ana", Reason: "a security fix"}, Force: true})
}

func settleMalformedStops(t *testing.T, b *bundle) {
	for _, body := range []string{
		"{", `{"until":`, `{"reason":5}`, "null", "[]", "\x00\x1b[31mred", "\xff\xfe", strings.Repeat("[", 200<<10), strings.Repeat("\xff", 200<<10),
		`{"until":"monday"}`, `{"from":"monday","for":"1ns"}`, `{"until":"0000-01-01T00:00:00Z"}`, "9999-12-31T23:59:59-23:00",
	} {
		for verb, want := range map[string]release.Obstructing{topology.StopPause: release.ByPause, topology.StopFreeze: release.ByFreeze} {
			b.stop(t, verb, b.project, "ana", body)
			o := b.stopped(t, b.claimed(t), want, fmt.Sprintf("%s %.40q", verb, body))
			if strings.ContainsAny(o.Why, "\x00\x1b\n") || !o.Until.IsZero() {
				t.Errorf("%s %.40q: %+v", verb, body, o)
			}
			b.stop(t, "un"+verb, b.project, "bo", body) // nor does a body keep somebody from ending it
			b.stopped(t, b.claimed(t), "", fmt.Sprintf("un%s %.40q", verb, body))
		}
	}
}

func settleRolling(t *testing.T, b *bundle) {
	before := b.claimed(t)
	roll := func(id string) {
		t.Helper()
		if _, err := b.j.ChangeProject(b.ctx, b.project, func(r release.Record) (release.Record, error) {
			r.Rolling = id
			return r, nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	roll(before.State.Release)
	after := b.claimed(t)
	b.id = newID()
	own := b.soaking(t)
	roll(b.id)
	own = b.append(t, own, claim())
	roll("")
	b.stopped(t, before, "", "a rollback after the claim")
	if o := b.stopped(t, after, release.ByRollback, "a rollback before the claim"); !strings.Contains(o.Why, before.State.Release) {
		t.Errorf("%+v", o)
	}
	b.stopped(t, own, "", "its own rollback")
	b.stopped(t, b.claimed(t), "", "a rollback that is over")
}

// settleStopBlocks: what hides the broker's headers neither hides the stop, nor stops what was not stopped, nor blocks it.
func settleStopBlocks(t *testing.T, b *bundle) {
	r := b.raw(t)
	free := b.claimed(t)
	for i, block := range blocks(b.id, free.Seq) {
		actor := fmt.Sprint("m", i)
		r.store(topology.Stop(topology.StopFreeze, b.project, actor), block, "1h the fair")
		frozen := b.claimed(t)
		r.store(topology.Stop(topology.StopUnfreeze, b.project, actor), block, "")
		b.stopped(t, b.claimed(t), "", block)
		b.stopped(t, frozen, release.ByFreeze, block)
		b.stopped(t, free, "", block)
		g, err := b.j.Gate(b.ctx, frozen, 0)
		if err != nil || len(g.Stops) != 0 || g.Opened.IsZero() {
			t.Fatalf("block %q: %+v, %v", block, g, err)
		}
	}
	r.store(topology.Stop(topology.StopPause, b.project, "m0"), blocks(b.id, free.Seq)[0], "")
	b.stop(t, topology.StopPause, b.project, "ana", "nobody is here")
	if o := b.stopped(t, b.claimed(t), release.ByPause, "and a pause that can be read"); !strings.Contains(o.Why, "ana") {
		t.Errorf("%+v", o)
	}
}

// settleManyStops has stops on more subjects than the broker puts into one answer.
func settleManyStops(t *testing.T, b *bundle) {
	first := b.stop(t, topology.StopPause, b.project, "ana", "the first one")
	for i := range 1100 {
		if _, err := b.js.PublishAsync(topology.Stop(topology.StopUnpause, b.project, fmt.Sprint("a", i)), nil); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-b.js.PublishAsyncComplete():
	case <-b.ctx.Done():
		t.Fatal("not all stored in time")
	}
	b.stopped(t, b.claimed(t), "", "many have unpaused it")
	last := b.stop(t, topology.StopPause, b.project, "ana", "the last one")
	c := b.claimed(t)
	b.stop(t, topology.StopUnpause, b.project, "a7", "")
	if o := b.stopped(t, c, release.ByPause, "and one has paused it"); !strings.Contains(o.Why, "the last one") || first > last {
		t.Errorf("%+v", o)
	}
}

// settleStopWalks: for such projects there is one reader at a time, and the others wait. Releases share what stops them.
func settleStopWalks(t *testing.T, b *bundle) {
	r := b.raw(t)
	for i, block := range blocks(b.id, 1) {
		r.store(topology.Stop(topology.StopFreeze, b.project, fmt.Sprint("m", i)), block, "")
	}
	frozen := b.claimed(t)
	b.stop(t, topology.StopUnfreeze, b.project, "ana", "")
	thawed := b.claimed(t)
	b.ask(t, release.Hold, "bo", "too late")
	var all sync.WaitGroup
	for _, c := range []journal.Entry{frozen, thawed} {
		for range 4 {
			_, j := b.open(b.ctx, t)
			all.Go(func() {
				against, err := j.Settle(b.ctx, c)
				if want := c.Seq == thawed.Seq; err != nil || against.Effective() != want {
					t.Errorf("effective is %t, want %t: %v", against.Effective(), want, err)
				}
			})
		}
	}
	all.Wait()
}

// settleMalformedProject: only a service can have written it, so nobody guesses. It is said where it is.
func settleMalformedProject(t *testing.T, b *bundle) {
	seq := b.store(t, &nats.Msg{Subject: topology.Project(b.project), Data: []byte(`{"rolling":`)})
	c := b.claimed(t)
	_, errSettle := b.j.Settle(b.ctx, c)
	_, errGate := b.j.Gate(b.ctx, c, 0)
	_, _, errProject := b.j.Project(b.ctx, b.project)
	for what, err := range map[string]error{"settle": errSettle, "gate": errGate, "project": errProject} {
		if err == nil || !strings.Contains(err.Error(), topology.Project(b.project)) || !strings.Contains(err.Error(), fmt.Sprint(seq)) {
			t.Errorf("%s: it does not say where: %v", what, err)
		}
	}
}

func attention(t *testing.T, b *bundle) {
	header := func(e journal.Entry) []string {
		t.Helper()
		s, err := b.js.Stream(b.ctx, topology.StreamSluice)
		if err != nil {
			t.Fatal(err)
		}
		var values []string
		b.eventually(t, "the record can be read", func() bool {
			m, err := s.GetMsg(b.ctx, e.Seq)
			if err == nil {
				values = m.Header[journal.HeaderAttention]
			}
			return err == nil
		})
		return values
	}
	e := b.soaking(t)
	for _, c := range []struct {
		event release.Event
		want  string
	}{
		{release.WasHeld{Holding: release.Holding{Said: release.Said{By: "ana", Reason: "wait"}}}, ""},
		{release.WasResumed{}, ""},
		{release.WasHeld{Holding: release.Holding{System: true, Said: release.Said{Reason: "not\nwatched\r\nSluice-Folded: 9"}}},
			"held: not watched  Sluice-Folded: 9"},
		{release.WasFailed{Said: release.Said{Reason: "staging\xff refused " + strings.Repeat("é", 5000)}}, "failed: staging\uFFFD refused éé"},
		{release.WasNotRolledBack{Said: release.Said{Reason: "no answer"}}, "not rolled back: no answer"},
	} {
		e = b.append(t, e, c.event)
		got := header(e)
		if c.want == "" && len(got) > 0 || c.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], c.want) || len(got[0]) > 2<<10) {
			t.Errorf("%s: %.80q, want %q", c.event.Name(), got, c.want)
		}
	}
}
