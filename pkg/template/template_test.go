package template_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-gate/sluice/pkg/template"
)

func noon() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

func TestMask(t *testing.T) {
	for in, want := range map[string]string{
		"":                "",
		"login is broken": "login is broken",
		"dial tcp 10.0.0.7:5432: connect: connection refused":             "dial tcp <ip>: connect: connection refused",
		"dial tcp [::1]:5432: connect: connection refused":                "dial tcp [<ip>]:<num>: connect: connection refused",
		"order 018f3c1e-7b2a-7c11-9d1e-3f5a1b2c4d5e failed after 3.5s":    "order <uuid> failed after <num>",
		`user "ana@corp.example" not found in 'users'`:                    "user <str> not found in <str>",
		"can't open /var/lib/app/data-17.db: no such file":                "can't open <path>: no such file",
		"can't open C:\\app\\x.db":                                        "can't open <path>",
		"2026-11-23 17:12:29,123 [main] ERROR c.a.Login - refused":        "<time>,<num> [main] ERROR c.a.Login - refused",
		"2026-11-23T17:12:29.123Z ERROR refused":                          "<time> ERROR refused",
		"Nov 23 17:12:29 web-1 app[4711]: refused":                        "<time> web-<num> app[<num>]: refused",
		"GET https://shop.example/cart?id=17&x=1 answered 500":            "GET <url> answered <num>",
		"pointer 0xc000123abc is bad, sha 9f86d081884c7d659a2f":           "pointer <hex> is bad, sha <hex>",
		"pod api-7f9c6d5b8-xk2pq restarted":                               "pod api-<id> restarted",
		"worker-12 and worker_13 of shard3 died":                          "worker-<num> and worker_<num> of shard<num> died",
		"mail to ana.lee@corp.example bounced":                            "mail to <email> bounced",
		"E1101: ORA-00942 table or view does not exist":                   "E1101: ORA-<num> table or view does not exist",
		"read/write timeout, and/or reset":                                "read/write timeout, and/or reset",
		"key=value id=123 took=12ms ratio=99.9% size=1,000":               "key=value id=<num> took=<num> ratio=<num> size=<num>,<num>",
		"token eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9 is old":               "token <id> is old",
		"after 1h2m3.5s, -1.5e+06 left":                                   "after <num>, <num> left",
		"TypeError: Cannot read properties of undefined (reading 'name')": "TypeError: Cannot read properties of undefined (reading <str>)",
		"it's Ana's  second\ttry":                                         "it's Ana's second try",
		"nil is <nil>":                                                    "nil is <nil>",
	} {
		if got := template.Mask(in); got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
	}
}

