package release_test

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The transcripts in testdata are the protocol, to be read: what is said to a release, what its stream then holds, and where
// it stands. A file is blocks of commands, a line of four dashes, and what came of them. `go test -run Transcripts -update`
// writes the answers anew.
//
//	after 2h                         time passes
//	merge [delay=2h] [max-overdue=]  somebody merges; two hours of soak, held when six hours overdue
//	  [bake=] [approvals=] [stages=canary:1h:0,…] [max-phase=] [max-hold=]
//	publish, stage, soak             the beta is published, is on staging, the delay begins
//	begin, finish <work> [instance]  an attempt at an outside action, and its end
//	fail [instance]                  an attempt was refused
//	wait <release>                   the lane is occupied
//	ask <verb> [actor] [by=30m]      a request is stored; nobody has looked at it yet
//	  [until=16:00] [force] [reason]
//	answer                           the promoter answers all requests that are stored and not answered
//	alarm [instance] [watched=2h]    the promoter looks at the time; the whole soak was watched unless said otherwise
//	  [unseen] [too-new=]            no watcher has seen the checks pass
//	settle                           the promoter settles the claim
//	postpone                         it takes back a claim that a stop made ineffective
//	expire                           it looks whether the release is stuck
//	stop <kind> [who] [for=2h]       a pause, freeze or rollback of the project is stored
//	  [unseen]                       just before the next record, so that the promoter does not see it
//	go <kind>                        it is ended
//	window [closed=60h]              the project's window is closed for a time, or opens
//	needs [what]                     what the release needs is not promoted, or is
//	record promoted <id> <version>   another release of the project was promoted,
//	record rolled-back <id> <who>    or rolled back
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
