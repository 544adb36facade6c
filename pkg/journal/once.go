package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// HeaderOnce is the key of a request that may be sent more than once and counts once.
const HeaderOnce = "Sluice-Once"

// ErrOtherKey: the key was used before, for a request that asks something else.
var ErrOtherKey = errors.New("the key was used before, for another request")

const (
	// MaxOnce bounds a key, in bytes.
	MaxOnce = 128
	// mostRequests is how many requests of one person about one release are looked through.
	mostRequests = 1000
)

// AskOnce stores a request unless the same one, by its key, is stored already, and returns its sequence. There is no time after which
// a key is forgotten: it is looked for among the requests on that very subject, and stored by compare-and-set on the last of them. The
// broker's own window of duplicates is not used: it acknowledges what it does not store, by a key that anybody may use first.
//
// It costs a read for each request that is there, so it is for what is asked rarely; what stops a release is stored without it.
func (j *Journal) AskOnce(ctx context.Context, subject string, body []byte, key string) (seq uint64, known bool, err error) {
	if s, err := topology.ParseSubject(subject); err != nil || s.Kind != topology.KindRequest || !onceKey(key) {
		return 0, false, fmt.Errorf("a request on %q with a key of %d bytes: want 1 to %d that can be printed", subject, len(key), MaxOnce)
	}
	for n := again(0); ; {
		var last uint64
		last, seq, err = j.sameRequest(ctx, subject, body, key)
		if err != nil || seq != 0 {
			return seq, err == nil, err
		}
		m := nats.NewMsg(subject)
		m.Data = body
		m.Header[HeaderOnce] = []string{key}
		if seq, err = j.compareAndSet(ctx, m, last); !errors.Is(err, ErrConflict) {
			return seq, false, err
		}
		if why := n.pause(ctx); why != nil { // others were faster, or the replica that answers is behind
			return 0, false, fmt.Errorf("store %s: %w: %w", subject, err, why)
		}
	}
}

// sameRequest looks for a request by its key: seq is its sequence, or 0; last is that of the last request on the subject.
func (j *Journal) sameRequest(ctx context.Context, subject string, body []byte, key string) (last, seq uint64, err error) {
	for range mostRequests {
		var m *jetstream.RawStreamMsg
		err := soon(ctx, func(ctx context.Context) (err error) {
			m, err = j.stream.GetMsg(ctx, last+1, jetstream.WithGetMsgSubject(subject))
			return err
		})
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return last, 0, nil
		}
		if err != nil {
			return 0, 0, fmt.Errorf("read %s: %w", subject, err)
		}
		last = m.Sequence
		if keys := m.Header[HeaderOnce]; len(keys) == 1 && keys[0] == key {
			if !asksTheSame(subject, m.Data, body) {
				return last, 0, fmt.Errorf("%w, at sequence %d", ErrOtherKey, last)
			}
			return last, last, nil
		}
	}
	return 0, 0, fmt.Errorf("%s has more than %d requests already", subject, mostRequests)
}

// asksTheSame compares what two bodies say: no two builds write the same JSON for it.
func asksTheSame(subject string, a, b []byte) bool {
	s, err := topology.ParseSubject(subject)
	read := func(body []byte) release.Request {
		return releasepb.DecodeRequest(release.Verb(s.Verb), s.Actor, 0, time.Time{}, body)
	}
	return err == nil && read(a) == read(b)
}

// onceKey tells whether a key may stand in a header.
func onceKey(key string) bool {
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return false
		}
	}
	return key != "" && len(key) <= MaxOnce
}
