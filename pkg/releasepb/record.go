package releasepb

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/sluice-gate/sluice/pkg/release"
	pb "github.com/sluice-gate/sluice/proto/sluice/v1"
)

// Record is one message of a journal.
type Record struct {
	Event   release.Event // nil when a newer version wrote an event that this one does not know
	Type    string        // the event's word, also when Event is nil
	State   release.State // after the event; not yet stamped
	Service string        // the instance that appended it
	Cause   string        // the message that caused it: "<stream> <sequence> <subject>"
	Prev    []byte        // hash of the record before it (package audit); empty in what an older version wrote
	// Unknown is what a newer version wrote into the state that this one does not know, as JSON. Whoever appends after the
	// record hands it on, so that an older instance in a rolling upgrade does not lose it.
	Unknown []byte
}

// ErrMalformed is wrapped by every decoding error: the bytes are not what the subject promises.
var ErrMalformed = errors.New("malformed")

// MaxBody bounds an encoded journal record, in bytes: what the stream takes, less subject and headers.
const MaxBody = 240 << 10

// EncodeRecord is the inverse of DecodeRecord. A journal must not get stuck because of a text from outside: what is not
// UTF-8 is replaced, and the longest texts are cut when the record would be too large to store.
func EncodeRecord(r Record) ([]byte, error) {
	if r.Event == nil {
		return nil, errors.New("a journal record without an event")
	}
	out := &pb.Record{Type: r.Event.Name(), Service: r.Service, Cause: r.Cause, Prev: r.Prev, State: toState(r.State)}
	switch e := r.Event.(type) {
	case release.WasMerged:
		out.Event = &pb.Record_Merged{Merged: &pb.Merged{
			Release: e.Release, Project: e.Project, Merge: toMerge(e.Merge), Policy: toPolicy(e.Policy), At: toTime(e.At),
		}}
	case release.WasBegun:
		out.Event = &pb.Record_Begun{Begun: &pb.Begun{
			Work: string(e.Work), Attempt: toAttempt(e.Attempt), Plan: toPlan(e.Plan), Before: e.Before, At: toTime(e.At),
		}}
	case release.WasDone:
		out.Event = &pb.Record_Done{Done: &pb.Done{Work: string(e.Work), Value: e.Value, Note: e.Note, Failed: e.Failed, At: toTime(e.At)}}
	case release.WasQueued:
		out.Event = &pb.Record_Queued{Queued: &pb.Queued{Behind: e.Behind, At: toTime(e.At)}}
	case release.WasSoaked:
		out.Event = &pb.Record_Soaking{Soaking: &pb.Soaking{Due: toTime(e.Due), At: toTime(e.At)}}
	case release.WasHeld:
		out.Event = &pb.Record_Held{Held: &pb.Held{Holding: toHolding(&e.Holding), Seq: e.Seq}}
	case release.WasResumed:
		out.Event = &pb.Record_Resumed{Resumed: &pb.Resumed{
			Said: toSaid(&e.Said), Seq: e.Seq, Due: toTime(e.Due), Prolonged: toDuration(e.Prolonged),
		}}
	case release.WasExtended:
		out.Event = &pb.Record_Extended{Extended: &pb.Extended{Said: toSaid(&e.Said), Seq: e.Seq, By: toDuration(e.By)}}
	case release.WasExpedited:
		out.Event = &pb.Record_Expedited{Expedited: &pb.Expedited{Said: toSaid(&e.Said), Seq: e.Seq, Force: e.Force}}
	case release.WasApproved:
		out.Event = &pb.Record_Approved{Approved: &pb.Approved{Said: toSaid(&e.Said), Seq: e.Seq}}
	case release.WasPostponed:
		out.Event = &pb.Record_Postponed{Postponed: &pb.Postponed{
			Postponement: toPostponement(&release.Postponement{Obstacle: e.Obstacle, Since: e.At}),
		}}
	case release.WasPassed:
		out.Event = &pb.Record_Passed{Passed: &pb.Passed{At: toTime(e.At)}}
	case release.WasBaking:
		out.Event = &pb.Record_Baking{Baking: &pb.Baking{Value: e.Value, Note: e.Note, At: toTime(e.At)}}
	case release.WasRetried:
		out.Event = &pb.Record_Retried{Retried: &pb.Retried{Said: toSaid(&e.Said), Seq: e.Seq}}
	case release.WasRecalled:
		out.Event = &pb.Record_Recalled{Recalled: &pb.Recalled{Said: toSaid(&e.Said), Seq: e.Seq, Evidence: e.Evidence}}
	case release.WasNotRolledBack:
		out.Event = &pb.Record_NotRolledBack{NotRolledBack: &pb.NotRolledBack{Said: toSaid(&e.Said)}}
	case release.WasCancelled:
		out.Event = &pb.Record_Cancelled{Cancelled: &pb.Cancelled{Said: toSaid(&e.Said), Seq: e.Seq, Evidence: e.Evidence}}
	case release.WasFailed:
		out.Event = &pb.Record_Failed{Failed: &pb.Failed{Said: toSaid(&e.Said)}}
	case release.WasSuperseded:
		out.Event = &pb.Record_Superseded{Superseded: &pb.Superseded{Newer: e.Newer, At: toTime(e.At)}}
	case release.WasRefused:
		out.Event = &pb.Record_Refused{Refused: &pb.Refused{Verb: string(e.Verb), Seq: e.Seq, Said: toSaid(&e.Said)}}
	}
	return fit("a journal record", out, func(data []byte) ([]byte, error) { return withUnknown(data, r.Unknown) })
}

