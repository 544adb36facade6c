package journal_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/lane"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// behaviours is what a journal promises, on one node and on a cluster alike.
func behaviours() map[string]func(*testing.T, *bundle) {
	return map[string]func(*testing.T, *bundle){
		"load: none":                                    loadNone,
		"load: the latest, stamped":                     loadLatest,
		"load: not from before what one was told":       loadAtLeast,
		"append: of many writers exactly one wins":      appendRace,
		"append: the loser may go on from a load":       appendAfterConflict,
		"append: the first record, by two":              appendFirst,
		"snapshot: none":                                snapshotNone,
		"snapshot: complete and in order":               snapshotComplete,
		"snapshot: without what is folded":              snapshotFolded,
		"snapshot: actors of any name":                  snapshotActors,
		"snapshot: malformed requests":                  snapshotMalformed,
		"snapshot: headers deceive nobody":              snapshotHeaders,
		"snapshot: header blocks deceive nobody":        snapshotBlocks,
		"snapshot: header blocks, read by many":         snapshotWalks,
		"snapshot: tight header blocks neither":         snapshotTight,
		"snapshot: of more than one answer":             snapshotLarge,
		"snapshot: of more subjects than an answer":     snapshotMany,
		"settle: what came before, not after":           settleOrder,
		"settle: nothing before":                        settleEffective,
		"settle: a hidden extension counts":             settleHidden,
		"settle: the same at any later time":            settleLater,
		"settle: in spite of header blocks":             settleBlocks,
		"settle: only a claim":                          settlePhase,
		"settle: a stop before the claim, not after":    settleStops,
		"settle: the newest word on a stop counts":      settleNewestWord,
		"settle: a freeze when it is one":               settleFreezes,
		"settle: what can not be read stops":            settleMalformedStops,
		"settle: a rollback of another release":         settleRolling,
		"settle: in spite of stops' header blocks":      settleStopBlocks,
		"settle: stops on more subjects than an answer": settleManyStops,
		"settle: stops, read by many":                   settleStopWalks,
		"settle: a malformed record of the project":     settleMalformedProject,
		"gate: stops, record, and when it opened":       gateAll,
		"gate: not from before what one was told":       gateAtLeast,
		"project: of two writers both count":            projectRace,
		"project: nothing to change":                    projectUnchanged,
		"project: the loser changes what it finds":      projectConflict,
		"attention: said in a header":                   attention,
		"records: compare-and-set":                      recordsCompareAndSet,
		"records: a full lane fits, a fuller does not":  laneSize,
		"names: unsafe ones reach no broker":            unsafeNames,
		"malformed record: said where":                  malformedRecord,
		"newer version: event and fields":               newerVersion,
		"do: once, whoever does it":                     doOnce,
		"do: every command lands in a race":             doRace,
		"do: a release that nobody knows":               doNone,
		"audit: one link, whoever links":                linkOnce,
		"audit: what was stored verifies":               auditVerifies,
		"beats: all of them, from a time":               beats,
		"now: the broker's":                             now,
		"until ended: by an append":                     untilEnded,
		"until ended: already":                          untilEndedAlready,
		"until ended: not by what was not stored":       untilNotStored,
		"texts: odd and large ones are storable":        oddTexts,
	}
}

func TestConformanceOneNode(t *testing.T) { conform(t, single(t)) }

// TestConformanceThreeNodes does the same on a cluster, and then what only a cluster can do.
func TestConformanceThreeNodes(t *testing.T) {
	b := three(t)
	conform(t, b)
	t.Run("settle: on replicas that lag behind", func(t *testing.T) { settleLagging(t, b.setup(t)) })
	t.Run("settle: the same everywhere", func(t *testing.T) { settleEverywhere(t, b.setup(t)) })
}

func conform(t *testing.T, b *broker) {
	all := behaviours()
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		t.Run(name, func(t *testing.T) { all[name](t, b.setup(t)) })
	}
}

func loadNone(t *testing.T, b *bundle) {
	if _, err := b.j.Load(b.ctx, b.id); !errors.Is(err, journal.ErrNone) {
		t.Fatal(err)
	}
	b.ask(t, release.Cancel, "ana", "no")
	if _, err := b.j.LoadAt(b.ctx, b.id, 1); !errors.Is(err, journal.ErrNone) {
		t.Fatal(err)
	}
}

