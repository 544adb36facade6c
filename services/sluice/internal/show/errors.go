package show

import (
	"strings"

	"github.com/sluice-gate/sluice/pkg/evidence"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/project"
)

// Unseen is what [Errors] says of a part in which nobody looked.
const Unseen = -1

// Errors is how many looks of all checks failed, over the last soak of a release, or its bake, in so many parts of the same length. p is
// the project file that it pinned. It is nil when there is nothing to draw.
func Errors(r evidence.Release, p *project.Project, parts int) []int {
	if len(r.Spans) == 0 {
		return nil
	}
	span := r.Spans[len(r.Spans)-1]
	checks, err := span.Stretch.Checks(p)
	if err != nil || span.Length() <= 0 {
		return nil
	}
	out := make([]int, parts)
	for i := range out {
		out[i] = Unseen
	}
	for _, c := range checks {
		j := span.Judge(c)
		for _, m := range j.Looks {
			i := int(int64(parts) * int64(m.At.Sub(span.From)) / int64(span.Length()))
			i = max(0, min(i, parts-1))
			out[i] = max(out[i], 0)
			if word, _ := j.Rule.Weigh(m); word == judge.Fail {
				out[i]++
			}
		}
	}
	return out
}

// ErrorSpark draws what Errors counted: a blank where nobody looked, the lowest bar for none, higher ones up to the most.
func ErrorSpark(counts []int) string {
	bars := []rune("▁▂▃▄▅▆▇█")
	most := 0
	for _, n := range counts {
		most = max(most, n)
	}
	var b strings.Builder
	for _, n := range counts {
		switch {
		case n == Unseen:
			b.WriteByte(' ')
		case n == 0:
			b.WriteRune(bars[0])
		default: // never the lowest: an error is to be seen
			b.WriteRune(bars[max(1, n*(len(bars)-1)/most)])
		}
	}
	return b.String()
}
