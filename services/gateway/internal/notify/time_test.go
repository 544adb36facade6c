package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/react"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
	"github.com/sluice-gate/sluice/services/gateway/internal/notice"
)

// at sleeps until a time of the week, in the bubble. Its clock begins on Saturday, 1 January 2000, 00:00 UTC.
func at(t *testing.T, day int, clock string) {
	t.Helper()
	c, err := time.Parse("15:04", clock)
	if err != nil {
		t.Fatal(err)
	}
	when := time.Date(2000, time.January, day, c.Hour(), c.Minute(), 0, 0, time.UTC)
	if !when.After(time.Now()) {
		t.Fatalf("%s is past", when)
	}
	time.Sleep(time.Until(when))
}

func want(t *testing.T, e *ear, to string, lines ...string) {
	t.Helper()
	if got := e.heard(to); !slices.Equal(got, lines) {
		t.Errorf("%s heard\n%q, want\n%q", to, got, lines)
	}
}

// TestQuietHours: at night only what is urgent is told, through restarts of gateways and of the broker, and the rest is one message in the
// morning.
func TestQuietHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.applies("tracer", `
  - { slack: { url_env: S }, quiet: [ "Mon-Fri 20:00-08:00", "Sat 00:00 - Mon 08:00" ] }
  - { email: { host: localhost, tls: none, from: a@b.c, to: [d@e.f] } }
`)
		e := &ear{}
		stop := w.begin("gateway-0", config.NotifyOut{}, e)
		at(t, 3, "19:00") // Monday
		w.cancels("tracer", "before")
		at(t, 3, "21:00")
		w.cancels("tracer", "one")
		at(t, 3, "22:00")
		stop()
		w.cancels("tracer", "two")
		w.broker.Restart(t)
		at(t, 3, "23:00")
		w.fails("tracer", "urgent")
		stop = w.begin("gateway-1", config.NotifyOut{}, e)
		at(t, 4, "03:00")
		w.cancels("tracer", "three")
		at(t, 4, "07:59")
		stop()
		w.begin("gateway-2", config.NotifyOut{}, e)
		at(t, 4, "09:00")
		want(t, e, "slack", "Mon 19:00:00 before", "Mon 23:00:00 urgent", "Tue 08:00:00 one, three, two")
		if n := len(e.heard("email")); n != 5 {
			t.Errorf("without quiet hours: %q", e.heard("email"))
		}
		if err := w.acknowledged(); err != nil {
			t.Error(err)
		}
	})
}

// TestGroups: what comes within the time of a group is one message, which says how much did not fit.
func TestGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.applies("tracer", "  - { slack: { url_env: S }, group: 5m }\n")
		e := &ear{}
		w.begin("gateway-0", config.NotifyOut{}, e)
		w.begin("gateway-1", config.NotifyOut{}, e)
		at(t, 1, "10:00")
		w.cancels("tracer", "a")
		at(t, 1, "10:04")
		w.cancels("tracer", "b")
		w.fails("tracer", "c")
		at(t, 1, "10:06")
		for range mostItems + 10 {
			w.cancels("tracer", "d")
		}
		at(t, 1, "10:30")
		got := e.heard("slack")
		if len(got) != 2 || got[0] != "Sat 10:05:00 a, b, c" || len(e.got[1].whys) != mostItems || e.got[1].more != 10 {
			t.Errorf("%q", got)
		}
		if err := w.acknowledged(); err != nil {
			t.Error(err)
		}
	})
}

// TestRetries: a target that does not take a message is asked again, less and less often, or when it says; what comes for it meanwhile waits
// together; nobody else waits for it.
func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.applies("tracer", "  - { slack: { url_env: S } }\n  - { teams: { url_env: T } }\n")
		var asked atomic.Int64
		away := errors.New("away")
		var down atomic.Pointer[error]
		down.Store(&away)
		e := &ear{answer: func(to string, _ notice.Message) error {
			if to == "teams" || down.Load() == nil {
				return nil
			}
			asked.Add(1)
			return *down.Load()
		}}
		w.begin("gateway-0", config.NotifyOut{}, e)
		at(t, 1, "10:00")
		w.cancels("tracer", "a")
		at(t, 1, "10:01")
		if n := asked.Load(); n != 6 { // after 0, 1, 3, 7, 15, 31 seconds
			t.Errorf("asked %d times in a minute", n)
		}
		for i := range 10 {
			w.cancels("tracer", fmt.Sprintf("b%02d", i))
		}
		at(t, 1, "12:00")
		if n := asked.Load(); n > 40 {
			t.Errorf("asked %d times in two hours", n)
		}
		if n := len(e.heard("teams")); n != 11 {
			t.Errorf("the other target: %q", e.heard("teams"))
		}
		later := react.Later(10*time.Minute, "too many")
		down.Store(&later)
		at(t, 1, "12:06")
		before := asked.Load()
		at(t, 1, "12:09")
		if n := asked.Load() - before; n != 0 {
			t.Errorf("asked %d times although it said when to", n)
		}
		down.Store(nil)
		at(t, 1, "12:20")
		if got := e.heard("slack"); len(got) != 1 || len(e.got[len(e.got)-1].whys) != 11 {
			t.Errorf("%q", got)
		}
		if err := w.acknowledged(); err != nil {
			t.Error(err)
		}
	})
}