func loadLatest(t *testing.T, b *bundle) {
	e := b.soaking(t)
	got, err := b.j.LoadAt(b.ctx, b.id, e.Seq)
	if err != nil {
		t.Fatal(err)
	}
	s := got.State
	if got.Seq != e.Seq || got.Type != "soaking" || !got.At.Equal(e.At) || got.At.IsZero() {
		t.Errorf("got %+v, want %+v", got, e)
	}
	if s.Release != b.id || s.Phase != release.Soaking || s.StagedAt.IsZero() || !s.StagedAt.Before(e.At) {
		t.Errorf("state: %+v", s)
	}
	c := b.append(t, e, claim())
	if c.State.Claim != c.Seq || !c.State.Attempts[release.Promote].Started.Equal(c.At) {
		t.Errorf("the claim is not stamped: %+v", c)
	}
}

func loadAtLeast(t *testing.T, b *bundle) {
	e := b.merged(t)
	for _, ev := range upToSoak(b.id)[1:] {
		_, reader := b.open(b.ctx, t) // on a cluster on the next node, which may lag behind
		e = b.append(t, e, ev)
		told := b.ask(t, release.Hold, "ana", "wait")
		got, err := reader.LoadAt(b.ctx, b.id, e.Seq)
		if err != nil || got.Seq != e.Seq {
			t.Fatalf("told of %d, loaded %d: %v", e.Seq, got.Seq, err)
		}
		_, requests, err := reader.SnapshotAt(b.ctx, b.id, told)
		if err != nil || len(requests) == 0 || requests[len(requests)-1].Seq != told {
			t.Fatalf("told of request %d, read %+v: %v", told, requests, err)
		}
	}
}

// appendRace has many writers append after the same entry, round after round. On a cluster it goes on until the broker has
// refused both against what is stored and against what is in flight.
func appendRace(t *testing.T, b *bundle) {
	const writers, rounds = 8, 20
	var js []*journal.Journal
	for range writers {
		_, j := b.open(b.ctx, t)
		js = append(js, j)
	}
	want := []jetstream.ErrorCode{10071}
	if b.cluster != nil {
		want = append(want, 10164)
	}
	codes := map[jetstream.ErrorCode]int{}
	lacking := func() bool {
		return slices.ContainsFunc(want, func(c jetstream.ErrorCode) bool { return codes[c] == 0 })
	}
	e := b.merged(t)
	for round := 0; round < rounds || lacking(); round++ {
		entries, errs := make([]journal.Entry, writers), make([]error, writers)
		var all sync.WaitGroup
		for i, j := range js {
			all.Go(func() {
				ev := release.WasExtended{By: 1, Said: release.Said{By: fmt.Sprint(i)}}
				entries[i], errs[i] = j.Append(b.ctx, e, ev, "test")
			})
		}
		all.Wait()
		winners, applying := 0, 0
		for i, err := range errs {
			var api *jetstream.APIError
			switch {
			case err == nil:
				winners++
				e = entries[i]
			case !errors.Is(err, journal.ErrConflict) || !errors.As(err, &api):
				t.Fatal(err)
			default:
				codes[api.ErrorCode]++
				if api.ErrorCode == 10164 {
					applying++
				}
			}
		}
		if winners != 1 && applying != writers { // all may have come while the round before was being applied
			t.Fatalf("round %d: %d winners", round, winners)
		}
	}
	t.Logf("refused: %v", codes)
}

func appendAfterConflict(t *testing.T, b *bundle) {
	first := b.merged(t)
	second := b.append(t, first, release.WasHeld{Holding: release.Holding{Said: release.Said{By: "ana"}}})
	if _, err := b.j.Append(b.ctx, first, release.WasFailed{}, "test"); !errors.Is(err, journal.ErrConflict) {
		t.Fatalf("append after an old entry: %v", err)
	}
	e, err := b.j.LoadAt(b.ctx, b.id, second.Seq)
	if err != nil {
		t.Fatal(err)
	}
	e = b.append(t, e, release.WasFailed{Said: release.Said{Reason: "no"}})
	if e.State.Phase != release.Failed || e.State.Held == nil {
		t.Errorf("%+v", e.State)
	}
}

