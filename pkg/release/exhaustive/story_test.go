package exhaustive

import (
	"fmt"
	"strings"

	"github.com/sluice-gate/sluice/pkg/release"
)

// tell writes a path as a story, a line for each step.
func (m *model) tell(path []step[world, act]) string {
	var out strings.Builder
	before := m.start()
	write := func(s step[world, act]) {
		fmt.Fprintf(&out, "  tick %d  %s\n", s.after.now, m.line(before, s.did, s.after))
		before = s.after
	}
	for _, s := range path {
		write(s)
		if s.did.what == everybodyIsWell {
			for _, s := range m.calm(s.after) {
				write(s.step)
			}
		}
	}
	return out.String()
}

func (m *model) line(before world, did act, after world) string {
	who := promoters()[did.who]
	switch did.what {
	case timePasses:
		return "time passes"
	case somebodyAsks:
		return fmt.Sprintf("somebody asks: %s", m.message(after.stream))
	case theWatcherBlinks:
		return "the watcher misses some of the soak"
	case theAlarmRings:
		return "the alarm rings"
	case crashes:
		return fmt.Sprintf("%s dies and begins again", who)
	case looks:
		return fmt.Sprintf("%s looks%s, at the stream up to %d of %d, and %s", who, because(did.hint), did.seen,
			m.all[before.stream].seq, m.outcome(before, did, after))
	case acts:
		at := m.all[m.upTo(before.stream, before.promoters[did.who].base)].state
		return fmt.Sprintf("%s writes outside (%s)", who, work(at))
	case isRefused:
		return fmt.Sprintf("%s is refused outside, and %s", who, m.outcome(before, did, after))
	case givesUp:
		return fmt.Sprintf("%s has no time left, and %s", who, m.outcome(before, did, after))
	case theStagerStages:
		return "the stager " + m.outcome(before, did, after)
	case appends, reports, arms, verifies:
		return fmt.Sprintf("%s %s", who, m.outcome(before, did, after))
	case everybodyIsWell:
		return "from now on everybody is well"
	case nothingIsLeft:
		return "nothing is left to do"
	}
	return "something happens"
}

// because says what made a promoter look.
func because(h hint) string {
	switch h {
	case noHint:
		return ""
	case aMessage:
		return " for the last message"
	case anAlarm:
		return " for the alarm"
	case anOlder:
		return " for an earlier message"
	case aWord:
		return " for the word to the project"
	}
	return ""
}

// outcome says what a promoter's step came to.
func (m *model) outcome(before world, did act, after world) string {
	var out []string
	if before.stream != after.stream {
		out = append(out, "appends "+m.message(after.stream))
	}
	if did.untold {
		out = append(out, "is not told")
	}
	switch p := after.promoters[did.who]; {
	case did.race:
		out = append(out, "arms the alarm, while the one before rings and takes the new one away")
	case before.alarm != after.alarm:
		out = append(out, fmt.Sprintf("arms the alarm for tick %d", after.alarm))
	case p.doing == claiming:
		out = append(out, fmt.Sprintf("is to append %s after %d", m.events[p.event].Name(), p.base))
	case p.doing == arming:
		out = append(out, fmt.Sprintf("is to arm the alarm for tick %d", p.until))
	case p.doing == verifying:
		out = append(out, fmt.Sprintf("is to look whether %d is the last record", p.base))
	case p.doing == acting:
		out = append(out, fmt.Sprintf("is to write outside, for the attempt of %d", p.base))
	}
	if before.hinted && !after.hinted || before.rang && !after.rang || before.told && !after.told || before.older && !after.older {
		out = append(out, "acknowledges the hint")
	}
	if len(out) == 0 {
		return "can do nothing"
	}
	return strings.Join(out, ", and ")
}

// message describes the last message of a stream.
func (m *model) message(n uint32) string {
	msg := m.all[n]
	if msg.request != nil {
		return fmt.Sprintf("%s, stored as %d", msg.request.Verb, msg.seq)
	}
	if msg.word != noWord {
		return fmt.Sprintf("%s, stored as %d", msg.word, msg.seq)
	}
	name := msg.event.Name()
	if refused, ok := msg.event.(release.WasRefused); ok {
		name = fmt.Sprintf("refused (%s: %s)", refused.Verb, refused.Said.Reason)
	}
	if seq := answered(msg.event); seq > 0 {
		return fmt.Sprintf("%s, which answers %d, as %d", name, seq, msg.seq)
	}
	return fmt.Sprintf("%s, as %d", name, msg.seq)
}
