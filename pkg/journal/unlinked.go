package journal

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/sluice-gate/sluice/pkg/audit"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// Unlinked is a release that has ended and is not in the audit chain of its project as it is now.
type Unlinked struct {
	Release, Project string
	Seq              uint64 // of the last record of its journal
}

// Unlinked are the releases, in the order of their last records, that ended among the last so many messages of the stream and should be
// in a chain: their last record has a hash, or their project had a chain by then. What ended before there were chains needs none. Whoever
// ends a release at this moment may not have linked it yet. It costs a read for every 10,000 journal records and links there, and one for
// each project that it finds something of.
func (j *Journal) Unlinked(ctx context.Context, among uint64) ([]Unlinked, error) {
	_, last, err := j.Latest(ctx)
	if err != nil {
		return nil, err
	}
	from := From{Seq: last - min(last, among) + 1}
	linked := map[string]uint64{}
	err = j.scan(ctx, from.get(topology.AllAudits), func(m stored) (bool, error) {
		if l, err := releasepb.DecodeLink(m.Data); err == nil { // one that can not be read is told of by Verify
			linked[l.Release] = max(linked[l.Release], l.Seq)
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	type head struct {
		Unlinked
		hashed bool
	}
	heads := map[string]head{}
	err = j.scan(ctx, from.get(topology.AllJournals), func(m stored) (bool, error) {
		s, err := topology.ParseSubject(m.Subject)
		if err != nil {
			return true, nil //nolint:nilerr // none of ours
		}
		r, err := releasepb.DecodeRecord(m.Data)
		if err != nil || !audit.Links(r.Type, r.State.Phase) || linked[s.Release] >= m.Seq {
			delete(heads, s.Release)
			return true, nil //nolint:nilerr // no reader of the journal takes it either
		}
		heads[s.Release] = head{Unlinked{s.Release, r.State.Project, m.Seq}, len(r.Prev) > 0}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	var out []Unlinked
	first := map[string]uint64{}
	for _, h := range heads {
		began, known := first[h.Project]
		if !known {
			if began, err = j.chainBegins(ctx, h.Project); err != nil {
				return nil, err
			}
			first[h.Project] = began
		}
		if h.hashed || began != 0 && h.Seq > began {
			out = append(out, h.Unlinked)
		}
	}
	slices.SortFunc(out, func(a, b Unlinked) int { return cmp.Compare(a.Seq, b.Seq) })
	return out, nil
}

// chainBegins is the sequence of the first link of a project's chain; 0 for none.
func (j *Journal) chainBegins(ctx context.Context, project string) (uint64, error) {
	subject := topology.Audit(project)
	if subject == "" {
		return 0, nil
	}
	a, err := j.ask(ctx, topology.StreamSluice, get{Next: subject, Seq: 1, Batch: 1})
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", subject, err)
	}
	if len(a.msgs) == 0 {
		return 0, nil
	}
	return a.msgs[0].Seq, nil
}
