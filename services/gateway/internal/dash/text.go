package dash

import (
	"fmt"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

// Part is a piece of a sentence: words, or a time that is shown in the reader's zone.
type Part struct {
	Words string
	At    time.Time
}

// Text is a sentence.
type Text []Part

// say puts a sentence together of strings, times and other texts. An empty string is nothing.
func say(parts ...any) Text {
	var out Text
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			if p != "" {
				out = append(out, Part{Words: p})
			}
		case time.Time:
			out = append(out, Part{At: p})
		case Text:
			out = append(out, p...)
		default:
			out = append(out, Part{Words: fmt.Sprint(p)})
		}
	}
	return out
}

// String has the times as programs read them.
func (t Text) String() string {
	var b strings.Builder
	for _, p := range t {
		if p.At.IsZero() {
			b.WriteString(p.Words)
		} else {
			b.WriteString(p.At.UTC().Format(time.RFC3339))
		}
	}
	return b.String()
}

// left is a duration to two units: 2d3h, 1h23m, 9m59s, 45s. What is less than a second is rounded up, so that 0s means over.
func left(d time.Duration) string {
	const day = 24 * time.Hour
	d = (max(0, d) + time.Second - 1).Truncate(time.Second)
	two := func(a time.Duration, unitA string, b time.Duration, unitB string) string {
		if b == 0 {
			return fmt.Sprintf("%d%s", a, unitA)
		}
		return fmt.Sprintf("%d%s %d%s", a, unitA, b, unitB)
	}
	switch {
	case d >= day:
		return two(d/day, "d", d%day/time.Hour, "h")
	case d >= time.Hour:
		return two(d/time.Hour, "h", d%time.Hour/time.Minute, "m")
	case d >= time.Minute:
		return two(d/time.Minute, "m", d%time.Minute/time.Second, "s")
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

// short is the beginning of an id or a commit.
func short(s string) string {
	if strings.HasPrefix(s, "0") && strings.Count(s, "-") == 4 { // a release: the time that it begins with
		return s[:min(13, len(s))]
	}
	return s[:min(10, len(s))]
}

// value is what a channel points to, its digest shortened.
func value(text string) string {
	const kept = len("sha256:") + 12
	if i := strings.Index(text, "sha256:"); i >= 0 && len(text) > i+kept {
		return text[:i+kept] + "…"
	}
	return text
}

func who(by string) string {
	if by == "" {
		return "somebody"
	}
	return by
}

func said(s release.Said) Text { return because("by "+who(s.By), s.Reason) }

func because(what, why string) Text {
	if why == "" {
		return say(what)
	}
	return say(what, ": ", why)
}

// title is what people call a release: "tracer 1.4.0".
func title(s release.State) string { return strings.TrimSpace(s.Project + " " + s.Version) }

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

// phaseText is a phase for people, with the stage while there are several.
func phaseText(s release.State) string {
	text := strings.ReplaceAll(string(s.Phase), "-", " ")
	if len(s.Policy.Stages) < 2 {
		return text
	}
	switch s.Phase {
	case release.Passed, release.Queued, release.Staging, release.Staged, release.Soaking, release.Held:
		return fmt.Sprintf("%s · %s %d/%d", text, s.StageName(), s.Stage+1, len(s.Policy.Stages))
	case release.None, release.Merged, release.Publishing, release.Published, release.Promoting, release.Baking, release.RollingBack,
		release.Promoted, release.Cancelled, release.Failed, release.Superseded, release.RolledBack:
	}
	return text
}
