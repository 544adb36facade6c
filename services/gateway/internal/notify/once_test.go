package notify

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/react"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
	"github.com/sluice-gate/sluice/services/gateway/internal/notice"
)

// TestOnce: two gateways, which stop and start again in the middle, and targets that fail now and then: each target gets each event once.
func TestOnce(t *testing.T) {
	w := newWorld(t)
	var mu sync.Mutex
	asked := 0
	dice := rand.New(rand.NewPCG(1, 2))
	r := newReceiver(t, func(_ int, path string) (int, http.Header) {
		mu.Lock()
		defer mu.Unlock()
		asked++
		if path == "/b" && dice.IntN(4) == 0 {
			return http.StatusServiceUnavailable, nil
		}
		return http.StatusOK, nil
	})
	w.applies("tracer", `
  - { webhook: { url: "`+r.URL+`/a" }, name: a }
  - { webhook: { url: "`+r.URL+`/b" }, name: b }
  - { webhook: { url: "`+r.URL+`/c" }, name: c, group: 1s }
`)
	first, second := w.begin("gateway-0", config.NotifyOut{}, nil), w.begin("gateway-1", config.NotifyOut{}, nil)
	const n = mostItems - 2 // they may be one group
	for i := range n {
		w.cancels("tracer", fmt.Sprintf("why-%02d.", i))
		switch i {
		case 20:
			first()
		case 30:
			first = w.begin("gateway-0", config.NotifyOut{}, nil)
		case 40:
			second()
			w.begin("gateway-1", config.NotifyOut{}, nil)
		}
	}
	w.eventually("all is told", w.acknowledged)
	first()
	for _, path := range []string{"/a", "/b", "/c"} {
		all := strings.Join(r.taken(path), "\n")
		for i := range n {
			if got := strings.Count(all, fmt.Sprintf(`"why":"why-%02d."`, i)); got != 1 {
				t.Errorf("%s got %d of %d", path, got, i)
			}
		}
	}
	if n := w.stored(topology.StreamSluice, "sluice.dead.>"); n != 0 {
		t.Errorf("%d dead letters", n)
	}
	if t.Failed() {
		for _, e := range w.logs.All() {
			t.Log(e.Time.Format("05.000"), e.Message, e.ContextMap())
		}
		for _, to := range []string{"a", "b", "c"} {
			data, seq, err := w.env.Journal.Kept(t.Context(), subjectOf("tracer", to))
			t.Logf("%s %d %s %v", to, seq, data, err)
		}
	}
}

// TestStops: whatever of a gateway's talk with the broker fails, a hint that comes again after a lost acknowledgement included, nothing is told
// twice that the gateway lived to remember, and nothing is lost.
func TestStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.applies("tracer", "  - slack: { url_env: S }\n  - { teams: { url_env: T }, group: 1m }\n")
		e := &ear{}
		w.begin("gateway-0", config.NotifyOut{}, e)
		want := []string{}
		for i := range 20 {
			why := fmt.Sprintf("why-%02d", i)
			want = append(want, why)
			w.cancels("tracer", why)
			if i%5 == 4 {
				w.broker.Restart(t) // acknowledgements, claims and records are lost under way
			}
			time.Sleep(time.Duration(i) * 37 * time.Millisecond)
		}
		time.Sleep(time.Hour)
		for _, to := range []string{"slack", "teams"} {
			var got []string
			for _, one := range e.got {
				if one.to == to {
					got = append(got, one.whys...)
				}
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("%s got %q", to, got)
			}
		}
		if err := w.acknowledged(); err != nil {
			t.Error(err)
		}
	})
}

// TestCost counts what notifying costs the broker: for one target that takes a notification at once, one for the notice and its claim, one for
// that it was told; nothing for a record of which nobody is told, and one more for each notice of a group.
func TestCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.applies("tracer", "  - slack: { url_env: S }\n")
		w.applies("groups", "  - { slack: { url_env: S }, group: 1h }\n")
		w.applies("silent", "  - { slack: { url_env: S }, on: [failed] }\n")
		e := &ear{}
		w.begin("gateway-0", config.NotifyOut{}, e)
		time.Sleep(time.Minute)
		var requests atomic.Int64
		sub, err := w.js.Conn().Subscribe("$JS.API.STREAM.MSG.GET.>", func(*nats.Msg) { requests.Add(1) })
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = sub.Unsubscribe() }()
		time.Sleep(time.Second)
		const n = 10
		for range n {
			w.cancels("tracer", "why")
			w.cancels("silent", "why")
			time.Sleep(time.Second)
		}
		if got := w.stored(topology.StreamEvidence, "sluice.notify.tracer.*"); got != 2*n || requests.Load() != 2*n {
			t.Errorf("%d messages and %d requests for %d notifications", got, requests.Load(), n)
		}
		if got := w.stored(topology.StreamEvidence, "sluice.notify.silent.*"); got != 0 {
			t.Errorf("%d messages for nothing", got)
		}
		for range n {
			w.cancels("groups", "why")
		}
		time.Sleep(2 * time.Hour)
		// each notice one, the alarm one, the claim and the end one each
		if got := w.stored(topology.StreamEvidence, "sluice.notify.groups.*"); got > n+4 {
			t.Errorf("%d messages for a group of %d", got, n)
		}
		if got := len(e.got); got != n+1 {
			t.Errorf("%d messages were sent", got)
		}
	})
}

