package audit

import (
	"fmt"
	"slices"
	"time"

	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// Head is the last record of a journal.
type Head struct {
	Release string
	Seq     uint64    // in the stream
	At      time.Time // the broker's timestamp
	Hash    Hash
}

// Next is the body of the link that follows last (the zero Message: of the first link) in the chain of a project, and the checkpoint that
// it is. s may be nil: then nobody signs them.
func Next(project string, last Message, head Head, s *Signer) (body []byte, c Checkpoint, err error) {
	l := releasepb.Link{Index: 1, Release: head.Release, Seq: head.Seq, At: head.At.UTC()}
	prev := First(topology.Audit(project))
	if last.Seq != 0 {
		before, err := releasepb.DecodeLink(last.Data)
		if err != nil {
			return nil, c, fmt.Errorf("%s sequence %d: %w", last.Subject, last.Seq, err)
		}
		l.Index, prev = before.Index+1, ofChain(last)
	}
	l.Head, l.Prev = head.Hash[:], prev[:]
	c = checkpointOf(project, l)
	if s != nil {
		if err := s.sign(&c); err != nil {
			return nil, c, err
		}
		l.Key, l.Signature = c.Key, c.Signature
	}
	body, err = releasepb.EncodeLink(l)
	return body, c, err
}

// CheckpointOf is the checkpoint that a stored link of a project's chain is. Whether its signature is one is for Verify to say.
func CheckpointOf(project string, link []byte) (Checkpoint, error) {
	l, err := releasepb.DecodeLink(link)
	c := checkpointOf(project, l)
	c.Key, c.Signature = l.Key, l.Signature
	return c, err
}

// Chain looks for a break in the chain of a project.
type Chain struct {
	Links    int
	Unsigned int        // links that nobody signed
	Keys     []string   // who signed, in the order in which they first did
	Last     Checkpoint // that the last link is; without a signature if nobody signed it
	Signed   Checkpoint // that the last link is which somebody signed

	project, subject string
	expect           Expect
	before           Hash
	seq              uint64
	heads            map[string]uint64 // by release: the record that was linked last
}

// Expect is what an auditor knows of a chain from elsewhere.
type Expect struct {
	Keys        []string     // who may have signed; empty: anybody. With it every link must be signed, from the first that is
	Checkpoints []Checkpoint // of any projects, in any order, signed by anybody
}

// NewChain begins at the beginning of a project's chain.
func NewChain(project string, e Expect) *Chain {
	subject := topology.Audit(project)
	return &Chain{project: project, subject: subject, expect: e, before: First(subject), heads: map[string]uint64{}}
}

// Add looks at the next link, in the order of the stream, and returns it.
func (c *Chain) Add(m Message) (releasepb.Link, *Break) {
	l, err := releasepb.DecodeLink(m.Data)
	next := uint64(c.Links) + 1 //nolint:gosec // it is a count
	bad := func(format string, args ...any) (releasepb.Link, *Break) {
		return l, &Break{Project: c.project, Seq: m.Seq, What: fmt.Sprintf("link %d of the chain: %s", next, fmt.Sprintf(format, args...))}
	}
	switch {
	case err != nil:
		return bad("it can not be read: %v", err)
	case m.Subject != c.subject || m.Seq <= c.seq:
		return bad("it is out of place")
	case l.Index > next:
		return bad("it has number %d: links before it were removed", l.Index)
	case l.Index < next:
		return bad("it has number %d: links were moved, added or changed", l.Index)
	case !c.before.is(l.Prev):
		return bad("it does not follow the link before it: one of the two was changed")
	case l.Seq >= m.Seq || l.Seq <= c.heads[l.Release]:
		return bad("it is of record #%d of release %s, which is out of order", l.Seq, clip(l.Release))
	}
	at := checkpointOf(c.project, l)
	if why := c.signed(&at, l); why != "" {
		return bad("%s", why)
	}
	for _, known := range c.expect.Checkpoints {
		if known.Project == c.project && known.Index == l.Index && known.Hash != at.Hash {
			return bad("it is not what was signed as checkpoint of %s: the chain was rewritten", stamp(known.At))
		}
	}
	c.Links, c.Last, c.before, c.seq = c.Links+1, at, ofChain(m), m.Seq
	c.heads[l.Release] = l.Seq
	if at.Key != "" {
		c.Signed = at
	}
	return l, nil
}

// signed says what is wrong with the signature of a link, and puts it into the checkpoint that the link is.
func (c *Chain) signed(at *Checkpoint, l releasepb.Link) string {
	at.Key, at.Signature = l.Key, l.Signature
	if l.Key == "" && len(l.Signature) == 0 {
		if c.Unsigned++; len(c.expect.Keys) > 0 && len(c.Keys) > 0 {
			return "it is not signed, and links before it are"
		}
		return ""
	}
	if err := at.Verify(); err != nil {
		return err.Error()
	}
	if len(c.expect.Keys) > 0 && !slices.Contains(c.expect.Keys, l.Key) {
		return fmt.Sprintf("it is signed by %s, which is none of the expected keys", clip64(l.Key))
	}
	if !slices.Contains(c.Keys, l.Key) {
		c.Keys = append(c.Keys, l.Key)
	}
	return ""
}

// End looks whether the chain goes on as far as the checkpoints do.
func (c *Chain) End() *Break {
	for _, known := range c.expect.Checkpoints {
		if last := uint64(c.Links); known.Project == c.project && known.Index > last { //nolint:gosec // it is a count
			return &Break{Project: c.project, What: fmt.Sprintf(
				"the chain ends with link %d, and link %d was signed as checkpoint of %s: the links after %d were removed",
				last, known.Index, stamp(known.At), last)}
		}
	}
	if len(c.expect.Keys) > 0 && c.Links > 0 && len(c.Keys) == 0 {
		return &Break{Project: c.project, What: "no link of the chain is signed"}
	}
	return nil
}

// Head is the sequence of the record of a release that was linked last; 0 for none.
func (c *Chain) Head(release string) uint64 { return c.heads[release] }

// Holds looks whether a release's journal, which has no break, still has the record that a link is of, as it was.
func (c *Chain) Holds(l releasepb.Link, records []Message) *Break {
	bad := func(format string, args ...any) *Break {
		return &Break{Project: c.project, Release: l.Release, Seq: l.Seq, What: fmt.Sprintf(format, args...)}
	}
	i := slices.IndexFunc(records, func(m Message) bool { return m.Seq == l.Seq })
	switch {
	case i < 0 && len(records) == 0:
		return bad("the journal was removed: link %d of the chain has its last record", l.Index)
	case i < 0:
		return bad("the record was removed: link %d of the chain has it as the last one", l.Index)
	case !Of(records[i]).is(l.Head) || !records[i].At.Equal(l.At):
		return bad("the record, or one before it, was changed: link %d of the chain has another hash of it", l.Index)
	}
	return nil
}
