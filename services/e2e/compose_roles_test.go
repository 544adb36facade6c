package e2e_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/topology/accounts"
)

// attempt is one message that must not do what its sender wants.
type attempt struct {
	what    string
	subject string
	reply   string
	header  nats.Header
	body    string
}

// forbidden tries in the running system, as every user, what that user may not do to a release that soaks. All attacks that
// we know are made in the tests of the accounts; these show that the deployed broker has those accounts.
func (c *composed) forbidden(id string) {
	c.Helper()
	everybody := slices.DeleteFunc(accounts.Users(), func(u string) bool { return u == accounts.Admin })
	services := []string{accounts.Publisher, accounts.Stager, accounts.Promoter, accounts.Watcher}
	soon := "@at " + time.Now().UTC().Format(time.RFC3339Nano)
	for _, user := range everybody {
		deny := []attempt{
			{what: "write a lane", subject: topology.Lane("tracer"), body: "{}"},
			{what: "write a journal", subject: topology.Release(id), body: "{}"},
			{what: "delete another's delay", subject: topology.Delay(id), body: "gone"},
			{what: "move another's delay", subject: topology.Delay(id), header: nats.Header{"Nats-Schedule": {soon}, "Nats-Schedule-Target": {topology.Due(id)}}},
			{what: "say that it is due", subject: topology.Due(id), body: "now"},
			{what: "cancel under another's name", subject: topology.Request(topology.VerbCancel, id, "ana")},
			{what: "expedite under another's name", subject: topology.Request(topology.VerbExpedite, id, "ana")},
			{what: "purge", subject: "$JS.API.STREAM.PURGE." + topology.StreamSluice},
			{what: "delete a message", subject: "$JS.API.STREAM.MSG.DELETE." + topology.StreamSluice, body: `{"seq":1}`},
			{what: "delete a consumer", subject: "$JS.API.CONSUMER.DELETE." + topology.StreamSluice + "." + topology.ConsumerPromoter},
		}
		may := map[string][]string{ // what a user is there for
			accounts.Stager:    {"write a lane", "write a journal"},
			accounts.Publisher: {"write a journal"},
			accounts.Promoter:  {"write a journal", "delete another's delay", "move another's delay"},
			accounts.Gateway:   {"cancel under another's name", "expedite under another's name"},
		}[user]
		deny = slices.DeleteFunc(deny, func(a attempt) bool { return slices.Contains(may, a.what) })
		if !slices.Contains(services, user) { // they may not publish there at all, with whatever reply or header
			deny = append(deny, c.byTheWayOfWhatIsAllowed(user, id, soon)...)
		}
		c.try(user, deny)
	}
}

// byTheWayOfWhatIsAllowed are the attacks by reply subject and by header on what the user may publish.
func (c *composed) byTheWayOfWhatIsAllowed(user, id, soon string) []attempt {
	subject := map[string]string{
		accounts.CI:       topology.Merge("tracer"),
		accounts.Operator: topology.Merge("tracer"),
		accounts.Gateway:  topology.Merge("tracer"),
		accounts.App:      topology.Signal("other", ""),
		accounts.Viewer:   "$JS.API.DIRECT.GET." + topology.StreamSluice + "." + topology.Release(id),
	}[user]
	var out []attempt
	for _, target := range []string{
		topology.Release(id), topology.Lane("tracer"), topology.Request(topology.VerbCancel, id, "ana"), topology.Delay(id), topology.Due(id),
		"$JS.API.STREAM.PURGE." + topology.StreamSluice,
	} {
		out = append(out, attempt{what: "have the broker answer to " + target, subject: subject, reply: target, body: "{}"})
	}
	for _, h := range []nats.Header{
		{"Nats-Rollup": {"all"}}, {"Nats-Rollup": {"sub"}}, {"Nats-TTL": {"1s"}},
		{"Nats-Schedule": {soon}, "Nats-Schedule-Target": {topology.Request(topology.VerbCancel, id, "ana")}},
		{"Nats-Schedule": {soon}, "Nats-Schedule-Target": {topology.Release(id)}},
		{"Nats-Trace-Dest": {topology.Release(id)}},
	} {
		out = append(out, attempt{what: fmt.Sprintf("a header %v", h), subject: subject, header: h, body: "{}"})
	}
	return out
}

// try makes the attempts of a user at once, and one by one if something changed, to name the one that did it.
func (c *composed) try(user string, attempts []attempt) {
	c.Helper()
	nc := c.connect(user, nats.CustomInboxPrefix(topology.InboxPrefix(user))).Conn()
	send := func(a attempt) {
		m := &nats.Msg{Subject: a.subject, Reply: a.reply, Header: a.header, Data: []byte(a.body)}
		if err := nc.PublishMsg(m); err != nil {
			c.Fatalf("%s: %s: %v", user, a.what, err)
		}
		if err := nc.Flush(); err != nil {
			c.Fatalf("%s: %s: %v", user, a.what, err)
		}
	}
	before := c.protected()
	for _, a := range attempts {
		send(a)
	}
	if maps.Equal(before, c.protected()) {
		return
	}
	for _, a := range attempts {
		before = c.protected()
		send(a)
		for subject, now := range c.protected() {
			if before[subject] != now {
				c.Errorf("%s: %s: %s was %q, is %q", user, a.what, subject, before[subject], now)
			}
		}
	}
	if !c.Failed() {
		c.Errorf("%s: one of the attempts changed something, but not when made again", user)
	}
}

// protected is the last message, and the number of messages, of every subject that the attempts aim at.
func (c *composed) protected() map[string]string {
	c.Helper()
	handled(c, c.admin)
	out := map[string]string{}
	for _, name := range []string{topology.StreamSluice, topology.StreamTimers} {
		stream, err := c.admin.Stream(c.Context(), name)
		if err != nil {
			c.Fatal(err)
		}
		for range 3 { // what was sent before these is dealt with, and what that could have caused, too
			if _, err := c.admin.Publish(c.Context(), marker(name), nil, jetstream.WithExpectStream(name)); err != nil {
				c.Fatal(err)
			}
		}
		info, err := stream.Info(c.Context(), jetstream.WithSubjectFilter("sluice.>"))
		if err != nil {
			c.Fatal(err)
		}
		for subject, n := range info.State.Subjects {
			if subject == marker(name) || strings.HasPrefix(subject, "sluice.merge.") || strings.HasPrefix(subject, "sluice.dead.") {
				continue
			}
			m, err := stream.GetLastMsgForSubject(c.Context(), subject)
			if err != nil {
				c.Fatalf("%s: %v", subject, err)
			}
			out[subject] = fmt.Sprintf("%d messages, the last %d %v %s", n, m.Sequence, m.Header, m.Data)
		}
		for i := uint64(1); name == topology.StreamSluice && i <= 3; i++ {
			m, err := stream.GetMsg(c.Context(), i)
			if err != nil {
				c.Fatalf("message %d: %v", i, err)
			}
			out[fmt.Sprint("message ", i)] = m.Subject + " " + string(m.Data)
		}
	}
	return out
}

// marker is a subject that nobody reads.
func marker(stream string) string {
	if stream == topology.StreamTimers {
		return topology.Delay("01970000-0000-7000-8000-0000000000ff")
	}
	return topology.Dead("test", "marker")
}
