package releasepb

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sluice-gate/sluice/pkg/release"
	pb "github.com/sluice-gate/sluice/proto/sluice/v1"
)

// MergeEvent is what CI publishes on sluice.merge.<project>.
type MergeEvent struct {
	ID       string // UUIDv7 of the release, lowercase; empty: the publisher makes one
	Commit   string
	Ref      string
	Version  string
	Artifact string
	Digest   string // "sha256:…", checked when given
	Delay    *time.Duration
	Actor    string
	URL      string
	Again    bool // a second attempt for a commit whose last release ended without promotion
	Needs    []release.Need
}

// EncodeMergeEvent is the inverse of DecodeMergeEvent.
func EncodeMergeEvent(m MergeEvent) ([]byte, error) {
	out := &pb.MergeEvent{
		Id: m.ID, Commit: m.Commit, Ref: m.Ref, Version: m.Version, Artifact: m.Artifact, Digest: m.Digest,
		Actor: m.Actor, Url: m.URL, Again: m.Again, Needs: all(m.Needs, release.Need.String),
	}
	if m.Delay != nil {
		out.Delay = m.Delay.String()
	}
	return encode(out)
}

// DecodeMergeEvent reads a merge event. Its error wraps ErrMalformed and says which field is wrong and what is allowed.
// Whether names are safe tokens is for the caller to check.
func DecodeMergeEvent(data []byte) (MergeEvent, error) {
	in := new(pb.MergeEvent)
	if err := decode(data, in); err != nil {
		return MergeEvent{}, err
	}
	m := MergeEvent{
		ID: in.GetId(), Commit: in.GetCommit(), Ref: Line(in.GetRef(), MaxReason), Version: in.GetVersion(),
		Artifact: in.GetArtifact(), Digest: in.GetDigest(), Actor: Line(in.GetActor(), MaxReason),
		URL: Line(in.GetUrl(), MaxReason), Again: in.GetAgain(),
	}
	if m.ID != "" {
		if id, err := uuid.Parse(m.ID); err != nil || id.String() != m.ID || id.Version() != 7 {
			return MergeEvent{}, fmt.Errorf("%w: id %q: want a UUID of version 7 in lowercase", ErrMalformed, clip(m.ID))
		}
	}
	if m.Commit == "" {
		return MergeEvent{}, fmt.Errorf("%w: commit is missing: it is the identity of the merge", ErrMalformed)
	}
	if in.GetDelay() != "" {
		d, err := parseDuration(in.GetDelay())
		if err != nil || d < 0 || d > release.MaxExtend {
			return MergeEvent{}, fmt.Errorf("%w: delay %q: want a duration such as 30m, from 0s to %s",
				ErrMalformed, clip(in.GetDelay()), release.MaxExtend)
		}
		m.Delay = &d
	}
	for _, need := range in.GetNeeds() {
		n, err := release.ParseNeed(need)
		if err != nil {
			return MergeEvent{}, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		m.Needs = append(m.Needs, n)
	}
	if len(m.Needs) > release.MaxNeeds {
		return MergeEvent{}, fmt.Errorf("%w: %d needs, at most %d are allowed", ErrMalformed, len(m.Needs), release.MaxNeeds)
	}
	return m, nil
}

// CommitRecord is a merge's identity: which release a commit of a project became, and which attempt it is.
type CommitRecord struct {
	Release  string
	Attempt  int
	MergeSeq uint64 // stream sequence of the merge event that made it
}

// EncodeCommit is the inverse of DecodeCommit.
func EncodeCommit(c CommitRecord) ([]byte, error) {
	//nolint:gosec // attempts of one commit stay far below 2^31
	return encode(&pb.CommitRecord{Release: c.Release, Attempt: int32(c.Attempt), MergeSeq: c.MergeSeq})
}

// DecodeCommit reads a commit record. Its error wraps ErrMalformed.
func DecodeCommit(data []byte) (CommitRecord, error) {
	in := new(pb.CommitRecord)
	err := decode(data, in)
	return CommitRecord{Release: in.GetRelease(), Attempt: int(in.GetAttempt()), MergeSeq: in.GetMergeSeq()}, err
}

// EncodeVersion is the record that says which release a version or a beta's name belongs to.
func EncodeVersion(releaseID string) ([]byte, error) {
	return encode(&pb.VersionRecord{Release: releaseID})
}

// DecodeVersion reads a version record: the release. Its error wraps ErrMalformed.
func DecodeVersion(data []byte) (string, error) {
	in := new(pb.VersionRecord)
	err := decode(data, in)
	return in.GetRelease(), err
}

// Heartbeat says that the watcher watched a release. When is told by the broker's timestamp.
type Heartbeat struct {
	Release  string
	Instance string
	Checks   int
	Failing  bool // a check failed the last time, if not often enough to cancel

	Inconclusive []string // checks that say nothing about the release as things are, each with why; lines
}

// What a heartbeat says of inconclusive checks: so many, in so many bytes each.
const (
	maxInconclusive = 8
	maxDoubt        = 512
)

// EncodeHeartbeat is the body of a heartbeat.
func EncodeHeartbeat(h Heartbeat) ([]byte, error) {
	//nolint:gosec // a project has few checks
	out := &pb.Heartbeat{Release: h.Release, Instance: h.Instance, Checks: int32(h.Checks), Failing: h.Failing}
	for _, one := range h.Inconclusive[:min(len(h.Inconclusive), maxInconclusive)] {
		out.Inconclusive = append(out.Inconclusive, Line(one, maxDoubt))
	}
	return encode(out)
}

// DecodeHeartbeat reads a heartbeat. Its error wraps ErrMalformed.
func DecodeHeartbeat(data []byte) (Heartbeat, error) {
	in := new(pb.Heartbeat)
	err := decode(data, in)
	return Heartbeat{
		Release: in.GetRelease(), Instance: in.GetInstance(), Checks: int(in.GetChecks()), Failing: in.GetFailing(),
		Inconclusive: in.GetInconclusive(),
	}, err
}

// Judgement is what a check came to.
type Judgement struct {
	Release      string
	Check        string
	Passed       bool   // unless it is inconclusive, it failed otherwise
	Inconclusive bool   // it could not look, or never did
	Detail       string // what was measured; one line
	Count        int64  // of measurements, or of errors
	Since        time.Time
}

// EncodeJudgement is the body of a judgement.
func EncodeJudgement(j Judgement) ([]byte, error) {
	verdict := "fail"
	switch {
	case j.Inconclusive:
		verdict = "inconclusive"
	case j.Passed:
		verdict = "pass"
	}
	return encode(&pb.Judgement{
		Release: j.Release, Check: j.Check, Verdict: verdict, Detail: Line(j.Detail, MaxEvidence), Count: j.Count, Since: toTime(j.Since),
	})
}

// DecodeJudgement reads a judgement. Its error wraps ErrMalformed.
func DecodeJudgement(data []byte) (Judgement, error) {
	in := new(pb.Judgement)
	err := decode(data, in)
	return Judgement{
		Release: in.GetRelease(), Check: in.GetCheck(), Passed: in.GetVerdict() == "pass",
		Inconclusive: in.GetVerdict() == "inconclusive", Detail: in.GetDetail(),
		Count: in.GetCount(), Since: fromTime(in.GetSince()),
	}, err
}

// DeadLetter is refused input with the reason.
type DeadLetter struct {
	Reason  string
	Subject string
	Seq     uint64
	Body    []byte // at most the first 4 KiB
}

// EncodeDeadLetter is the body of a dead letter; the refused body is cut to 4 KiB.
func EncodeDeadLetter(d DeadLetter) ([]byte, error) {
	const most = 4 << 10
	return encode(&pb.DeadLetter{
		Reason: Line(d.Reason, MaxReason), Subject: d.Subject, Seq: d.Seq, Body: d.Body[:min(most, len(d.Body))],
	})
}

// DecodeDeadLetter reads a dead letter. Its error wraps ErrMalformed.
func DecodeDeadLetter(data []byte) (DeadLetter, error) {
	in := new(pb.DeadLetter)
	err := decode(data, in)
	return DeadLetter{Reason: in.GetReason(), Subject: in.GetSubject(), Seq: in.GetSeq(), Body: in.GetBody()}, err
}
