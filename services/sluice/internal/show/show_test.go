package show_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/outlook"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/story"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

func TestLeft(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "0s", 0: "0s", time.Nanosecond: "1s", 45 * time.Second: "45s", 59*time.Second + 1: "1m",
		9*time.Minute + 59*time.Second: "9m59s", time.Hour: "1h", 2*time.Hour - time.Minute: "1h59m",
		2*time.Hour + 59*time.Second: "2h", 51 * time.Hour: "2d3h", 48*time.Hour + time.Minute: "2d",
	} {
		if got := story.Left(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}

func TestClock(t *testing.T) {
	zone := time.FixedZone("CET", 3600)
	now := time.Date(2026, 11, 23, 16, 4, 5, 0, zone)
	for want, at := range map[string]time.Time{
		"-":                {},
		"00:30:00":         time.Date(2026, 11, 22, 23, 30, 0, 0, time.UTC), // today, here
		"Sun 23:59":        time.Date(2026, 11, 22, 23, 59, 0, 0, zone),
		"Wed 16:04":        now.Add(48 * time.Hour),
		"Dec 3 16:04":      now.Add(240 * time.Hour),
		"2027-01-02 16:04": now.Add(40 * 24 * time.Hour),
	} {
		if got := show.Clock(at, now); got != want {
			t.Errorf("%s: %q, want %q", at, got, want)
		}
	}
}

func TestShort(t *testing.T) {
	a, b, c := "01970000-0000-7000-8000-000000000001", "01970000-0000-7000-8000-000000000002", "01980000-0000-7000-8000-000000000001"
	got := show.Short([]string{a, b, c, a})
	if got[a] != a || got[b] != b || got[c] != "01980000-0000" {
		t.Errorf("%v", got)
	}
	if got := show.First(a); got != "01970000-0000" {
		t.Errorf("%q", got)
	}
}

func TestTable(t *testing.T) {
	loud := func(text string) string { return "<" + text + ">" }
	rows := [][]show.Cell{
		{{Text: "A"}, {Text: "LONG"}, {Text: "WHY"}},
		{{Text: "äöü", Style: loud}, {Text: "b"}, {Text: "because of something that takes long to tell"}},
	}
	want := "A    LONG  WHY\n<äöü>  b     because of some…\n"
	if got := show.Table(rows, 27); got != want {
		t.Errorf("\n%q, want\n%q", got, want)
	}
	if got := show.Table(rows, 0); !strings.HasSuffix(got, "long to tell\n") {
		t.Errorf("cut without a width:\n%s", got)
	}
}

// base is the broker's time at the merge of every release here.
func base() time.Time { return time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC) }

// tell takes a release through commands and returns its journal. The records are a minute apart.
func tell(t *testing.T, commands ...release.Command) []journal.Record {
	t.Helper()
	var s release.State
	var out []journal.Record
	for _, c := range commands {
		events, err := release.Decide(s, c)
		if err != nil {
			t.Fatalf("%T: %v", c, err)
		}
		for _, e := range events {
			seq := uint64(10 + 2*len(out))
			at := base().Add(time.Duration(len(out)) * time.Minute)
			s = release.Evolve(s, e).Stamp(seq, at)
			out = append(out, journal.Record{
				Record: releasepb.Record{
					Event: e, Type: e.Name(), State: s, Service: "promoter@up-1", Cause: fmt.Sprintf("SLUICE %d sluice.release.%s", seq-1, s.Release),
				},
				Seq: seq, At: at,
			})
		}
	}
	return out
}

func admit() release.Admit {
	delay := 90 * time.Minute
	return release.Admit{
		Release: "01970000-0000-7000-8000-000000000001", Project: "tracer", At: base(),
		Merge: release.Merge{
			Commit: "c0ffee", Ref: "main", URL: "https://example.com/1", Actor: "ana", Artifact: "sha256-1/tracer-1.4.0.tgz",
			Attempt: 2, Seq: 9, Delay: &delay,
		},
		Policy: release.Policy{Revision: "0123456789abcdef", Lane: "staging-eu", Collision: release.Newest, PutBack: true},
	}
}

const digest = "sha256:2c8b08da5ce60398e1f19af0e5dccc744df274b826abe585eaba68c525434806"

// upTo are the commands that take a release to its soak.
func upToSoak() []release.Command {
	begin := func(w release.Work) release.Begin {
		return release.Begin{Work: w, Instance: "up-1", Timeout: time.Hour, At: base(), Plan: release.Plan{
			Version: "1.4.0", Beta: "1.4.0-beta.0", Digest: digest, Before: "1.3.0-beta.2",
		}}
	}
	return []release.Command{
		admit(), begin(release.Publish), begin(release.Publish),
		release.Finish{Work: release.Publish, Value: "1.4.0-beta.0", Note: "the first of its kind"},
		release.Wait{Behind: "01960000-0000-7000-8000-000000000001"}, release.Wait{},
		begin(release.Stage), release.Finish{Work: release.Stage, Value: "1.4.0-beta.0"},
		release.StartSoak{At: base().Add(8 * time.Minute)},
	}
}

