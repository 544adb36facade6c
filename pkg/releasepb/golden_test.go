package releasepb_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/lane"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// What is in testdata/v1 was written by version 1 and is stored on streams: it must be read for ever, and as long as no
// field is added it is what is written. A new version gets a folder of its own beside it. To write the files of a new
// message, run the test with SLUICE_WRITE_GOLDEN=1; a file that is there is never overwritten.
const golden = "testdata/v1"

// sample is a message and its codec.
type sample struct {
	name   string
	value  any
	encode func() ([]byte, error)
	decode func([]byte) (any, error)
}

func of[T any](name string, v T, encode func(T) ([]byte, error), decode func([]byte) (T, error)) sample {
	return sample{
		name: name, value: v,
		encode: func() ([]byte, error) { return encode(v) },
		decode: func(data []byte) (any, error) { return decode(data) },
	}
}

func samples() []sample {
	delay := 30 * time.Minute
	value, looked := 0.125, func(seconds int) time.Time {
		return at(1).Truncate(time.Second).Add(time.Duration(seconds) * time.Second)
	}
	out := []sample{
		of("merge-event", releasepb.MergeEvent{
			ID: anID, Commit: "c0ffee", Ref: "refs/heads/main", Version: "1.4.0", Artifact: "tracer-1.4.0.tgz", Digest: "sha256:00",
			Delay: &delay, Actor: "ana", URL: "https://example.org/1", Again: true,
		}, releasepb.EncodeMergeEvent, releasepb.DecodeMergeEvent),
		of("commit", releasepb.CommitRecord{Release: anID, Attempt: 2, MergeSeq: 1 << 60}, releasepb.EncodeCommit, releasepb.DecodeCommit),
		of("version", anID, releasepb.EncodeVersion, releasepb.DecodeVersion),
		of("lane", lane.Record{
			Owner: anID, Project: "tracer", Waiting: []lane.Waiting{{Release: "r2", Project: "tracer", Order: 1 << 60, Expedited: true}},
			Promoted: map[string]string{"tracer": "r0"},
		}, releasepb.EncodeLane, releasepb.DecodeLane),
		of("lane-supersede", lane.Record{
			Owner: anID, Project: "tracer", GivesWay: true,
			Waiting:    []lane.Waiting{{Release: "r2", Project: "tracer", Order: 1 << 60, Place: 1 << 59}},
			Superseded: map[string]lane.Row{"tracer": {Count: 2, Since: at(1)}},
		}, releasepb.EncodeLane, releasepb.DecodeLane),
		of("lane-left", lane.Record{Owner: anID, Project: "tracer", Left: "r0"}, releasepb.EncodeLane, releasepb.DecodeLane),
		of("heartbeat", releasepb.Heartbeat{Release: anID, Instance: "watcher@1", Checks: 3}, releasepb.EncodeHeartbeat, releasepb.DecodeHeartbeat),
		of("judgement", releasepb.Judgement{
			Release: anID, Check: "errors", Passed: true, Detail: "0 of 0", Count: 5, Since: at(1),
		}, releasepb.EncodeJudgement, releasepb.DecodeJudgement),
		of("output", releasepb.Output{
			Project: "tracer", Service: "stager", Instance: "stager-0", Work: release.Stage, Stage: "staging", Attempt: 2, Try: 1, Began: at(1),
			Took: 90 * time.Second, Ended: "refused", Reason: "exit status 3", Text: "one\n\t\"two\" <b> \u00e9\n", Bytes: 1 << 40, Left: 1 << 39,
		}, releasepb.EncodeOutput, releasepb.DecodeOutput),
		of("dead-letter", releasepb.DeadLetter{
			Reason: "commit is missing", Subject: "sluice.merge.tracer", Seq: 9, Body: []byte("{}"),
		}, releasepb.EncodeDeadLetter, releasepb.DecodeDeadLetter),
		of("request", release.Request{
			Verb: release.Extend, Actor: "ana", Seq: 5, Reason: "QA needs longer", Evidence: `{"n":1}`, By: delay, At: at(2),
		}, releasepb.EncodeRequest, func(data []byte) (release.Request, error) {
			return releasepb.DecodeRequest(release.Extend, "ana", 5, at(2), data), nil
		}),
		recordSample("record-full-state", release.WasFailed{Said: someone(3)}, fullState()),
		recordSample("record-supersede", release.WasFailed{Said: someone(3)}, release.State{
			Release: anID, Policy: release.Policy{Collision: release.Supersede, SupersedeLimit: 5, MaxWait: 36 * time.Hour},
		}),
		recordSample("record-wide-state", release.WasRecalled{Said: someone(3), Seq: 29, Evidence: `{"n":1}`}, wideState()),
		recordSample("record-WasExpedited-force", release.WasExpedited{Said: someone(14), Seq: 14, Force: true}, release.State{Release: anID}),
		recordSample("record-WasDone-failed", release.WasDone{Work: release.RestoreBeta, Note: "no", Failed: true, At: at(6)}, release.State{
			Release: anID, BetaChannel: release.Channel{Touched: true, Restored: true, Failed: true, Note: "no"},
		}),
		of("merge-event-needs", releasepb.MergeEvent{
			Commit: "c0ffee", Needs: []release.Need{{Project: "api", Version: "1.4.0"}, {Project: "web", Version: "2.0.0"}},
		}, releasepb.EncodeMergeEvent, releasepb.DecodeMergeEvent),
		of("measured", releasepb.Measured{
			Instance: "watcher@1", Stage: 1, From: at(1), Totals: []int{4, 2}, Open: true, Signals: [2]uint64{7, 0}, Looks: []releasepb.Looks{{
				Check: "health", Source: "0123456789abcdef", All: []releasepb.Look{
					{At: looked(0), OK: true}, {At: looked(10), Said: "answered 500"}, {At: looked(20), Lack: "none", Said: "answered 404"},
					{At: looked(30), OK: true, Value: &value}, {At: looked(40), Lack: "busy", Said: "answered 404"},
				},
			}, {Check: "errors", Source: "fedcba9876543210", All: []releasepb.Look{{At: looked(0), OK: true, Counters: &[4]float64{1, 100, 2, 200.5}}}}},
		}, releasepb.EncodeMeasured, releasepb.DecodeMeasured),
		of("heartbeat-failing", releasepb.Heartbeat{Release: anID, Instance: "watcher@1", Checks: 3, Failing: true},
			releasepb.EncodeHeartbeat, releasepb.DecodeHeartbeat),
		of("heartbeat-inconclusive", releasepb.Heartbeat{
			Release: anID, Instance: "watcher@1", Checks: 3, Inconclusive: []string{"check alerts is inconclusive: alert X: it fires since before"},
		}, releasepb.EncodeHeartbeat, releasepb.DecodeHeartbeat),
		of("audit-link", releasepb.Link{
			Index: 2, Prev: []byte("prev"), Release: anID, Seq: 1 << 60, At: at(1), Head: []byte("head"), Key: "UA", Signature: []byte("signature"),
		}, releasepb.EncodeLink, releasepb.DecodeLink),
		of("record-prev", releasepb.Record{
			Event: release.WasPassed{At: at(1)}, Type: "passed", State: release.State{Release: anID}, Service: "promoter@1", Prev: []byte("prev"),
		}, releasepb.EncodeRecord, releasepb.DecodeRecord),
		of("request-until", release.Request{Verb: release.Extend, Actor: "ana", Seq: 5, Reason: "the demo", Until: at(3), At: at(2)},
			releasepb.EncodeRequest, func(data []byte) (release.Request, error) {
				return releasepb.DecodeRequest(release.Extend, "ana", 5, at(2), data), nil
			}),
		of("request-force", release.Request{Verb: release.Expedite, Actor: "ana", Seq: 5, Reason: "a security fix", Force: true, At: at(2)},
			releasepb.EncodeRequest, func(data []byte) (release.Request, error) {
				return releasepb.DecodeRequest(release.Expedite, "ana", 5, at(2), data), nil
			}),
		of("request-look", release.Request{Verb: release.Retry, Actor: "ana", Seq: 5, Reason: "sluice doctor", Look: true, At: at(2)},
			releasepb.EncodeRequest, func(data []byte) (release.Request, error) {
				return releasepb.DecodeRequest(release.Retry, "ana", 5, at(2), data), nil
			}),
		of("stop", release.Stop{Kind: release.Freeze, Said: release.Said{By: "ana", At: at(2), Reason: "the fair"}, From: at(3), Until: at(4), Seq: 5},
			releasepb.EncodeStop, func(data []byte) (release.Stop, error) {
				return releasepb.DecodeStop(release.Freeze, "ana", 5, at(2), data), nil
			}),
		of("project", release.Record{Rolling: anID, Promotions: []release.Promotion{
			{Release: "r1", Version: "1.3.0", Order: 1 << 60, At: at(1), RolledBack: &release.Said{By: "ana", At: at(2), Reason: "the login is broken"}},
			{Release: anID, Version: "1.4.0", Order: 1<<60 + 1, At: at(3)},
		}}, releasepb.EncodeProject, releasepb.DecodeProject),
	}
	for _, e := range events() {
		name := fmt.Sprintf("record-%T", e)
		name = "record-" + name[len("record-release."):]
		if b, ok := e.(release.WasBegun); ok {
			name += "-" + string(b.Work)
		}
		out = append(out, recordSample(name, e, release.State{Release: anID, Project: "tracer", Phase: release.Merged}))
	}
	return out
}

