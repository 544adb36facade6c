package journal

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// What the watcher reads: whom to watch, who watches already, and the signals of staging's applications.

// Owners lists the releases that occupy a lane, of one project or, when project is empty, of all: whatever soaks is among
// them. It is not from before a sequence of the stream: whoever occupied a lane then, and still does, is in the list. It costs one
// request, and one read for every 512 lanes; a lane is as good as a project, so this does not grow with the number of releases.
func (j *Journal) Owners(ctx context.Context, project string, least uint64) ([]string, error) {
	var lanes []string
	for {
		var info struct {
			Total int `json:"total"`
			State struct {
				Subjects map[string]uint64 `json:"subjects"`
			} `json:"state"`
		}
		request := struct {
			Filter string `json:"subjects_filter"`
			Offset int    `json:"offset"`
		}{topology.AllLanes, len(lanes)}
		if err := j.call(ctx, "STREAM.INFO."+topology.StreamSluice, request, &info); err != nil {
			return nil, fmt.Errorf("list lanes: %w", err)
		}
		lanes = slices.AppendSeq(lanes, maps.Keys(info.State.Subjects))
		if len(info.State.Subjects) == 0 || len(lanes) >= info.Total {
			break
		}
	}
	var owners []string
	for chunk := range slices.Chunk(lanes, atOnce) {
		msgs, err := j.multiLast(ctx, chunk, 0, least)
		if err != nil {
			return nil, fmt.Errorf("read %d lanes: %w", len(chunk), err)
		}
		for _, m := range msgs {
			r, err := releasepb.DecodeLane(m.Data)
			if err != nil {
				return nil, fmt.Errorf("%s sequence %d: %w", m.Subject, m.Seq, err)
			}
			if r.Owner != "" && (project == "" || r.Project == project) {
				owners = append(owners, r.Owner)
			}
		}
	}
	return owners, nil
}

// Beat is a stored heartbeat.
type Beat struct {
	Instance string    // who sent it
	At       time.Time // broker's timestamp
}

// LastBeat is the last heartbeat of a release. ErrNone when there is none.
func (j *Journal) LastBeat(ctx context.Context, id string) (Beat, error) {
	subject := topology.Heartbeat(id)
	if subject == "" {
		return Beat{}, fmt.Errorf("heartbeats of release %q: an unsafe name: %w", id, ErrNone)
	}
	last, err := j.leaderLast(ctx, topology.StreamEvidence, subject)
	if err != nil {
		return Beat{}, err
	}
	h, err := releasepb.DecodeHeartbeat(last.Data)
	if err != nil {
		return Beat{}, fmt.Errorf("%s sequence %d: %w", subject, last.Seq, err)
	}
	return Beat{Instance: h.Instance, At: last.At}, nil
}

// Signal is a stored error signal of one of staging's applications.
type Signal struct {
	Seq  uint64    // stream sequence in SLUICE_SIGNALS
	At   time.Time // broker's timestamp
	Data []byte
}

// NextSignal is the first signal of a project that was stored after a sequence of SLUICE_SIGNALS or, when after is 0, at or
// after since. release says for which release; empty for those that name none. ErrNone when there is no such signal.
//
// It asks the leader, so an answer of ErrNone is not one of a replica that lags behind; and nothing that an application
// writes into its message's headers can hide it or change its time.
func (j *Journal) NextSignal(ctx context.Context, project, release string, after uint64, since time.Time) (Signal, error) {
	subject := topology.Signal(project, release)
	if subject == "" {
		return Signal{}, fmt.Errorf("signals of project %q, release %q: an unsafe name: %w", project, release, ErrNone)
	}
	g := get{Next: subject}
	if after == 0 {
		g.StartTime = &since
	} else {
		g.Seq = after + 1
	}
	m, err := j.leaderGet(ctx, topology.StreamSignals, subject, g)
	if err != nil {
		return Signal{}, err
	}
	return Signal{Seq: m.Seq, At: m.At, Data: m.Data}, nil
}
