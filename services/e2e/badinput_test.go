package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/topology/accounts"
)

// connectAdmin is a client as the administrator, who may look at consumers.
func (u *up) connectAdmin(password string) jetstream.JetStream {
	u.t.Helper()
	nc, err := nats.Connect(u.url(), nats.UserInfo(accounts.Admin, password), nats.MaxReconnects(-1))
	if err != nil {
		u.t.Fatal(err)
	}
	u.t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		u.t.Fatal(err)
	}
	return js
}

// badWorld is a real `sluice up` that is told wrong things.
type badWorld struct {
	*up
	dir     string
	js      jetstream.JetStream // of somebody without a password
	admin   jetstream.JetStream
	journal *journal.Journal
	catalog *catalog.Catalog
	good    string // a release that soaks
}

const badProject = `project: tracer
publish: { files: { dir: %[1]q } }
stage:   { exec: { command: ["/bin/sh", %[2]q], dir: %[3]q } }
soak:    { delay: 1h, collision: queue }
promote: { files: { dir: %[1]q } }
`

// The deployment writes down what it was told, as a careful script does: quoted.
const badDeploy = `printf '%s\n' "$SLUICE_REF" "$SLUICE_URL" "$SLUICE_ACTOR" > told-$SLUICE_VERSION.txt
env > environment-$SLUICE_VERSION.txt
`

