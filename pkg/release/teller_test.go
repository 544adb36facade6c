package release_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

// teller is a story that tells what is stored.
type teller struct {
	*story
	requests []release.Request
	settled  uint64
	against  release.Against
	stops    []*stop
	gate     release.Gate // but for its stops
	log      strings.Builder
}

// stop is a stop that is stored, and the sequence of what ended it; 0: it was not ended.
type stop struct {
	release.Stop
	ended  uint64
	unseen bool // the promoter's next look does not see it yet
}

func (tl *teller) tell(format string, args ...any) {
	tl.log.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
}

// said is what was stored since it was asked last, and where the release stands.
func (tl *teller) said() string {
	s := tl.s
	fmt.Fprintf(&tl.log, "  %s: %s", tl.now.Format("Mon 15:04:05"), phase(s.Phase))
	say := func(format string, args ...any) { fmt.Fprintf(&tl.log, format, args...) }
	if len(s.Policy.Stages) > 0 && !s.Phase.Ended() {
		say(" (%s)", s.StageName())
	}
	switch {
	case s.Phase == release.Soaking && s.Postponed != nil:
		say(", waits: %s", s.Postponed.Why)
		if !s.Postponed.Until.IsZero() {
			say(", until %s", s.Postponed.Until.Format("Mon 15:04:05"))
		}
	case s.Phase == release.Soaking && s.Forced:
		say(", expedited with force by %s", s.Expedited.By)
	case s.Phase == release.Soaking && s.Expedited != nil:
		say(", expedited by %s", s.Expedited.By)
	case s.Phase == release.Soaking:
		say(", due %s", s.Due.Format("Mon 15:04:05"))
	case s.Phase == release.Held:
		say(" by %s, %s remain", s.Held.By, s.Remaining)
		if s.Held.Unwatched > 0 {
			say(", %s to be watched", s.Held.Unwatched)
		}
	case s.Phase == release.Promoting:
		say(", claim %d", s.Claim)
	case s.Held != nil && !s.Phase.Ended():
		say(", held by %s", s.Held.By)
	case s.Expedited != nil && !s.Phase.Ended():
		say(", expedited by %s", s.Expedited.By)
	}
	for _, w := range works() {
		if a, ok := s.Attempts[w]; ok {
			say("; %s: attempt %d, %s until %s", w, a.Number, a.Instance, a.Deadline().Format("15:04:05"))
		}
		if s.Needs(w) {
			say("; to do: %s", w)
		}
	}
	if s.Folded > 0 {
		say("; answered up to %d", s.Folded)
	}
	tl.log.WriteString("\n")
	said := tl.log.String()
	tl.log.Reset()
	return said
}

// words are a command of a transcript: plain words, and options.
type words struct {
	tl      *teller
	plain   []string
	options map[string]string
}

func (tl *teller) parse(line []string) words {
	w := words{tl: tl, options: map[string]string{}}
	for _, word := range line {
		if k, v, ok := strings.Cut(word, "="); ok {
			w.options[k] = v
		} else {
			w.plain = append(w.plain, word)
		}
	}
	return w
}

func (w words) word(i int, otherwise string) string {
	if i < len(w.plain) {
		return w.plain[i]
	}
	return otherwise
}

func (w words) has(word string) bool { return slices.Contains(w.plain, word) }

func (w words) span(name string, otherwise time.Duration) time.Duration {
	if w.options[name] == "" {
		return otherwise
	}
	return w.tl.duration(w.options[name])
}

func (w words) number(name string) int {
	if w.options[name] == "" {
		return 0
	}
	n, err := strconv.Atoi(w.options[name])
	if err != nil {
		w.tl.t.Fatal(err)
	}
	return n
}

func (tl *teller) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		tl.t.Fatal(err)
	}
	return d
}

