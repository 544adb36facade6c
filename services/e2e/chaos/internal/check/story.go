package check

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Story is what is stored of a release, a line for each request and record, in the order of the stream: for whoever looks into a
// violation. It is empty for what is no release.
func (h *History) Story(id string) []string {
	t := h.releases[id]
	if t == nil {
		return nil
	}
	type line struct {
		seq  uint64
		text string
	}
	const clock = "15:04:05.000"
	lines := make([]line, 0, len(t.requests)+len(t.records))
	for _, r := range t.requests {
		text := fmt.Sprintf("%s %s? by %q until %s by %s", r.At.Format(clock), r.Verb, r.Actor, r.Until.Format(clock), r.By)
		lines = append(lines, line{r.Seq, text})
	}
	for _, r := range t.records {
		s := r.State
		text := fmt.Sprintf("%s %s: now %s, staged %s, due %s, remaining %s, delay %s, claim %d, answered up to %d: %T%+v",
			r.at.Format(clock), r.Type, s.Phase, s.StagedAt.Format(clock), s.Due.Format(clock), s.Remaining.Round(time.Millisecond), s.Delay(),
			s.Claim, s.Folded, r.Event, r.Event)
		lines = append(lines, line{r.seq, text})
	}
	slices.SortFunc(lines, func(a, b line) int { return cmp.Compare(a.seq, b.seq) })
	story := make([]string, len(lines))
	for i, l := range lines {
		story[i] = fmt.Sprintf("%d %s", l.seq, l.text)
	}
	return story
}
