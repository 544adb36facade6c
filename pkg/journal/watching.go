package journal

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/template"
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

	Inconclusive []string // checks that say nothing about the release as things are, each with why
}

// beat reads a heartbeat; of one that can not be read, when it was stored.
func beat(m stored) Beat {
	h, err := releasepb.DecodeHeartbeat(m.Data)
	if err != nil {
		return Beat{At: m.At}
	}
	return Beat{Instance: h.Instance, At: m.At, Inconclusive: h.Inconclusive}
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

// Templates are the tables of a release's errors as they were stored last. ErrNone when there are none; what can not be read wraps
// [template.ErrMalformed].
func (j *Journal) Templates(ctx context.Context, id string) (template.Stored, error) {
	subject := topology.Templates(id)
	if subject == "" {
		return template.Stored{}, fmt.Errorf("templates of release %q: an unsafe name: %w", id, ErrNone)
	}
	last, err := j.leaderLast(ctx, topology.StreamEvidence, subject)
	if err != nil {
		return template.Stored{}, err
	}
	s, err := template.Decode(last.Data)
	if err != nil {
		return template.Stored{}, fmt.Errorf("%s sequence %d: %w", subject, last.Seq, err)
	}
	return s, nil
}

// Alert is a stored alert of somebody's monitoring: package alert reads its data.
type Alert struct {
	Seq   uint64    // stream sequence in SLUICE_EVIDENCE
	At    time.Time // broker's timestamp
	Print string    // its fingerprint; empty if the subject has none that is one
	Data  []byte
}

// NextAlert is the first alert of a project that was stored after a sequence of SLUICE_EVIDENCE or, when after is 0, at or after
// since. ErrNone when there is none. It asks the leader, as NextSignal does.
func (j *Journal) NextAlert(ctx context.Context, project string, after uint64, since time.Time) (Alert, error) {
	subject := topology.Alerts(project)
	if subject == "" {
		return Alert{}, fmt.Errorf("alerts of project %q: an unsafe name: %w", project, ErrNone)
	}
	m, err := j.nextOf(ctx, topology.StreamEvidence, subject, after, since)
	if err != nil {
		return Alert{}, err
	}
	a := Alert{Seq: m.Seq, At: m.At, Data: m.Data}
	if s, err := topology.ParseSubject(m.Subject); err == nil {
		a.Print = s.Print
	}
	return a, nil
}

// nextOf is the first message of what a subject matches after a sequence or, when after is 0, at or after since.
func (j *Journal) nextOf(ctx context.Context, stream, subject string, after uint64, since time.Time) (stored, error) {
	g := get{Next: subject}
	if after == 0 {
		g.StartTime = &since
	} else {
		g.Seq = after + 1
	}
	return j.leaderGet(ctx, stream, subject, g)
}
