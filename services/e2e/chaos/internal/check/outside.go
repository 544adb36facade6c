package check

import (
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/services/e2e/chaos/internal/outside"
)

// outside compares what was done outside, and what is there at the end, with the journals.
func (h *History) outside(_ *Figures) {
	for _, e := range h.Effects {
		h.effect(e)
	}
	merged := map[string]Merged{}
	newest := map[string]Channel{}
	for _, m := range h.Merged {
		merged[m.Release] = m
	}
	for _, id := range h.order {
		t := h.releases[id]
		if len(t.records) == 0 {
			continue
		}
		s := t.records[len(t.records)-1].State
		if want, ok := merged[id]; ok && s.Digest != "" && s.Digest != want.Digest {
			h.say("I9", id, "what was handed in is %s, what was released %s", want.Digest, s.Digest)
		}
		if now := newest[s.Project]; s.Phase == release.Promoted && (now.Version == "" || driver.Newer(s.Version, now.Version)) {
			newest[s.Project] = Channel{s.Version, s.Digest}
		}
	}
	for project, got := range h.Channels {
		if want := newest[project]; got != want {
			h.say("I1", "project "+project, "its users get %+v, the newest that was promoted is %+v", got, want)
		}
	}
}

// workOf is the work that an action of the exec driver does.
func workOf(action string) release.Work {
	switch action {
	case "publish":
		return release.Publish
	case "deploy":
		return release.Stage
	case "promote":
		return release.Promote
	}
	return release.RestoreStaging
}

// effect: somebody had announced it, its time was not over, and a promotion was one of an effective claim.
func (h *History) effect(e outside.Effect) {
	t := h.releases[e.Release]
	if t == nil {
		h.say("I11", e.Release, "%s was done for nobody", e.Action)
		return
	}
	var begun *record
	for i := range t.records {
		b, ok := t.records[i].Event.(release.WasBegun)
		if ok && b.Work == workOf(e.Action) && b.Attempt.Number == e.Attempt && !t.records[i].at.After(e.At) {
			begun = &t.records[i] // the last one: a later claim counts from 1 again
		}
	}
	if begun == nil {
		h.say("I11", e.Release, "%s was done by attempt %d, which nobody had announced", e.Action, e.Attempt)
		return
	}
	attempt := begun.Event.(release.WasBegun).Attempt
	if late := e.At.Sub(begun.at.Add(attempt.Timeout)); late > 0 {
		h.say("I11", e.Release, "%s was done by attempt %d of %s, %s after its deadline", e.Action, e.Attempt, attempt.Instance,
			late.Round(time.Millisecond))
	}
	if workOf(e.Action) != release.Promote {
		return
	}
	claim := begun.State.Claim
	for _, r := range t.records {
		switch {
		case r.seq > begun.seq && r.Type == retried: // it failed, and whether that was before or after the effect nobody knows
			return
		case r.State.Phase == release.Cancelled || r.State.Phase == release.Superseded:
			h.say("I1", e.Release, "promoted outside, and %s", r.State.Phase)
			return
		case r.seq > claim && r.State.Claim != claim:
			h.say("I10", e.Release, "promoted outside by the claim %d, which %s took back", claim, r.Type)
			return
		}
	}
}
