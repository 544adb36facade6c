package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-gate/sluice/pkg/audit"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// Verified is what was looked at, of a project in which no break was found; or before the break.
type Verified struct {
	Project   string
	Releases  int
	Records   int
	Unchained int // records without a hash: an older version wrote them
	Links     int
	Unsigned  int              // links without a signature
	Keys      []string         // who signed
	Last      audit.Checkpoint // what the last link is; the zero value when there is none
	Signed    audit.Checkpoint // the last one that is signed; the zero value when there is none
	// Open are the releases that are on their way: their last records are covered when they have ended.
	Open int
	// Missing are releases that were admitted and have no journal: their publisher is not done with them, or the journal was removed.
	Missing int
	// Unlinked are ended releases that the chain does not have as they are now: those that ended before there was one, or whose promoter
	// is behind. When links were cut off the chain, their releases are among them.
	Unlinked int
	// Since is when the first of them ended that should be in the chain: it ended after the first link, or its last record has a hash, which
	// came with the chains, so that a chain that was removed as a whole, or begun anew, is told of. Zero: all ended before there were any.
	Since time.Time
}

// Verify looks at the audit chain of a project, and at the journals of all its releases. Its error is an [*audit.Break] when something was
// removed or changed; any other error is about reading.
//
// It costs one read for every 10,000 links, two for each link and each release that is not linked, and one for every 512 releases. It
// keeps one journal at a time, and about a hundred bytes for every ended release.
func (j *Journal) Verify(ctx context.Context, project string, expect audit.Expect) (Verified, error) {
	if err := topology.CheckProject(project); err != nil {
		return Verified{}, err
	}
	v := &verification{Journal: j, chain: audit.NewChain(project, expect), out: Verified{Project: project}}
	if err := v.links(ctx); err != nil {
		return v.out, err
	}
	if b := v.chain.End(); b != nil {
		return v.out, b
	}
	var err error
	if _, v.least, err = j.Latest(ctx); err != nil {
		return v.out, err
	}
	return v.out, v.releases(ctx)
}

// VerifyRelease looks at the journal of one release only. Its error is as that of Verify.
func (j *Journal) VerifyRelease(ctx context.Context, id string) (audit.Told, error) {
	_, t, err := j.verified(ctx, id)
	return t, err
}

// verified reads a journal and looks for a break. A journal that is not there has no records.
func (j *Journal) verified(ctx context.Context, id string) ([]audit.Message, audit.Told, error) {
	subject := topology.Release(id)
	if subject == "" {
		return nil, audit.Told{}, &audit.Break{Release: id, What: "it is no release"}
	}
	last, err := j.leaderLast(ctx, topology.StreamSluice, subject)
	if errors.Is(err, ErrNone) {
		return nil, audit.Told{}, nil
	}
	if err != nil {
		return nil, audit.Told{}, err
	}
	msgs, err := j.between(ctx, topology.StreamSluice, subject, 1, nil, last.Seq)
	if err != nil {
		return nil, audit.Told{}, err
	}
	records := make([]audit.Message, len(msgs))
	for i, m := range msgs {
		records[i] = message(m)
	}
	t, b := audit.Journal(id, records)
	if b != nil {
		return nil, t, b
	}
	return records, t, nil
}

// verification is of one project.
type verification struct {
	*Journal
	chain *audit.Chain
	out   Verified
	first uint64 // stream sequence of the first link
	least uint64 // what the stream had when the releases were begun with
}

// links looks at the chain, link by link, and at the journal of each.
func (v *verification) links(ctx context.Context) error {
	subject := topology.Audit(v.out.Project)
	last, err := v.chainEnd(ctx, subject, true)
	if err != nil || last.Seq == 0 {
		return err
	}
	return v.scanTo(ctx, get{Next: subject, Seq: 1}, last.Seq, func(m stored) error {
		if v.first == 0 {
			v.first = m.Seq
		}
		l, b := v.chain.Add(message(m))
		if b != nil {
			return b
		}
		records, t, err := v.verified(ctx, l.Release)
		if err != nil {
			return v.named(err)
		}
		if b := v.chain.Holds(l, records); b != nil {
			return b
		}
		if t.Last == l.Seq { // otherwise there is another link, or it is one of those that are not linked
			v.count(t)
		}
		v.out.Links, v.out.Unsigned, v.out.Keys, v.out.Last = v.chain.Links, v.chain.Unsigned, v.chain.Keys, v.chain.Last
		v.out.Signed = v.chain.Signed
		return nil
	})
}

func (v *verification) count(t audit.Told) {
	v.out.Releases++
	v.out.Records += t.Records
	v.out.Unchained += t.Unchained
}

// releases looks at the journals of those releases whose last record is not in the chain.
func (v *verification) releases(ctx context.Context) error {
	var ids []string
	rest := func() error {
		err := v.unlinked(ctx, ids)
		ids = ids[:0]
		return err
	}
	var failed error
	err := v.Admitted(ctx, v.out.Project, From{}, func(i Identity) bool {
		if ids = append(ids, i.Release); len(ids) == atOnce {
			failed = rest()
		}
		return failed == nil
	})
	if err = errors.Join(failed, err); err != nil {
		return err
	}
	return rest()
}

func (v *verification) unlinked(ctx context.Context, ids []string) error {
	var subjects []string
	for _, id := range ids {
		if subject := topology.Release(id); subject != "" {
			subjects = append(subjects, subject)
		}
	}
	if len(subjects) == 0 {
		return nil
	}
	heads, err := v.multiLast(ctx, subjects, 0, v.least)
	if err != nil {
		return err
	}
	v.out.Missing += len(subjects) - len(heads)
	for _, m := range heads {
		s, err := topology.ParseSubject(m.Subject)
		if err != nil {
			return err
		}
		if m.Seq == v.chain.Head(s.Release) {
			continue
		}
		records, t, err := v.verified(ctx, s.Release)
		if err != nil {
			return v.named(err)
		}
		v.count(t)
		if !t.Linked {
			v.out.Open++
			continue
		}
		v.out.Unlinked++
		due := v.first != 0 && t.Last > v.first || t.UpTo != t.Last
		if at := records[len(records)-1].At; due && (v.out.Since.IsZero() || at.Before(v.out.Since)) {
			v.out.Since = at
		}
	}
	return nil
}

// named tells of which project the break is.
func (v *verification) named(err error) error {
	if b := new(audit.Break); errors.As(err, &b) {
		b.Project = v.out.Project
	}
	return err
}

// scanTo calls see for the messages of SLUICE that g asks for, up to one that is known to be there. A replica that does not have it yet
// is asked again.
func (j *Journal) scanTo(ctx context.Context, g get, to uint64, see func(stored) error) error {
	g.Batch = batch
	for n := again(0); ; {
		a, err := j.ask(ctx, topology.StreamSluice, g)
		if err != nil {
			return fmt.Errorf("read %s: %w", g.Next, err)
		}
		for _, m := range a.msgs {
			if m.Seq > to {
				return nil
			}
			if err := see(m); err != nil || m.Seq == to {
				return err
			}
			g.Seq = m.Seq + 1
		}
		if a.pending > 0 {
			continue
		}
		if err := n.pause(ctx); err != nil {
			return fmt.Errorf("read %s: %w", g.Next, stale(err))
		}
	}
}