// hint is the last record as the broker delivers it.
func (w *world) hint(delivered uint64) react.Hint {
	w.Helper()
	stream, err := w.js.Stream(w.Context(), topology.StreamSluice)
	if err != nil {
		w.Fatal(err)
	}
	m, err := stream.GetMsg(w.Context(), stream.CachedInfo().State.LastSeq)
	if err != nil {
		w.Fatal(err)
	}
	subject, err := topology.ParseSubject(m.Subject)
	if err != nil {
		w.Fatal(err)
	}
	return react.Hint{
		Subject: subject, Raw: m.Subject, Stream: topology.StreamSluice, Seq: m.Sequence, At: m.Time, Header: m.Header, Data: m.Data,
		Delivered: delivered,
	}
}

// TestAgain: a hint that comes again, to whomever, tells nothing twice: neither where it was told, nor where that has been forgotten since,
// while it waits for another target.
func TestAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.applies("tracer", "  - slack: { url_env: S }\n  - { teams: { url_env: T }, group: 1h }\n")
		e := &ear{}
		var all []*notifier
		for _, instance := range []string{"gateway-0", "gateway-1"} {
			env := w.open(instance, w.js)
			all = append(all, &notifier{env: env, cfg: config.NotifyOut{Attempts: 9}, send: e, store: &store{keeper: env.Journal}})
		}
		w.cancels("tracer", "why")
		var later *react.LaterError
		for delivered := range uint64(3) {
			for _, n := range all {
				if err := n.look(t.Context(), w.hint(delivered+1)); !errors.As(err, &later) || later.In > time.Hour || later.In < 59*time.Minute {
					t.Errorf("%v", err)
				}
			}
		}
		_, err := all[0].store.change(t.Context(), subjectOf("tracer", "slack"), func(o *outbox) (bool, error) { o.Told = nil; return true, nil })
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range all {
			if err := n.look(t.Context(), w.hint(7)); !errors.As(err, &later) {
				t.Errorf("%v", err)
			}
		}
		if got := e.heard("slack"); len(got) != 1 {
			t.Errorf("%q", got)
		}
		time.Sleep(2 * time.Hour)
		if err := all[0].look(t.Context(), w.hint(8)); err != nil {
			t.Errorf("%v", err)
		}
		if slack, teams := e.heard("slack"), e.heard("teams"); len(slack) != 1 || len(teams) != 1 {
			t.Errorf("%q %q", slack, teams)
		}
	})
}

// forgetful can not store what comes after a message was sent.
type forgetful struct {
	keeper
	broken atomic.Bool
}

func (f *forgetful) Keep(ctx context.Context, subject string, data []byte, last uint64) error {
	if f.broken.Load() {
		return errors.New("the disk is full")
	}
	return f.keeper.Keep(ctx, subject, data, last)
}

// TestCanNotStore: a gateway that lives, and can not store that it has sent a message, does not send it again.
func TestCanNotStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.applies("tracer", "  - slack: { url_env: S }\n")
		f := &forgetful{keeper: w.env.Journal}
		e := &ear{answer: func(string, notice.Message) error { f.broken.Store(true); return nil }}
		n := &notifier{env: w.env, cfg: config.NotifyOut{Attempts: 9}, send: e, store: &store{keeper: f}}
		w.cancels("tracer", "why")
		for delivered := range uint64(2) {
			if err := n.look(t.Context(), w.hint(delivered+1)); err == nil || !strings.Contains(err.Error(), "the disk is full") {
				t.Errorf("%v", err)
			}
		}
		f.broken.Store(false)
		if err := n.look(t.Context(), w.hint(3)); err != nil {
			t.Errorf("%v", err)
		}
		if got := e.heard("slack"); len(got) != 1 {
			t.Errorf("%q", got)
		}
	})
}

