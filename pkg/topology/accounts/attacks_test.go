package accounts_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/topology/accounts"
)

// TestAttacks makes the attacks on one node, and on a cluster of three whose users are connected to a follower: what a
// single node refuses is not always refused when a message has crossed a route first.
func TestAttacks(t *testing.T) {
	t.Parallel()
	for name, setup := range map[string]func(*testing.T) *testBundle{
		"one node":    setupOne,
		"three nodes": setupCluster,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			t.Run("manage streams or read another's messages", b.manage)
			t.Run("have the broker answer into a journal", b.reply)
			t.Run("undo by a header", b.header)
			t.Run("take another's delay", b.delay)
		})
	}
}

// attack makes all attempts of a user and then looks at everything. If something changed it makes them one by one, to
// name the one that did it.
func (b *testBundle) attack(t *testing.T, name string, may []string, attempts []attempt) {
	t.Helper()
	u := b.as(t, name)
	before := b.snapshot(t, may...)
	for _, a := range attempts {
		u.send(a)
	}
	b.settle(t)
	changed := before.unchanged(b.snapshot(t, may...))
	if changed == nil {
		return
	}
	for _, a := range attempts {
		before := b.snapshot(t, may...)
		u.send(a)
		b.settle(t)
		if err := before.unchanged(b.snapshot(t, may...)); err != nil {
			t.Errorf("%s: %s:\n  %v", name, a, err)
		}
	}
	if !t.Failed() {
		t.Errorf("%s: an attempt changed something, but not when made again: %v", name, changed)
	}
}

// who may publish what: the table of DESIGN, and for everybody else the proof that the broker stores nothing.
func TestOnlyThoseWhoMayPublish(t *testing.T) {
	t.Parallel()
	const named = "sluice.%s." + release2 + "."
	people := []string{accounts.Operator}
	services := []string{accounts.Publisher, accounts.Stager, accounts.Promoter}
	table := []struct {
		subject string
		may     []string
	}{
		{topology.Merge("tracer"), []string{accounts.CI, accounts.Operator, accounts.Gateway}},
		{topology.Release(release2), services},
		{topology.Commit("tracer", "c0ffee"), []string{accounts.Publisher}},
		{topology.Version("tracer", "1.4.0"), []string{accounts.Publisher}},
		{topology.Lane("tracer"), []string{accounts.Stager}},
		{topology.Project("tracer"), []string{accounts.Promoter}},
		{topology.Audit("tracer"), []string{accounts.Promoter}},
		{topology.Dead("merge", "1"), append(services, accounts.Watcher)},
		{topology.Due(release2), nil},
		{topology.Signal("tracer", ""), []string{accounts.App, accounts.Gateway}},
		{topology.Signal("tracer", release2), []string{accounts.App, accounts.Gateway}},
		{topology.Alert("tracer", "c6eadffa33fcdf37"), []string{accounts.Gateway}},
		{topology.Heartbeat(release2), []string{accounts.Watcher}},
		{topology.Measured(release2), []string{accounts.Watcher}},
		{topology.Evidence(release2), []string{accounts.Watcher}},
		{topology.Judged(release2), []string{accounts.Watcher}},
		{topology.Templates(release2), []string{accounts.Watcher}},
		{topology.Output(release2), []string{accounts.Publisher, accounts.Stager, accounts.Promoter}},
		{topology.CDEvents(release2), []string{accounts.Gateway}},
		{topology.Dead("cdevents", "1"), append(services, accounts.Watcher, accounts.Gateway)},
		{"$KV.sluice-projects.tracer", people},
		{"$KV.sluice-projects.tracer.0123456789abcdef", people},
		{"$O.sluice-artifacts.C.x", []string{accounts.CI, accounts.Operator, accounts.Publisher}},
		{"$O.sluice-artifacts.M.x", []string{accounts.CI, accounts.Operator, accounts.Publisher}},
		{topology.Request(topology.VerbCancel, release2, ""), people},
		{topology.Request(topology.VerbHold, release2, ""), people},
		{topology.Request(topology.VerbExpedite, release2, ""), nil},
		{topology.Request(topology.VerbResume, release2, ""), nil},
		{topology.Request(topology.VerbExtend, release2, ""), nil},
		{topology.Request(topology.VerbApprove, release2, ""), nil},
		{topology.Request(topology.VerbRetry, release2, ""), nil},
		{topology.Request(topology.VerbRollback, release2, ""), nil},
		{topology.Stop(topology.StopPause, "tracer", ""), people},
		{topology.Stop(topology.StopPause, topology.AllProjects, ""), people},
		{topology.Stop(topology.StopFreeze, "tracer", ""), people},
		{topology.Stop(topology.StopFreeze, topology.AllProjects, ""), people},
		{topology.Stop(topology.StopUnpause, "tracer", ""), nil},
		{topology.Stop(topology.StopUnpause, topology.AllProjects, ""), nil},
		{topology.Stop(topology.StopUnfreeze, "tracer", ""), nil},
		{topology.Stop(topology.StopUnfreeze, topology.AllProjects, ""), nil},
	}
	for _, v := range topology.Stops() {
		for _, actor := range append(everybody(), "ana") {
			may := []string{accounts.Gateway}
			if actor == accounts.Operator {
				may = append(may, accounts.Operator)
			}
			for _, scope := range []string{"tracer", topology.AllProjects} {
				table = append(table, struct {
					subject string
					may     []string
				}{topology.Stop(v, scope, actor), may})
			}
		}
	}
	for _, v := range topology.Verbs() {
		for _, actor := range append(everybody(), "ana") {
			may := []string{accounts.Gateway}
			switch {
			case actor == accounts.Operator:
				may = append(may, accounts.Operator)
			case v == topology.VerbCancel && (actor == accounts.Watcher || actor == accounts.Stager):
				may = append(may, actor)
			case (v == topology.VerbHold || v == topology.VerbRollback) && actor == accounts.Watcher:
				may = append(may, actor)
			}
			table = append(table, struct {
				subject string
				may     []string
			}{fmt.Sprintf(named, v) + actor, may})
		}
	}
	b := setupOne(t)
	for _, name := range everybody() {
		u := b.as(t, name)
		before := b.snapshot(t)
		var not []attempt
		for _, row := range table {
			a := attempt{subject: row.subject, body: "{}"}
			if slices.Contains(row.may, name) {
				continue
			}
			not = append(not, a)
			if stored, err := u.stored(a); stored || err == nil {
				t.Errorf("%s: %s: stored %v (%v)", name, a, stored, err)
			}
		}
		b.settle(t)
		if err := before.unchanged(b.snapshot(t)); err != nil {
			t.Errorf("%s: one of %v:\n  %v", name, not, err)
		}
		for _, row := range table {
			if !slices.Contains(row.may, name) {
				continue
			}
			if stored, err := u.stored(attempt{subject: row.subject, body: "{}"}); !stored {
				t.Errorf("%s: may publish %s, but: %v", name, row.subject, err)
			}
		}
	}
}

