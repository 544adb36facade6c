package story

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

// Part is a piece of a sentence: words, or an instant, which whoever shows it puts into the reader's zone.
type Part struct {
	Words string
	Short string    // what stands for Words where there is little room; empty: Words
	At    time.Time // zero: it is words
}

// Text is a sentence, or a part of one.
type Text []Part

// Say puts a text together of strings, instants and other texts. An empty string is nothing.
func Say(parts ...any) Text {
	var out Text
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			if p != "" {
				out = append(out, Part{Words: p})
			}
		case time.Time:
			if p.IsZero() {
				out = append(out, Part{Words: "-"})
			} else {
				out = append(out, Part{At: p})
			}
		case Part:
			out = append(out, p)
		case Text:
			out = append(out, p...)
		default:
			out = append(out, Part{Words: fmt.Sprint(p)})
		}
	}
	return out
}

// In has the instants as clock writes them, and every word.
func (t Text) In(clock func(time.Time) string) string { return t.read(clock, false) }

// Brief is In with the beginnings of ids.
func (t Text) Brief(clock func(time.Time) string) string { return t.read(clock, true) }

// String has the instants as programs read them.
func (t Text) String() string {
	return t.In(func(at time.Time) string { return at.UTC().Format(time.RFC3339) })
}

func (t Text) read(clock func(time.Time) string, brief bool) string {
	var b strings.Builder
	for _, p := range t {
		switch {
		case !p.At.IsZero():
			b.WriteString(clock(p.At))
		case brief && p.Short != "":
			b.WriteString(p.Short)
		default:
			b.WriteString(p.Words)
		}
	}
	return b.String()
}

// Sentence begins with a capital letter and ends with a full stop.
func (t Text) Sentence() Text {
	out := append(Text(nil), t...)
	if len(out) > 0 && out[0].Words != "" {
		if c := out[0].Words[0]; c >= 'a' && c <= 'z' {
			out[0].Words = string(c-'a'+'A') + out[0].Words[1:]
		}
	}
	if n := len(out); n > 0 && !strings.HasSuffix(out[n-1].Words, ".") {
		out = append(out, Part{Words: "."})
	}
	return out
}

// Left is a duration as people say it, to two units: 2d3h, 1h23m, 9m59s, 45s, 0s. What is less than a second is rounded up, so
// that 0s means over.
func Left(d time.Duration) string {
	const day = 24 * time.Hour
	d = (max(0, d) + time.Second - 1).Truncate(time.Second)
	two := func(a time.Duration, unitA string, b time.Duration, unitB string) string {
		if b == 0 {
			return fmt.Sprintf("%d%s", a, unitA)
		}
		return fmt.Sprintf("%d%s%d%s", a, unitA, b, unitB)
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

// Value is what a channel points to, its digest shortened.
func Value(text string) string {
	const kept = len("sha256:") + 12
	if i := strings.Index(text, "sha256:"); i >= 0 && len(text) > i+kept {
		return text[:i+kept] + "…"
	}
	return text
}

// Channel is what a channel, or a stage, points to, what it pointed to before, and what was done about it.
func Channel(value string, c release.Channel) string {
	text := Value(value)
	switch {
	case c.Failed:
		text += ", not put back"
	case c.Restored:
		text += ", put back"
	}
	if c.Before != "" && c.Before != value {
		text += ", before: " + Value(c.Before)
	}
	if c.Note != "" {
		text += " (" + c.Note + ")"
	}
	return strings.TrimPrefix(text, ", ")
}

// Short is the beginning of an id: of one of version 7, the time that it begins with.
func Short(id string) string { return id[:min(len("01970000-0000"), len(id))] }

// Commit is the beginning of a commit.
func Commit(hash string) string { return hash[:min(10, len(hash))] }

func idOf(release string) Part { return Part{Words: release, Short: Short(release)} }

// Who is who did something; whoever gave no name is somebody.
func Who(by string) string { return cmp.Or(by, "somebody") }

// By is who said something, and why: "by ana: login is broken".
func By(s release.Said) Text { return Because("by "+Who(s.By), s.Reason) }

// Because is what happened, and why, if anybody said so.
func Because(what any, why string) Text {
	if why == "" {
		return Say(what)
	}
	return Say(what, ": ", why)
}

// Names are those who said something.
func Names(said []release.Said) string {
	var out []string
	for _, s := range said {
		out = append(out, Who(s.By))
	}
	return strings.Join(out, ", ")
}

// Title is what people call a release: "tracer 1.4.0".
func Title(s release.State) string { return strings.TrimSpace(s.Project + " " + s.Version) }

// Stage tells which of its project's stages a release is in, or goes to: "2/3 canary". It is empty when there is one.
func Stage(s release.State) string {
	if len(s.Policy.Stages) < 2 {
		return ""
	}
	return fmt.Sprintf("%d/%d %s", s.Stage+1, len(s.Policy.Stages), s.StageName())
}

// Phase is a release's phase, with the stage while it goes through several.
func Phase(s release.State) string {
	switch s.Phase {
	case release.Passed, release.Queued, release.Staging, release.Staged, release.Soaking, release.Held:
		return strings.TrimSpace(string(s.Phase) + " " + Stage(s))
	case release.None, release.Merged, release.Publishing, release.Published, release.Promoting, release.Baking, release.RollingBack,
		release.Promoted, release.Cancelled, release.Failed, release.Superseded, release.RolledBack:
	}
	return string(s.Phase)
}