// DecodeRecord reads a journal record. Its error wraps ErrMalformed.
func DecodeRecord(data []byte) (Record, error) {
	in := new(pb.Record)
	var unknown []byte
	if protojson.Unmarshal(data, in) != nil { // not ours alone: look closer
		in = new(pb.Record)
		if err := decode(data, in); err != nil {
			return Record{}, err
		}
		unknown = unknownOf(data)
	}
	if in.GetState().GetRelease() == "" {
		return Record{}, fmt.Errorf("%w: a journal record without a state", ErrMalformed)
	}
	return Record{
		Event: fromEvent(in), Type: in.GetType(), State: fromState(in.GetState()),
		Service: in.GetService(), Cause: in.GetCause(), Prev: in.GetPrev(), Unknown: unknown,
	}, nil
}

func fromEvent(in *pb.Record) release.Event {
	switch e := in.GetEvent().(type) {
	case *pb.Record_Merged:
		m := e.Merged
		return release.WasMerged{
			Release: m.GetRelease(), Project: m.GetProject(), Merge: fromMerge(m.GetMerge()),
			Policy: fromPolicy(m.GetPolicy()), At: fromTime(m.GetAt()),
		}
	case *pb.Record_Begun:
		b := e.Begun
		return release.WasBegun{
			Work: release.Work(b.GetWork()), Attempt: fromAttempt(b.GetAttempt()), Plan: fromPlan(b.GetPlan()),
			Before: b.GetBefore(), At: fromTime(b.GetAt()),
		}
	case *pb.Record_Done:
		d := e.Done
		return release.WasDone{
			Work: release.Work(d.GetWork()), Value: d.GetValue(), Note: d.GetNote(), Failed: d.GetFailed(), At: fromTime(d.GetAt()),
		}
	case *pb.Record_Queued:
		return release.WasQueued{Behind: e.Queued.GetBehind(), At: fromTime(e.Queued.GetAt())}
	case *pb.Record_Soaking:
		return release.WasSoaked{Due: fromTime(e.Soaking.GetDue()), At: fromTime(e.Soaking.GetAt())}
	case *pb.Record_Held:
		return release.WasHeld{Holding: fromHolding(e.Held.GetHolding()), Seq: e.Held.GetSeq()}
	case *pb.Record_Resumed:
		return release.WasResumed{
			Said: fromSaid(e.Resumed.GetSaid()), Seq: e.Resumed.GetSeq(), Due: fromTime(e.Resumed.GetDue()),
			Prolonged: e.Resumed.GetProlonged().AsDuration(),
		}
	case *pb.Record_Extended:
		return release.WasExtended{
			Said: fromSaid(e.Extended.GetSaid()), Seq: e.Extended.GetSeq(), By: e.Extended.GetBy().AsDuration(),
		}
	case *pb.Record_Expedited:
		return release.WasExpedited{Said: fromSaid(e.Expedited.GetSaid()), Seq: e.Expedited.GetSeq(), Force: e.Expedited.GetForce()}
	case *pb.Record_Approved:
		return release.WasApproved{Said: fromSaid(e.Approved.GetSaid()), Seq: e.Approved.GetSeq()}
	case *pb.Record_Postponed:
		p := fromPostponement(e.Postponed.GetPostponement())
		return release.WasPostponed{Obstacle: p.Obstacle, At: p.Since}
	case *pb.Record_Passed:
		return release.WasPassed{At: fromTime(e.Passed.GetAt())}
	case *pb.Record_Baking:
		return release.WasBaking{Value: e.Baking.GetValue(), Note: e.Baking.GetNote(), At: fromTime(e.Baking.GetAt())}
	case *pb.Record_Retried:
		return release.WasRetried{Said: fromSaid(e.Retried.GetSaid()), Seq: e.Retried.GetSeq()}
	case *pb.Record_Recalled:
		return release.WasRecalled{Said: fromSaid(e.Recalled.GetSaid()), Seq: e.Recalled.GetSeq(), Evidence: e.Recalled.GetEvidence()}
	case *pb.Record_NotRolledBack:
		return release.WasNotRolledBack{Said: fromSaid(e.NotRolledBack.GetSaid())}
	case *pb.Record_Cancelled:
		return release.WasCancelled{
			Said: fromSaid(e.Cancelled.GetSaid()), Seq: e.Cancelled.GetSeq(), Evidence: e.Cancelled.GetEvidence(),
		}
	case *pb.Record_Failed:
		return release.WasFailed{Said: fromSaid(e.Failed.GetSaid())}
	case *pb.Record_Superseded:
		return release.WasSuperseded{Newer: e.Superseded.GetNewer(), At: fromTime(e.Superseded.GetAt())}
	case *pb.Record_Refused:
		return release.WasRefused{
			Verb: release.Verb(e.Refused.GetVerb()), Seq: e.Refused.GetSeq(), Said: fromSaid(e.Refused.GetSaid()),
		}
	}
	return nil
}