func newBadWorld(t *testing.T) *badWorld {
	t.Helper()
	dir := t.TempDir()
	script := write(t, filepath.Join(dir, "deploy.sh"), badDeploy)
	b := &badWorld{dir: filepath.Join(dir, "staging")}
	if err := os.Mkdir(b.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	b.up = newUp(t, map[string]string{"tracer": fmt.Sprintf(badProject, filepath.Join(dir, "site"), script, b.dir)})
	b.env = []string{"SLUICE_ADMIN_PASSWORD=of-admin"}
	b.start()
	b.ready("tracer")
	_, b.js = b.connect()
	b.admin = b.connectAdmin("of-admin")
	var err error
	if b.journal, err = journal.Open(t.Context(), b.admin, "test"); err != nil {
		t.Fatal(err)
	}
	if b.catalog, err = catalog.Open(t.Context(), b.admin); err != nil {
		t.Fatal(err)
	}
	b.put("good.bin", "good")
	b.good = uuid.Must(uuid.NewV7()).String()
	b.send("sluice.merge.tracer", fmt.Sprintf(`{"id":%q,"commit":"good","version":"1.0.0","artifact":"good.bin"}`, b.good))
	follow(t, b.journal, b.good, "soaking", func(s release.State) bool { return s.Phase == release.Soaking })
	return b
}

func (b *badWorld) put(name, text string) {
	b.t.Helper()
	if _, err := b.catalog.Put(b.t.Context(), name, strings.NewReader(text)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *badWorld) send(subject, body string) uint64 {
	b.t.Helper()
	ack, err := b.js.Publish(b.t.Context(), subject, []byte(body), jetstream.WithExpectStream(topology.StreamSluice))
	if err != nil {
		b.t.Fatalf("%s: %v", subject, err)
	}
	return ack.Sequence
}

// badMerge is a merge event that must not become a release, or one that fails at once.
type badMerge struct {
	what    string
	subject string // sluice.merge.tracer unless set
	body    string // ID stands for an id
	dead    string // the dead letter's subject; sluice.dead.merge.tracer unless set; "-": none, the release fails
	reason  string // part of the reason
}

func badMerges(good string) []badMerge {
	long := strings.Repeat("x", 200<<10)
	return []badMerge{
		{what: "half of a JSON", body: `{"commit":`, reason: "malformed"},
		{what: "no JSON", body: "login is broken", reason: "malformed"},
		{what: "no object", body: `["c1"]`, reason: "malformed"},
		{what: "nothing", body: "", reason: "malformed"},
		{what: "not UTF-8", body: "{\"commit\":\"\xff\xfe\",\"artifact\":\"good.bin\"}", reason: "malformed"},
		{what: "a number for a commit", body: `{"commit":5,"artifact":"good.bin"}`, reason: "malformed"},
		{what: "200 KiB of garbage", body: long, reason: "malformed"},
		{what: "an unknown project", subject: "sluice.merge.nobody", dead: "sluice.dead.merge.nobody", body: `{"commit":"c","artifact":"good.bin"}`, reason: `unknown project "nobody"`},
		{what: "an unsafe project", subject: "sluice.merge.Tracer", dead: "sluice.dead.merge.Tracer", body: `{"commit":"c","artifact":"good.bin"}`, reason: `project "Tracer"`},
		{what: "a project that is no token", subject: "sluice.merge.$(x)", dead: "sluice.dead.merge.unsafe", body: `{"commit":"c","artifact":"good.bin"}`, reason: `project "$(x)"`},
		{what: "a cancel of what is no release", subject: "sluice.cancel.tracer", dead: "sluice.dead.cancel.tracer", body: "login is broken", reason: `release "tracer"`},
		{what: "an invalid CDEvent", body: `{"specversion":"1.0","id":"1","source":"/","type":"dev.cdevents.change.merged.0.3.0","data":{}}`, reason: "context.id is missing"},
		{what: "a CDEvent that is no merge", body: `{"specversion":"1.0","id":"1","source":"/","type":"dev.cdevents.build.started.0.3.0","data":{}}`, reason: "build.started is no merge"},
		{what: "no commit", body: `{"artifact":"good.bin"}`, reason: "commit is missing"},
		{what: "a commit that is a path", body: `{"commit":"../../etc/passwd","artifact":"good.bin"}`, reason: `commit "../../etc/passwd"`},
		{what: "a commit of two lines", body: `{"commit":"a\nb","artifact":"good.bin"}`, reason: `commit "a\nb"`},
		{what: "a commit of 200 KiB", body: `{"commit":"` + long + `","artifact":"good.bin"}`, reason: "commit"},
		{what: "a version with a command", body: `{"commit":"c","artifact":"good.bin","version":"1.0.0;reboot"}`, reason: `version "1.0.0;reboot"`},
		{what: "an artifact's name of two lines", body: `{"commit":"c","artifact":"a\nb"}`, reason: `artifact "a\nb"`},
		{what: "an artifact's name of 200 KiB", body: `{"commit":"c","artifact":"` + long + `"}`, reason: "at most 512 are allowed"},
		{what: "a digest of another kind", body: `{"commit":"c","artifact":"good.bin","digest":"md5:1"}`, reason: `"md5:1"`},
		{what: "a digest of 200 KiB", body: `{"commit":"c","artifact":"good.bin","digest":"` + long + `"}`, reason: "digest"},
		{what: "no artifact", body: `{"commit":"c"}`, reason: "artifact is missing"},
		{what: "an id that is no UUID", body: `{"id":"1234","commit":"c","artifact":"good.bin"}`, reason: `id "1234"`},
		{what: "an id of version 4", body: `{"id":"3f0fbd5e-6f41-4d5c-9d4e-0c5f5a0d1b11","commit":"c","artifact":"good.bin"}`, reason: "want a UUID of version 7"},
		{what: "an id in capitals", body: `{"id":"01970000-0000-7000-8000-00000000ABCD","commit":"c","artifact":"good.bin"}`, reason: "lowercase"},
		{what: "another merge's id", body: fmt.Sprintf(`{"id":%q,"commit":"c","artifact":"good.bin"}`, good), reason: "belongs to commit good"},
		{what: "a negative delay", body: `{"commit":"c","artifact":"good.bin","delay":"-5m"}`, reason: `delay "-5m"`},
		{what: "a delay without a unit", body: `{"commit":"c","artifact":"good.bin","delay":"30"}`, reason: `delay "30"`},
		{what: "again, of one that is under way", body: `{"commit":"good","artifact":"good.bin","again":true}`, reason: "again is for one that ended"},

		{what: "an artifact that nobody put", body: `{"id":"ID","commit":"f1","artifact":"none.bin","version":"1.1.0"}`, dead: "-", reason: `no such artifact "none.bin"`},
		{what: "an artifact that is a path", body: `{"id":"ID","commit":"f2","artifact":"../../etc/passwd","version":"1.1.0"}`, dead: "-", reason: "no such artifact"},
		{what: "an artifact with an unsafe name", body: `{"id":"ID","commit":"f5","artifact":"$(touch x).bin","version":"1.1.0"}`, dead: "-", reason: "artifact name"},
		{what: "another digest", body: `{"id":"ID","commit":"f6","artifact":"good.bin","version":"1.1.0","digest":"sha256:` + strings.Repeat("0", 64) + `"}`, dead: "-", reason: "the merge asked for sha256:000"},
		{what: "a version that is taken", body: `{"id":"ID","commit":"f8","artifact":"other.bin","version":"1.0.0"}`, dead: "-", reason: "1.0.0"},
		{what: "a version that is none", body: `{"id":"ID","commit":"f9","artifact":"good.bin","version":"one"}`, dead: "-", reason: `version "one"`},
	}
}

// TestBadInput hands in everything that is wrong with a merge. Each ends with one line that says what is wrong and where, none
// is tried for ever, and the next good merge goes its way.
func TestBadInput(t *testing.T) {
	t.Parallel()
	b := newBadWorld(t)
	b.put("other.bin", "other")
	b.put("$(touch x).bin", "hostile")
	sent := map[uint64]badMerge{}
	ids := map[uint64]string{}
	for _, m := range badMerges(b.good) {
		id := uuid.Must(uuid.NewV7()).String()
		if m.subject == "" {
			m.subject = "sluice.merge.tracer"
		}
		if m.dead == "" {
			m.dead = "sluice.dead.merge.tracer"
		}
		seq := b.send(m.subject, strings.Replace(m.body, `"ID"`, `"`+id+`"`, 1))
		sent[seq], ids[seq] = m, id
	}
	// More than the broker takes is refused at once, by the broker.
	_, err := b.js.Publish(t.Context(), "sluice.merge.tracer", []byte(`{"commit":"`+strings.Repeat("x", 300<<10)+`"}`))
	if err == nil || !strings.Contains(err.Error(), "message size exceeds maximum allowed") {
		t.Errorf("a merge of 300 KiB: %v", err)
	}
	handled(t, b.admin)
	letters := b.letters()
	for seq, m := range sent {
		reason := ""
		if letter, ok := letters[seq]; ok {
			if letter.on != m.dead {
				t.Errorf("%s: its dead letter is on %s, want %s", m.what, letter.on, m.dead)
			}
			if len(letter.Body) > 4<<10 {
				t.Errorf("%s: its dead letter keeps %d bytes", m.what, len(letter.Body))
			}
			reason = letter.Reason
		} else if e, err := b.journal.Load(t.Context(), ids[seq]); err == nil {
			if m.dead != "-" || e.State.Phase != release.Failed {
				t.Errorf("%s: became a release that is %s: %s", m.what, e.State.Phase, e.State.End.Reason)
			}
			reason = e.State.End.Reason
		}
		if !strings.Contains(reason, m.reason) || reason == "" || strings.ContainsAny(reason, "\n\r\x00") || len(reason) > 2<<10 {
			t.Errorf("%s: the reason is %d bytes, want one line with %q: %.300q", m.what, len(reason), m.reason, reason)
		}
		t.Logf("%s: %.200s", m.what, reason)
	}
	if e, err := b.journal.Load(t.Context(), b.good); err != nil || e.State.Phase != release.Soaking || e.State.Version != "1.0.0" {
		t.Errorf("the good release before them is %s %s: %v", e.State.Version, e.State.Phase, err)
	}
	b.hostile("2.0.0")
}

type letter struct {
	releasepb.DeadLetter
	on string
}

// letters are all dead letters, by the sequence of what was refused.
func (b *badWorld) letters() map[uint64]letter {
	b.t.Helper()
	stream, err := b.admin.Stream(b.t.Context(), topology.StreamSluice)
	if err != nil {
		b.t.Fatal(err)
	}
	out := map[uint64]letter{}
	for seq := uint64(1); ; seq++ {
		m, err := stream.GetMsg(b.t.Context(), seq, jetstream.WithGetMsgSubject("sluice.dead.>"))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return out
		}
		if err != nil {
			b.t.Fatal(err)
		}
		d, err := releasepb.DecodeDeadLetter(m.Data)
		if err != nil {
			b.t.Fatalf("dead letter %d: %v", m.Sequence, err)
		}
		if _, twice := out[d.Seq]; twice {
			b.t.Errorf("message %d was refused twice", d.Seq)
		}
		out[d.Seq], seq = letter{d, m.Subject}, m.Sequence
	}
}

// hostile is a good merge whose texts would run commands, were they ever to reach a shell as code. They reach the deployment
// as data, on one line each.
func (b *badWorld) hostile(version string) {
	b.t.Helper()
	b.put("tracer-2.0.0.bin", "two")
	b.send(topology.Request("cancel", b.good, "ana"), "make room")
	id := uuid.Must(uuid.NewV7()).String()
	body, err := json.Marshal(map[string]string{
		"id": id, "commit": "hostile", "version": version, "artifact": "tracer-2.0.0.bin",
		"ref": "$(touch x)\nSLUICE_VERSION=9.9.9\n`touch x`", "url": "https://example.test/'; touch x; '\u0000\u001b[31m", "actor": "ana\"; touch x; \"",
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.send("sluice.merge.tracer", string(body))
	follow(b.t, b.journal, id, "soaking", func(s release.State) bool { return s.Phase == release.Soaking })
	told, err := os.ReadFile(filepath.Join(b.dir, "told-2.0.0.txt"))
	const want = "$(touch x) SLUICE_VERSION=9.9.9 `touch x`\nhttps://example.test/'; touch x; '  [31m\nana\"; touch x; \"\n"
	if err != nil || string(told) != want {
		b.t.Errorf("the deployment was told %q (%v), want %q", told, err, want)
	}
	for _, name := range []string{filepath.Join(b.dir, "x"), filepath.Join(b.up.dir, "x"), "x"} {
		if _, err := os.Stat(name); !os.IsNotExist(err) {
			b.t.Errorf("something of it was run: %s is there (%v)", name, err)
		}
	}
	env, err := os.ReadFile(filepath.Join(b.dir, "environment-2.0.0.txt"))
	if err != nil || !strings.Contains("\n"+string(env), "\nSLUICE_VERSION=2.0.0\n") || strings.Contains("\n"+string(env), "\nSLUICE_VERSION=9.9.9") {
		b.t.Errorf("its environment is %v\n%s", err, env)
	}
	if strings.Contains(string(env), "of-admin") {
		b.t.Error("the deployment sees a password of the broker")
	}
	if out, code := b.sluice("log", id); code != 0 || strings.Contains(out, "\x1b") {
		b.t.Errorf("sluice log exits with %d and prints %q", code, out)
	}
}

// TestBadProjects gives `sluice apply` files with several mistakes: all of them are told at once, each with its place, and
// nothing is stored.
func TestBadProjects(t *testing.T) {
	u := newUp(t, nil)
	one := write(t, filepath.Join(u.dir, "one.yaml"), "project: Tracer\nsoak: { delay: soon, colision: newest }\nwatch:\n  - { name: errors, signal: { max: -1 } }\n")
	two := write(t, filepath.Join(u.dir, "two.yaml"), "project: two\npublish: { files: { dir: 5 }, npm: {} }\n")
	good := write(t, filepath.Join(u.dir, "good.yaml"), "project: good\n")
	u.start()
	js := eventuallyConnected(u)
	_, stderr, code := u.command("apply", "-f", one, "-f", good, "-f", two)
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	if len(lines) < 5 {
		t.Errorf("want every mistake at once:\n%s", stderr)
	}
	for _, want := range []string{one + ":1:", one + ":2:", one + ":4:", two + ":2:"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("nothing is said of %s:\n%s", want, stderr)
		}
	}
	for _, line := range lines {
		if !strings.HasPrefix(strings.TrimPrefix(line, "sluice: "), u.dir) {
			t.Errorf("a line without a place: %q", line)
		}
	}
	stream, err := js.Stream(t.Context(), topology.StreamProjects)
	if err != nil {
		t.Fatal(err)
	}
	if n := stream.CachedInfo().State.Msgs; n != 0 {
		t.Errorf("%d project files are stored", n)
	}
}

// eventuallyConnected waits until the streams are there.
func eventuallyConnected(u *up) jetstream.JetStream {
	u.t.Helper()
	_, js := u.connect()
	eventually(u.t, "sluice up has its streams", func() error {
		_, err := js.Stream(u.t.Context(), topology.StreamProjects)
		return err
	})
	return js
}