// What changes from one occurrence to the next does not make another template, and a mask is bounded whatever comes.
func TestMaskProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		once := template.Mask(text)
		if len(once) > 240 || strings.ContainsAny(once, "\n\r\t") {
			t.Fatalf("%q", once)
		}
		id := rapid.StringMatching(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`)
		line := func() string {
			return fmt.Sprintf("job %s of %d.%d.%d.%d took %dms", id.Draw(t, "id"), rapid.IntRange(1, 255).Draw(t, "a"), rapid.IntRange(0, 255).Draw(t, "b"),
				rapid.IntRange(0, 255).Draw(t, "c"), rapid.IntRange(0, 255).Draw(t, "d"), rapid.IntRange(0, 1e6).Draw(t, "ms"))
		}
		if a, b := template.Mask(line()), template.Mask(line()); a != b {
			t.Fatalf("%q and %q", a, b)
		}
	})
}

func shown(text string) func() string { return func() string { return text } }

func seen(t *template.Table, at time.Time, lines ...string) {
	for _, l := range lines {
		t.Seen(template.Mask(l), shown(l), at)
	}
}

func texts(all []template.Template) (out []string) {
	for _, t := range all {
		out = append(out, fmt.Sprintf("%d %s", t.Count, t.Text))
	}
	return out
}

// A word becomes a variable when three messages are alike but for it, not before.
func TestAWordBecomesAVariable(t *testing.T) {
	var table template.Table
	seen(&table, noon(), "the user ana was not found", "the user bob was not found", "the user ana was not found")
	if diff := cmp.Diff([]string{"2 the user ana was not found", "1 the user bob was not found"}, texts(table.All())); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	seen(&table, noon().Add(time.Minute), "the user eve was not found", "the user kim was not found")
	if diff := cmp.Diff([]string{"5 the user <*> was not found"}, texts(table.All())); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if one := table.All()[0]; one.Example != "the user ana was not found" || !one.First.Equal(noon()) || !one.Last.Equal(noon().Add(time.Minute)) {
		t.Errorf("%+v", one)
	}
}

// What differs in more than one word, in its first, or has few words, stays apart.
func TestErrorsStayApart(t *testing.T) {
	var table template.Table
	seen(&table, noon(), "a lost b to c now", "a lost d to e now", "a lost f to g now", "ana failed to log in", "bob failed to log in", "eve failed to log in",
		"no disk", "no memory", "no time")
	if n := table.Len(); n != 9 {
		t.Errorf("%d templates: %q", n, texts(table.All()))
	}
}

func TestATableIsBounded(t *testing.T) {
	var table template.Table
	for i := range 3 * template.MaxTemplates {
		text := fmt.Sprintf("%c%c%c %c%c is wrong", 'a'+i%26, 'a'+i/26%26, 'a'+i/676, 'a'+i%25, 'a'+i%23)
		table.Seen(text, shown(text), noon())
	}
	if table.Len() != template.MaxTemplates || table.Overflow() != 2*template.MaxTemplates {
		t.Errorf("%d templates, and %d messages found no room", table.Len(), table.Overflow())
	}
}

// What is stored is read again as it was; what does not fit is left out, the examples first, and is within the bound.
func TestStored(t *testing.T) {
	long := strings.Repeat("x", 240)
	stored := template.Stored{Release: "r", Project: "p"}
	for s := range 3 {
		var table template.Table
		for i := range template.MaxTemplates {
			table.Seen(fmt.Sprintf("%s%d-%d", long[:200], s, i), shown(long), noon())
		}
		stored.Soaks = append(stored.Soaks, template.Soak{Stage: s, From: noon(), Until: noon().Add(time.Hour), Templates: table.All()})
	}
	data, err := stored.Encode()
	if err != nil || len(data) > template.MaxStored {
		t.Fatalf("%d bytes, %v", len(data), err)
	}
	got, err := template.Decode(data)
	if err != nil || len(got.Soaks) != 1 || got.Soaks[0].Stage != 2 || got.Soaks[0].Templates[0].Example != "" {
		t.Errorf("%d soaks, %v", len(got.Soaks), err)
	}
	if stored.Soaks[0].Templates[0].Example == "" {
		t.Error("encoding changed what it was given")
	}
	stored.Soaks = stored.Soaks[:1]
	stored.Soaks[0].Templates = stored.Soaks[0].Templates[:100]
	data, err = stored.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err = template.Decode(data); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(stored, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if _, err := template.Decode([]byte("{")); err == nil {
		t.Error("nonsense was read")
	}
}

func TestKnown(t *testing.T) {
	var table template.Table
	seen(&table, noon(), "the user ana was not found", "the user bob was not found", "the user eve was not found", "disk is full")
	soak := template.Soak{From: noon(), Until: noon().Add(2 * time.Hour), Templates: table.All()}
	var k template.Known
	k.Add(soak, true)
	k.Add(template.Soak{Templates: []template.Template{{Text: "older"}, {Text: "disk is full", Count: 99}}}, false)
	for text, want := range map[string]template.Rated{
		"the user kim was not found": {Count: 3, For: 2 * time.Hour},
		"disk is full":               {Count: 1, For: 2 * time.Hour},
		"older":                      {},
	} {
		if got, ok := k.Find(text); !ok || got != want {
			t.Errorf("%s: %+v, %t", text, got, ok)
		}
	}
	for _, text := range []string{"the user kim was not asked", "disk is slow", "the user was not found", ""} {
		if _, ok := k.Find(text); ok {
			t.Errorf("%q is known", text)
		}
	}
}

func BenchmarkSeen(b *testing.B) {
	var table template.Table
	const line = "2026-11-23 17:12:29,123 [main] ERROR c.a.Login - dial tcp 10.0.0.7:5432: i/o timeout after 3.5s"
	b.ReportAllocs()
	for b.Loop() {
		table.Seen(template.Mask(line), shown(line), noon())
	}
}