func ask(verb release.Verb, seq uint64, by time.Duration) release.Request {
	return release.Request{Verb: verb, Seq: seq, Actor: "lee", Reason: "reason " + string(verb), By: by, At: base().Add(9 * time.Minute)}
}

// The stories have every event at least once.
func stories(t *testing.T) map[string][]journal.Record {
	t.Helper()
	asked := append(upToSoak(),
		ask(release.Hold, 31, 0), ask(release.Hold, 33, 0), ask(release.Extend, 35, 30*time.Minute), ask(release.Resume, 37, 0),
		ask(release.Extend, 39, time.Hour))
	due := release.Alarm{At: base().Add(48 * time.Hour), Watched: 48 * time.Hour, Instance: "up-1", Timeout: time.Hour, Before: "1.3.0"}
	cancel := ask(release.Cancel, 41, 0)
	cancel.Evidence = `{"check":"errors"}`
	cancelled := append(asked[:len(asked):len(asked)], cancel,
		release.Begin{Work: release.RestoreStaging, Instance: "up-1", Timeout: time.Hour},
		release.Finish{Work: release.RestoreStaging, Value: "1.3.0", Note: "a note"},
		release.Begin{Work: release.RestoreBeta, Instance: "up-1", Timeout: time.Hour},
		release.Finish{Work: release.RestoreBeta})
	return map[string][]journal.Record{
		"promoted": tell(t, append(asked[:len(asked):len(asked)], due, release.Finish{
			Work: release.Promote, Value: "1.4.0@" + digest,
		})...),
		"cancelled":  tell(t, cancelled...),
		"expedited":  tell(t, append(upToSoak(), ask(release.Expedite, 41, 0))...),
		"failed":     tell(t, append(upToSoak(), release.Fail{By: "publisher", Reason: "publish: no room"})...),
		"superseded": tell(t, admit(), upToSoak()[1], upToSoak()[3], release.Displace{Newer: "01980000-0000-7000-8000-000000000001"}),
		"held first": tell(t, append(upToSoak()[:8:8], ask(release.Hold, 31, 0), upToSoak()[8])...),
	}
}

var update = flag.Bool("update", false, "write the golden files") //nolint:gochecknoglobals // a flag of the tests

// What people read, word for word: the golden files are there to be read by a reviewer.
func TestGolden(t *testing.T) {
	golden(t, "testdata/golden.txt", []string{"promoted", "cancelled", "expedited", "failed", "superseded", "held first"}, stories(t))
}

func TestSomebodyShouldLook(t *testing.T) {
	records := tell(t, upToSoak()...)
	s := records[len(records)-1].State
	for name, c := range map[string]struct {
		beat, now time.Duration // since the soak began
		want      string
	}{
		"watched":         {30 * time.Minute, 31 * time.Minute, ""},
		"just begun":      {-time.Hour, time.Minute, ""},
		"never watched":   {-time.Hour, 20 * time.Minute, "not watched since 14:07:00: is the watcher running?"},
		"watched no more": {30 * time.Minute, 50 * time.Minute, "not watched since 14:37:00: is the watcher running?"},
		"just due":        {90 * time.Minute, 90*time.Minute + time.Second, ""},
		"overdue":         {90 * time.Minute, 100 * time.Minute, "overdue by 10m: is the promoter running?"},
	} {
		l := show.LineOf(board.Row{State: s, Around: outlook.Around{Beat: s.SoakFrom.Add(c.beat)}}, s.SoakFrom.Add(c.now))
		if l.Why == "main" {
			l.Why = ""
		}
		if l.Why != c.want || l.Warn != (c.want != "") {
			t.Errorf("%s: %q (%t), want %q", name, l.Why, l.Warn, c.want)
		}
	}
}

func TestColours(t *testing.T) {
	st := show.Style{Colour: true}
	seen := map[string]bool{}
	for _, p := range release.Phases() {
		seen[st.Phase(p, "x")] = true
		if got := (show.Style{}).Phase(p, "x"); got != "x" {
			t.Errorf("%s is coloured without colour: %q", p, got)
		}
	}
	if len(seen) < 5 {
		t.Errorf("only %d colours", len(seen))
	}
	if got := st.Dim(""); got != "" {
		t.Errorf("nothing is %q", got)
	}
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	if st := show.StyleOf(f, os.Getenv); st.Colour || st.Terminal {
		t.Errorf("a file is a terminal: %+v", st)
	}
}

func TestJSON(t *testing.T) {
	records := tell(t, upToSoak()...)
	s := records[len(records)-1].State
	got := show.JSONOf(board.Row{State: s, Around: outlook.Around{Beat: s.SoakFrom}}, s.SoakFrom.Add(time.Hour))
	if got.Phase != "soaking" || got.Left != 30*60 || !got.Due.Equal(s.Due) || got.EndedAt != nil || got.Version != "1.4.0" {
		t.Errorf("%+v", got)
	}
}

// A record of a newer version of Sluice is told as far as it is known.
func TestUnknownEvent(t *testing.T) {
	r := tell(t, admit())[0]
	r.Event, r.Type = nil, "blessed"
	if got := show.Moment(r, show.Style{}); !strings.Contains(got, "blessed     (written by a newer version of Sluice)  [#10 promoter, after #9]") {
		t.Error(got)
	}
}
