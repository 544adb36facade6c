package work_test

import (
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/work"
)

// The idempotency key of an action stays the same while instances die and take over, and is another one after each failure.
func TestKeyOfATry(t *testing.T) {
	at := time.Date(2000, 1, 1, 12, 0, 0, 0, time.UTC)
	var s release.State
	seq := uint64(0)
	do := func(c release.Command) {
		t.Helper()
		events, err := release.Decide(s, c)
		if err != nil || len(events) != 1 {
			t.Fatalf("%T: %v, %v", c, events, err)
		}
		seq++
		s = release.Evolve(s, events[0]).Stamp(seq, at)
	}
	begin := func(w release.Work, instance string) string {
		t.Helper()
		at = at.Add(time.Hour)
		do(release.Begin{Work: w, Instance: instance, Timeout: time.Minute, At: at})
		return work.Facts(nil, s, w).Key()
	}
	ask := func(v release.Verb) {
		t.Helper()
		seq++
		do(release.Request{Verb: v, Actor: "ana", Seq: seq, At: at})
	}

	do(release.Admit{Release: "r", Project: "tracer", At: at})
	do(release.Begin{Work: release.Publish, Instance: "one", Timeout: time.Minute, At: at})
	do(release.Finish{Work: release.Publish, At: at})
	if f := work.Facts(nil, s, release.Publish); !f.Merged.Equal(at) {
		t.Errorf("merged at %s, drivers are told %s", at, f.Merged)
	}
	var keys []string
	for range 3 {
		first := begin(release.Stage, "one")
		if took := begin(release.Stage, "two"); took != first {
			t.Errorf("one asked with %s, and two with %s when it took over", first, took)
		}
		keys = append(keys, first)
		do(release.Fail{By: "stager", Instance: "two", Reason: "no", At: at})
		ask(release.Retry)
	}
	if keys[0] == keys[1] || keys[1] == keys[2] {
		t.Errorf("each try after a failure asks with a key of its own, not with %v", keys)
	}

	do(release.Begin{Work: release.Stage, Instance: "one", Timeout: time.Minute, At: at})
	do(release.Finish{Work: release.Stage, At: at})
	do(release.StartSoak{At: at})
	do(release.Alarm{At: at, Instance: "one", Timeout: time.Minute})
	do(release.Finish{Work: release.Promote, At: at})
	ask(release.Recall)
	first := begin(release.Rollback, "one")
	do(release.Fail{By: "promoter", Instance: "one", Reason: "no", At: at})
	ask(release.Recall)
	if again := begin(release.Rollback, "one"); again == first {
		t.Errorf("a rollback after one that failed asks with %s again", again)
	}
}