// manage: nobody creates, changes, purges, deletes, or reads what is delivered to another.
func (b *testBundle) manage(t *testing.T) {
	update, err := b.js.Stream(b.ctx, topology.StreamSluice)
	if err != nil {
		t.Fatal(err)
	}
	seq := update.CachedInfo().State.LastSeq
	consumer := `{"stream_name":%q,"config":{"durable_name":"evil","ack_policy":"none","deliver_policy":"all","deliver_subject":"sluice.lane.x"},"action":""}`
	var attempts []attempt
	for _, s := range topology.Streams(topology.Options{}) {
		api := func(what, body string) {
			attempts = append(attempts, attempt{subject: "$JS.API." + what, body: body})
		}
		name := s.Name
		api("STREAM.UPDATE."+name, fmt.Sprintf(`{"name":%q,"subjects":[%q],"max_msgs":1,"discard":"old","allow_rollup_hdrs":true,"retention":"limits","storage":"file","num_replicas":1}`, name, s.Subjects[0]))
		api("STREAM.DELETE."+name, "")
		api("STREAM.PURGE."+name, "")
		api("STREAM.PURGE."+name, `{"filter":">"}`)
		api("STREAM.MSG.DELETE."+name, fmt.Sprintf(`{"seq":%d}`, seq))
		api("STREAM.SNAPSHOT."+name, `{"deliver_subject":"sluice.lane.x"}`)
		api("STREAM.RESTORE."+name, "{}")
		api("STREAM.LEADER.STEPDOWN."+name, "")
		api("STREAM.PEER.REMOVE."+name, `{"peer":"n1"}`)
		if !strings.HasPrefix(name, "OBJ_") && name != topology.StreamSignals {
			api("CONSUMER.CREATE."+name, fmt.Sprintf(consumer, name))
			api("CONSUMER.CREATE."+name+".evil", fmt.Sprintf(consumer, name))
			api("CONSUMER.CREATE."+name+".evil.>", fmt.Sprintf(consumer, name))
			api("CONSUMER.DURABLE.CREATE."+name+".evil", fmt.Sprintf(consumer, name))
		}
	}
	for _, c := range topology.Consumers() {
		id := c.Stream + "." + c.Config.Durable
		for _, what := range []string{"DELETE", "LEADER.STEPDOWN", "UNPIN", "RESET"} {
			attempts = append(attempts, attempt{subject: "$JS.API.CONSUMER." + what + "." + id})
		}
		attempts = append(attempts, attempt{subject: "$JS.API.CONSUMER.PAUSE." + id,
			body: fmt.Sprintf(`{"pause_until":%q}`, time.Now().Add(time.Hour).Format(time.RFC3339))})
	}
	attempts = append(attempts,
		attempt{subject: "$JS.API.STREAM.CREATE.EVIL", body: `{"name":"EVIL","subjects":["evil.>"]}`},
		attempt{subject: "$JS.API.ACCOUNT.PURGE.CORE"},
		attempt{subject: "$JS.API.META.LEADER.STEPDOWN"},
		attempt{subject: "$JS.API.SERVER.REMOVE", body: `{"peer":"n1"}`},
		attempt{subject: "$SYS.REQ.SERVER.PING"},
		attempt{subject: "$SYS.REQ.ACCOUNT.CORE.CLAIMS.UPDATE"},
	)
	for _, name := range everybody() {
		own := attempts
		for _, c := range topology.Consumers() {
			if strings.HasPrefix(c.Config.Durable, name) {
				continue // its own
			}
			id := c.Stream + "." + c.Config.Durable
			own = append(slices.Clip(own),
				attempt{subject: "$JS.API.CONSUMER.MSG.NEXT." + id, reply: "_INBOX.x", body: "1"},
				attempt{subject: fmt.Sprintf("$JS.ACK.%s.1.1.1.1700000000000000000.0", id), body: "+ACK"},
				attempt{subject: fmt.Sprintf("$JS.ACK.%s.1.%d.1.1700000000000000000.0", id, seq), body: "+TERM"})
		}
		b.attack(t, name, nil, own)
	}
}

