package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// answerWithin bounds the silence between two messages of an answer.
const answerWithin = 5 * time.Second

// answerBytes bounds one answer of the broker, in bytes; what does not fit is asked for again from where it ended.
const answerBytes = 4 << 20

// get is a direct read: the broker's JSON, with the fields that are used here.
type get struct {
	Batch     int        `json:"batch,omitempty"`
	Seq       uint64     `json:"seq,omitempty"`
	Next      string     `json:"next_by_subj,omitempty"`
	StartTime *time.Time `json:"start_time,omitempty"`
	MultiLast []string   `json:"multi_last,omitempty"`
	UpTo      uint64     `json:"up_to_seq,omitempty"`
	MaxBytes  int        `json:"max_bytes,omitempty"`
}

// stored is a message of a stream as the broker, not its sender, describes it.
type stored struct {
	Subject string
	Seq     uint64
	At      time.Time
	Data    []byte
}

// answer is a whole answer to a get.
type answer struct {
	msgs    []stored
	pending int    // how many more there are: the answer was full, ask again after the last sequence
	upTo    uint64 // multi_last: the last sequence that the answering replica looked at
}

// errHidden: a sender made a subject or a header that a direct read does not show as it is.
var errHidden = errors.New("a stored message with a malformed subject or header")

// errTooMany: more subjects than one answer may have.
var errTooMany = errors.New("too many subjects for one answer")

// ask makes one direct read of several messages (a batch or multi_last) and returns its whole answer, or an error. An answer
// without messages is not an error.
//
// The broker ends an answer of several messages with an end-of-batch mark, and tells in every message the sequence of the
// message before. So a message that was lost on the way, by a reconnect in the middle for one, is noticed.
func (j *Journal) ask(ctx context.Context, stream string, g get) (answer, error) {
	if g.MaxBytes == 0 {
		g.MaxBytes = answerBytes
	}
	body, err := json.Marshal(g)
	if err != nil {
		return answer{}, err
	}
	p, done := j.inbox.expect()
	defer done()
	if err := j.nc.PublishRequest(j.api+"DIRECT.GET."+stream, p.subject, body); err != nil {
		return answer{}, err
	}
	var a answer
	var before uint64
	for {
		m, err := next(ctx, p.next)
		if err != nil {
			return answer{}, fmt.Errorf("the answer broke off after %d messages: %w", len(a.msgs), err)
		}
		if status := statusOf(m); status != "" {
			return a, a.end(m, status, before)
		}
		s, previous, err := parse(m)
		if err != nil {
			return answer{}, err
		}
		if previous != before {
			return answer{}, fmt.Errorf("the answer has a gap before sequence %d", s.Seq)
		}
		before = s.Seq
		a.msgs = append(a.msgs, s)
	}
}

// end reads the message that ends an answer.
func (a *answer) end(m *nats.Msg, status string, before uint64) error {
	switch description := m.Header.Get("Description"); {
	case status == "204":
		pending, err := number(m, "Nats-Num-Pending")
		if err != nil {
			return err
		}
		last, err := number(m, "Nats-Last-Sequence")
		if err != nil {
			return err
		}
		if last != before {
			return fmt.Errorf("the answer lost its end: it goes up to sequence %d, and %d arrived", last, before)
		}
		if a.pending = int(pending); len(a.msgs) == 0 && pending > 0 { //nolint:gosec // a stream has fewer messages
			return errors.New("an answer without messages that says there are some")
		}
		if m.Header.Get("Nats-UpTo-Sequence") != "" {
			a.upTo, err = number(m, "Nats-UpTo-Sequence")
		}
		return err
	case status == "404" && len(a.msgs) == 0 && (description == "No Results" || description == "Message Not Found"):
		return nil
	case status == "413":
		return errTooMany
	case status == "503" && description == "":
		return nats.ErrNoResponders
	default:
		return fmt.Errorf("the broker says %s %s", status, description)
	}
}

// next waits for the next message of an answer.
func next(ctx context.Context, from func(context.Context) (*nats.Msg, error)) (m *nats.Msg, err error) {
	err = soon(ctx, func(ctx context.Context) error {
		m, err = from(ctx)
		return err
	})
	return m, err
}

// soon bounds the wait for one answer: one that was lost is not waited for as long as the caller has time.
func soon(ctx context.Context, do func(context.Context) error) error {
	within, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	err := do(within)
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("nothing came for %s", answerWithin)
	}
	return err
}

// The sizes of the parts of a header block: "NATS/1.0", its end of line, and the empty line at the end.
const (
	headerLine  = len("NATS/1.0\r\n")
	headerEnd   = len("\r\n")
	headerMost  = 40 // values of one message; a request has a few
	headerExtra = len(": ") + len("\r\n")
)

// statusOf is the status of a message that the broker itself made, or "" for a stored message.
//
// The headers of a stored message are whatever its sender wrote, "Status: 204" for one, with the broker's appended. The
// broker's status stands in the first line of the block. The client's library shows both alike, so they are told apart by
// the size of the block: a stored message's has the broker's lines too.
func statusOf(m *nats.Msg) string {
	status, description := m.Header.Get("Status"), m.Header.Get("Description")
	if status == "" || len(m.Data) > 0 {
		return ""
	}
	size := headerLine + len(" ") + len(status) + headerEnd
	if description != "" {
		size += len(" ") + len(description)
	}
	for k, vs := range m.Header {
		if k == "Status" || k == "Description" {
			if len(vs) > 1 {
				return ""
			}
			continue
		}
		for _, v := range vs {
			size += len(k) + headerExtra + len(v)
		}
	}
	if blockSize(m) != size || m.Header.Get("Nats-Sequence") != "" {
		return ""
	}
	return status
}

// parse reads a stored message, and the sequence of the message before it in its answer (0 for none).
//
// The broker appends its lines to the sender's, so the last of each name counts. A sender who ends the block early hides
// them; then the block is longer than what can be read of it, and errHidden is returned. Lines written more tightly than
// the usual way could make up for that, but not few lines: the broker's take 180 bytes.
func parse(m *nats.Msg) (stored, uint64, error) {
	size, values := headerLine+headerEnd, 0
	for k, vs := range m.Header {
		for _, v := range vs {
			size += len(k) + headerExtra + len(v)
			values++
		}
	}
	if len(m.Header) == 0 || blockSize(m) != size || values > headerMost {
		return stored{}, 0, errHidden
	}
	seq, err := number(m, jetstream.SequenceHeader)
	if err != nil {
		return stored{}, 0, err
	}
	before, err := number(m, "Nats-Last-Sequence")
	if err != nil {
		return stored{}, 0, err
	}
	at, err := time.Parse(time.RFC3339Nano, lastOf(m, jetstream.TimeStampHeaer))
	if err != nil {
		return stored{}, 0, fmt.Errorf("sequence %d has no timestamp: %w", seq, err)
	}
	return stored{Subject: lastOf(m, jetstream.SubjectHeader), Seq: seq, At: at, Data: m.Data}, before, nil
}

func blockSize(m *nats.Msg) int { return m.Size() - len(m.Subject) - len(m.Reply) - len(m.Data) }

func lastOf(m *nats.Msg, name string) string {
	vs := m.Header[name]
	if len(vs) == 0 {
		return ""
	}
	return vs[len(vs)-1]
}

func number(m *nats.Msg, name string) (uint64, error) {
	n, err := strconv.ParseUint(lastOf(m, name), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("a direct answer without %s: %w", name, err)
	}
	return n, nil
}
