package release_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
)

// The transcripts in testdata are the protocol, to be read: what is said to a release, what its stream then holds, and where
// it stands. A file is blocks of commands, a line of four dashes, and what came of them. `go test -run Transcripts -update`
// writes the answers anew.
//
//	after 2h                        time passes
//	merge [delay=2h] [max-overdue]  somebody merges; two hours of soak, held when six hours overdue
//	publish, stage, soak            the beta is published, is on staging, the delay begins
//	begin, finish <work> [instance] an attempt at an outside action, and its end
//	fail [instance]                 an attempt was refused
//	ask <verb> [actor] [by=30m]     a request is stored; nobody has looked at it yet
//	answer                          the promoter answers all requests that are stored and not answered
//	alarm [instance] [watched=2h]   the promoter looks at the time; the whole soak was watched unless said otherwise
//	settle                          the promoter settles the claim
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/transcripts/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, file, retell(t, string(data)))
		})
	}
}

// retell runs the commands of a transcript and writes it with what comes of them now.
func retell(t *testing.T, text string) string {
	t.Helper()
	teller := &teller{story: newStory(t)}
	var out strings.Builder
	answers := false
	for in := bufio.NewScanner(strings.NewReader(text)); in.Scan(); {
		line := strings.TrimRight(in.Text(), " ")
		switch {
		case line == "----":
			answers = true
			out.WriteString("----\n" + teller.said())
		case line == "":
			answers = false
			out.WriteString("\n")
		case answers: // what came of it last time
		case strings.HasPrefix(line, "#"):
			out.WriteString(line + "\n")
		default:
			out.WriteString(line + "\n")
			teller.do(strings.Fields(line))
		}
	}
	return strings.TrimRight(out.String(), "\n") + "\n"
}

// teller is a story that tells what is stored.
type teller struct {
	*story
	requests []release.Request
	settled  uint64
	log      strings.Builder
}

// said is what was stored since it was asked last, and where the release stands.
func (tl *teller) said() string {
	s := tl.s
	fmt.Fprintf(&tl.log, "  %s: %s", tl.now.Format("Mon 15:04:05"), phase(s.Phase))
	say := func(format string, args ...any) { fmt.Fprintf(&tl.log, format, args...) }
	switch {
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
	for _, w := range []release.Work{release.Publish, release.Stage, release.Promote, release.RestoreBeta, release.RestoreStaging} {
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

func (tl *teller) do(words []string) {
	options := map[string]string{}
	var plain []string
	for _, w := range words[1:] {
		if k, v, ok := strings.Cut(w, "="); ok {
			options[k] = v
		} else {
			plain = append(plain, w)
		}
	}
	word := func(i int, otherwise string) string {
		if i < len(plain) {
			return plain[i]
		}
		return otherwise
	}
	span := func(name string, otherwise time.Duration) time.Duration {
		if options[name] == "" {
			return otherwise
		}
		return tl.duration(options[name])
	}
	switch words[0] {
	case "after":
		tl.after(tl.duration(word(0, "")))
	case "merge":
		p := policy()
		p.Delay, p.MaxOverdue = span("delay", p.Delay), span("max-overdue", p.MaxOverdue)
		tl.command(release.Admit{Release: "r", Project: "tracer", Merge: release.Merge{Version: "1.4.0", Seq: 1}, Policy: p, At: tl.now})
	case "publish":
		tl.command(tl.begin(release.Publish, "pub-1"))
		tl.command(release.Finish{Work: release.Publish, Value: "1.4.0-beta.0", At: tl.now})
	case "stage":
		tl.command(tl.begin(release.Stage, "stage-1"))
		tl.command(release.Finish{Work: release.Stage, Value: "1.4.0-beta.0", At: tl.now})
	case "soak":
		tl.command(release.StartSoak{At: tl.now})
	case "begin":
		tl.command(tl.begin(release.Work(word(0, "")), word(1, "pro-1")))
	case "finish":
		tl.command(release.Finish{Work: release.Work(word(0, "")), Value: options["value"], At: tl.now})
	case "fail":
		tl.command(release.Fail{By: "promoter", Instance: word(0, "pro-1"), Reason: "refused", At: tl.now})
	case "ask":
		tl.ask(release.Verb(word(0, "")), word(1, ""), span("by", 0))
	case "answer":
		tl.answer()
	case "alarm":
		a := tl.alarm()
		a.Instance, a.Watched, a.TooNew = word(0, "pro-1"), span("watched", a.Watched), options["too-new"]
		tl.command(a)
	case "settle":
		tl.settle()
	default:
		tl.t.Fatalf("no command %q", words[0])
	}
}

func (tl *teller) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		tl.t.Fatal(err)
	}
	return d
}

func (tl *teller) ask(v release.Verb, actor string, by time.Duration) {
	r := tl.story.ask(v, actor)
	r.By = by
	tl.requests = append(tl.requests, r)
	fmt.Fprintf(&tl.log, "  %2d %s.%s", r.Seq, v, actor)
	if by > 0 {
		fmt.Fprintf(&tl.log, " by %s", by)
	}
	tl.log.WriteString("\n")
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
	stop := tl.s.Settle(tl.requests, nil, tl.s.PhaseAt).Requests
	tl.settled = tl.s.Claim
	if len(stop) == 0 {
		fmt.Fprintf(&tl.log, "     the claim %d is effective\n", tl.s.Claim)
		return
	}
	fmt.Fprintf(&tl.log, "     the claim %d is ineffective:", tl.s.Claim)
	for _, r := range stop {
		fmt.Fprintf(&tl.log, " %d %s.%s", r.Seq, r.Verb, r.Actor)
	}
	tl.log.WriteString("\n")
}

// command decides, stores what it causes, and tells it.
func (tl *teller) command(c release.Command) {
	before := tl.seq
	events, err := tl.try(c)
	switch {
	case err != nil:
		fmt.Fprintf(&tl.log, "     error: %v\n", err)
	case len(events) == 0:
		tl.log.WriteString("     nothing\n")
	}
	for i, e := range events {
		line := fmt.Sprintf("  %2d journal: %s %s", before+1+uint64(i), e.Name(), detail(e))
		tl.log.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}