// reply: lets the broker answer wherever an attacker wants it to.
func (b *testBundle) reply(t *testing.T) {
	targets := []string{
		topology.Release(release), topology.Release(release2), topology.Lane("victim"), topology.Lane("x"), topology.Due(release),
		topology.Delay(release), topology.Commit("tracer", "f00"), topology.Merge("victim"), topology.Merge("x"), topology.Judged(release),
		topology.Project("victim"), topology.Project("x"), topology.Audit("victim"), topology.Audit("x"), topology.Heartbeat(release), topology.Measured(release), topology.Signal("victim", ""), topology.Alert("victim", "c6eadffa33fcdf37"), topology.Dead("merge", "x"), "$KV.sluice-projects.victim",
		"$KV.sluice-projects.x", "$O.sluice-artifacts.M.x", "$JS.API.STREAM.PURGE.SLUICE", "$JS.API.STREAM.DELETE.SLUICE",
		"$JS.API.STREAM.PURGE.OBJ_sluice-artifacts", "$JS.API.CONSUMER.DELETE.SLUICE.promoter", "_R_.x", "_R_.x.y", "$SYS.REQ.SERVER.PING",
	}
	for _, v := range topology.Verbs() {
		targets = append(targets, topology.Request(v, release, ""), topology.Request(v, release, "ben"))
	}
	for _, v := range topology.Stops() {
		targets = append(targets, topology.Stop(v, "victim", ""), topology.Stop(v, topology.AllProjects, "ben"))
	}
	for _, c := range topology.Consumers() {
		for seq := range 12 {
			targets = append(targets, fmt.Sprintf("$JS.ACK.%s.%s.1.%d.1.1700000000000000000.0", c.Stream, c.Config.Durable, seq+1))
		}
	}
	// An attacker who may store something chooses what a direct read answers with, too: an acknowledgement, say.
	content := topology.Merge("tracer")
	if ok, err := b.as(t, accounts.CI).stored(attempt{subject: content, body: "+ACK"}); !ok {
		t.Fatal(err)
	}
	reads := []attempt{
		{subject: "$JS.API.DIRECT.GET.SLUICE." + content},
		{subject: "$JS.API.DIRECT.GET.SLUICE", body: `{"multi_last":["sluice.merge.*"]}`},
		{subject: "$JS.API.DIRECT.GET.SLUICE", body: `{"seq":1000000}`}, // an empty answer is an acknowledgement, too
		{subject: "$JS.API.STREAM.MSG.GET.SLUICE", body: `{"last_by_subj":"` + content + `"}`},
		{subject: "$JS.API.DIRECT.GET.SLUICE_TIMERS", body: `{"multi_last":["sluice.delay.*"]}`},
		{subject: "$JS.API.CONSUMER.INFO.SLUICE.promoter"},
		{subject: "$JS.API.CONSUMER.MSG.NEXT.SLUICE." + topology.ConsumerGatewaySink, body: `{"batch":1,"no_wait":true}`},
		{subject: "$JS.API.STREAM.INFO.SLUICE"},
		{subject: "$JS.API.INFO"},
	}
	merge := attempt{subject: topology.Merge("tracer"), body: "{}"}
	signal := attempt{subject: topology.Signal("tracer", ""), body: "{}"}
	for name, own := range map[string][]attempt{
		accounts.CI:     append([]attempt{merge}, reads...),
		accounts.Viewer: reads,
		accounts.App:    {signal},
		accounts.Gateway: append([]attempt{
			merge, signal, {subject: "$JS.API.CONSUMER.MSG.NEXT.SLUICE." + topology.ConsumerGatewayAWS, body: `{"batch":2,"no_wait":true}`},
			{subject: "$JS.ACK.SLUICE." + topology.ConsumerGatewayAWS + ".1.1.1.1.0", body: "+ACK"},
		}, reads...),
		accounts.Operator: append([]attempt{
			merge, {subject: topology.Request(topology.VerbCancel, release2, ""), body: "{}"},
			{subject: topology.Stop(topology.StopPause, "tracer", ""), body: "{}"},
		}, reads...),
	} {
		var attempts []attempt
		for _, a := range own {
			for _, target := range targets {
				a.reply = target
				attempts = append(attempts, a)
			}
		}
		may := []string{
			topology.Merge("tracer"), topology.Signal("tracer", ""), topology.Request(topology.VerbCancel, release2, ""),
			topology.Stop(topology.StopPause, "tracer", ""),
		}
		if name == accounts.Gateway { // acknowledges what is its own
			may = append(may, topology.StreamSluice+" "+topology.ConsumerGatewayAWS)
		}
		b.attack(t, name, may, attempts)
	}
}

