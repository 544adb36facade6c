package journal_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

type surveyBundle struct {
	*testing.T
	js jetstream.JetStream
	j  *journal.Journal
}

func setupSurvey(t *testing.T) *surveyBundle {
	t.Helper()
	js := natstest.Topology(t, natstest.One(t).Conn(t))
	j, err := journal.Open(t.Context(), js, "test")
	if err != nil {
		t.Fatal(err)
	}
	return &surveyBundle{T: t, js: js, j: j}
}

func (b *surveyBundle) publish(subject, body string) uint64 {
	b.Helper()
	ack, err := b.js.Publish(b.Context(), subject, []byte(body))
	if err != nil {
		b.Fatalf("%s: %v", subject, err)
	}
	return ack.Sequence
}

// stops is what stops a project, in words.
func stopsOf(g release.Gate) string {
	var out []string
	for _, s := range g.Stops {
		out = append(out, fmt.Sprintf("%s by %s all=%t %s%s", s.Kind, s.Said.By, s.All, s.Said.Reason, s.Release))
	}
	return strings.Join(out, "; ")
}

// What many reads of one project would say is said by one read of many.
func TestGates(t *testing.T) {
	b := setupSurvey(t)
	var names []string
	for i := range 70 {
		names = append(names, fmt.Sprintf("p%d", i))
	}
	b.publish(topology.Stop(topology.StopPause, "p1", "ana"), "the fair")
	b.publish(topology.Stop(topology.StopPause, "p2", "ana"), "the fair")
	b.publish(topology.Stop(topology.StopUnpause, "p2", "lee"), "over")
	b.publish(topology.Stop(topology.StopPause, "p69", ""), "late")
	last := b.publish(topology.Stop(topology.StopFreeze, topology.AllProjects, "lee"), "48h the fair")
	if _, err := b.j.ChangeProject(t.Context(), "p3", func(r release.Record) (release.Record, error) {
		r.Rolling = "a release"
		return r, nil
	}); err != nil {
		t.Fatal(err)
	}
	gates, err := b.j.Gates(t.Context(), names, last)
	if err != nil || len(gates) != len(names) {
		t.Fatalf("%d gates: %v", len(gates), err)
	}
	const all = "freeze by lee all=true the fair"
	for name, want := range map[string]string{
		"p0": all, "p1": "pause by ana all=false the fair; " + all, "p2": all, "p3": "rollback by  all=false a release; " + all,
		"p69": "pause by  all=false late; " + all,
	} {
		if got := stopsOf(gates[name]); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if gates["p2"].Opened.IsZero() || gates["p3"].Record.Rolling != "a release" {
		t.Errorf("%+v", gates["p3"])
	}
	if _, err := b.j.Gates(t.Context(), []string{"no good"}, 0); err == nil {
		t.Error("an unsafe name is read")
	}
}

// Many people stop and go; each of them has a subject of their own.
func TestGatesOfManyPeople(t *testing.T) {
	b := setupSurvey(t)
	names := []string{"p0", "p1", "p2", "p3"}
	for i := range 400 {
		for _, p := range names {
			b.publish(topology.Stop(topology.StopPause, p, fmt.Sprintf("somebody-%d", i)), "")
		}
	}
	gates, err := b.j.Gates(t.Context(), names, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range names {
		if got := stopsOf(gates[p]); got != "pause by somebody-399 all=false " {
			t.Errorf("%s: %q", p, got)
		}
	}
}

func TestAlarms(t *testing.T) {
	b := setupSurvey(t)
	var ids []string
	for i := range 600 {
		id := uuid.Must(uuid.NewV7()).String()
		ids = append(ids, id)
		if i%2 == 0 {
			if _, err := b.js.PublishMsg(t.Context(), topology.DelayMsg(id, time.Now().Add(time.Hour))); err != nil {
				t.Fatal(err)
			}
		}
	}
	b.publish(topology.Due(ids[1]), "")
	got, err := b.j.Alarms(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range ids {
		if want := i%2 == 0 || i == 1; got[id] != want {
			t.Errorf("%d: %t, want %t", i, got[id], want)
		}
	}
}

func TestWhatWasAskedTakenAndRefused(t *testing.T) {
	b := setupSurvey(t)
	one, two := uuid.Must(uuid.NewV7()).String(), uuid.Must(uuid.NewV7()).String()
	b.publish(topology.Request(topology.VerbCancel, one, "ana"), "")
	b.publish(topology.Request(topology.VerbHold, one, "ana"), "")
	b.publish(topology.Request(topology.VerbCancel, two, ""), "")
	b.publish("sluice.cancel."+two+".ana@corp", "")
	var asked []string
	see := func(a journal.Asking) bool {
		asked = append(asked, fmt.Sprintf("%s %s %s", a.Verb, map[string]string{one: "one", two: "two"}[a.Release], a.Actor))
		return len(asked) < 3
	}
	if err := b.j.Requests(t.Context(), release.Cancel, journal.From{Seq: 1}, see); err != nil {
		t.Fatal(err)
	}
	if want := []string{"cancel two ", "cancel one ana", "cancel two ana@corp"}; !slices.Equal(asked, want) {
		t.Errorf("%q, want %q", asked, want)
	}

	for _, v := range []string{"1.4.0", "1.4.0-beta.0"} {
		if err := b.j.SetVersion(t.Context(), "tracer", v, one, 0); err != nil {
			t.Fatal(err)
		}
	}
	var taken []string
	if err := b.j.Versions(t.Context(), "tracer", journal.From{}, func(v journal.Taken) bool {
		taken = append(taken, v.Version)
		return v.Release == one
	}); err != nil || !slices.Equal(taken, []string{"1.4.0", "1.4.0-beta.0"}) {
		t.Errorf("%q, %v", taken, err)
	}

	letter, err := releasepb.EncodeDeadLetter(releasepb.DeadLetter{Reason: "no commit", Subject: "sluice.merge.tracer", Seq: 7})
	if err != nil {
		t.Fatal(err)
	}
	b.publish(topology.Dead("merge", "tracer"), string(letter))
	var dead []journal.Dead
	if err := b.j.Refused(t.Context(), journal.From{}, func(d journal.Dead) bool { dead = append(dead, d); return true }); err != nil {
		t.Fatal(err)
	}
	if len(dead) != 1 || dead[0].What != "merge" || dead[0].Token != "tracer" || dead[0].Reason != "no commit" || dead[0].At.IsZero() {
		t.Errorf("%+v", dead)
	}
}
