package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// pauseBetween is the wait before a replica that lags behind is asked again.
const pauseBetween = 5 * time.Millisecond

// answerWithin bounds the silence between two messages of an answer.
const answerWithin = 5 * time.Second

func (j *Journal) last(ctx context.Context, subject string) (*jetstream.RawStreamMsg, error) {
	if subject == "" {
		return nil, fmt.Errorf("an unsafe name: %w", ErrNone)
	}
	m, err := j.stream.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, fmt.Errorf("%s: %w", subject, ErrNone)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", subject, err)
	}
	return m, nil
}

// multiLast reads the last message of the journal and of every request subject of the release, up to a sequence (0: all).
// The answer is complete or an error.
func (j *Journal) multiLast(ctx context.Context, id string, upTo uint64) ([]*jetstream.RawStreamMsg, error) {
	filters := append(topology.RequestFilters(id), topology.Release(id))
	body, err := json.Marshal(struct {
		Subjects []string `json:"multi_last"`
		UpTo     uint64   `json:"up_to_seq,omitempty"`
	}{filters, upTo})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", id, err)
	}
	inbox := j.nc.NewInbox()
	sub, err := j.nc.SubscribeSync(inbox)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", id, err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	subject := jetstream.DefaultAPIPrefix + "DIRECT.GET." + topology.StreamSluice
	if err := j.nc.PublishRequest(subject, inbox, body); err != nil {
		return nil, fmt.Errorf("read %s: %w", id, err)
	}
	var out []*jetstream.RawStreamMsg
	for {
		m, err := next(ctx, sub)
		if err != nil {
			return nil, fmt.Errorf("read %s: the answer broke off after %d messages: %w", id, len(out), err)
		}
		switch status := m.Header.Get("Status"); status {
		case "":
			raw, err := rawMsg(m)
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", id, err)
			}
			out = append(out, raw)
		case "204": // end of batch
			return out, nil
		case "404":
			return nil, fmt.Errorf("%s: %w", id, ErrNone)
		default:
			return nil, fmt.Errorf("read %s: the broker says %s %s", id, status, m.Header.Get("Description"))
		}
	}
}

func next(ctx context.Context, sub *nats.Subscription) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	return sub.NextMsgWithContext(ctx)
}

func rawMsg(m *nats.Msg) (*jetstream.RawStreamMsg, error) {
	seq, err := strconv.ParseUint(m.Header.Get(jetstream.SequenceHeader), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("a direct answer without a sequence: %w", err)
	}
	at, err := time.Parse(time.RFC3339Nano, m.Header.Get(jetstream.TimeStampHeaer))
	if err != nil {
		return nil, fmt.Errorf("a direct answer without a timestamp: %w", err)
	}
	return &jetstream.RawStreamMsg{
		Subject: m.Header.Get(jetstream.SubjectHeader), Sequence: seq, Header: m.Header, Data: m.Data, Time: at,
	}, nil
}

// split tells the journal's record from the requests. Subjects that are neither are skipped: a newer version's.
func split(msgs []*jetstream.RawStreamMsg, id string) (Entry, []release.Request, error) {
	var e Entry
	var requests []release.Request
	for _, m := range msgs {
		subject, err := topology.ParseSubject(m.Subject)
		if err != nil || subject.Release != id {
			continue
		}
		switch subject.Kind { //nolint:exhaustive // the read asks for these two
		case topology.KindRelease:
			if e, err = entry(m); err != nil {
				return Entry{}, nil, err
			}
		case topology.KindRequest:
			requests = append(requests, request(m, release.Verb(subject.Verb), subject.Actor))
		}
	}
	if e.Seq == 0 {
		return Entry{}, nil, fmt.Errorf("%s: %w", id, ErrNone)
	}
	return e, inOrder(requests), nil
}

func request(m *jetstream.RawStreamMsg, verb release.Verb, actor string) release.Request {
	return releasepb.DecodeRequest(verb, actor, m.Sequence, m.Time, m.Data)
}

func inOrder(rs []release.Request) []release.Request {
	slices.SortFunc(rs, func(a, b release.Request) int {
		if a.Seq < b.Seq {
			return -1
		}
		return 1
	})
	return rs
}

func pause(ctx context.Context) error {
	t := time.NewTimer(pauseBetween)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
