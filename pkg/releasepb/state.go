package releasepb

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sluice-gate/sluice/pkg/release"
	pb "github.com/sluice-gate/sluice/proto/sluice/v1"
)

func toState(s release.State) *pb.State {
	out := &pb.State{
		Release: s.Release, Project: s.Project, Phase: string(s.Phase), Merge: toMerge(s.Merge), Policy: toPolicy(s.Policy),
		Version: s.Version, Beta: s.Beta, Digest: s.Digest,
		BetaChannel: toChannel(s.BetaChannel), Staging: toChannel(s.Staging), Latest: toChannel(s.Latest),
		StagedAt: toTime(s.StagedAt), SoakFrom: toTime(s.SoakFrom), Extra: toDuration(s.Extra), Due: toTime(s.Due),
		Remaining: toDuration(s.Remaining), Held: toHolding(s.Held), Expedited: toSaid(s.Expedited),
		Behind: s.Behind, Folded: s.Folded, Claim: s.Claim, MergedAt: toTime(s.MergedAt), Evidence: s.Evidence,
		Stage:   int32(s.Stage), //nolint:gosec // at most project.MaxStages
		PhaseAt: toTime(s.PhaseAt), Forced: s.Forced, Postponed: toPostponement(s.Postponed),
		FailedIn: string(s.FailedIn), Reached: s.Reached, Soaked: s.Soaked, LateCancel: toSaid(s.LateCancel),
		Recalled: toSaid(s.Recalled), RecalledIn: string(s.RecalledIn), Prolonged: toDuration(s.Prolonged),
		Failures: int32(s.Failures), //nolint:gosec // each but the first follows a person's retry
		Passed:   all(s.Passed, listedChannel), Approved: all(s.Approved, listedSaid),
	}
	if s.End != (release.Said{}) {
		out.End = toSaid(&s.End)
	}
	if len(s.Attempts) > 0 {
		out.Attempts = make(map[string]*pb.Attempt, len(s.Attempts))
		for w, a := range s.Attempts {
			out.Attempts[string(w)] = toAttempt(a)
		}
	}
	return out
}

func fromState(in *pb.State) release.State {
	s := release.State{
		Release: in.GetRelease(), Project: in.GetProject(), Phase: release.Phase(in.GetPhase()),
		Merge: fromMerge(in.GetMerge()), Policy: fromPolicy(in.GetPolicy()),
		Version: in.GetVersion(), Beta: in.GetBeta(), Digest: in.GetDigest(),
		BetaChannel: fromChannel(in.GetBetaChannel()), Staging: fromChannel(in.GetStaging()), Latest: fromChannel(in.GetLatest()),
		StagedAt: fromTime(in.GetStagedAt()), SoakFrom: fromTime(in.GetSoakFrom()), Extra: in.GetExtra().AsDuration(),
		Due: fromTime(in.GetDue()), Remaining: in.GetRemaining().AsDuration(),
		Behind: in.GetBehind(), Folded: in.GetFolded(), Claim: in.GetClaim(), MergedAt: fromTime(in.GetMergedAt()),
		End: fromSaid(in.GetEnd()), Evidence: in.GetEvidence(),
		Stage: int(in.GetStage()), PhaseAt: fromTime(in.GetPhaseAt()), Forced: in.GetForced(),
		FailedIn: release.Phase(in.GetFailedIn()), Reached: in.GetReached(), Soaked: in.GetSoaked(),
		RecalledIn: release.Phase(in.GetRecalledIn()), Prolonged: in.GetProlonged().AsDuration(),
		Failures: int(in.GetFailures()),
		Passed:   all(in.GetPassed(), fromChannel), Approved: all(in.GetApproved(), fromSaid),
		Expedited: perhaps(in.GetExpedited(), fromSaid), LateCancel: perhaps(in.GetLateCancel(), fromSaid),
		Recalled: perhaps(in.GetRecalled(), fromSaid), Held: perhaps(in.GetHeld(), fromHolding),
		Postponed: perhaps(in.GetPostponed(), fromPostponement),
	}
	if len(in.GetAttempts()) > 0 {
		s.Attempts = make(map[release.Work]release.Attempt, len(in.GetAttempts()))
		for w, a := range in.GetAttempts() {
			s.Attempts[release.Work(w)] = fromAttempt(a)
		}
	}
	return s
}

