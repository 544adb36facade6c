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
	body := &pb.RequestBody{Reason: r.Reason, Evidence: r.Evidence}
	if r.By != 0 {
		body.By = r.By.String()
	}
	return encode(body)
}

// DecodeRequest reads a request's body: JSON as in proto RequestBody, or free text, which is the reason (and for an extend
// begins with the duration: "30m QA needs longer"). It never fails: a request that stops a release must not be lost to a
// typing error. One that can not be obeyed comes back with Invalid set.
func DecodeRequest(verb release.Verb, actor string, seq uint64, at time.Time, data []byte) release.Request {
	r := release.Request{Verb: verb, Actor: actor, Seq: seq, At: at}
	by := ""
	body := new(pb.RequestBody)
	trimmed := bytes.TrimSpace(data)
	if bytes.HasPrefix(trimmed, []byte("{")) &&
		(protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(trimmed, body) == nil {
		r.Reason, r.Evidence, by = Line(body.GetReason(), MaxReason), Line(body.GetEvidence(), MaxEvidence), body.GetBy()
	} else {
		r.Reason = Line(string(data), MaxReason)
		if verb == release.Extend {
			by, r.Reason, _ = strings.Cut(r.Reason, " ")
		}
	}
	if verb == release.Extend {
		d, err := time.ParseDuration(by)
		if err != nil || d <= 0 || d > release.MaxExtend {
			r.Invalid = fmt.Sprintf("extend by %q: want a duration such as 30m, more than 0 and at most %s", clip(by), release.MaxExtend)
		} else {
			r.By = d
		}
	}
	return r
}
