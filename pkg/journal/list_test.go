package journal_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/lane"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

func TestRecords(t *testing.T) {
	b := single(t).setup(t)
	if _, err := b.j.Records(b.ctx, b.id, 0); !errors.Is(err, journal.ErrNone) {
		t.Errorf("no journal: %v", err)
	}
	last := b.soaking(t)
	records, err := b.j.Records(b.ctx, b.id, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := typesOf(records); !slices.Equal(got, []string{"merged", "publishing", "published", "staging", "staged", "soaking"}) {
		t.Errorf("%v", got)
	}
	end := records[len(records)-1]
	if end.Seq != last.Seq || !end.At.Equal(last.At) || !end.State.StagedAt.Equal(records[4].At) || end.Cause != "test" {
		t.Errorf("%+v, want that of sequence %d, stamped", end, last.Seq)
	}
	some, err := b.j.Records(b.ctx, b.id, records[4].Seq)
	if err != nil || !slices.Equal(typesOf(some), []string{"staged", "soaking"}) {
		t.Errorf("%v, %v", typesOf(some), err)
	}
	if none, err := b.j.Records(b.ctx, b.id, last.Seq+1); err != nil || len(none) != 0 {
		t.Errorf("%v, %v", typesOf(none), err)
	}
}

func typesOf(records []journal.Record) []string {
	var out []string
	for _, r := range records {
		out = append(out, r.Type)
	}
	return out
}

func TestLoadAll(t *testing.T) {
	b := single(t).setup(t)
	var ids []string
	for range 700 { // more than one read
		b.id = newID()
		ids = append(ids, b.id)
		b.merged(t)
	}
	got, err := b.j.LoadAll(b.ctx, append(ids, newID(), "not an id"))
	if err != nil || len(got) != len(ids) {
		t.Fatalf("%d releases, want %d: %v", len(got), len(ids), err)
	}
	for _, id := range ids {
		if got[id].State.Release != id || got[id].State.Phase != release.Merged || got[id].Seq == 0 {
			t.Fatalf("%s: %+v", id, got[id])
		}
	}
	if none, err := b.j.LoadAll(b.ctx, nil); err != nil || len(none) != 0 {
		t.Errorf("%v, %v", none, err)
	}
}

func TestLanes(t *testing.T) {
	b := single(t).setup(t)
	if none, err := b.j.Lanes(b.ctx); err != nil || len(none) != 0 {
		t.Errorf("%v, %v", none, err)
	}
	for _, name := range []string{"a", "b"} {
		if _, err := b.j.SetLane(b.ctx, name, lane.Record{Owner: b.id, Project: name}, 0); err != nil {
			t.Fatal(err)
		}
	}
	got, err := b.j.Lanes(b.ctx)
	if err != nil || len(got) != 2 || got["b"].Project != "b" || got["a"].Owner != b.id {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAdmitted(t *testing.T) {
	b := single(t).setup(t)
	if _, err := b.j.Newest(b.ctx, "tracer"); !errors.Is(err, journal.ErrNone) {
		t.Errorf("%v", err)
	}
	var middle uint64
	for i := range 6 {
		project := []string{"tracer", "router"}[i%2]
		record := releasepb.CommitRecord{Release: newID(), Attempt: 1, MergeSeq: uint64(i)}
		if err := b.j.SetCommit(b.ctx, project, fmt.Sprintf("c%d", i), record, 0); err != nil {
			t.Fatal(err)
		}
		if i == 2 {
			_, seq, err := b.j.Commit(b.ctx, project, "c2")
			if err != nil {
				t.Fatal(err)
			}
			middle = seq
		}
	}
	commits := func(project string, from journal.From, most int) []string {
		t.Helper()
		var out []string
		err := b.j.Admitted(b.ctx, project, from, func(i journal.Identity) bool {
			if i.Release == "" || i.At.IsZero() || i.Project != project && project != "" {
				t.Errorf("%+v", i)
			}
			out = append(out, i.Commit)
			return len(out) < most
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	ever := journal.From{At: time.Date(1400, 1, 1, 0, 0, 0, 0, time.UTC)}
	for what, c := range map[string]struct{ got, want []string }{
		"of one":   {commits("tracer", ever, 9), []string{"c0", "c2", "c4"}},
		"of all":   {commits("", ever, 9), []string{"c0", "c1", "c2", "c3", "c4", "c5"}},
		"the rest": {commits("", journal.From{Seq: middle}, 9), []string{"c2", "c3", "c4", "c5"}},
		"two":      {commits("", ever, 2), []string{"c0", "c1"}},
		"later":    {commits("", journal.From{At: time.Now().Add(time.Hour)}, 9), nil},
		"never":    {commits("", journal.From{At: time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)}, 9), nil},
		"of none":  {commits("zebra", ever, 9), nil},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: %v, want %v", what, c.got, c.want)
		}
	}
	if newest, err := b.j.Newest(b.ctx, "tracer"); err != nil || newest.Commit != "c4" || newest.MergeSeq != 4 {
		t.Errorf("%+v, %v", newest, err)
	}
	if err := b.j.Admitted(b.ctx, "*", ever, nil); err == nil {
		t.Error("a wildcard is a project")
	}
}

func TestMergesAndBuried(t *testing.T) {
	b := single(t).setup(t)
	publish := func(subject, body string) uint64 {
		t.Helper()
		ack, err := b.js.Publish(b.ctx, subject, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return ack.Sequence
	}
	publish(topology.Merge("tracer"), "no JSON")
	first := publish(topology.Merge("tracer"), `{"commit":"c1"}`)
	publish(topology.Merge("router"), `{"commit":"r1"}`)
	second := publish(topology.Merge("tracer"), `{"commit":"c2"}`)
	var got []string
	see := func(m journal.Merge) bool {
		got = append(got, fmt.Sprint(m.Project, m.Commit, m.Seq))
		return true
	}
	want := []string{fmt.Sprint("tracer", "c1", first), fmt.Sprint("tracer", "c2", second)}
	if err := b.j.Merges(b.ctx, "tracer", journal.From{Seq: 1}, see); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, want %v: %v", got, want, err)
	}
	got = nil
	if err := b.j.Merges(b.ctx, "", journal.From{Seq: second}, see); err != nil || !slices.Equal(got, want[1:]) {
		t.Errorf("%v, want %v: %v", got, want[1:], err)
	}
	letter, err := releasepb.EncodeDeadLetter(releasepb.DeadLetter{Reason: "no", Seq: second})
	if err != nil {
		t.Fatal(err)
	}
	publish(topology.Dead("merge", "tracer"), string(letter))
	var reasons []string
	err = b.j.Buried(b.ctx, "tracer", second, func(d releasepb.DeadLetter) bool {
		reasons = append(reasons, fmt.Sprint(d.Seq, d.Reason))
		return true
	})
	if want := []string{fmt.Sprint(second, "no")}; err != nil || !slices.Equal(reasons, want) {
		t.Errorf("%v, want %v: %v", reasons, want, err)
	}
}

func TestLastBeats(t *testing.T) {
	b := single(t).setup(t)
	for range 2 {
		if _, err := b.js.Publish(b.ctx, topology.Heartbeat(b.id), []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	beats, err := b.j.Beats(b.ctx, b.id, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.j.LastBeats(b.ctx, []string{b.id, newID()})
	if err != nil || len(got) != 1 || !got[b.id].At.Equal(beats.At[1]) {
		t.Errorf("%v, want %v: %v", got, beats, err)
	}
}

// A follower sees every record once and in order: what was there, what comes, and what came while the broker was away.
func TestFollow(t *testing.T) {
	b := single(t).setup(t)
	events := upToSoak(b.id)
	seen := make(chan string)
	done := make(chan error, 1)
	go func() {
		done <- b.j.Follow(b.ctx, b.id, 0, func(r journal.Record) bool {
			seen <- r.Type
			return r.State.Phase != release.Soaking
		}, func(error) error { return nil })
	}()
	var e journal.Entry
	for i, ev := range events {
		if i == 3 {
			b.server.Restart(t)
		}
		e = b.append(t, e, ev)
		select {
		case got := <-seen:
			if got != ev.Name() {
				t.Fatalf("%s, want %s", got, ev.Name())
			}
		case err := <-done:
			t.Fatalf("ended before %s: %v", ev.Name(), err)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestFollowEnds(t *testing.T) {
	b := single(t).setup(t)
	enough := errors.New("enough")
	looked := 0
	err := b.j.Follow(b.ctx, b.id, 0, nil, func(err error) error {
		if looked++; err != nil || looked < 3 {
			return err
		}
		return enough
	})
	if !errors.Is(err, enough) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	if err := b.j.Follow(ctx, b.id, 0, nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := b.j.Follow(b.ctx, "*", 0, nil, nil); !errors.Is(err, journal.ErrNone) {
		t.Errorf("a wildcard: %v", err)
	}
}
