package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/e2e/chaos/internal/check"
)

// verb is one kind of request of the workload. A new one is a line in verbs, and, if it stops a claim, one in package check.
type verb struct {
	name   string
	weight int           // in a race
	before func() string // what stands in the body before the reason
}

// verbs is what the race asks for.
func verbs() []verb {
	nothing := func() string { return "" }
	return []verb{
		{topology.VerbCancel, 1, nothing},
		{topology.VerbHold, 3, nothing},
		{topology.VerbExtend, 4, func() string { return fmt.Sprintf("%dms ", 50+rand.IntN(200)) }},
		{topology.VerbResume, 3, nothing},
		{topology.VerbExpedite, 3, nothing},
	}
}

func verbNamed(name string) verb {
	for _, v := range verbs() {
		if v.name == name {
			return v
		}
	}
	return verb{name: name, before: func() string { return "" }}
}

// anyVerb draws one by weight.
func anyVerb() verb {
	all, total := verbs(), 0
	for _, v := range all {
		total += v.weight
	}
	n := rand.IntN(total)
	for _, v := range all {
		if n -= v.weight; n < 0 {
			return v
		}
	}
	return all[0]
}

// askWithin is how long a client waits for the broker's acknowledgement before it gives up.
const askWithin = 3 * time.Second

// againAfter is how soon a client tries again what was refused: without a leader the broker refuses at once.
const againAfter = 100 * time.Millisecond

// ask publishes a request as anybody's nats command would. ok is false when the broker does not acknowledge it: then nothing was
// promised, and it may be stored all the same.
func (a *arena) ask(ctx context.Context, v verb, id string) (seq uint64, ok bool) {
	asked := check.Asked{ID: a.book.next(), Release: id}
	actor, as := []string{"ana", "ben", "lee"}[rand.IntN(3)], a.gateway
	if (v.name == topology.VerbCancel || v.name == topology.VerbHold) && rand.IntN(3) == 0 {
		actor, as = "", a.operator
	}
	asked.Subject = topology.Request(v.name, id, actor)
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	asked.Sent = time.Now()
	ack, err := as.Publish(ctx, asked.Subject, []byte(v.before()+asked.ID),
		jetstream.WithExpectStream(topology.StreamSluice), jetstream.WithRetryAttempts(0))
	if err == nil {
		asked.Acked, asked.Seq = time.Now(), ack.Sequence
	}
	a.book.asked(asked)
	return asked.Seq, err == nil
}

// insist asks until the broker acknowledges.
func (a *arena) insist(ctx context.Context, verb, id string) {
	for {
		if _, ok := a.ask(ctx, verbNamed(verb), id); ok || !pause(ctx, againAfter) {
			return
		}
	}
}

// book is what the clients of an arena know.
type book struct {
	mu      sync.Mutex
	history check.History
	number  int
}

func newBook() *book { return &book{history: check.History{Seen: map[string]time.Time{}}} }

func (b *book) next() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.number++
	return fmt.Sprintf("q%d", b.number)
}

func (b *book) asked(a check.Asked) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.history.Asked = append(b.history.Asked, a)
}

func (b *book) merged(m check.Merged) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.history.Merged = append(b.history.Merged, m)
}

// ended notes when the end of a release was read first.
func (b *book) ended(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.history.Seen[id]; !ok {
		b.history.Seen[id] = time.Now()
	}
}

// counts are for the progress line.
func (b *book) counts() (asked, ended int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.history.Asked), len(b.history.Seen)
}
