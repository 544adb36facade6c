package releasepb

import (
	"bytes"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sluice-gate/sluice/pkg/release"
	pb "github.com/sluice-gate/sluice/proto/sluice/v1"
)

// EncodeStop is the body of a pause or freeze that this project's own tools send. Operators may send plain text.
func EncodeStop(s release.Stop) ([]byte, error) {
	body := &pb.StopBody{Reason: s.Said.Reason}
	if !s.From.IsZero() {
		body.From = s.From.UTC().Format(time.RFC3339Nano)
	}
	if !s.Until.IsZero() {
		body.Until = s.Until.UTC().Format(time.RFC3339Nano)
	}
	return encode(body)
}

// DecodeStop reads the body of a pause or freeze that was stored at the broker's time at: JSON as in proto StopBody, or free
// text, which is the reason (and for a freeze may begin with its end or its length: "48h the fair", "2d the fair"). It never
// fails: what can not be read stops all the same. A freeze whose beginning can not be read has begun; one whose end can not be
// read, is not after its beginning, or was over when it was said, which nobody can have meant, lasts until somebody ends it.
func DecodeStop(kind release.StopKind, actor string, seq uint64, at time.Time, data []byte) release.Stop {
	s := release.Stop{Kind: kind, Seq: seq, Said: release.Said{By: actor, At: at}}
	body := new(pb.StopBody)
	trimmed := bytes.TrimSpace(data)
	if bytes.HasPrefix(trimmed, []byte("{")) &&
		(protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(trimmed, body) == nil {
		s.Said.Reason = Line(body.GetReason(), MaxReason)
		if kind == release.Freeze {
			s.From, s.Until = span(body, at)
		}
		return s
	}
	s.Said.Reason = Line(string(data), MaxReason)
	if first, rest, _ := strings.Cut(s.Said.Reason, " "); kind == release.Freeze {
		if until, ok := moment(first, at); ok && until.After(at) {
			s.Until, s.Said.Reason = until, strings.TrimSpace(rest)
		}
	}
	return s
}

// span is from when until when a freeze lasts; the zero times are "at once" and "until somebody ends it".
func span(body *pb.StopBody, at time.Time) (from, until time.Time) {
	from, begins := moment(body.GetFrom(), at)
	switch {
	case body.GetUntil() != "":
		until, _ = moment(body.GetUntil(), at)
	case begins || body.GetFrom() == "": // the length of what begins nobody knows when says nothing of its end
		until, _ = moment(body.GetFor(), later(at, from))
	}
	if !until.After(later(at, from)) {
		until = time.Time{}
	}
	return from, until
}

// moment reads a time, or a duration from a time on. It takes what a journal record can hold.
func moment(text string, from time.Time) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		d, err := parseDuration(text)
		if err != nil || d <= 0 {
			return time.Time{}, false
		}
		t = from.Add(d)
	}
	t = t.UTC()
	if timestamppb.New(t).CheckValid() != nil { // with its zone it may be in the year 10000
		return time.Time{}, false
	}
	return t, true
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// EncodeProject is the inverse of DecodeProject. Like a journal, the record must not get stuck because of a text from outside:
// the longest are cut when it would be too large to store.
func EncodeProject(r release.Record) ([]byte, error) {
	out := &pb.ProjectRecord{Rolling: r.Rolling, Promotions: all(r.Promotions, func(p release.Promotion) *pb.Promotion {
		return &pb.Promotion{Release: p.Release, Version: p.Version, Order: p.Order, At: toTime(p.At), RolledBack: toSaid(p.RolledBack)}
	})}
	return fit("the record of a project", out, func(data []byte) ([]byte, error) { return data, nil })
}

// DecodeProject reads what became of a project's releases. Its error wraps ErrMalformed.
func DecodeProject(data []byte) (release.Record, error) {
	in := new(pb.ProjectRecord)
	err := decode(data, in)
	return release.Record{Rolling: in.GetRolling(), Promotions: all(in.GetPromotions(), func(p *pb.Promotion) release.Promotion {
		return release.Promotion{
			Release: p.GetRelease(), Version: p.GetVersion(), Order: p.GetOrder(), At: fromTime(p.GetAt()),
			RolledBack: perhaps(p.GetRolledBack(), fromSaid),
		}
	})}, err
}