// do is one command of a transcript.
func (tl *teller) do(line []string) {
	w := tl.parse(line[1:])
	switch line[0] {
	case "after":
		tl.after(tl.duration(w.word(0, "")))
	case "merge":
		m := release.Merge{Version: "1.4.0", Seq: 1}
		tl.command(release.Admit{Release: "r", Project: "tracer", Merge: m, Policy: w.policy(), At: tl.now})
	case "publish":
		tl.command(tl.begin(release.Publish, "pub-1"))
		tl.command(release.Finish{Work: release.Publish, Value: "1.4.0-beta.0", At: tl.now})
	case "stage":
		tl.command(tl.begin(release.Stage, "stage-1"))
		tl.command(release.Finish{Work: release.Stage, Value: "1.4.0-beta.0", At: tl.now})
	case "soak":
		tl.command(release.StartSoak{At: tl.now})
	case "begin":
		tl.command(tl.begin(release.Work(w.word(0, "")), w.word(1, "pro-1")))
	case "finish":
		tl.command(release.Finish{Work: release.Work(w.word(0, "")), Instance: w.word(1, ""), Value: w.options["value"], At: tl.now})
	case "fail":
		tl.command(release.Fail{By: "promoter", Instance: w.word(0, "pro-1"), Reason: "refused", At: tl.now})
	case "wait":
		tl.command(release.Wait{Behind: w.word(0, ""), At: tl.now})
	case "alarm":
		a := tl.alarm()
		a.Instance, a.Watched, a.TooNew = w.word(0, "pro-1"), w.span("watched", a.Watched), w.options["too-new"]
		if w.has("unseen") {
			a.Instance, a.Clean = "pro-1", time.Time{}
		}
		a.Gate = tl.gate
		a.Gate.Stops = tl.seen()
		tl.command(a)
	case "expire":
		tl.command(release.Expire{At: tl.now})
	case "ask":
		tl.ask(w)
	case "answer":
		tl.answer()
	case "settle":
		tl.settle()
	case "postpone":
		tl.command(release.Postpone{Claim: tl.settled, Obstacle: *tl.against.Stop, At: tl.now})
	default:
		tl.outside(line[0], w)
	}
}

// outside is a command that is not about the release itself.
func (tl *teller) outside(command string, w words) {
	switch command {
	case "stop":
		tl.seq++
		s := &stop{Stop: release.Stop{Kind: release.StopKind(w.word(0, "")), Said: release.Said{By: w.word(1, ""), At: tl.now}, Seq: tl.seq}}
		if d := w.span("for", 0); d > 0 {
			s.Until = tl.now.Add(d)
		}
		if s.Kind == release.RollingStop {
			s.Release = w.word(1, "")
		}
		s.unseen = w.has("unseen")
		tl.stops = append(tl.stops, s)
		tl.tell("  %2d %s.%s", tl.seq, s.Kind, w.word(1, ""))
	case "go":
		tl.seq++
		for _, s := range tl.stops {
			if s.Kind == release.StopKind(w.word(0, "")) && s.ended == 0 {
				s.ended = tl.seq
			}
		}
		tl.gate.Opened = tl.now
		tl.tell("  %2d the end of the %s", tl.seq, w.word(0, ""))
	case "window":
		tl.gate.Window = release.Window{}
		if d := w.span("closed", 0); d > 0 {
			tl.gate.Window = release.Window{Closed: true, Until: tl.now.Add(d), Why: "outside of Mon-Fri 09:00-17:00"}
		}
	case "needs":
		tl.gate.Unmet = strings.Join(w.plain, " ")
	case "record":
		id, what := w.word(1, ""), w.word(2, "")
		if w.word(0, "") == "promoted" {
			tl.gate.Record = tl.gate.Record.Promote(release.Promotion{Release: id, Version: what, At: tl.now})
		} else {
			tl.gate.Record = tl.gate.Record.RollBack(id, release.Said{By: what, At: tl.now})
		}
	default:
		tl.t.Fatalf("no command %q", command)
	}
}

