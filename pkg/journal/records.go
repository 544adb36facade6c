package journal

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/lane"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// The small records that are kept by compare-and-set beside the journals. A sequence of 0 means that there is none yet;
// giving it to Set creates the record, and loses with ErrConflict if somebody else has.

// Lane reads a lane record; a lane that nobody used yet is free, at sequence 0.
func (j *Journal) Lane(ctx context.Context, name string) (lane.Record, uint64, error) {
	data, seq, err := j.record(ctx, topology.Lane(name))
	if err != nil || seq == 0 {
		return lane.Record{}, 0, err
	}
	r, err := releasepb.DecodeLane(data)
	if err != nil {
		return lane.Record{}, 0, fmt.Errorf("lane %s: %w", name, err)
	}
	return r, seq, nil
}

// SetLane replaces a lane record and returns its new sequence.
func (j *Journal) SetLane(ctx context.Context, name string, r lane.Record, last uint64) (uint64, error) {
	data, err := releasepb.EncodeLane(r)
	if err != nil {
		return 0, fmt.Errorf("lane %s: %w", name, err)
	}
	return j.setRecord(ctx, topology.Lane(name), data, last)
}

// Commit reads which release a commit became.
func (j *Journal) Commit(ctx context.Context, project, commit string) (releasepb.CommitRecord, uint64, error) {
	data, seq, err := j.record(ctx, topology.Commit(project, commit))
	if err != nil || seq == 0 {
		return releasepb.CommitRecord{}, 0, err
	}
	c, err := releasepb.DecodeCommit(data)
	if err != nil {
		return releasepb.CommitRecord{}, 0, fmt.Errorf("commit %s of %s: %w", commit, project, err)
	}
	return c, seq, nil
}

// SetCommit stores which release a commit became.
func (j *Journal) SetCommit(ctx context.Context, project, commit string, c releasepb.CommitRecord, last uint64) error {
	data, err := releasepb.EncodeCommit(c)
	if err != nil {
		return fmt.Errorf("commit %s of %s: %w", commit, project, err)
	}
	_, err = j.setRecord(ctx, topology.Commit(project, commit), data, last)
	return err
}

// Version reads which release a version, or a beta's name, of a project belongs to; "" for none.
func (j *Journal) Version(ctx context.Context, project, version string) (id string, seq uint64, err error) {
	data, seq, err := j.record(ctx, topology.Version(project, version))
	if err != nil || seq == 0 {
		return "", 0, err
	}
	id, err = releasepb.DecodeVersion(data)
	if err != nil {
		return "", 0, fmt.Errorf("version %s of %s: %w", version, project, err)
	}
	return id, seq, nil
}

// SetVersion gives a version, or a beta's name, to a release.
func (j *Journal) SetVersion(ctx context.Context, project, version, id string, last uint64) error {
	data, err := releasepb.EncodeVersion(id)
	if err != nil {
		return fmt.Errorf("version %s of %s: %w", version, project, err)
	}
	_, err = j.setRecord(ctx, topology.Version(project, version), data, last)
	return err
}

func (j *Journal) record(ctx context.Context, subject string) ([]byte, uint64, error) {
	if subject == "" {
		return nil, 0, errors.New("a record with an unsafe name")
	}
	m, err := j.last(ctx, subject)
	if errors.Is(err, ErrNone) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	return m.Data, m.Seq, nil
}

func (j *Journal) setRecord(ctx context.Context, subject string, data []byte, last uint64) (uint64, error) {
	if subject == "" {
		return 0, errors.New("a record with an unsafe name")
	}
	if len(data) > releasepb.MaxBody {
		return 0, fmt.Errorf("store %s: %d bytes, and at most %d can be stored", subject, len(data), releasepb.MaxBody)
	}
	m := nats.NewMsg(subject)
	m.Data = data
	seq, err := j.compareAndSet(ctx, m, last)
	if err != nil {
		return 0, fmt.Errorf("store %s: %w", subject, err)
	}
	return seq, nil
}

// The broker's codes for a lost compare-and-set: against what is stored, and, on a replicated stream, against what is
// in flight. Measured on nats-server 2.15.2.
const (
	codeWrongLast     jetstream.ErrorCode = 10071
	codeWrongInFlight jetstream.ErrorCode = 10164
)

// compareAndSet stores m if the last message on its subject has the given sequence. An acknowledgement counts only if it
// names this stream, has a sequence, and is no duplicate.
func (j *Journal) compareAndSet(ctx context.Context, m *nats.Msg, last uint64) (uint64, error) {
	return j.compareAndSetIn(ctx, topology.StreamSluice, m, last)
}

func (j *Journal) compareAndSetIn(ctx context.Context, stream string, m *nats.Msg, last uint64) (uint64, error) {
	m.Header.Set(jetstream.ExpectedStreamHeader, stream)
	m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(last, 10))
	var ack *jetstream.PubAck
	err := soon(ctx, func(ctx context.Context) (err error) {
		ack, err = j.js.PublishMsg(ctx, m)
		return err
	})
	var api *jetstream.APIError
	switch {
	case errors.As(err, &api) && (api.ErrorCode == codeWrongLast || api.ErrorCode == codeWrongInFlight):
		return 0, fmt.Errorf("%w: %w", ErrConflict, err)
	case err != nil:
		return 0, err
	case ack.Stream != stream || ack.Sequence == 0 || ack.Duplicate:
		return 0, fmt.Errorf("an acknowledgement that does not count: stream %q, sequence %d, duplicate %t", ack.Stream, ack.Sequence, ack.Duplicate)
	}
	return ack.Sequence, nil
}

// Asked is the sequence and the broker's timestamp of the last request on that subject; zero if there is none.
func (j *Journal) Asked(ctx context.Context, subject string) (uint64, time.Time, error) {
	m, err := j.last(ctx, subject)
	if errors.Is(err, ErrNone) {
		return 0, time.Time{}, nil
	}
	return m.Seq, m.At, err
}
