package driver_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/sluice-gate/sluice/pkg/driver"
)

func printed(t testing.TB, o *driver.Output) driver.Printed {
	t.Helper()
	p, ok := o.End()
	if !ok {
		t.Fatal("nothing was printed")
	}
	return p
}

// However much is printed in whatever pieces, the beginning and the end are kept, between whole lines, and what is missing is told.
func TestOutputIsBounded(t *testing.T) {
	var all strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&all, "line %d é\n", i)
	}
	text := all.String()
	for _, chunk := range []int{7, 4096, 8191, 65_537, len(text)} {
		o := driver.NewOutput()
		for rest := text; rest != ""; {
			n := min(chunk, len(rest))
			_, _ = o.Write([]byte(rest[:n]))
			rest = rest[n:]
		}
		p := printed(t, o)
		head, tail, ok := strings.Cut(p.Text, fmt.Sprintf("[%d bytes are left out here]\n", p.Left))
		switch {
		case !ok, p.Bytes != len(text), p.Bytes-p.Left != len(head)+len(tail):
			t.Fatalf("%d at a time: %d bytes, %d left, %d and %d there", chunk, p.Bytes, p.Left, len(head), len(tail))
		case !strings.HasPrefix(text, head) || !strings.HasSuffix(text, tail) || !strings.HasSuffix(head, "\n") || !strings.HasPrefix(tail, "line "):
			t.Errorf("%d at a time: %.40q … %.40q", chunk, head, tail)
		case len(head) > driver.MostHead || len(head) < driver.MostHead/2 || len(tail) > driver.MostTail || len(tail) < driver.MostTail-4096:
			t.Errorf("%d at a time: %d and %d bytes are kept", chunk, len(head), len(tail))
		}
	}
	for _, n := range []int{1, driver.MostHead, driver.MostHead + 1, driver.MostHead + driver.MostTail} {
		o := driver.NewOutput()
		_, _ = o.Write([]byte(strings.Repeat("x", n)))
		if p := printed(t, o); p.Left != 0 || p.Text != strings.Repeat("x", n) {
			t.Errorf("of %d bytes in a line %d are left out", n, p.Left)
		}
	}
	o := driver.NewOutput()
	_, _ = o.Write([]byte(strings.Repeat("é", 1<<20))) // one huge line: cut between two characters
	if p := printed(t, o); strings.ContainsRune(p.Text, utf8.RuneError) || p.Left < 1<<20 || len(p.Text) > driver.MostHead+driver.MostTail+100 {
		t.Errorf("%d bytes, %d left", len(p.Text), p.Left)
	}
}

// A secret does not come through, however output is cut into writes, wherever the gap is, and what else is said in between.
func TestOutputHidesSecrets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const secret = "hunter2-hunter2"
		o := driver.NewOutput()
		o.Hide(secret)
		word := rapid.OneOf(
			rapid.Just(secret), rapid.Just("https://ana:"+secret+"@git.example.com/x"), rapid.StringMatching(`[a-z2\n -]{0,30}`),
			rapid.Just(base64.StdEncoding.EncodeToString([]byte("ana:"+secret))), rapid.Just(strings.Repeat("0123456789abcde\n", 1000)))
		text := strings.Join(rapid.SliceOfN(word, 1, 60).Draw(t, "words"), rapid.SampledFrom([]string{"", " ", "\n"}).Draw(t, "between"))
		chunk := rapid.IntRange(1, 9000).Draw(t, "chunk")
		for rest := text; rest != ""; {
			n := min(chunk, len(rest))
			_, _ = o.Write([]byte(rest[:n]))
			rest = rest[n:]
		}
		o.Say("sent %s", secret)
		p, _ := o.End()
		for _, bad := range []string{secret, "hunter2-hunt", base64.StdEncoding.EncodeToString([]byte(secret))[:16]} {
			if strings.Contains(p.Text, bad) {
				t.Fatalf("%q came through", bad)
			}
		}
	})
}

// What is printed is data: nothing of it reaches a terminal that it would obey, and it is text.
func TestOutputIsHarmless(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := driver.NewOutput()
		_, _ = o.Write(rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(t, "bytes"))
		o.Say("%s", rapid.String().Draw(t, "said"))
		p, ok := o.End()
		if !ok || !utf8.ValidString(p.Text) {
			t.Fatalf("%v, %q", ok, p.Text)
		}
		for _, r := range p.Text {
			if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e {
				t.Fatalf("%q has %U", p.Text, r)
			}
		}
	})
}

func TestOutputOfLines(t *testing.T) {
	o := driver.NewOutput()
	o.Remark("what is said of a driver is nothing that it printed")
	if _, ok := o.End(); ok {
		t.Error("a remark counts as printed")
	}
	var none *driver.Output
	none.Say("nobody")
	none.Hide("secret")
	if n, err := none.Write([]byte("four")); n != 4 || err != nil {
		t.Error(n, err)
	}
	if _, ok := none.End(); ok {
		t.Error("nil has printed something")
	}

	o = driver.NewOutput()
	for range 3 {
		o.Say("asked\nagain")
	}
	_, _ = o.Write([]byte("without end"))
	o.Remark("failed")
	o.Say("%s", strings.Repeat("long ", 1000))
	want := "asked again\n(the same 2 more times)\nwithout end\nfailed\n" + strings.Repeat("long ", 100) + "…\n"
	if p := printed(t, o); p.Text != want {
		t.Errorf("%q, want %q", p.Text, want)
	}
	_, _ = o.Write([]byte("too late"))
	if _, ok := o.End(); ok {
		t.Error("something is printed after the end")
	}
}

// Of each request there is a line, without the query, the user, and what the request has in its header.
func TestSaid(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	o := driver.NewOutput()
	client := &http.Client{Transport: driver.Said(nil)}
	ask := func(ctx context.Context, path string) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPut, server.URL+path, strings.NewReader("hush"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer hush")
		req.Header.Set("X-Amz-Target", "AWSStepFunctions.StartExecution")
		if res, err := client.Do(req); err == nil {
			_ = res.Body.Close()
		}
	}
	ctx := driver.WithOutput(t.Context(), o)
	ask(t.Context(), "/nobody")
	ask(ctx, "/a%0ab/$(x)?token=hush")
	ask(ctx, "/a%0ab/$(x)?token=hush2")
	server.Close()
	ask(ctx, "/gone?token=hush")
	p := printed(t, o)
	first := "PUT " + server.URL + "/a%0ab/$%28x%29 AWSStepFunctions.StartExecution: 418 I'm a teapot\n(the same 1 more times)\nPUT " + server.URL + "/gone "
	if !strings.HasPrefix(strings.ReplaceAll(p.Text, "$(x)", "$%28x%29"), first) || strings.Contains(p.Text, "hush") || !strings.Contains(p.Text, "no answer: ") ||
		strings.Contains(p.Text, "nobody") {
		t.Errorf("%s", p.Text)
	}
}

// What a build prints is masked as fast as anybody prints.
func BenchmarkOutput(b *testing.B) {
	text := []byte(strings.Repeat("npm info run tracer@1.4.0 build { code: 0, signal: null } done in 34 ms\n", 500))
	o := driver.NewOutput()
	o.Hide("npm_hunter2hunter2hunter2hunter2hunter2", "another-secret")
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		_, _ = o.Write(text)
	}
}
