package accounts_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/topology/accounts"
)

// These are tests of the attacks: each protection is taken away, and the attack that it is there for must then be seen to
// work. An attack that finds nothing here would prove nothing there.

// setupText starts a server with another text than the embedded one.
func setupText(t *testing.T, text string) *testBundle {
	t.Helper()
	var passwords strings.Builder
	for _, u := range accounts.Users() {
		fmt.Fprintf(&passwords, "%s: %q\n", accounts.PasswordEnv(u), password(u))
	}
	return bundle(t, natstest.One(t, natstest.Listen(), natstest.Config(passwords.String()+text)).URL(), topology.Options{})
}

// changed replaces exactly one piece of the text.
func changed(t *testing.T, from, to string) string {
	t.Helper()
	if n := strings.Count(accounts.Text(), from); n != 1 {
		t.Fatalf("%d times in the text, want once: %s", n, from)
	}
	return strings.Replace(accounts.Text(), from, to, 1)
}

func (b *testBundle) works(t *testing.T, user string, may []string, a attempt) {
	t.Helper()
	before := b.snapshot(t, may...)
	b.as(t, user).send(a)
	b.settle(t)
	if err := before.unchanged(b.snapshot(t, may...)); err == nil {
		t.Errorf("%s: %s changed nothing, although what prevents it was taken away", user, a)
	}
}

func TestWithoutTheBorderAReplyWritesIntoAJournal(t *testing.T) {
	t.Parallel()
	text := accounts.Text()
	from := strings.Index(text, "      { user: ci,")
	to := from + strings.Index(text[from:], "} }\n") + len("} }\n")
	ci := text[from:to]
	text = text[:from] + text[to:]
	text = strings.Replace(text, "    users: [\n", "    users: [\n"+ci, 1) // the first list is CORE's
	b := setupText(t, text)
	merge := topology.Merge("tracer")
	b.works(t, accounts.CI, []string{merge}, attempt{subject: merge, body: "{}", reply: topology.Release(release)})
	b.works(t, accounts.CI, []string{merge}, attempt{subject: merge, body: "{}", reply: topology.Request(topology.VerbExpedite, release, "ben")})
}

func TestAnImportThatIsNoWildcardCarriesAnAnswerOn(t *testing.T) {
	t.Parallel()
	text := changed(t, `{ service: { account: CORE, subject: "sluice.cancel.*.*" } }`,
		`{ service: { account: CORE, subject: "sluice.cancel.`+release2+`.ben" } }`)
	b := setupText(t, text)
	merge := topology.Merge("tracer")
	b.works(t, accounts.CI, []string{merge}, attempt{subject: merge, body: "{}", reply: topology.Request(topology.VerbCancel, release2, "ben")})
}

func TestWithRollupAMergeWipesTheStream(t *testing.T) {
	t.Parallel()
	b := setupOne(t)
	s, err := b.js.Stream(b.ctx, topology.StreamSluice)
	if err != nil {
		t.Fatal(err)
	}
	wrong := s.CachedInfo().Config
	wrong.AllowRollup = true
	if _, err := b.js.UpdateStream(b.ctx, wrong); err != nil {
		t.Fatal(err)
	}
	merge := topology.Merge("tracer")
	b.works(t, accounts.CI, []string{merge}, attempt{subject: merge, body: "{}", headers: []string{"Nats-Rollup", "all"}})
}

func TestWithSchedulesAMergeForgesARequest(t *testing.T) {
	t.Parallel()
	b := setupOne(t)
	for _, c := range topology.Streams(topology.Options{}) {
		if c.Name != topology.StreamSluice {
			continue
		}
		if err := b.js.DeleteStream(b.ctx, c.Name); err != nil {
			t.Fatal(err)
		}
		c.AllowMsgSchedules, c.AllowRollup, c.Discard = true, true, jetstream.DiscardOld
		if _, err := b.js.CreateStream(b.ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	merge, forged := topology.Merge("tracer"), topology.Request(topology.VerbExpedite, release, "ben")
	soon := "@at " + time.Now().UTC().Format(time.RFC3339Nano)
	u := b.as(t, accounts.CI)
	u.send(attempt{subject: merge, body: "ship it", headers: []string{"Nats-Schedule", soon, "Nats-Schedule-Target", forged}})
	s, err := b.js.Stream(b.ctx, topology.StreamSluice)
	if err != nil {
		t.Fatal(err)
	}
	for { // a quarter of a second later the broker publishes it
		m, err := s.GetLastMsgForSubject(b.ctx, forged)
		if err == nil {
			if string(m.Data) != "ship it" {
				t.Errorf("got %q", m.Data)
			}
			return
		}
		if b.ctx.Err() != nil {
			t.Fatal("ci could not forge a request although schedules were allowed")
		}
	}
}
