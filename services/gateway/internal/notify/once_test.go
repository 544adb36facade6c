package notify

import (
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
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
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
			err := o.put(item{Seq: uint64(i + 1), Notice: n}, now.Add(due), now)
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
