package journal_test

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

func TestMain(m *testing.M) { natstest.Main(m) }

// broker is one node or a cluster, with all streams.
type broker struct {
	connect func(t testing.TB) *nats.Conn // in turn to each node
	server  *natstest.Server              // one of them
	cluster *natstest.Nodes               // nil for one node
}

func single(t testing.TB, options ...natstest.Option) *broker {
	t.Helper()
	s := natstest.One(t, options...)
	natstest.Topology(t, s.Conn(t))
	return &broker{connect: func(t testing.TB) *nats.Conn { return s.Conn(t, quiet()) }, server: s}
}

// quiet keeps the client from printing what it says of malformed headers.
func quiet() nats.Option { return nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}) }

func three(t testing.TB) *broker {
	t.Helper()
	c := natstest.Cluster(t, 3)
	natstest.Topology(t, c.Conn(t), topology.Options{Replicas: 3})
	c.Wait(t)
	b := &bundle{ctx: t.Context()}
	for i := range c.Len() { // a node knows only after a while where the stream's leader is
		nc := c.ConnTo(t, i)
		b.eventually(t, "every node reaches the stream", func() bool {
			ack, err := nc.Request(topology.Merge("warm-up"), nil, time.Second)
			return err == nil && !strings.Contains(string(ack.Data), "error")
		})
	}
	turn := 0
	return &broker{
		connect: func(t testing.TB) *nats.Conn {
			turn++
			return c.ConnTo(t, turn%c.Len(), quiet())
		},
		server: c.Node(0), cluster: c,
	}
}

// bundle is what one behaviour is tried with.
type bundle struct {
	*broker
	ctx context.Context
	js  jetstream.JetStream
	j   *journal.Journal
	id  string // a release that nobody knows yet
	// project is the release's own, so that what stops it stops nobody else's.
	project string
}

func (b *broker) setup(t testing.TB) *bundle {
	t.Helper()
	within := 30 * time.Second
	if b.cluster != nil { // elections take their time
		within *= 3
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	t.Cleanup(cancel)
	js, j := b.open(ctx, t)
	return &bundle{broker: b, ctx: ctx, js: js, j: j, id: newID(), project: newID()}
}

// open makes another journal on a connection of its own.
func (b *broker) open(ctx context.Context, t testing.TB) (jetstream.JetStream, *journal.Journal) {
	t.Helper()
	js, err := jetstream.New(b.connect(t))
	if err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(ctx, js, "test")
	if err != nil {
		t.Fatal(err)
	}
	return js, j
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// The way of a release to its soak.
func upToSoak(id string) []release.Event { return upToSoakIn("tracer", id) }

func upToSoakIn(project, id string) []release.Event {
	return []release.Event{
		release.WasMerged{Release: id, Project: project, At: time.Now().UTC()},
		release.WasBegun{Work: release.Publish, Attempt: release.Attempt{Number: 1}},
		release.WasDone{Work: release.Publish},
		release.WasBegun{Work: release.Stage, Attempt: release.Attempt{Number: 1}},
		release.WasDone{Work: release.Stage},
		release.WasSoaked{Due: time.Now().UTC()},
	}
}

func claim() release.Event {
	return release.WasBegun{Work: release.Promote, Attempt: release.Attempt{Number: 1, Instance: "p", Timeout: time.Minute}}
}

// merged begins a journal.
func (b *bundle) merged(t testing.TB) journal.Entry {
	t.Helper()
	return b.append(t, journal.Entry{}, upToSoak(b.id)[:1]...)
}

// soaking brings a release to its soak.
func (b *bundle) soaking(t testing.TB) journal.Entry {
	t.Helper()
	return b.append(t, journal.Entry{}, upToSoakIn(cmp.Or(b.project, "tracer"), b.id)...)
}

func (b *bundle) append(t testing.TB, e journal.Entry, events ...release.Event) journal.Entry {
	t.Helper()
	for _, ev := range events {
		next, err := b.j.Append(b.ctx, e, ev, "test")
		for errors.Is(err, journal.ErrConflict) { // the record before is still being applied, or somebody was faster
			if now, lerr := b.j.LoadAt(b.ctx, b.id, e.Seq); lerr != nil && !errors.Is(lerr, journal.ErrNone) || now.Seq != e.Seq {
				break
			}
			next, err = b.j.Append(b.ctx, e, ev, "test")
		}
		if err != nil {
			t.Fatal(err)
		}
		e = next
	}
	return e
}

// ask stores a request as an operator does and returns its sequence. actor may be empty.
func (b *bundle) ask(t testing.TB, verb release.Verb, actor, body string) uint64 {
	t.Helper()
	subject := fmt.Sprintf("sluice.%s.%s", verb, b.id)
	if actor != "" {
		subject += "." + actor
	}
	return b.store(t, &nats.Msg{Subject: subject, Data: []byte(body)})
}

func (b *bundle) store(t testing.TB, m *nats.Msg) uint64 {
	t.Helper()
	ack, err := b.js.PublishMsg(b.ctx, m)
	if err != nil {
		t.Fatal(err)
	}
	return ack.Sequence
}

// eventually waits for what nothing announces, for the test's time.
func (b *bundle) eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-b.ctx.Done():
			t.Fatalf("not so after all the test's time: %s", what)
		case <-tick.C:
		}
	}
}

// raw speaks the client protocol by hand, and so can send header blocks that no client library makes.
type raw struct {
	t     testing.TB
	conn  net.Conn
	lines chan string // what the server says, but for its pings

	mu sync.Mutex // one writer at a time
}

func (b *broker) raw(t testing.TB) *raw {
	t.Helper()
	conn, err := b.server.InProcessConn()
	if err != nil {
		t.Fatal(err)
	}
	r := &raw{t: t, conn: conn, lines: make(chan string, 10_000)}
	t.Cleanup(func() { _ = conn.Close() })
	go r.read()
	r.line("INFO")
	r.send(`CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}` + "\r\n")
	r.sync()
	return r
}

func (r *raw) read() {
	defer close(r.lines)
	for in := bufio.NewReader(r.conn); ; {
		l, err := in.ReadString('\n')
		if err != nil {
			return
		}
		if strings.HasPrefix(l, "PING") {
			r.send("PONG\r\n")
			continue
		}
		r.lines <- l
	}
}

func (r *raw) send(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, _ = r.conn.Write([]byte(s)) // when the connection is gone, nothing comes back, and that is noticed
}

// line waits until the server says a line that begins with the word.
func (r *raw) line(word string) {
	r.t.Helper()
	for l := range r.lines {
		if strings.HasPrefix(l, word) {
			return
		}
	}
	r.t.Errorf("the connection ended before %s", word)
}

// sync returns when the server has read all that was sent.
func (r *raw) sync() {
	r.t.Helper()
	r.send("PING\r\n")
	r.line("PONG")
}

// publish sends a message with this header block, which it takes as it is.
func (r *raw) publish(subject, block, data string) {
	r.t.Helper()
	r.send(fmt.Sprintf("HPUB %s %d %d\r\n%s%s\r\n", subject, len(block), len(block)+len(data), block, data))
}

// store publishes and waits for the broker's acknowledgement.
func (r *raw) store(subject, block, data string) {
	r.t.Helper()
	inbox := nats.NewInbox()
	r.send("SUB " + inbox + " 1\r\n")
	r.publish(subject+" "+inbox, block, data)
	r.line("MSG " + inbox)
	r.send("UNSUB 1\r\n")
}

// requestsAgainst are the requests that make a claim ineffective.
func requestsAgainst(a release.Against, err error) ([]release.Request, error) { return a.Requests, err }