func appendFirst(t *testing.T, b *bundle) {
	b.merged(t)
	if _, err := b.j.Append(b.ctx, journal.Entry{}, upToSoak(b.id)[0], "test"); !errors.Is(err, journal.ErrConflict) {
		t.Fatalf("a second beginning: %v", err)
	}
}

func recordsCompareAndSet(t *testing.T, b *bundle) {
	commit := strings.ReplaceAll(b.id, "-", "")
	laneName := "lane-" + commit[len(commit)-12:]
	kinds := map[string]struct {
		set func(last uint64) error
		get func() (string, uint64, error)
	}{
		"commit": {
			func(last uint64) error {
				return b.j.SetCommit(b.ctx, "tracer", commit, releasepb.CommitRecord{Release: b.id}, last)
			},
			func() (string, uint64, error) {
				c, seq, err := b.j.Commit(b.ctx, "tracer", commit)
				return c.Release, seq, err
			},
		},
		"version": {
			func(last uint64) error { return b.j.SetVersion(b.ctx, "tracer", "1.0.0-"+commit, b.id, last) },
			func() (string, uint64, error) { return b.j.Version(b.ctx, "tracer", "1.0.0-"+commit) },
		},
		"lane": {
			func(last uint64) error {
				_, err := b.j.SetLane(b.ctx, laneName, laneOf(b.id), last)
				return err
			},
			func() (string, uint64, error) {
				r, seq, err := b.j.Lane(b.ctx, laneName)
				return r.Owner, seq, err
			},
		},
	}
	for name, k := range kinds {
		if id, seq, err := k.get(); id != "" || seq != 0 || err != nil {
			t.Errorf("%s: before: %q %d %v", name, id, seq, err)
		}
		won := 0
		errs := make([]error, 8)
		var all sync.WaitGroup
		for i := range errs {
			all.Go(func() { errs[i] = k.set(0) })
		}
		all.Wait()
		for _, err := range errs {
			if err == nil {
				won++
			} else if !errors.Is(err, journal.ErrConflict) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if won != 1 {
			t.Errorf("%s: %d of %d created it", name, won, len(errs))
		}
		var seq uint64
		b.eventually(t, name+" can be read", func() bool {
			id, at, err := k.get()
			seq = at
			return err == nil && id == b.id
		})
		b.eventually(t, name+" can be changed", func() bool { // once its creation has been applied
			err := k.set(seq)
			if err != nil && !errors.Is(err, journal.ErrConflict) {
				t.Fatalf("%s: change: %v", name, err)
			}
			return err == nil
		})
		if err := k.set(seq); !errors.Is(err, journal.ErrConflict) {
			t.Errorf("%s: change of an old one: %v", name, err)
		}
	}
}

func laneSize(t *testing.T, b *bundle) {
	name := "lane-" + b.id[len(b.id)-12:]
	full := laneOf(b.id)
	for i := range lane.MaxWaiting {
		full.Waiting = append(full.Waiting, lane.Waiting{
			Release: newID(), Project: strings.Repeat("p", 63), Order: 1<<63 + uint64(i), Expedited: true,
		})
	}
	seq, err := b.j.SetLane(b.ctx, name, full, 0)
	if err != nil {
		t.Fatal(err)
	}
	b.eventually(t, "the full lane can be read", func() bool {
		got, at, err := b.j.Lane(b.ctx, name)
		return err == nil && at == seq && lane.Equal(got, full)
	})
	full.Waiting = append(full.Waiting, full.Waiting...)
	if _, err := b.j.SetLane(b.ctx, name, full, seq); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("twice as many: %v", err)
	}
}