// TestLate: what nobody told for hours is one message, and what is older than a day is none.
func TestLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.applies("tracer", "  - slack: { url_env: S }\n")
		w.cancels("tracer", "ancient")
		at(t, 2, "10:00")
		w.cancels("tracer", "one")
		at(t, 2, "12:00")
		w.cancels("tracer", "two")
		e := &ear{}
		at(t, 2, "13:00")
		w.begin("gateway-0", config.NotifyOut{MaxAge: 24 * time.Hour}, e)
		at(t, 2, "14:00")
		want(t, e, "slack", "Sun 13:00:10 one, two")
	})
}

// TestClaims: what a gateway that died had claimed is sent by another when its time is over, and at once by itself.
func TestClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.applies("tracer", "  - slack: { url_env: S }\n  - { teams: { url_env: T } }\n")
		at(t, 1, "10:00")
		e := &ear{}
		for _, one := range []struct{ target, by string }{{"slack", "dead"}, {"teams", "gateway-0"}} {
			// as it is stored by one that dies right after its claim
			_, err := (&store{keeper: w.env.Journal}).change(t.Context(), subjectOf("tracer", one.target), func(o *outbox) (bool, error) {
				_, err := o.put(item{Seq: nextSeq(t, w)}, time.Now(), time.Now())
				o.Batches[0].Items[0].Notice.Why = "claimed"
				o.Batches[0].claim(one.by, time.Now())
				return true, err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		w.cancels("tracer", "claimed")
		w.begin("gateway-0", config.NotifyOut{}, e)
		at(t, 1, "10:10")
		want(t, e, "slack", "Sat 10:00:30 claimed")
		want(t, e, "teams", "Sat 10:00:00 claimed")
	})
}

// nextSeq is the sequence that the next record gets.
func nextSeq(t *testing.T, w *world) uint64 {
	t.Helper()
	s, err := w.js.Stream(t.Context(), topology.StreamSluice)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State.LastSeq + 1
}

// TestOrphans: a batch whose hint is gone is driven by the next record.
func TestOrphans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.applies("tracer", "  - slack: { url_env: S }\n")
		e := &ear{}
		w.begin("gateway-0", config.NotifyOut{}, e)
		at(t, 1, "10:00")
		_, err := (&store{keeper: w.env.Journal}).change(t.Context(), subjectOf("tracer", "slack"), func(o *outbox) (bool, error) {
			_, err := o.put(item{Seq: 1 << 40}, time.Now(), time.Now())
			o.Batches[0].Items[0].Notice.Why = "lost"
			return true, err
		})
		if err != nil {
			t.Fatal(err)
		}
		at(t, 1, "10:10")
		w.cancels("tracer", "early")
		at(t, 1, "10:20")
		w.cancels("tracer", "late")
		at(t, 1, "10:30")
		got := e.heard("slack")
		slices.Sort(got)
		if !slices.Equal(got, []string{"Sat 10:10:00 early", "Sat 10:20:00 late", "Sat 10:20:00 lost"}) {
			t.Errorf("%q", got)
		}
	})
}

// TestNotWantedAnyMore: a record that a target does not want any more still drives the batch that it began: others are in it.
func TestNotWantedAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.applies("tracer", "  - { slack: { url_env: S }, group: 1h }\n")
		e := &ear{}
		w.begin("gateway-0", config.NotifyOut{}, e)
		at(t, 1, "10:00")
		w.cancels("tracer", "a")
		at(t, 1, "10:01")
		w.fails("tracer", "b")
		at(t, 1, "10:10")
		w.applies("tracer", "  - { slack: { url_env: S }, group: 1h, on: [failed] }\n")
		at(t, 1, "12:00")
		want(t, e, "slack", "Sat 11:00:00 a, b")
		if err := w.acknowledged(); err != nil {
			t.Error(err)
		}
	})
}

