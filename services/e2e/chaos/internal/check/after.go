package check

import (
	"cmp"
	"slices"
	"time"

	"github.com/Masterminds/semver/v3"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// after checks what becomes of a release that failed, that bakes, or that was asked to be rolled back.
func (j *judgement) after(was release.State, r record) {
	is := r.State
	if _, retried := r.Event.(release.WasRetried); retried && was.LateCancel != nil {
		j.bad("I16", "retried at %d, though %s had cancelled it", r.seq, was.LateCancel.By)
	}
	if was.Phase == release.Baking && is.Phase != was.Phase && is.Phase != release.Promoted && is.Phase != release.RollingBack {
		j.bad("I18", "it baked, and at %d it is %s", r.seq, is.Phase)
	}
	if _, failed := r.Event.(release.WasNotRolledBack); failed && is.Phase != was.RecalledIn && is.Phase != release.Promoted {
		j.bad("I18", "it was %s, and after a rollback that failed, at %d, it is %s", was.RecalledIn, r.seq, is.Phase)
	}
}

// gated checks a claim: it comes out of a soak, as the promotion of what was retried does, and of one that was expedited without force
// only after a watcher has looked.
func (j *judgement) gated(i int) {
	m, was := j.records[i], j.records[i-1].State
	if was.Phase != release.Soaking || m.State.Claim != m.seq {
		j.bad("I17", "claimed at %d out of %s, as claim %d", m.seq, was.Phase, m.State.Claim)
	}
	if n := was.Approvals().Missing(); n > 0 {
		j.bad("I14", "claimed at %d, %d approvals short", m.seq, n)
	}
	if was.Expedited == nil || was.Forced || was.Delay() == 0 {
		return
	}
	since := was.Expedited.At
	if was.StagedAt.After(since) {
		since = was.StagedAt
	}
	if !slices.ContainsFunc(j.beats[j.id], func(b time.Time) bool { return !b.Before(since) && !b.After(m.at) }) {
		j.bad("I19", "claimed at %d, expedited, and nobody had looked at its checks since", m.seq)
	}
}

// stop is a pause, or its end.
type stop struct {
	project string // or topology.AllProjects
	verb    string
	seq     uint64
	at      time.Time
}

// unpaused is when a project was unpaused last before a sequence of the stream; zero when it was not.
func (h *History) unpaused(project string, before uint64) (at time.Time) {
	for _, s := range h.stops {
		if s.seq < before && s.verb == topology.StopUnpause && (s.project == project || s.project == topology.AllProjects) {
			at = s.at
		}
	}
	return at
}

// paused tells whether a project was paused at a sequence of the stream. Freezes, which end by the clock, are not played with.
func (h *History) paused(project string, at uint64) bool {
	on := map[string]bool{}
	for _, s := range h.stops {
		if s.seq < at && (s.project == project || s.project == topology.AllProjects) &&
			(s.verb == topology.StopPause || s.verb == topology.StopUnpause) {
			on[s.project] = s.verb == topology.StopPause
		}
	}
	return on[project] || on[topology.AllProjects]
}

// forward: what a project promotes is newer each time. Nothing is rolled back here, which would be the exception.
func (h *History) forward() {
	type promotion struct {
		release.State
		seq uint64
	}
	projects := map[string][]promotion{}
	for _, id := range h.order {
		for _, r := range h.releases[id].records {
			if r.Type == string(release.Promoted) && r.State.Policy.Order != release.ByMerge {
				projects[r.State.Project] = append(projects[r.State.Project], promotion{r.State, r.State.Claim})
			}
		}
	}
	for _, all := range projects {
		slices.SortFunc(all, func(a, b promotion) int { return cmp.Compare(a.seq, b.seq) })
		for i := 1; i < len(all); i++ {
			before, errA := semver.StrictNewVersion(all[i-1].Version)
			now, errB := semver.StrictNewVersion(all[i].Version)
			if errA == nil && errB == nil && now.LessThan(before) {
				h.say("I15", all[i].Release, "promoted %s by claim %d, after %s", now, all[i].seq, before)
			}
		}
	}
}