func toMerge(m release.Merge) *pb.Merge {
	out := &pb.Merge{
		Commit: m.Commit, Ref: m.Ref, Url: m.URL, Actor: m.Actor, Version: m.Version, Artifact: m.Artifact, Digest: m.Digest,
		Attempt: int32(m.Attempt), Seq: m.Seq, Needs: all(m.Needs, toNeed), //nolint:gosec // attempts of one commit stay far below 2^31
	}
	if m.Delay != nil {
		out.Delay = durationpb.New(*m.Delay)
	}
	return out
}

func fromMerge(in *pb.Merge) release.Merge {
	m := release.Merge{
		Commit: in.GetCommit(), Ref: in.GetRef(), URL: in.GetUrl(), Actor: in.GetActor(), Version: in.GetVersion(),
		Artifact: in.GetArtifact(), Digest: in.GetDigest(), Attempt: int(in.GetAttempt()), Seq: in.GetSeq(),
		Needs: all(in.GetNeeds(), fromNeed),
	}
	if in.GetDelay() != nil {
		d := in.GetDelay().AsDuration()
		m.Delay = &d
	}
	return m
}

func toPolicy(p release.Policy) *pb.Policy {
	return &pb.Policy{
		Revision: p.Revision, Lane: p.Lane, Collision: string(p.Collision), Delay: toDuration(p.Delay),
		MaxOverdue: toDuration(p.MaxOverdue), PutBack: p.PutBack, MaxWait: toDuration(p.MaxWait),
		Approvals: int32(p.Approvals), //nolint:gosec // project bounds it
		Stages:    all(p.Stages, toStage), Order: string(p.Order), Bake: toDuration(p.Bake),
		MaxPhase: toDuration(p.MaxPhase), MaxHold: toDuration(p.MaxHold), Needs: all(p.Needs, toNeed),
		SupersedeLimit: int32(p.SupersedeLimit), //nolint:gosec // the project file bounds it
		Coverage:       int32(p.Coverage),       //nolint:gosec // percent
		OnGap:          string(p.OnGap),
	}
}

func fromPolicy(in *pb.Policy) release.Policy {
	return release.Policy{
		Revision: in.GetRevision(), Lane: in.GetLane(), Collision: release.Collision(in.GetCollision()),
		Delay: in.GetDelay().AsDuration(), MaxOverdue: in.GetMaxOverdue().AsDuration(), PutBack: in.GetPutBack(),
		Approvals: int(in.GetApprovals()), Stages: all(in.GetStages(), fromStage), Order: release.Order(in.GetOrder()),
		Bake: in.GetBake().AsDuration(), MaxPhase: in.GetMaxPhase().AsDuration(), MaxHold: in.GetMaxHold().AsDuration(),
		Needs:          all(in.GetNeeds(), fromNeed),
		SupersedeLimit: int(in.GetSupersedeLimit()), MaxWait: in.GetMaxWait().AsDuration(),
		Coverage: int(in.GetCoverage()), OnGap: release.OnGap(in.GetOnGap()),
	}
}

//nolint:gosec // project bounds the approvals
func toStage(p release.StagePolicy) *pb.StagePolicy {
	return &pb.StagePolicy{Name: p.Name, Delay: toDuration(p.Delay), Approvals: int32(p.Approvals)}
}

func fromStage(in *pb.StagePolicy) release.StagePolicy {
	return release.StagePolicy{Name: in.GetName(), Delay: in.GetDelay().AsDuration(), Approvals: int(in.GetApprovals())}
}

func toNeed(n release.Need) *pb.Need { return &pb.Need{Project: n.Project, Version: n.Version} }

