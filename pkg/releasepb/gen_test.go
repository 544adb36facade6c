package releasepb_test

import (
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// The generators fill every field. What is stored has no time zone and no text that is not UTF-8.

func text() *rapid.Generator[string] { return rapid.StringN(0, 20, 60) }

func moment() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "zero") {
			return time.Time{}
		}
		return time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds")).UTC()
	})
}

func span() *rapid.Generator[time.Duration] {
	return rapid.Map(rapid.Int64(), func(n int64) time.Duration { return time.Duration(n) })
}

func said() *rapid.Generator[release.Said] {
	return rapid.Custom(func(t *rapid.T) release.Said {
		return release.Said{By: text().Draw(t, "by"), At: moment().Draw(t, "at"), Reason: text().Draw(t, "reason")}
	})
}

func holding() *rapid.Generator[release.Holding] {
	return rapid.Custom(func(t *rapid.T) release.Holding {
		return release.Holding{Said: said().Draw(t, "said"), System: rapid.Bool().Draw(t, "system"), Unwatched: span().Draw(t, "unwatched")}
	})
}

func channel() *rapid.Generator[release.Channel] {
	return rapid.Custom(func(t *rapid.T) release.Channel {
		return release.Channel{
			Touched: rapid.Bool().Draw(t, "touched"), Before: text().Draw(t, "before"), Value: text().Draw(t, "value"),
			Restored: rapid.Bool().Draw(t, "restored"), Failed: rapid.Bool().Draw(t, "failed"), Note: text().Draw(t, "note"),
		}
	})
}

func attempt() *rapid.Generator[release.Attempt] {
	return rapid.Custom(func(t *rapid.T) release.Attempt {
		return release.Attempt{
			Number: int(rapid.Int32().Draw(t, "number")), Instance: text().Draw(t, "instance"),
			Timeout: span().Draw(t, "timeout"), Started: moment().Draw(t, "started"),
		}
	})
}

func plan() *rapid.Generator[release.Plan] {
	return rapid.Custom(func(t *rapid.T) release.Plan {
		return release.Plan{
			Version: text().Draw(t, "version"), Beta: text().Draw(t, "beta"), Digest: text().Draw(t, "digest"), Before: text().Draw(t, "before"),
		}
	})
}

func mergeOf() *rapid.Generator[release.Merge] {
	return rapid.Custom(func(t *rapid.T) release.Merge {
		m := release.Merge{
			Commit: text().Draw(t, "commit"), Ref: text().Draw(t, "ref"), URL: text().Draw(t, "url"), Actor: text().Draw(t, "actor"),
			Version: text().Draw(t, "version"), Artifact: text().Draw(t, "artifact"), Digest: text().Draw(t, "digest"),
			Attempt: int(rapid.Int32().Draw(t, "attempt")), Seq: rapid.Uint64().Draw(t, "seq"), Needs: list(need()).Draw(t, "needs"),
		}
		if rapid.Bool().Draw(t, "delayed") {
			d := span().Draw(t, "delay")
			m.Delay = &d
		}
		return m
	})
}

func policy() *rapid.Generator[release.Policy] {
	return rapid.Custom(func(t *rapid.T) release.Policy {
		return release.Policy{
			Revision: text().Draw(t, "revision"), Lane: text().Draw(t, "lane"), Collision: release.Collision(text().Draw(t, "collision")),
			Delay: span().Draw(t, "delay"), MaxOverdue: span().Draw(t, "max overdue"), PutBack: rapid.Bool().Draw(t, "put back"),
			SupersedeLimit: int(rapid.Int32().Draw(t, "supersede limit")), MaxWait: span().Draw(t, "max wait"),
			Coverage: int(rapid.Int32().Draw(t, "coverage")), OnGap: release.OnGap(text().Draw(t, "on gap")),
			Approvals: int(rapid.Int32().Draw(t, "approvals")), Stages: list(stage()).Draw(t, "stages"),
			Order: release.Order(text().Draw(t, "order")), Bake: span().Draw(t, "bake"), MaxPhase: span().Draw(t, "max phase"),
			MaxHold: span().Draw(t, "max hold"), Needs: list(need()).Draw(t, "needs"),
		}
	})
}

// list draws nil for an empty list, as it comes back.
func list[T any](of *rapid.Generator[T]) *rapid.Generator[[]T] {
	return rapid.Map(rapid.SliceOfN(of, 0, 3), func(l []T) []T {
		if len(l) == 0 {
			return nil
		}
		return l
	})
}

func need() *rapid.Generator[release.Need] {
	return rapid.Custom(func(t *rapid.T) release.Need {
		return release.Need{Project: text().Draw(t, "project"), Version: text().Draw(t, "version")}
	})
}

func stage() *rapid.Generator[release.StagePolicy] {
	return rapid.Custom(func(t *rapid.T) release.StagePolicy {
		return release.StagePolicy{
			Name: text().Draw(t, "name"), Delay: span().Draw(t, "delay"), Approvals: int(rapid.Int32().Draw(t, "approvals")),
		}
	})
}

func postponement() *rapid.Generator[release.Postponement] {
	return rapid.Custom(func(t *rapid.T) release.Postponement {
		return release.Postponement{Obstacle: release.Obstacle{
			Kind: release.Obstructing(text().Draw(t, "kind")), Why: text().Draw(t, "why"), Until: moment().Draw(t, "until"),
		}, Since: moment().Draw(t, "since")}
	})
}

func promotion() *rapid.Generator[release.Promotion] {
	return rapid.Custom(func(t *rapid.T) release.Promotion {
		return release.Promotion{
			Release: text().Draw(t, "release"), Version: text().Draw(t, "version"), Order: rapid.Uint64().Draw(t, "order"),
			At: moment().Draw(t, "at"), RolledBack: rapid.Ptr(said(), true).Draw(t, "rolled back"),
		}
	})
}

