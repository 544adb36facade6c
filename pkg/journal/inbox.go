package journal

import (
	"context"
	"strconv"
	"sync"

	"github.com/nats-io/nats.go"
)

// inbox is where the answers of several messages arrive: one subscription for all reads of a journal. A subscription for
// each read would cost thirty times as much as the read, and more on a cluster, where every node hears of it.
type inbox struct {
	prefix string // of the reply subjects, with the dot

	mu    sync.Mutex
	asked uint64
	piles map[string]*pile // by reply subject: the reads under way
}

// pile is the messages of one answer that have arrived and were not taken yet.
type pile struct {
	subject string
	arrived chan struct{} // has one when something was put on it

	mu   sync.Mutex
	msgs []*nats.Msg
}

// openInbox lasts as long as the connection.
func openInbox(nc *nats.Conn) (*inbox, error) {
	in := &inbox{prefix: nc.NewInbox() + ".", piles: map[string]*pile{}}
	_, err := nc.Subscribe(in.prefix+"*", in.put)
	return in, err
}

// put gives a message to the read that waits for it. One that nobody waits for any more is dropped.
func (in *inbox) put(m *nats.Msg) {
	in.mu.Lock()
	p := in.piles[m.Subject]
	in.mu.Unlock()
	if p == nil {
		return
	}
	p.mu.Lock()
	p.msgs = append(p.msgs, m)
	p.mu.Unlock()
	select {
	case p.arrived <- struct{}{}:
	default:
	}
}

// expect makes room for one answer, until done is called.
func (in *inbox) expect() (p *pile, done func()) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.asked++
	p = &pile{subject: in.prefix + strconv.FormatUint(in.asked, 36), arrived: make(chan struct{}, 1)}
	in.piles[p.subject] = p
	return p, func() {
		in.mu.Lock()
		defer in.mu.Unlock()
		delete(in.piles, p.subject)
	}
}

// next waits for the next message of the answer.
func (p *pile) next(ctx context.Context) (*nats.Msg, error) {
	for {
		p.mu.Lock()
		if len(p.msgs) > 0 {
			m := p.msgs[0]
			p.msgs = p.msgs[1:]
			p.mu.Unlock()
			return m, nil
		}
		p.mu.Unlock()
		select {
		case <-p.arrived:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
