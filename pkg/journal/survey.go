package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// What somebody reads who looks for what is stuck: what stops many projects, the alarms that are pending, what was asked and
// what was refused since a time. Nothing here lists all releases, and nothing is decided on it. All of it works from the
// account OPS.

// gatesAtOnce is how many projects one read asks about: each is ten filters and a few subjects, and an answer has at most
// 1,024 of these.
const gatesAtOnce = 32

// Gates is [Journal.Gate] for several projects, by name, without what concerns a release. It costs one read for every 32
// projects, and more where many people stopped and unpaused: an answer has one message for everybody who ever did.
func (j *Journal) Gates(ctx context.Context, projects []string, least uint64) (map[string]release.Gate, error) {
	out := make(map[string]release.Gate, len(projects))
	for chunk := range slices.Chunk(projects, gatesAtOnce) {
		if err := j.gates(ctx, chunk, least, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (j *Journal) gates(ctx context.Context, projects []string, least uint64, out map[string]release.Gate) error {
	var filters []string
	for _, p := range projects {
		own := topology.StopFilters(p)
		if own == nil {
			return topology.CheckProject(p)
		}
		filters = append(filters, append(own, topology.Project(p))...)
	}
	slices.Sort(filters)
	msgs, err := j.multiLast(ctx, slices.Compact(filters), 0, least)
	if half := len(projects) / 2; errors.Is(err, errTooMany) && half > 0 {
		if err := j.gates(ctx, projects[:half], least, out); err != nil {
			return err
		}
		return j.gates(ctx, projects[half:], least, out)
	}
	if err != nil {
		return fmt.Errorf("read what stops %d projects: %w", len(projects), err)
	}
	byProject := map[string][]stored{}
	for _, m := range msgs {
		if s, err := topology.ParseStored(m.Subject); err == nil {
			byProject[s.Project] = append(byProject[s.Project], m)
		}
	}
	for _, p := range projects {
		msgs := append(byProject[p][:len(byProject[p]):len(byProject[p])], byProject[topology.AllProjects]...)
		if out[p], _, err = gateOf(msgs, p, ""); err != nil {
			return err
		}
	}
	return nil
}

// Alarms tells of each of these releases whether an alarm is pending, or has come and is not acknowledged yet. It costs one
// read for every 256.
func (j *Journal) Alarms(ctx context.Context, ids []string) (map[string]bool, error) {
	out := make(map[string]bool, len(ids))
	for chunk := range slices.Chunk(ids, atOnce/2) {
		var subjects []string
		for _, id := range chunk {
			if delay := topology.Delay(id); delay != "" {
				subjects = append(subjects, delay, topology.Due(id))
			}
		}
		if len(subjects) == 0 {
			continue
		}
		a, err := j.ask(ctx, topology.StreamTimers, get{MultiLast: subjects})
		if err != nil {
			return nil, fmt.Errorf("alarms: %w", err)
		}
		for _, m := range a.msgs {
			if s, err := topology.ParseSubject(m.Subject); err == nil {
				out[s.Release] = true
			}
		}
	}
	return out, nil
}

// Asking is a stored request, as far as its subject tells.
type Asking struct {
	Verb    release.Verb
	Release string
	Actor   string // one line; empty when the sender gave none
	Seq     uint64
	At      time.Time // broker's timestamp
}

// Requests calls see for every request with a verb since then, until it returns false: those without the sender's name first,
// each kind in order. It costs two reads, and one more for every 10,000 requests.
func (j *Journal) Requests(ctx context.Context, verb release.Verb, from From, see func(Asking) bool) error {
	more := true
	for _, filter := range []string{"sluice." + string(verb) + ".*", "sluice." + string(verb) + ".*.*"} {
		if !more {
			return nil
		}
		err := j.scan(ctx, from.get(filter), func(m stored) (bool, error) {
			s, err := topology.ParseStored(m.Subject)
			if err != nil || s.Kind != topology.KindRequest {
				return true, nil //nolint:nilerr // none of ours: it is among the dead letters
			}
			more = see(Asking{
				Verb: release.Verb(s.Verb), Release: s.Release, Actor: releasepb.Line(s.Actor, maxActor), Seq: m.Seq, At: m.At,
			})
			return more, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Taken is a version, or a beta's name, that a release has.
type Taken struct {
	Project, Version, Release string
	Seq                       uint64
	At                        time.Time // broker's timestamp
}

// Versions calls see for every version of a project that was taken since then, in order, until it returns false. It costs one
// read for every 10,000.
func (j *Journal) Versions(ctx context.Context, project string, from From, see func(Taken) bool) error {
	if err := topology.CheckProject(project); err != nil {
		return err
	}
	return j.scan(ctx, from.get("sluice.version."+project+".*"), func(m stored) (bool, error) {
		s, err := topology.ParseSubject(m.Subject)
		if err != nil {
			return false, err
		}
		id, err := releasepb.DecodeVersion(m.Data)
		if err != nil {
			return false, fmt.Errorf("version %s of %s: %w", s.Version, s.Project, err)
		}
		return see(Taken{Project: s.Project, Version: s.Version, Release: id, Seq: m.Seq, At: m.At}), nil
	})
}

// Dead is a stored dead letter.
type Dead struct {
	What, Token string
	releasepb.DeadLetter
	At time.Time // broker's timestamp: when it was refused
}

// Refused calls see for every dead letter since then, in order, until it returns false. It costs one read for every 10,000.
func (j *Journal) Refused(ctx context.Context, from From, see func(Dead) bool) error {
	return j.scan(ctx, from.get("sluice.dead.*.*"), func(m stored) (bool, error) {
		s, err := topology.ParseSubject(m.Subject)
		if err != nil {
			return false, err
		}
		d, err := releasepb.DecodeDeadLetter(m.Data)
		if err != nil {
			return false, fmt.Errorf("%s sequence %d: %w", m.Subject, m.Seq, err)
		}
		return see(Dead{What: s.What, Token: s.Token, DeadLetter: d, At: m.At}), nil
	})
}