func recordSample(name string, e release.Event, s release.State) sample {
	return of(name, releasepb.Record{
		Event: e, Type: e.Name(), State: s, Service: "promoter@1", Cause: "SLUICE 7 sluice.cancel." + anID + ".ana",
	}, releasepb.EncodeRecord, releasepb.DecodeRecord)
}

const anID = "01890a5d-ac96-774b-bcce-b302099a8057"

func at(n int) time.Time { return time.Date(2026, 1, 2, 3, 4, n, 123456789, time.UTC) }

func someone(n int) release.Said {
	return release.Said{By: "ana", At: at(n), Reason: "the login is broken"}
}

func events() []release.Event {
	attempt := release.Attempt{Number: 2, Instance: "promoter@1", Timeout: 10 * time.Minute, Started: at(4)}
	out := []release.Event{
		release.WasMerged{Release: anID, Project: "tracer", Merge: fullState().Merge, Policy: fullState().Policy, At: at(5)},
		release.WasDone{Work: release.Stage, Value: "v", Note: "n", At: at(6)},
		release.WasQueued{Behind: "r0", At: at(7)},
		release.WasSoaked{Due: at(8), At: at(9)},
		release.WasHeld{Holding: *fullState().Held, Seq: 10},
		release.WasResumed{Said: someone(11), Seq: 11, Due: at(12)},
		release.WasExtended{Said: someone(13), Seq: 13, By: time.Hour + 1},
		release.WasExpedited{Said: someone(14), Seq: 14},
		release.WasCancelled{Said: someone(15), Seq: 15, Evidence: `{"n":1}`},
		release.WasFailed{Said: someone(16)},
		release.WasSuperseded{Newer: "r9", At: at(17)},
		release.WasRefused{Verb: release.Resume, Seq: 18, Said: someone(18)},
		release.WasApproved{Said: someone(30), Seq: 30},
		release.WasPostponed{Obstacle: wideState().Postponed.Obstacle, At: at(31)},
		release.WasPassed{At: at(32)},
		release.WasBaking{Value: "v", Note: "n", At: at(33)},
		release.WasRetried{Said: someone(34), Seq: 34},
		release.WasRecalled{Said: someone(35), Seq: 35, Evidence: `{"n":1}`},
		release.WasNotRolledBack{Said: someone(36)},
	}
	for _, w := range works() {
		out = append(out, release.WasBegun{
			Work: w, Attempt: attempt, Plan: release.Plan{Version: "1.4.0", Beta: "1.4.0-beta.1", Digest: "sha256:00", Before: "1.3.0"},
			Before: "1.3.9", At: at(19),
		})
	}
	return out
}

