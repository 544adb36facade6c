//go:build flaw_stale

package journal

import (
	"context"
	"sync"

	"github.com/sluice-gate/sluice/pkg/release"
)

const flawed, unsettled = true, true

// flaw settles by whatever is answered right after the claim was acknowledged, though a replica that lags behind may have
// answered, which does not know the claim, nor the cancel before it.
type flaw struct{ sound }

func (f *flaw) settle(e Entry) release.Against {
	stop, _ := answers.Load(e.State.Release)
	against, _ := stop.(release.Against)
	return against
}

func (*flaw) claimed(ctx context.Context, j *Journal, s release.State, seq uint64) {
	if s.Phase != release.Promoting || s.Claim != 0 {
		return
	}
	msgs, err := j.multiLast(ctx, journalAndRequests(s.Release), seq, 0)
	if err != nil {
		return
	}
	_, found, _ := split(msgs, s.Release)
	var requests []release.Request
	for _, r := range found {
		requests = append(requests, r.Request)
	}
	s.Claim = seq
	answers.Store(s.Release, s.Settle(requests, nil, s.PhaseAt))
}

var answers sync.Map // by release, for both promoters of the race
