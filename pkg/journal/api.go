package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// apiPrefix is where the broker's API listens, with the dot at its end.
func apiPrefix(o jetstream.JetStreamOptions) string {
	switch {
	case o.Domain != "":
		return "$JS." + o.Domain + ".API."
	case o.APIPrefix != "":
		return strings.TrimSuffix(o.APIPrefix, ".") + "."
	}
	return jetstream.DefaultAPIPrefix
}

// Now is the broker's time: that of the server that leads the stream.
func (j *Journal) Now(ctx context.Context) (time.Time, error) {
	at, _, err := j.Latest(ctx)
	return at, err
}

// Latest is the broker's time, and the sequence of the last message that the stream's leader had then.
func (j *Journal) Latest(ctx context.Context) (at time.Time, last uint64, err error) {
	var info struct {
		At    time.Time `json:"ts"`
		State struct {
			Last uint64 `json:"last_seq"`
		} `json:"state"`
	}
	if err := j.call(ctx, "STREAM.INFO."+topology.StreamSluice, nil, &info); err != nil {
		return time.Time{}, 0, fmt.Errorf("the broker's time: %w", err)
	}
	if info.At.IsZero() {
		return time.Time{}, 0, errors.New("the broker's time: the answer has none")
	}
	if flawed {
		info.At = j.flaw.now(info.At)
	}
	return info.At, info.State.Last, nil
}

// Beats are the heartbeats of a release.
type Beats struct {
	At    []time.Time // broker's timestamps, ascending
	Clean time.Time   // of the last one that saw no check failing; zero: none did
}

// Beats returns the heartbeats of a release that were stored at or after from. The list is complete up to the last heartbeat
// that the stream's leader had when it was asked, or there is an error.
func (j *Journal) Beats(ctx context.Context, id string, from time.Time) (Beats, error) {
	subject := topology.Heartbeat(id)
	if subject == "" {
		return Beats{}, fmt.Errorf("heartbeats of release %q: an unsafe name: %w", id, ErrNone)
	}
	last, err := j.leaderLast(ctx, topology.StreamEvidence, subject)
	if errors.Is(err, ErrNone) || err == nil && last.At.Before(from) {
		return Beats{}, nil
	}
	if err != nil {
		return Beats{}, fmt.Errorf("heartbeats of %s: %w", id, err)
	}
	msgs, err := j.between(ctx, topology.StreamEvidence, subject, 0, &from, last.Seq)
	if err != nil {
		return Beats{}, fmt.Errorf("heartbeats of %s: %w", id, err)
	}
	out := Beats{At: make([]time.Time, len(msgs))}
	for i, m := range msgs {
		out.At[i] = m.At
	}
	for _, m := range slices.Backward(msgs) {
		if h, err := releasepb.DecodeHeartbeat(m.Data); err == nil && !h.Failing {
			out.Clean = m.At
			break
		}
	}
	return out, nil
}

// leaderLast asks the leader of a stream, which never lags behind, for the last message of a subject. ErrNone if there is
// none. It costs the broker more than a direct read.
func (j *Journal) leaderLast(ctx context.Context, stream, subject string) (stored, error) {
	return j.leaderGet(ctx, stream, subject, struct {
		Last string `json:"last_by_subj"`
	}{subject})
}

// leaderGet asks the leader of a stream for one message; subject says in errors what was looked for. What the answer says of
// the message stands apart from the headers that the message's sender wrote.
func (j *Journal) leaderGet(ctx context.Context, stream, subject string, request any) (stored, error) {
	var got struct {
		Message struct {
			Subject string    `json:"subject"`
			Seq     uint64    `json:"seq"`
			At      time.Time `json:"time"`
			Data    []byte    `json:"data"`
		} `json:"message"`
	}
	err := j.call(ctx, "STREAM.MSG.GET."+stream, request, &got)
	if api := new(jetstream.APIError); errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeMessageNotFound {
		return stored{}, fmt.Errorf("%s: %w", subject, ErrNone)
	}
	if err != nil {
		return stored{}, fmt.Errorf("read %s: %w", subject, err)
	}
	return stored(got.Message), nil
}

// call makes one request of the broker's API.
func (j *Journal) call(ctx context.Context, name string, request, into any) error {
	var body []byte
	if request != nil {
		var err error
		if body, err = json.Marshal(request); err != nil {
			return err
		}
	}
	var m *nats.Msg
	err := soon(ctx, func(ctx context.Context) (err error) {
		m, err = j.nc.RequestWithContext(ctx, j.api+name, body)
		return err
	})
	if err != nil {
		return err
	}
	var failed struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &failed); err != nil {
		return fmt.Errorf("%s: the broker's answer: %w", name, err)
	}
	if failed.Error != nil {
		return failed.Error
	}
	return json.Unmarshal(m.Data, into)
}
