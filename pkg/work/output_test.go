package work

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
)

func TestMain(m *testing.M) { natstest.Main(m) }

// Whatever a driver prints, the message of it is one that the broker takes.
func TestOutputFitsAMessage(t *testing.T) {
	for _, text := range []string{"x", `"`, "\\", "\n", "\t", "\x00", "\xff", "x\xff", "\xff\"", "a://@", "é", "\u2028", "<", "\x1b[31m"} {
		o := driver.NewOutput()
		_, _ = o.Write([]byte(strings.Repeat(text, 1<<18)))
		p, _ := o.End()
		data, err := releasepb.EncodeOutput(releasepb.Output{Reason: strings.Repeat(`"`, 1000), Text: p.Text, Bytes: p.Bytes, Left: p.Left})
		if err != nil || len(data) > 164<<10 || len(data) > topology.MaxEvidence-4<<10 {
			t.Errorf("%q: %d bytes, %v", text, len(data), err)
		}
		if back, err := releasepb.DecodeOutput(data); err != nil || back.Text != p.Text {
			t.Errorf("%q is read as something else: %v", text, err)
		}
	}
}

// While the broker is away nothing is stored and nobody waits; that is said once.
func TestOutputWhileTheBrokerIsAway(t *testing.T) {
	server := natstest.One(t)
	nc := server.Conn(t)
	js := natstest.Topology(t, nc)
	core, logs := observer.New(zapcore.InfoLevel)
	env, err := service.Open(t.Context(), "stager", "stager-0", js, zap.New(core), service.NewMetrics())
	if err != nil {
		t.Fatal(err)
	}
	const id = "01970000-0000-7000-8000-000000000001"
	e := journal.Entry{State: release.State{Release: id, Project: "tracer", Attempts: map[release.Work]release.Attempt{release.Stage: {Number: 1}}}}
	deploy := func() {
		o := driver.NewOutput()
		o.Say("deployed")
		a := attempt{env: env, entry: e, work: release.Stage, printed: o}
		began := time.Now()
		a.over(t.Context(), time.Second, "failed", Outcome{}, errors.New("no"))
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %s", took)
		}
	}
	deploy()
	until(t, "it is stored", func() bool {
		all, _, err := env.Journal.Outputs(t.Context(), id)
		return err == nil && len(all) == 1 && all[0].Text == "deployed\n"
	})
	server.Stop()
	until(t, "the broker is gone", func() bool { return !nc.IsConnected() })
	deploy()
	until(t, "it is said", func() bool { return logs.Len() > 0 })
	if all := logs.All(); len(all) != 1 || all[0].Message != "what a driver printed is not stored" || all[0].ContextMap()["error"] != errAway.Error() {
		t.Errorf("it is said: %v", all)
	}
}

// until waits for something.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick, over := time.NewTicker(5*time.Millisecond), time.After(10*time.Second)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("never: %s", what)
		}
	}
}

// How an attempt ended is told by what ended it, and why without what a command printed.
func TestHowAnAttemptEnded(t *testing.T) {
	alive := t.Context()
	over, end := context.WithCancel(alive)
	end()
	cancelled, cancel := context.WithCancelCause(alive)
	cancel(driver.ErrCancelled)
	refused := driver.Refusef("the command %q failed with exit status 3; the end of its output:\nno such region\nat all", "sh")
	for _, c := range []struct {
		ctx, timed context.Context
		err        error
		want       string
	}{
		{alive, alive, nil, "done"}, {over, over, nil, "done"}, {alive, alive, refused, "refused"}, {over, over, refused, "refused"},
		{alive, cancelled, errors.New("stopped"), "cancelled"}, {over, over, errors.New("stopped"), "interrupted"},
		{alive, over, errors.New("time is up"), "failed"},
	} {
		if got := ended(c.ctx, c.timed, c.err); got != c.want {
			t.Errorf("%v ended as %s, want %s", c.err, got, c.want)
		}
	}
	if got, want := firstLine(refused), `the command "sh" failed with exit status 3`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	s := release.State{Stage: 1, Passed: []release.Channel{{Touched: true}}, Policy: release.Policy{Stages: []release.StagePolicy{{Name: "qa"}, {Name: "eu"}}}}
	for w, want := range map[release.Work]string{release.Publish: "", release.Stage: "eu", release.RestoreStaging: "qa", release.Promote: ""} {
		if got := stageOf(s, w); got != want {
			t.Errorf("%s is about the stage %q, want %q", w, got, want)
		}
	}
}