func fromNeed(in *pb.Need) release.Need {
	return release.Need{Project: in.GetProject(), Version: in.GetVersion()}
}

func toPostponement(p *release.Postponement) *pb.Postponement {
	if p == nil {
		return nil
	}
	return &pb.Postponement{Kind: string(p.Kind), Why: p.Why, Until: toTime(p.Until), Since: toTime(p.Since)}
}

func fromPostponement(in *pb.Postponement) release.Postponement {
	return release.Postponement{
		Obstacle: release.Obstacle{Kind: release.Obstructing(in.GetKind()), Why: in.GetWhy(), Until: fromTime(in.GetUntil())},
		Since:    fromTime(in.GetSince()),
	}
}

// all converts a list; an empty one is nil, as it is after a round trip.
func all[A, B any](in []A, convert func(A) B) []B {
	if len(in) == 0 {
		return nil
	}
	out := make([]B, len(in))
	for i, a := range in {
		out[i] = convert(a)
	}
	return out
}

// perhaps converts a message that may be missing.
func perhaps[A, B any](in *A, convert func(*A) B) *B {
	if in == nil {
		return nil
	}
	out := convert(in)
	return &out
}

func toChannel(c release.Channel) *pb.Channel {
	if c == (release.Channel{}) {
		return nil
	}
	return &pb.Channel{Touched: c.Touched, Before: c.Before, Value: c.Value, Restored: c.Restored, Failed: c.Failed, Note: c.Note}
}

func fromChannel(in *pb.Channel) release.Channel {
	return release.Channel{
		Touched: in.GetTouched(), Before: in.GetBefore(), Value: in.GetValue(), Restored: in.GetRestored(), Note: in.GetNote(),
		Failed: in.GetFailed(),
	}
}

// listedChannel is toChannel where an untouched one has its place in a list.
func listedChannel(c release.Channel) *pb.Channel {
	if out := toChannel(c); out != nil {
		return out
	}
	return &pb.Channel{}
}

func listedSaid(s release.Said) *pb.Said { return toSaid(&s) }

func toAttempt(a release.Attempt) *pb.Attempt {
	return &pb.Attempt{
		Number: int32(a.Number), Instance: a.Instance, //nolint:gosec // at most release.MaxAttempts
		Timeout: toDuration(a.Timeout), Started: toTime(a.Started),
	}
}

func fromAttempt(in *pb.Attempt) release.Attempt {
	return release.Attempt{
		Number: int(in.GetNumber()), Instance: in.GetInstance(), Timeout: in.GetTimeout().AsDuration(),
		Started: fromTime(in.GetStarted()),
	}
}

func toPlan(p release.Plan) *pb.Plan {
	if p == (release.Plan{}) {
		return nil
	}
	return &pb.Plan{Version: p.Version, Beta: p.Beta, Digest: p.Digest, Before: p.Before}
}

func fromPlan(in *pb.Plan) release.Plan {
	return release.Plan{Version: in.GetVersion(), Beta: in.GetBeta(), Digest: in.GetDigest(), Before: in.GetBefore()}
}

func toSaid(s *release.Said) *pb.Said {
	if s == nil {
		return nil
	}
	return &pb.Said{By: s.By, At: toTime(s.At), Reason: s.Reason}
}

func fromSaid(in *pb.Said) release.Said {
	return release.Said{By: in.GetBy(), At: fromTime(in.GetAt()), Reason: in.GetReason()}
}

func toHolding(h *release.Holding) *pb.Holding {
	if h == nil {
		return nil
	}
	return &pb.Holding{Said: toSaid(&h.Said), System: h.System, Unwatched: toDuration(h.Unwatched)}
}

func fromHolding(in *pb.Holding) release.Holding {
	return release.Holding{Said: fromSaid(in.GetSaid()), System: in.GetSystem(), Unwatched: in.GetUnwatched().AsDuration()}
}

// The zero time and the zero duration are left out, and come back as they were.

func toTime(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func fromTime(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

func toDuration(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}