func fullState() release.State {
	delay := time.Duration(0)
	said := someone(20)
	channel := func(v string) release.Channel {
		return release.Channel{Touched: true, Before: "1.3.0", Value: v, Restored: true, Note: "moved by hand"}
	}
	return release.State{
		Release: anID, Project: "tracer", Phase: release.Held,
		Merge: release.Merge{
			Commit: "c0ffee", Ref: "refs/heads/main", URL: "https://example.org/1", Actor: "ana", Version: "1.4.0",
			Artifact: "tracer-1.4.0.tgz", Digest: "sha256:00", Delay: &delay, Attempt: 2, Seq: 1 << 60,
		},
		Policy: release.Policy{
			Revision: "0123456789abcdef", Lane: "tracer", Collision: release.Newest, Delay: 2 * time.Hour, MaxOverdue: 6 * time.Hour, PutBack: true,
		},
		Version: "1.4.0", Beta: "1.4.0-beta.1", Digest: "sha256:00",
		BetaChannel: channel("beta"), Staging: channel("staging"), Latest: channel("latest"),
		Attempts: map[release.Work]release.Attempt{
			release.Publish: {Number: 1, Instance: "publisher@1", Timeout: time.Minute, Started: at(21)},
			release.Stage:   {Number: 2, Instance: "stager@1", Timeout: time.Minute, Started: at(22)},
		},
		StagedAt: at(23), SoakFrom: at(24), Extra: time.Minute, Due: at(25), Remaining: time.Second,
		Held:      &release.Holding{Said: someone(26), System: true, Unwatched: time.Minute},
		Expedited: &said, Behind: "r0", Folded: 1<<60 + 1, Claim: 1<<60 + 2, MergedAt: at(27), End: someone(28), Evidence: `{"n":1}`,
	}
}