func works() []release.Work {
	return []release.Work{release.Publish, release.Stage, release.Promote, release.RestoreBeta, release.RestoreStaging, release.Rollback}
}

func state() *rapid.Generator[release.State] {
	return rapid.Custom(func(t *rapid.T) release.State {
		s := release.State{
			Release: rapid.StringN(1, 40, 60).Draw(t, "release"), Project: text().Draw(t, "project"),
			Phase: rapid.SampledFrom(release.Phases()).Draw(t, "phase"), Merge: mergeOf().Draw(t, "merge"), Policy: policy().Draw(t, "policy"),
			Version: text().Draw(t, "version"), Beta: text().Draw(t, "beta"), Digest: text().Draw(t, "digest"),
			BetaChannel: channel().Draw(t, "beta channel"), Staging: channel().Draw(t, "staging"), Latest: channel().Draw(t, "latest"),
			StagedAt: moment().Draw(t, "staged"), SoakFrom: moment().Draw(t, "soak from"), Extra: span().Draw(t, "extra"),
			Due: moment().Draw(t, "due"), Remaining: span().Draw(t, "remaining"), Behind: text().Draw(t, "behind"),
			Folded: rapid.Uint64().Draw(t, "folded"), Claim: rapid.Uint64().Draw(t, "claim"), MergedAt: moment().Draw(t, "merged"),
			End: said().Draw(t, "end"), Evidence: text().Draw(t, "evidence"),
			Stage: int(rapid.Int32().Draw(t, "stage")), Passed: list(channel()).Draw(t, "passed"), PhaseAt: moment().Draw(t, "phase at"),
			Forced: rapid.Bool().Draw(t, "forced"), Approved: list(said()).Draw(t, "approved"),
			Postponed: rapid.Ptr(postponement(), true).Draw(t, "postponed"), Reached: rapid.Bool().Draw(t, "reached"),
			FailedIn: release.Phase(text().Draw(t, "failed in")), Soaked: rapid.Bool().Draw(t, "soaked"),
			LateCancel: rapid.Ptr(said(), true).Draw(t, "late cancel"), Recalled: rapid.Ptr(said(), true).Draw(t, "recalled"),
			RecalledIn: release.Phase(text().Draw(t, "recalled in")), Prolonged: span().Draw(t, "prolonged"),
			Failures: int(rapid.Int32().Draw(t, "failures")),
		}
		if rapid.Bool().Draw(t, "is held") {
			h := holding().Draw(t, "held")
			s.Held = &h
		}
		if rapid.Bool().Draw(t, "is expedited") {
			e := said().Draw(t, "expedited")
			s.Expedited = &e
		}
		if n := rapid.IntRange(0, len(works())).Draw(t, "attempts"); n > 0 {
			s.Attempts = map[release.Work]release.Attempt{}
			for _, w := range works()[:n] {
				s.Attempts[w] = attempt().Draw(t, "attempt")
			}
		}
		return s
	})
}

func event() *rapid.Generator[release.Event] {
	return rapid.Custom(func(t *rapid.T) release.Event {
		w := rapid.SampledFrom(works()).Draw(t, "work")
		at, seq, by := moment().Draw(t, "at"), rapid.Uint64().Draw(t, "seq"), said().Draw(t, "said")
		a, b := text().Draw(t, "a"), text().Draw(t, "b")
		return rapid.SampledFrom([]release.Event{
			release.WasMerged{Release: a, Project: b, Merge: mergeOf().Draw(t, "merge"), Policy: policy().Draw(t, "policy"), At: at},
			release.WasBegun{Work: w, Attempt: attempt().Draw(t, "attempt"), Plan: plan().Draw(t, "plan"), Before: a, At: at},
			release.WasDone{Work: w, Value: a, Note: b, Failed: rapid.Bool().Draw(t, "failed"), At: at},
			release.WasQueued{Behind: a, At: at},
			release.WasSoaked{Due: moment().Draw(t, "due"), At: at},
			release.WasHeld{Holding: holding().Draw(t, "holding"), Seq: seq},
			release.WasResumed{Said: by, Seq: seq, Due: moment().Draw(t, "due"), Prolonged: span().Draw(t, "prolonged")},
			release.WasExtended{Said: by, Seq: seq, By: span().Draw(t, "by")},
			release.WasExpedited{Said: by, Seq: seq, Force: rapid.Bool().Draw(t, "force")},
			release.WasApproved{Said: by, Seq: seq},
			release.WasPostponed{Obstacle: postponement().Draw(t, "postponement").Obstacle, At: at},
			release.WasPassed{At: at},
			release.WasBaking{Value: a, Note: b, At: at},
			release.WasRetried{Said: by, Seq: seq},
			release.WasRecalled{Said: by, Seq: seq, Evidence: a},
			release.WasNotRolledBack{Said: by},
			release.WasCancelled{Said: by, Seq: seq, Evidence: a},
			release.WasFailed{Said: by},
			release.WasSuperseded{Newer: a, At: at},
			release.WasRefused{Verb: rapid.SampledFrom(release.Verbs()).Draw(t, "verb"), Seq: seq, Said: by},
		}).Draw(t, "event")
	})
}

func record() *rapid.Generator[releasepb.Record] {
	return rapid.Custom(func(t *rapid.T) releasepb.Record {
		e := event().Draw(t, "event")
		return releasepb.Record{
			Event: e, Type: e.Name(), State: state().Draw(t, "state"), Service: text().Draw(t, "service"), Cause: text().Draw(t, "cause"),
			Prev: rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "prev"),
		}
	})
}