func unsafeNames(t *testing.T, b *bundle) {
	for _, id := range []string{"", "*", ">", "a.b", strings.ToUpper(b.id), b.id + ".x", "sluice", "../" + b.id} {
		_, errLoad := b.j.Load(b.ctx, id)
		_, _, errSnapshot := b.j.Snapshot(b.ctx, id)
		_, errBeats := b.j.Beats(b.ctx, id, b.merged(t).At)
		_, _, errUntil := b.j.UntilEnded(b.ctx, id)
		_, _, errDo := b.j.Do(b.ctx, id, release.StartSoak{}, "test")
		_, errAppend := b.j.Append(b.ctx, journal.Entry{}, release.WasMerged{Release: id}, "test")
		_, errGate := b.j.Gate(b.ctx, journal.Entry{State: release.State{Release: id, Project: "tracer"}}, 0)
		for what, err := range map[string]error{
			"gate": errGate, "load": errLoad, "snapshot": errSnapshot, "beats": errBeats, "until": errUntil, "do": errDo, "append": errAppend,
		} {
			if !errors.Is(err, journal.ErrNone) {
				t.Errorf("%s of %q: %v", what, id, err)
			}
		}
		_, err := b.j.Settle(b.ctx, journal.Entry{State: release.State{Release: id, Phase: release.Promoting, Claim: 1}})
		if err == nil {
			t.Errorf("settled %q", id)
		}
		b.id = newID()
	}
	for _, name := range []string{"", "*", ">", "a.b", "_all", "Tracer"} {
		_, errGate := b.j.Gate(b.ctx, journal.Entry{State: release.State{Release: b.id, Project: name}}, 0)
		_, _, errProject := b.j.Project(b.ctx, name)
		_, errChange := b.j.ChangeProject(b.ctx, name, func(r release.Record) (release.Record, error) { return r, errors.New("called") })
		for what, err := range map[string]error{"gate": errGate, "project": errProject, "change": errChange} {
			if !errors.Is(err, journal.ErrNone) {
				t.Errorf("%s of project %q: %v", what, name, err)
			}
		}
	}
	if _, err := b.j.SetLane(b.ctx, "a.b", laneOf(b.id), 0); err == nil {
		t.Error("stored an unsafe lane")
	}
	if _, _, err := b.j.Commit(b.ctx, "tracer", "*"); err == nil {
		t.Error("read a wildcard")
	}
}

func malformedRecord(t *testing.T, b *bundle) {
	seq := b.store(t, &nats.Msg{Subject: topology.Release(b.id), Data: []byte(`{"type":"merged","state":`)})
	_, errLoad := b.j.LoadAt(b.ctx, b.id, seq)
	_, _, errSnapshot := b.j.SnapshotAt(b.ctx, b.id, seq)
	for _, err := range []error{errLoad, errSnapshot} {
		if !errors.Is(err, releasepb.ErrMalformed) {
			t.Fatal(err)
		}
		if text := err.Error(); !strings.Contains(text, topology.Release(b.id)) || !strings.Contains(text, fmt.Sprint(seq)) {
			t.Errorf("it does not say where: %v", err)
		} else if strings.Contains(text, "\n") || len(text) > 500 {
			t.Errorf("not one clear line: %q", text)
		}
	}
}

func newerVersion(t *testing.T, b *bundle) {
	seq := b.store(t, &nats.Msg{Subject: topology.Release(b.id), Data: fmt.Appendf(nil, `{
		"type": "blessed", "blessed": {"by": "ana"}, "signature": "x",
		"state": {"release": %q, "project": "tracer", "phase": "soaking", "approvals": 2, "merge": {"commit": "c", "pull": 7}}}`, b.id)})
	e, err := b.j.LoadAt(b.ctx, b.id, seq)
	if err != nil {
		t.Fatal(err)
	}
	if e.Type != "blessed" || e.State.Phase != release.Soaking || e.State.Merge.Commit != "c" {
		t.Fatalf("%+v", e)
	}
	e = b.append(t, e, release.WasExtended{By: 1})
	e = b.append(t, e, release.WasCancelled{Said: release.Said{By: "ana"}})
	s, err := b.js.Stream(b.ctx, topology.StreamSluice)
	if err != nil {
		t.Fatal(err)
	}
	var data string
	b.eventually(t, "the record can be read", func() bool {
		m, err := s.GetMsg(b.ctx, e.Seq)
		if err == nil {
			data = string(m.Data)
		}
		return err == nil
	})
	data = strings.ReplaceAll(data, " ", "")
	for _, want := range []string{`"approvals":2`, `"pull":7`, `"phase":"cancelled"`} {
		if !strings.Contains(data, want) {
			t.Errorf("%s is lost: %s", want, data)
		}
	}
}