// wideState has what was added after fullState was written.
func wideState() release.State {
	s := release.State{Release: anID, Project: "tracer", Phase: release.RollingBack}
	late, recalled := someone(29), someone(3)
	s.Merge = release.Merge{Commit: "c0ffee", Needs: []release.Need{{Project: "api", Version: "1.4.0"}}}
	s.Policy = release.Policy{
		Lane: "tracer", Approvals: 1, Stages: []release.StagePolicy{{Name: "qa", Delay: time.Hour, Approvals: 2}, {Name: "eu", Delay: time.Minute}},
		Order: release.BySemver, Bake: 30 * time.Minute, MaxPhase: time.Hour, MaxHold: 24 * time.Hour,
		Needs: []release.Need{{Project: "web", Version: "2.0.0"}},
	}
	s.Stage, s.Passed = 1, []release.Channel{{Touched: true, Before: "1.3.0", Value: "1.4.0-beta.1", Restored: true, Note: "put back"}, {}}
	s.PhaseAt, s.Forced, s.Approved = at(37), true, []release.Said{someone(38), {By: "bo", At: at(39)}}
	s.Postponed = &release.Postponement{
		Obstacle: release.Obstacle{Kind: release.ByFreeze, Why: "the project is frozen by ana: the fair", Until: at(40)}, Since: at(41),
	}
	s.FailedIn, s.Reached, s.Soaked = release.Promoting, true, true
	s.LateCancel, s.Recalled, s.RecalledIn = &late, &recalled, release.Baking
	return s
}

func TestGolden(t *testing.T) {
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			path := filepath.Join(golden, s.name+".json")
			data, err := s.encode()
			if err != nil {
				t.Fatal(err)
			}
			stored, err := os.ReadFile(path)
			if os.IsNotExist(err) && os.Getenv("SLUICE_WRITE_GOLDEN") != "" {
				stored = indent(t, data)
				err = os.WriteFile(path, stored, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, want := indent(t, data), indent(t, stored); !bytes.Equal(got, want) {
				t.Errorf("it is written differently now:\n%s\nversion 1 wrote:\n%s", got, want)
			}
			got, err := s.decode(stored)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, s.value) {
				t.Errorf("got  %+v\nwant %+v", got, s.value)
			}
		})
	}
}

// indent makes JSON comparable: protojson puts spaces at random on purpose.
func indent(t *testing.T, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := json.Indent(&out, bytes.TrimSpace(data), "", "  "); err != nil {
		t.Fatal(err)
	}
	out.WriteByte('\n')
	return out.Bytes()
}
