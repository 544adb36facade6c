package accounts_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/topology/accounts"
)

const (
	release  = "01890a5d-ac96-774b-bcce-b302099a8057"
	release2 = "01890a5d-ac96-774b-bcce-b302099a8058"
)

func password(user string) string { return "secret-" + user }

// testBundle is a broker with the accounts, the topology, and something worth attacking on it.
type testBundle struct {
	ctx   context.Context
	url   string // of the node that users connect to; on a cluster it does not lead SLUICE
	admin *nats.Conn
	js    jetstream.JetStream // admin's
}

func embed(local bool) natstest.Option {
	return natstest.Configure(func(o *server.Options) error { return accounts.Embed(o, local, password) })
}

func setupOne(t *testing.T) *testBundle {
	t.Helper()
	return bundle(t, natstest.One(t, natstest.Listen(), embed(false)).URL(), topology.Options{})
}

// setupLocal is the broker of `sluice up`, where somebody without credentials is the local user.
func setupLocal(t *testing.T) *testBundle {
	t.Helper()
	return bundle(t, natstest.One(t, natstest.Listen(), embed(true)).URL(), topology.Options{})
}

// setupCluster connects users to a node that does not lead SLUICE, so that what they send and get crosses a route.
func setupCluster(t *testing.T) *testBundle {
	t.Helper()
	c := natstest.Cluster(t, 3, embed(false))
	b := bundle(t, c.Node(0).URL(), topology.Options{Replicas: 3})
	for c.Leader(b.ctx, b.admin, topology.StreamSluice) == 0 {
		if err := c.StepDown(b.ctx, b.admin, topology.StreamSluice); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func bundle(t *testing.T, url string, o topology.Options) *testBundle {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	b := &testBundle{ctx: ctx, url: url}
	b.admin = b.as(t, accounts.Admin).nc
	b.js = natstest.Topology(t, b.admin, o)
	for subject, data := range b.victims() {
		if _, err := b.js.Publish(ctx, subject, []byte(data)); err != nil {
			t.Fatalf("%s: %v", subject, err)
		}
	}
	if _, err := b.js.PublishMsg(ctx, topology.DelayMsg(release, time.Now().Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	// One message of every consumer is in its service's hands, so that there is something to acknowledge.
	for _, c := range topology.Consumers() {
		if c.Config.Durable == topology.ConsumerPromoterDue {
			continue
		}
		consumer, err := b.js.Consumer(ctx, c.Stream, c.Config.Durable)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := consumer.Next(jetstream.FetchMaxWait(10 * time.Second)); err != nil {
			t.Fatalf("%s: %v", c.Config.Durable, err)
		}
	}
	return b
}

// victims is what attacks are aimed at, and what must be byte for byte the same after them.
func (b *testBundle) victims() map[string]string {
	return map[string]string{
		topology.Release(release):                             `{"the journal":1}`,
		topology.Request(topology.VerbCancel, release, "ana"): "login is broken",
		topology.Merge("victim"):                              "{}",
		topology.Lane("victim"):                               "{}",
		topology.Project("victim"):                            "{}",
		topology.Audit("victim"):                              "{}",
		topology.Stop(topology.StopPause, "victim", "ana"):    "nobody is here",
		topology.Commit("victim", "c0ffee"):                   "{}",
		topology.Judged(release):                              "{}",
		topology.Signal("victim", ""):                         "{}",
		topology.Alert("victim", "c6eadffa33fcdf37"):          "{}",
		"$KV." + topology.BucketProjects + ".victim":          "project: victim",
	}
}

// user is a connection under one of the accounts' users.
type user struct {
	t    *testing.T
	name string
	nc   *nats.Conn
	js   jetstream.JetStream

	mu   sync.Mutex
	errs []error
}

func (b *testBundle) as(t *testing.T, name string) *user {
	t.Helper()
	u := &user{t: t, name: name}
	options := []nats.Option{
		nats.Name(name), nats.IgnoreDiscoveredServers(), nats.MaxReconnects(-1),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			u.mu.Lock()
			defer u.mu.Unlock()
			u.errs = append(u.errs, err)
		}),
	}
	if name != accounts.Local {
		options = append(options, nats.UserInfo(name, password(name)))
	}
	if inCore(name) || name == accounts.App || name == accounts.Gateway {
		options = append(options, nats.CustomInboxPrefix(topology.InboxPrefix(name)))
	}
	nc, err := nats.Connect(b.url, options...)
	if err != nil {
		t.Fatalf("%s can not connect: %v", name, err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	u.nc, u.js = nc, js
	return u
}

func inCore(name string) bool {
	return slices.Contains([]string{accounts.Publisher, accounts.Stager, accounts.Promoter, accounts.Watcher}, name)
}

// everybody is every user but admin.
func everybody() []string { return accounts.Users()[1:] }

// attempt is one message.
type attempt struct {
	subject, reply string
	headers        []string // name, value, ...
	body           string
}

func (a attempt) String() string {
	s := "publish " + a.subject
	if a.reply != "" {
		s += " reply " + a.reply
	}
	if len(a.headers) > 0 {
		s += " with " + strings.Join(a.headers, " ")
	}
	return s
}

// send publishes a message and returns when the user's server has dealt with it.
func (u *user) send(a attempt) {
	u.t.Helper()
	m := nats.NewMsg(a.subject)
	m.Reply = a.reply
	for i := 0; i < len(a.headers); i += 2 {
		m.Header.Set(a.headers[i], a.headers[i+1])
	}
	m.Data = []byte(a.body)
	if err := u.nc.PublishMsg(m); err != nil {
		u.t.Fatalf("%s: %s: %v", u.name, a, err)
	}
	if err := u.nc.Flush(); err != nil {
		u.t.Fatalf("%s: %s: %v", u.name, a, err)
	}
}

// stored publishes as an operator does who wants to know: with a reply. It tells whether the broker stored the message.
func (u *user) stored(a attempt) (bool, error) {
	before := u.nc.LastError()
	answer := nats.NewInbox()
	if p := u.nc.Opts.InboxPrefix; p != "" {
		answer = u.nc.NewInbox()
	}
	sub, err := u.nc.SubscribeSync(answer)
	if err != nil {
		return false, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	a.reply = answer
	u.send(a)
	if err := u.nc.LastError(); err != nil && !errors.Is(err, before) {
		return false, err // a violation comes before the flush's answer
	}
	m, err := sub.NextMsg(5 * time.Second)
	if err != nil {
		return false, err
	}
	var ack struct {
		Stream string          `json:"stream"`
		Error  json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &ack); err != nil || ack.Stream == "" || ack.Error != nil {
		return false, fmt.Errorf("answered %q", m.Data)
	}
	return true, nil
}

// state is all that an attack could change.
type state struct {
	counts    map[string]uint64 // messages by subject, of all streams
	victims   map[string]string
	configs   map[string]string
	consumers map[string]string
}

// settle returns when whatever was sent before, and the answers to it, and what these could have caused, has been dealt with:
// each round passes through the same queues.
func (b *testBundle) settle(t *testing.T) {
	t.Helper()
	for range 3 {
		for _, marker := range []string{"sluice.lane.marker", "sluice.judged." + release2, "sluice.delay." + release2, "sluice.signal.marker"} {
			if _, err := b.js.Publish(b.ctx, marker, nil); err != nil {
				t.Fatalf("%s: %v", marker, err)
			}
		}
	}
}

// snapshot leaves out the markers of settle, and the subjects that the attacker may write to anyway.
func (b *testBundle) snapshot(t *testing.T, without ...string) state {
	t.Helper()
	s := state{counts: map[string]uint64{}, victims: map[string]string{}, configs: map[string]string{}, consumers: map[string]string{}}
	streams := b.js.ListStreams(b.ctx)
	for info := range streams.Info() {
		stream, err := b.js.Stream(b.ctx, info.Config.Name)
		if err != nil {
			t.Fatal(err)
		}
		full, err := stream.Info(b.ctx, jetstream.WithSubjectFilter(">"))
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(s.counts, full.State.Subjects)
		config, _ := json.Marshal(full.Config)
		s.configs[info.Config.Name] = string(config)
		consumers := stream.ListConsumers(b.ctx)
		for c := range consumers.Info() {
			s.consumers[c.Stream+" "+c.Name] = fmt.Sprintf("in hand %d, acknowledged up to %d, paused %v",
				c.NumAckPending, c.AckFloor.Stream, c.Paused)
		}
		if err := consumers.Err(); err != nil {
			t.Fatal(err)
		}
		for subject := range b.victims() {
			if m, err := stream.GetLastMsgForSubject(b.ctx, subject); err == nil {
				s.victims[subject] = fmt.Sprintf("%d %s", m.Sequence, m.Data)
			}
		}
		if m, err := stream.GetLastMsgForSubject(b.ctx, topology.Delay(release)); err == nil {
			s.victims[topology.Delay(release)] = fmt.Sprintf("%d %v", m.Sequence, m.Header)
		}
	}
	if err := streams.Err(); err != nil {
		t.Fatal(err)
	}
	for _, subject := range append(without, "sluice.lane.marker", "sluice.judged."+release2, "sluice.delay."+release2, "sluice.signal.marker") {
		delete(s.counts, subject)
		delete(s.consumers, subject)
	}
	return s
}

// unchanged compares, and names everything that differs.
func (s state) unchanged(now state) error {
	var wrong []string
	cmp := func(what string, was, is map[string]string) {
		for k := range was {
			if is[k] != was[k] {
				wrong = append(wrong, fmt.Sprintf("%s %s: was %q, is %q", what, k, was[k], is[k]))
			}
		}
		for k := range is {
			if _, ok := was[k]; !ok {
				wrong = append(wrong, fmt.Sprintf("%s %s: new: %q", what, k, is[k]))
			}
		}
	}
	text := func(counts map[string]uint64) map[string]string {
		out := map[string]string{}
		for k, n := range counts {
			out[k] = fmt.Sprint(n)
		}
		return out
	}
	cmp("messages on", text(s.counts), text(now.counts))
	cmp("last message of", s.victims, now.victims)
	cmp("stream", s.configs, now.configs)
	cmp("consumer", s.consumers, now.consumers)
	if len(wrong) == 0 {
		return nil
	}
	slices.Sort(wrong)
	return errors.New(strings.Join(wrong, "\n  "))
}
