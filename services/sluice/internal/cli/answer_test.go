package cli

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/find"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// bundle is a broker with one release, whose journal the test writes in the promoter's place.
type bundle struct {
	*testing.T
	js  jetstream.JetStream
	c   *client
	id  string
	app *app
	out bytes.Buffer
}

func setup(t *testing.T, commands ...release.Command) *bundle {
	t.Helper()
	return setupUnder(t, release.Policy{}, commands...)
}

func setupUnder(t *testing.T, p release.Policy, commands ...release.Command) *bundle {
	t.Helper()
	js := natstest.Topology(t, natstest.One(t).Conn(t))
	j, err := journal.Open(t.Context(), js, "test")
	if err != nil {
		t.Fatal(err)
	}
	c, err := catalog.Open(t.Context(), js)
	if err != nil {
		t.Fatal(err)
	}
	b := &bundle{T: t, js: js, c: &client{js: js, journal: j, catalog: c}, id: uuid.Must(uuid.NewV7()).String()}
	b.app = &app{out: &b.out, err: &bytes.Buffer{}}
	b.do(release.Admit{Release: b.id, Project: "tracer", Policy: p})
	b.do(commands...)
	return b
}

func (b *bundle) do(commands ...release.Command) {
	b.Helper()
	for _, c := range commands {
		if _, _, err := b.c.journal.Do(b.Context(), b.id, c, "test"); err != nil {
			b.Fatalf("%T: %v", c, err)
		}
	}
}

// ask stores a request and returns it.
func (b *bundle) ask(verb release.Verb) release.Request {
	b.Helper()
	ack, err := b.js.Publish(b.Context(), topology.Request(string(verb), b.id, "ana"), nil)
	if err != nil {
		b.Fatal(err)
	}
	return release.Request{Verb: verb, Seq: ack.Sequence, Actor: "ana", At: time.Now()}
}

// answer is what the command prints, and its exit code.
func (b *bundle) answer(r release.Request) (string, Code) {
	b.Helper()

	text, err := b.app.answer(b.Context(), b.c, find.Found{ID: b.id}, ask{verb: r.Verb, timeout: 100 * time.Millisecond}, r.Seq)
	var code *codeError
	if errors.As(err, &code) {
		return err.Error(), code.code
	}
	if err != nil {
		b.Fatal(err)
	}
	return text, Done
}

func (b *bundle) wants(r release.Request, code Code, text string) {
	b.Helper()
	if got, c := b.answer(r); c != code || !strings.Contains(got, text) {
		b.Errorf("%s: %d %q, want %d %q", r.Verb, c, got, code, text)
	}
}

// What happens to the release between a request and its answer is not the answer.
func TestTheAnswerIsAwaited(t *testing.T) {
	b := setup(t)
	hold := b.ask(release.Hold)
	b.do(release.Begin{Work: release.Publish, Instance: "i"}, hold)
	b.wants(hold, Done, "will be held when its soak begins; it is publishing")
}

func soaking() []release.Command {
	var out []release.Command
	for _, w := range []release.Work{release.Publish, release.Stage} {
		out = append(out, release.Begin{Work: w, Instance: "i", Plan: release.Plan{Version: "1.4.0"}}, release.Finish{Work: w})
	}
	return append(out, release.StartSoak{})
}

func claim() release.Command {
	return release.Alarm{At: time.Now().Add(time.Hour), Instance: "i", Timeout: time.Hour}
}

// While no promoter answers, what a stored request is worth is told by what the stream holds at its sequence.
func TestNobodyAnswers(t *testing.T) {
	b := setup(t, soaking()...)
	b.wants(b.ask(release.Cancel), Done, "before any promotion was claimed, and will be honoured")
	b.wants(b.ask(release.Expedite), TimedOut, "no answer within 100ms (is the promoter running?)")

	b = setup(t, soaking()...)
	early := b.ask(release.Cancel)
	b.do(claim())
	b.wants(early, Done, "before any promotion was claimed, and will be honoured")
	b.wants(b.ask(release.Hold), TimedOut, "the promotion was claimed before")

	b.do(release.Fail{By: "promoter", Reason: "no room"})
	b.wants(b.ask(release.Cancel), Refused, "too late to cancel: tracer 1.4.0 failed at ")

	b = setupUnder(t, release.Policy{Bake: time.Hour}, append(soaking(), claim(), release.Finish{Work: release.Promote})...)
	b.wants(b.ask(release.Cancel), Refused, "too late to cancel: tracer 1.4.0 is promoted, and bakes: sluice rollback ")
}

// A cancel that is waited for is over when staging and the beta are put back, or can not be.
func TestUntilAllIsPutBack(t *testing.T) {
	for name, c := range map[string]struct {
		failed bool
		code   Code
		text   string
	}{
		"put back":     {false, Done, "tracer 1.4.0 ID: all is put back"},
		"not put back": {true, Failed, "tracer 1.4.0 is cancelled, and not all is put back: no room"},
	} {
		b := setupUnder(t, release.Policy{PutBack: true, Stages: []release.StagePolicy{{Name: "staging"}}}, soaking()...)
		cancel := b.ask(release.Cancel)
		b.do(cancel)
		q := ask{verb: release.Cancel, timeout: time.Second, wait: true}
		done := make(chan struct{})
		var text string
		var err error
		go func() {
			defer close(done)
			text, err = b.app.untilDecided(b.Context(), b.c, b.id, q, "cancelled", cancel.Seq)
		}()
		b.do(release.Begin{Work: release.RestoreStaging, Instance: "i"},
			release.Finish{Work: release.RestoreStaging, Failed: c.failed, Note: "no room"})
		select {
		case <-done:
			t.Fatalf("%s: it is over before the beta is put back: %q %v", name, text, err)
		default:
		}
		b.do(release.Begin{Work: release.RestoreBeta, Instance: "i"}, release.Finish{Work: release.RestoreBeta})
		<-done
		got := Done
		var code *codeError
		if errors.As(err, &code) {
			got, text = code.code, err.Error()
		}
		if want := strings.ReplaceAll(c.text, "ID", b.id); got != c.code || text != want {
			t.Errorf("%s: %d %q (%v), want %d %q", name, got, text, err, c.code, want)
		}
		if b.out.String() != "cancelled\n" {
			t.Errorf("%s: printed %q", name, b.out.String())
		}
	}
}

// Whoever asks too late is told so, and by whom.
func TestTooLate(t *testing.T) {
	b := setup(t, soaking()...)
	b.do(claim())
	late := b.ask(release.Cancel)
	e, err := b.c.journal.Load(t.Context(), b.id)
	if err != nil {
		t.Fatal(err)
	}
	late.Settled = e.State.Claim
	b.do(late)
	b.wants(late, Refused, "cancel of tracer 1.4.0 is refused: too late: the promotion was claimed at sequence ")
	b.do(release.Finish{Work: release.Promote})
	b.wants(b.ask(release.Cancel), Refused, "too late to cancel: tracer 1.4.0 was promoted at ")
}