// policy is the project's, as the merge of a transcript says.
func (w words) policy() release.Policy {
	p := policy()
	p.Delay, p.MaxOverdue, p.Bake = w.span("delay", p.Delay), w.span("max-overdue", p.MaxOverdue), w.span("bake", 0)
	p.MaxPhase, p.MaxHold, p.Approvals = w.span("max-phase", 0), w.span("max-hold", 0), w.number("approvals")
	for text := range strings.SplitSeq(w.options["stages"], ",") {
		if part := strings.Split(text, ":"); len(part) == 3 {
			n, err := strconv.Atoi(part[2])
			if err != nil {
				w.tl.t.Fatal(err)
			}
			p.Stages = append(p.Stages, release.StagePolicy{Name: part[0], Delay: w.tl.duration(part[1]), Approvals: n})
		}
	}
	return p
}

// inForce are the stops that were stored before a sequence and not ended before it.
func (tl *teller) inForce(seq uint64) []release.Stop {
	var stops []release.Stop
	for _, s := range tl.stops {
		if s.Seq < seq && (s.ended == 0 || s.ended > seq) {
			stops = append(stops, s.Stop)
		}
	}
	return stops
}

// seen are the stops that a look at the stream sees now.
func (tl *teller) seen() []release.Stop {
	var stops []release.Stop
	for _, s := range tl.stops {
		if s.ended == 0 && !s.unseen {
			stops = append(stops, s.Stop)
		}
		s.unseen = false
	}
	return stops
}

func (tl *teller) ask(w words) {
	v, actor := release.Verb(w.word(0, "")), w.word(1, "")
	r := tl.story.ask(v, actor)
	r.By, r.Force, r.Reason = w.span("by", 0), w.has("force"), w.options["reason"]
	if r.Reason == "" {
		r.Reason = "because"
	}
	if until := w.options["until"]; until != "" {
		clock, err := time.Parse("15:04", until)
		if err != nil {
			tl.t.Fatal(err)
		}
		r.Until = tl.now.Truncate(24 * time.Hour).Add(time.Duration(clock.Hour())*time.Hour + time.Duration(clock.Minute())*time.Minute)
	}
	tl.requests = append(tl.requests, r)
	line := fmt.Sprintf("  %2d %s.%s", r.Seq, v, actor)
	switch {
	case r.By > 0:
		line += fmt.Sprintf(" by %s", r.By)
	case !r.Until.IsZero():
		line += " until " + w.options["until"]
	case r.Force:
		line += " with force"
	}
	tl.tell("%s", line)
}

// answer gives every request that is not answered to Decide, in the order of the stream.
func (tl *teller) answer() {
	for _, r := range tl.requests {
		if r.Seq > tl.s.Folded && tl.s.Phase != release.None {
			r.Settled = tl.settled
			tl.command(r)
		}
	}
}

func (tl *teller) settle() {
	tl.settled = tl.s.Claim
	tl.against = tl.s.Settle(tl.requests, tl.inForce(tl.s.Claim), tl.s.PhaseAt)
	if tl.against.Effective() {
		tl.tell("     the claim %d is effective", tl.s.Claim)
		return
	}
	line := fmt.Sprintf("     the claim %d is ineffective:", tl.s.Claim)
	for _, r := range tl.against.Requests {
		line += fmt.Sprintf(" %d %s.%s", r.Seq, r.Verb, r.Actor)
	}
	if tl.against.Stop != nil {
		line += " " + tl.against.Stop.Why
	}
	tl.tell("%s", line)
}

// command decides, stores what it causes, and tells it.
func (tl *teller) command(c release.Command) {
	before := tl.seq
	events, err := tl.try(c)
	switch {
	case err != nil:
		tl.tell("     error: %v", err)
	case len(events) == 0:
		tl.tell("     nothing")
	}
	for i, e := range events {
		tl.tell("  %2d journal: %s %s", before+1+uint64(i), e.Name(), detail(e))
	}
}