// TestWithoutItsConsumer: a gateway on a broker that an older version prepared goes on, says once what is to be done, and begins to tell
// when it was.
func TestWithoutItsConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.applies("tracer", "  - { slack: { url_env: S } }\n")
		if err := w.js.DeleteConsumer(t.Context(), topology.StreamSluice, topology.ConsumerGatewayNotify); err != nil {
			t.Fatal(err)
		}
		e := &ear{}
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- run(ctx, w.env, config.NotifyOut{Attempts: 1}, e) }() // as a gateway is opened, which does not look at all there is
		defer func() {
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}()
		at(t, 1, "00:10")
		said := w.logs.FilterMessageSnippet("can not consume")
		if said.Len() != 1 || !strings.Contains(fmt.Sprint(said.All()[0].ContextMap()), "no consumer gateway-notify: run `sluice init`") {
			t.Errorf("%d lines: %v", said.Len(), said.All())
		}
		w.js = natstest.Topology(t, w.broker.Conn(t)) // as `sluice init` does
		w.cancels("tracer", "one")
		at(t, 1, "00:20")
		if n := len(e.heard("slack")); n != 1 {
			t.Errorf("told %q", e.heard("slack"))
		}
		if err := w.js.DeleteConsumer(t.Context(), topology.StreamSluice, topology.ConsumerGatewayNotify); err != nil {
			t.Fatal(err)
		}
		at(t, 1, "00:30")
		if n := w.logs.FilterMessageSnippet("can not consume").Len(); n != 2 {
			t.Errorf("%d lines when it is gone again", n)
		}
	})
}

// TestLateJoiners: what joins a batch that was tried often already has all attempts of its own; what was in it before is given up alone.
func TestLateJoiners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.applies("tracer", "  - { slack: { url_env: S } }\n")
		var down atomic.Bool
		down.Store(true)
		e := &ear{answer: func(string, notice.Message) error {
			if down.Load() {
				return errors.New("away")
			}
			return nil
		}}
		w.begin("gateway-0", config.NotifyOut{Attempts: 12}, e)
		at(t, 1, "10:00")
		w.cancels("tracer", "early") // after 0, 1, 3, 7, 15, 31, 63 s, 2, 4, 9, 14 and 19 minutes
		at(t, 1, "10:16")
		w.cancels("tracer", "late")
		at(t, 1, "10:30")
		if n := w.stored(topology.StreamSluice, "sluice.dead.notify.*"); n != 1 {
			t.Errorf("%d are given up", n)
		}
		at(t, 1, "11:05")
		if n := w.stored(topology.StreamSluice, "sluice.dead.notify.*"); n != 1 {
			t.Errorf("%d are given up when the second had ten attempts", n)
		}
		down.Store(false)
		at(t, 1, "11:15")
		if got := e.heard("slack"); len(got) != 1 || !strings.HasSuffix(got[0], " late") {
			t.Errorf("%q", got)
		}
		down.Store(true)
		w.cancels("tracer", "third")
		at(t, 1, "13:00")
		if n := w.stored(topology.StreamSluice, "sluice.dead.notify.*"); n != 2 {
			t.Errorf("%d are given up in the end", n)
		}
		if err := w.acknowledged(); err != nil {
			t.Error(err)
		}
	})
}

// TestQuietHoursOfOthers: what is not urgent is not sent in quiet hours by joining what is, nor because its target was away until they began;
// and what is urgent does not wait for them because it joined what does.
func TestQuietHoursOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.applies("tracer", `
  - { slack: { url_env: S }, quiet: [ "Mon-Fri 20:00-08:00", "Sat 00:00 - Mon 08:00" ] }
  - { teams: { url_env: T }, group: 5m, quiet: [ "Mon-Fri 20:00-08:00", "Sat 00:00 - Mon 08:00" ] }
`)
		var down atomic.Bool
		down.Store(true)
		e := &ear{answer: func(to string, _ notice.Message) error {
			if down.Load() && to == "slack" {
				return errors.New("away")
			}
			return nil
		}}
		w.begin("gateway-0", config.NotifyOut{}, e)
		at(t, 3, "19:50")
		w.cancels("tracer", "before") // slack is away until 22:00
		at(t, 3, "21:00")
		w.fails("tracer", "urgent")
		at(t, 3, "21:02")
		w.cancels("tracer", "calm")
		at(t, 3, "21:30")
		w.cancels("tracer", "calm too")
		at(t, 3, "22:00")
		down.Store(false)
		at(t, 4, "09:00")
		want(t, e, "teams", "Mon 19:55:00 before", "Mon 21:05:00 urgent", "Tue 08:00:00 calm, calm too")
		got := strings.Join(e.heard("slack"), "; ")
		if !strings.HasPrefix(got, "Mon 22:0") || strings.Count(got, "Mon") != 1 || !strings.Contains(strings.SplitN(got, ";", 2)[0], "urgent") ||
			strings.Contains(strings.SplitN(got, ";", 2)[0], "calm") || strings.Count(got, "calm") != 2 || strings.Count(got, "before") != 1 {
			t.Errorf("%q", got)
		}
		if err := w.acknowledged(); err != nil {
			t.Error(err)
		}
	})
}
