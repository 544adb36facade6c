package dash

import "github.com/sluice-gate/sluice/pkg/release"

// Tone is how a phase is coloured. The phase's word is always there, too.
type Tone string

// The tones.
const (
	Calm Tone = "calm" // on its way
	Wait Tone = "wait" // waits for its turn, or made way for another
	Live Tone = "live" // soaks, or is being promoted
	Good Tone = "good"
	Bad  Tone = "bad"
	Warn Tone = "warn" // waits for a person
)

func toneOf(p release.Phase) Tone {
	switch p {
	case release.Promoted:
		return Good
	case release.Cancelled, release.Failed, release.RolledBack:
		return Bad
	case release.Held, release.RollingBack:
		return Warn
	case release.Queued, release.Superseded:
		return Wait
	case release.Soaking, release.Promoting, release.Baking:
		return Live
	case release.None, release.Merged, release.Publishing, release.Published, release.Passed, release.Staging, release.Staged:
	}
	return Calm
}