// header: puts every header with a meaning to the broker on what each member of OPS may publish.
func (b *testBundle) header(t *testing.T) {
	soon := "@at " + time.Now().UTC().Format(time.RFC3339Nano)
	cancel, delay := topology.Request(topology.VerbCancel, release, "ana"), topology.Delay(release)
	headers := [][]string{
		{"Nats-Rollup", "all"}, {"Nats-Rollup", "sub"}, {"Nats-TTL", "1s"}, {"Nats-TTL", "never"}, {"Nats-Incr", "+1"},
		{"Nats-Marker-Reason", "Purge"}, {"Nats-Stream-Source", "SLUICE 1 > > sluice.release." + release},
		{"Nats-Trace-Dest", topology.Release(release)}, {"Nats-Trace-Dest", cancel}, {"Nats-Trace-Dest", cancel, "Nats-Trace-Only", "true"},
		{"Nats-Trace-Dest", "$JS.ACK.SLUICE.promoter.1.1.1.1.0"}, {"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
		{"Nats-Request-Info", `{"acc":"CORE","svc":"CORE","user":"admin"}`},
		{"Nats-Batch-Id", "x", "Nats-Batch-Sequence", "1", "Nats-Batch-Commit", "1"},
	}
	for _, target := range []string{
		topology.Release(release), cancel, delay, topology.Due(release), topology.Lane("victim"), topology.Merge("victim"), topology.Project("victim"),
		topology.Audit("victim"),
	} {
		headers = append(headers, []string{"Nats-Schedule", soon, "Nats-Schedule-Target", target},
			[]string{"Nats-Schedule", "@every 1s", "Nats-Schedule-Target", target, "Nats-Schedule-TTL", "5m"},
			[]string{"Nats-Schedule", soon, "Nats-Schedule-Target", target, "Nats-Schedule-Source", delay},
			[]string{"Nats-Schedule-Next", "purge", "Nats-Scheduler", target})
	}
	own := map[string][]string{
		accounts.CI:      {topology.Merge("tracer")},
		accounts.App:     {topology.Signal("tracer", "")},
		accounts.Gateway: {topology.Merge("tracer"), topology.Request(topology.VerbExpedite, release2, "ben")},
		accounts.Operator: {topology.Merge("tracer"), topology.Request(topology.VerbHold, release2, ""), "$KV.sluice-projects.tracer",
			topology.Stop(topology.StopUnpause, "tracer", accounts.Operator)},
		accounts.Viewer: {"$JS.API.STREAM.INFO.SLUICE", "$JS.API.DIRECT.GET.SLUICE." + cancel},
	}
	for name, subjects := range own {
		for _, subject := range subjects {
			var attempts []attempt
			for _, h := range headers {
				if name == accounts.Gateway && h[1] == cancel {
					continue // it may cancel in anybody's name, and so have a trace sent there
				}
				attempts = append(attempts, attempt{subject: subject, headers: h, body: "{}"})
			}
			b.attack(t, name, []string{subject}, attempts)
		}
	}
}

// delay: the attack on another's delay, by those who may not publish there and by headers.
func (b *testBundle) delay(t *testing.T) {
	delay := topology.Delay(release)
	soon := "@at " + time.Now().UTC().Format(time.RFC3339Nano)
	for _, name := range everybody() {
		if name == accounts.Promoter {
			continue
		}
		b.attack(t, name, nil, []attempt{
			{subject: delay, body: "gone"},
			{subject: delay, headers: []string{"Nats-Rollup", "sub"}},
			{subject: delay, headers: []string{"Nats-Schedule", soon, "Nats-Schedule-Target", topology.Due(release)}},
			{subject: topology.Due(release), headers: []string{"Nats-Schedule-Next", "purge", "Nats-Scheduler", delay}},
			{subject: topology.Due(release), body: "now"},
		})
	}
	u := b.as(t, accounts.Promoter)
	ack, err := u.js.PublishMsg(b.ctx, topology.DelayMsg(release, time.Now().Add(2*time.Hour)))
	if err != nil || ack.Stream != topology.StreamTimers {
		t.Errorf("the promoter: %v %v", ack, err)
	}
}

// TestNobodyListensIn subscribes where others' messages and answers pass.
func TestNobodyListensIn(t *testing.T) {
	t.Parallel()
	b := setupOne(t)
	for _, name := range everybody() {
		u := b.as(t, name)
		for _, subject := range []string{
			">", "sluice.>", "sluice.cancel.>", "sluice.merge.*", "_INBOX_admin.>", "_INBOX_*.>", "$JS.>", "$JS.ACK.>", "$JS.API.>", "_R_.>",
			"sluice.lane.*", "sluice.delay.*", "sluice.due.*", "sluice.project.*", "sluice.audit.*", "sluice.pause.*", "$KV.>", "$O.>", "$SYS.>",
			topology.InboxPrefix(accounts.Publisher) + ".>", topology.InboxPrefix(accounts.Stager) + ".>",
			topology.InboxPrefix(accounts.Promoter) + ".>", topology.InboxPrefix(accounts.Watcher) + ".>",
		} {
			if subject == topology.InboxPrefix(name)+".>" {
				continue
			}
			before := u.nc.LastError()
			if _, err := u.nc.SubscribeSync(subject); err != nil {
				t.Fatal(err)
			}
			if err := u.nc.Flush(); err != nil {
				t.Fatal(err)
			}
			if err := u.nc.LastError(); errors.Is(err, before) || !strings.Contains(err.Error(), fmt.Sprintf("%q", subject)) {
				t.Errorf("%s may listen on %s (%v)", name, subject, err)
			}
		}
	}
}

// TestWhatTheBorderDoesNotGive pins what the package comment admits, so that it is not forgotten when the broker changes.
func TestWhatTheBorderDoesNotGive(t *testing.T) {
	t.Parallel()
	b := setupOne(t)
	artifacts := []string{"$O.sluice-artifacts.M.x", "$O.sluice-artifacts.M.y"}
	u := b.as(t, accounts.CI)
	before := b.snapshot(t, artifacts...)
	for _, a := range []attempt{{subject: artifacts[0], body: "{}"}, {subject: artifacts[1], body: "{}", headers: []string{"Nats-Rollup", "all"}}} {
		if ok, err := u.stored(a); !ok {
			t.Fatal(err)
		}
	}
	s, err := b.js.Stream(b.ctx, topology.StreamArtifacts)
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Info(b.ctx, jetstream.WithSubjectFilter(">"))
	if err != nil {
		t.Fatal(err)
	}
	if info.State.Msgs != 1 {
		t.Errorf("ci could not wipe the artifacts: good, and the package comment is to be changed")
	}
	if err := before.unchanged(b.snapshot(t, artifacts...)); err != nil {
		t.Errorf("it changed more than artifacts:\n  %v", err)
	}
}
