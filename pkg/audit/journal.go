package audit

import (
	"fmt"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// Break is where it shows that something was removed or changed, the first place in its journal or chain. It is an error.
type Break struct {
	Project string // of the chain; empty when it is in a journal that was looked at by itself
	Release string // empty when it is in the chain
	Seq     uint64 // in the stream: of the record or link at which it shows; 0: what should be there is not
	What    string // one line
}

func (b *Break) Error() string {
	where := ""
	if b.Project != "" {
		where = b.Project + ": "
	}
	if b.Release != "" {
		where += "release " + b.Release + ": "
	}
	if b.Seq != 0 {
		where += fmt.Sprintf("at #%d: ", b.Seq)
	}
	return where + b.What
}

// Told is what a journal is that has no break.
type Told struct {
	Records   int
	Unchained int    // records that carry no hash: an older version wrote them
	UpTo      uint64 // the last of these, by its sequence in the stream
	Last      uint64 // the last record
	Linked    bool   // the last record is one that gets a link
}

// Journal looks for a break in all records of a release's journal, in the order of the stream.
func Journal(id string, records []Message) (Told, *Break) {
	subject := topology.Release(id)
	bad := func(seq uint64, format string, args ...any) (Told, *Break) {
		return Told{}, &Break{Release: id, Seq: seq, What: fmt.Sprintf(format, args...)}
	}
	var t Told
	before := First(subject)
	for i, m := range records {
		if m.Seq <= t.Last || m.Subject != subject {
			return bad(m.Seq, "a record is out of place")
		}
		r, err := releasepb.DecodeRecord(m.Data)
		if err != nil {
			return bad(m.Seq, "the record can not be read: %v", err)
		}
		switch {
		case r.State.Release != id:
			return bad(m.Seq, "the record is of another release")
		case len(r.Prev) == 0 && i == 0 && r.Type != string(release.Merged):
			return bad(m.Seq, "the journal begins with %q: the records before it were removed", clip(r.Type))
		case len(r.Prev) == 0:
			t.Unchained, t.UpTo = t.Unchained+1, m.Seq
		case !before.is(r.Prev) && i == 0:
			return bad(m.Seq, "the record is not the first of its journal: those before it were removed, or it was changed")
		case !before.is(r.Prev):
			return bad(m.Seq, "it does not follow #%d: one of the two records was changed, or records between them were removed", t.Last)
		}
		t.Records, t.Last = t.Records+1, m.Seq
		t.Linked = Links(r.Type, r.State.Phase)
		before = Of(m)
	}
	return t, nil
}

// Links tells whether a record of that type, with the release in that phase after it, gets a link in the chain of its project when it
// is the last of its journal: the release has ended, and the record does not merely announce another one.
func Links(kind string, p release.Phase) bool {
	return p.Ended() && kind != release.WasBegun{Work: release.RestoreBeta}.Name()
}

func clip(text string) string { return releasepb.Line(text, 40) }
