package journal_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// meddler stands between a journal and the broker's API, on another prefix. It passes on what it is asked and what is
// answered, and does to direct answers what its hooks say.
type meddler struct {
	t   testing.TB
	b   *bundle
	nc  *nats.Conn
	out *raw

	prefix string

	mu   sync.Mutex
	asks int // direct reads until now
	hooks
}

// hooks are set before the meddler is asked, or with set.
type hooks struct {
	// edit changes the whole answer to a read of several messages; nil: nothing.
	edit func(answer []*nats.Msg) []*nats.Msg
	// between is called after each message of such an answer was sent; nil: nobody.
	between func(sent int)
	// lag is the last sequence of the replica that answers ask n, counted from 0; nil or 0: it does not lag behind.
	lag func(n int) uint64
}

// meddle returns a journal that talks to the broker through a meddler.
func (b *bundle) meddle(t testing.TB) (*meddler, *journal.Journal) {
	t.Helper()
	m := &meddler{t: t, b: b, nc: b.connect(t), out: b.raw(t), prefix: "MEDDLE." + newID() + "."}
	if _, err := m.nc.Subscribe(m.prefix+">", m.pass); err != nil {
		t.Fatal(err)
	}
	// Not Flush: its timers come from a pool of the process, and those of one test's bubble do not work in another.
	if err := m.nc.FlushWithContext(b.ctx); err != nil {
		t.Fatal(err)
	}
	return m, m.open(t, b.connect(t))
}

// open makes a journal that talks through the meddler.
func (m *meddler) open(t testing.TB, nc *nats.Conn) *journal.Journal {
	t.Helper()
	js, err := jetstream.NewWithAPIPrefix(nc, m.prefix)
	if err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(m.b.ctx, js, "test")
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func (m *meddler) set(h hooks) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hooks = h
}

func (m *meddler) asked() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asks
}

func (m *meddler) pass(request *nats.Msg) {
	name := strings.TrimPrefix(request.Subject, m.prefix)
	if !strings.HasPrefix(name, "DIRECT.GET.") {
		m.send(request.Reply, m.forward(name, request.Data, false)...)
		return
	}
	m.mu.Lock()
	n, h := m.asks, m.hooks
	m.asks++
	m.mu.Unlock()
	var last uint64
	if h.lag != nil {
		last = h.lag(n)
	}
	several := strings.Contains(string(request.Data), "multi_last") || strings.Contains(string(request.Data), "batch")
	if !several {
		if last > 0 {
			m.send(request.Reply, m.behind(name, request.Data, last))
		} else {
			m.send(request.Reply, m.forward(name, request.Data, false)...)
		}
		return
	}
	body := request.Data
	if last > 0 {
		body = upTo(m.t, body, last)
	}
	answer := m.forward(name, body, true)
	if last > 0 {
		answer = cutOff(answer, last)
	}
	if h.edit != nil {
		answer = h.edit(answer)
	}
	for i, a := range answer {
		m.send(request.Reply, a)
		if h.between != nil {
			h.between(i + 1)
		}
	}
}

// forward asks the broker and returns its whole answer.
func (m *meddler) forward(name string, body []byte, several bool) []*nats.Msg {
	inbox := m.nc.NewInbox()
	sub, err := m.nc.SubscribeSync(inbox)
	if err != nil {
		return nil
	}
	defer func() { _ = sub.Unsubscribe() }()
	if m.nc.PublishRequest("$JS.API."+name, inbox, body) != nil {
		return nil
	}
	var out []*nats.Msg
	for {
		a, err := sub.NextMsgWithContext(m.b.ctx)
		if err != nil {
			return nil
		}
		out = append(out, a)
		if !several || isEnd(a) {
			return out
		}
	}
}

func isEnd(m *nats.Msg) bool {
	return m.Header.Get("Status") != "" && m.Header.Get("Nats-Sequence") == ""
}

// send writes answers byte for byte as the broker does, which the client library can not.
func (m *meddler) send(to string, answers ...*nats.Msg) {
	for _, a := range answers {
		line := "NATS/1.0"
		var rest strings.Builder
		for k, vs := range a.Header {
			for _, v := range vs {
				if isEnd(a) && (k == "Status" || k == "Description") {
					continue
				}
				rest.WriteString(k + ": " + v + "\r\n")
			}
		}
		if isEnd(a) {
			line += " " + a.Header.Get("Status") + " " + a.Header.Get("Description")
		}
		m.out.publish(to, line+"\r\n"+rest.String()+"\r\n", string(a.Data))
	}
}

// upTo is a read of several messages as a replica with this last sequence understands it.
func upTo(t testing.TB, body []byte, last uint64) []byte {
	var g map[string]any
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.UseNumber()
	if err := d.Decode(&g); err != nil {
		t.Error(err)
	}
	if n, ok := g["up_to_seq"].(json.Number); ok {
		if n, err := n.Int64(); err == nil && uint64(n) < last {
			return body
		}
	}
	if g["multi_last"] != nil {
		g["up_to_seq"] = last
	}
	out, err := json.Marshal(g)
	if err != nil {
		t.Error(err)
	}
	return out
}

// cutOff is the answer of a replica with this last sequence.
func cutOff(answer []*nats.Msg, last uint64) []*nats.Msg {
	var out []*nats.Msg
	before := "0"
	for _, a := range answer {
		if isEnd(a) {
			break
		}
		if seq, err := strconv.ParseUint(a.Header.Get("Nats-Sequence"), 10, 64); err == nil && seq <= last {
			out = append(out, a)
			before = a.Header.Get("Nats-Sequence")
		}
	}
	if len(out) == 0 {
		return []*nats.Msg{status("404", "No Results")}
	}
	end := status("204", "EOB", "Nats-Num-Pending", "0", "Nats-Last-Sequence", before)
	if up := answer[len(answer)-1].Header.Get("Nats-UpTo-Sequence"); up != "" {
		end.Header.Set("Nats-UpTo-Sequence", up)
	}
	return append(out, end)
}

// behind is the answer of a replica with this last sequence to a read of one message.
func (m *meddler) behind(name string, body []byte, last uint64) *nats.Msg {
	subject, ok := strings.CutPrefix(name, "DIRECT.GET."+topology.StreamSluice+".")
	if !ok { // by its sequence
		answer := m.forward(name, body, false)
		if len(answer) == 1 {
			if seq, err := strconv.ParseUint(answer[0].Header.Get("Nats-Sequence"), 10, 64); err == nil && seq <= last {
				return answer[0]
			}
		}
		return status("404", "Message Not Found")
	}
	read := fmt.Appendf(nil, `{"multi_last":[%q],"up_to_seq":%d}`, subject, last)
	answer := m.forward("DIRECT.GET."+topology.StreamSluice, read, true)
	if len(answer) < 2 {
		return status("404", "Message Not Found")
	}
	return answer[0]
}

func status(code, description string, more ...string) *nats.Msg {
	m := &nats.Msg{Header: nats.Header{"Status": {code}, "Description": {description}}}
	for i := 0; i < len(more); i += 2 {
		m.Header.Set(more[i], more[i+1])
	}
	return m
}
