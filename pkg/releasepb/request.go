package releasepb

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/sluice-gate/sluice/pkg/release"
	pb "github.com/sluice-gate/sluice/proto/sluice/v1"
)

// MaxReason bounds a reason, in bytes; a longer one is cut. Every reason is carried by the journal from then on.
const MaxReason = 2 << 10

// MaxEvidence bounds the watcher's evidence, in bytes.
const MaxEvidence = 16 << 10

// EncodeRequest is the body of a request that this project's own tools send. Operators may send plain text.
func EncodeRequest(r release.Request) ([]byte, error) {
	body := &pb.RequestBody{Reason: r.Reason, Evidence: r.Evidence, Force: r.Force, Look: r.Look}
	if !r.Until.IsZero() {
		body.Until = r.Until.UTC().Format(time.RFC3339Nano)
	}
	if r.By != 0 {
		body.By = r.By.String()
	}
	return encode(body)
}

// DecodeRequest reads a request's body: JSON as in proto RequestBody, or free text, which is the reason (and for an extend
// begins with the duration or the time: "30m QA needs longer", "2026-03-02T15:00:00Z the demo is at two"). It never fails: a
// request that stops a release must not be lost to a typing error. One that can not be obeyed comes back with Invalid set.
func DecodeRequest(verb release.Verb, actor string, seq uint64, at time.Time, data []byte) release.Request {
	r := release.Request{Verb: verb, Actor: actor, Seq: seq, At: at}
	length := ""
	body := new(pb.RequestBody)
	trimmed := bytes.TrimSpace(data)
	if bytes.HasPrefix(trimmed, []byte("{")) &&
		(protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(trimmed, body) == nil {
		r.Reason, r.Evidence = Line(body.GetReason(), MaxReason), Line(body.GetEvidence(), MaxEvidence)
		r.Force, r.Look = body.GetForce(), body.GetLook()
		length = body.GetBy()
		if length == "" {
			length = body.GetUntil()
		}
	} else {
		r.Reason = Line(string(data), MaxReason)
		if verb == release.Extend {
			length, r.Reason, _ = strings.Cut(r.Reason, " ")
		}
	}
	if verb == release.Extend {
		until, untilErr := time.Parse(time.RFC3339Nano, length)
		by, byErr := parseDuration(length)
		switch {
		case untilErr == nil && !until.IsZero():
			r.Until = until.UTC()
		case byErr == nil && by > 0 && by <= release.MaxExtend:
			r.By = by
		default:
			r.Invalid = fmt.Sprintf("extend by %q: want a duration such as 30m, more than 0 and at most %s, "+
				"or a time such as 2026-03-02T15:00:00Z", clip(length), release.MaxExtend)
		}
	}
	return r
}