// TestPanics: what panics for one target is told to the others, and is tried again.
func TestPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.applies("tracer", "  - slack: { url_env: S }\n  - teams: { url_env: T }\n")
		var once sync.Once
		e := &ear{answer: func(to string, _ notice.Message) error {
			if to == "slack" {
				once.Do(func() { panic("a bug") })
			}
			return nil
		}}
		w.begin("gateway-0", config.NotifyOut{}, e)
		w.cancels("tracer", "why")
		time.Sleep(time.Hour)
		if slack, teams := e.heard("slack"), e.heard("teams"); len(slack) != 1 || len(teams) != 1 {
			t.Errorf("%q %q", slack, teams)
		}
		if err := w.acknowledged(); err != nil {
			t.Error(err)
		}
	})
}

// TestNobodyJoinsWhatIsSent: what comes while a batch is being sent is not in that message, and is not lost with it.
func TestNobodyJoinsWhatIsSent(t *testing.T) {
	now := time.Now()
	o := &outbox{}
	for seq, attempts := range []int{0, gatherAfter} {
		if _, err := o.put(item{Seq: uint64(10 * seq)}, now.Add(time.Hour), now); err != nil {
			t.Fatal(err)
		}
		o.Batches[seq].Attempts = attempts
		o.Batches[seq].claim("me", now)
	}
	if _, err := o.put(item{Seq: 99}, now.Add(2*time.Hour), now); err != nil || len(o.Batches) != 3 {
		t.Errorf("%+v %v", o, err)
	}
	o.taken(0)
	o.taken(10)
	if len(o.Batches) != 1 || o.Batches[0].Items[0].Seq != 99 || !o.knows(0) || !o.knows(10) {
		t.Errorf("%+v", o)
	}
}

// TestOutboxIsBounded: whatever comes, an outbox fits into a message, and nothing is forgotten without being counted.
func TestOutboxIsBounded(t *testing.T) {
	now := time.Now()
	n := project.SampleNotice()
	for _, text := range []*string{&n.Title, &n.Why, &n.Evidence, &n.Author, &n.Link} {
		*text = strings.Repeat("<", 600) // six bytes each in JSON
	}
	for name, due := range map[string]time.Duration{"waits": time.Hour, "at once": 0} {
		o, put := &outbox{}, 0
		for i := range 2000 {
			_, err := o.put(item{Seq: uint64(i + 1), Notice: n}, now.Add(due), now)
			if errors.Is(err, errFull) {
				break
			}
			if put++; due == 0 && i < mostBatches {
				o.batch(uint64(i+1)).claim("me", now)
			}
		}
		if size := o.size(); size > 240<<10 {
			t.Errorf("%s: %d bytes", name, size)
		}
		has := 0
		for _, b := range o.Batches {
			has += len(b.Items) + b.More
		}
		if has != put || put == 0 {
			t.Errorf("%s: %d of %d", name, has, put)
		}
	}
}

// TestUrgentIsNotKept: what is urgent does not wait for the morning, however much waits for it already, and however much is on its way.
func TestUrgentIsNotKept(t *testing.T) {
	now := time.Now()
	n := project.SampleNotice()
	n.Why, n.Evidence = strings.Repeat("w", 600), strings.Repeat("e", 600)
	o := &outbox{}
	for i := range 2 * mostItems { // over a weekend
		n.Title = strings.Repeat("t", 300) + fmt.Sprint(i)
		if _, err := o.put(item{Seq: uint64(i + 1), Notice: n}, now.Add(time.Hour), now); err != nil {
			t.Fatal(err)
		}
	}
	for i := range mostBytes / 2 / len(n.Evidence) { // as large as it gets
		o.Batches[0].Items[i%len(o.Batches[0].Items)].Notice.Text += n.Evidence
		if o.size() > mostBytes/2 {
			break
		}
	}
	urgent := uint64(10_000)
	for ; ; urgent++ {
		_, err := o.put(item{Seq: urgent, Notice: n}, now, now)
		if errors.Is(err, errFull) { // it comes again in a second, when something has been sent
			break
		}
		b := o.owned(urgent)
		if b == nil || b.Due.After(now) || len(b.Items) != 1 {
			t.Fatalf("%d: %+v", urgent, b)
		}
		b.claim("me", now)
	}
	if urgent == 10_000 {
		t.Error("nothing urgent is told")
	}
}
