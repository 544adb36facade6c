package exec

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func write(o *output, text string, chunk int) string {
	for len(text) > 0 {
		n := min(chunk, len(text))
		_, _ = o.Write([]byte(text[:n]))
		text = text[n:]
	}
	return o.String()
}

func TestMasking(t *testing.T) {
	for _, c := range []struct {
		secrets    []string
		text, want string
	}{
		{nil, "plain\n", "plain"},
		{[]string{"secret"}, "a secret, a secret.", "a ***, a ***."},
		{[]string{"secret"}, "secretsecret", "******"},
		{[]string{"secret"}, "sesecret secre", "se*** ***"},
		{[]string{"secret"}, "sec", "sec"},
		{[]string{"secret"}, "sec nothing secre nothing", "sec nothing secre nothing"},
		{[]string{"tok", ""}, "a tok", "a tok"},
		{[]string{"secret", "secret-of-mine"}, "secret secret-of-mine secret-of", "*** *** ***"},
		{[]string{"aaaaab"}, "aaaaaaaaab aaaab", "aaaa*** aaaab"},
		{[]string{"line one\nline two\n"}, "line two, line one\nline two", "***, ***"},
	} {
		for chunk := 1; chunk <= len(c.text); chunk++ {
			if got := write(newOutput(c.secrets), c.text, chunk); got != c.want {
				t.Errorf("%q without %q, %d bytes at a time: %q, want %q", c.text, c.secrets, chunk, got, c.want)
			}
		}
	}
}

// A secret does not come through, however the output is cut into writes, and wherever the end that is kept begins.
func TestNoSecretComesThrough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secrets := rapid.SliceOfN(rapid.StringMatching(`[ab]{4,12}`), 1, 3).Draw(t, "secrets")
		word := rapid.OneOf(rapid.StringMatching(`[ab]{0,9}`), rapid.SampledFrom(secrets), rapid.StringMatching(`c{1,600}`))
		text := strings.Join(rapid.SliceOfN(word, 0, 40).Draw(t, "words"), rapid.SampledFrom([]string{"", " "}).Draw(t, "between"))
		got := write(newOutput(secrets), text, rapid.IntRange(1, 5000).Draw(t, "chunk"))
		for _, s := range secrets {
			if strings.Contains(got, s) {
				t.Fatalf("%q came through: %q", s, got)
			}
		}
		if len(got) > mostOutput+len("…") {
			t.Fatalf("%d bytes are kept", len(got))
		}
	})
}

func TestOutputIsText(t *testing.T) {
	for text, want := range map[string]string{
		"\x1b[31mred\x1b[0m":                       "red",
		"\x1b]0;title\x07ok":                       "ok",
		"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\": "link",
		"\x1bcreset \x1b(Bx":                       "creset (Bx",
		"10%\r20%\r\ndone\r\n":                     "10%\n20%\ndone",
		"bell\x07 nul\x00 del\x7f c1\u009b":        "bell nul del c1",
		"bad \xff\xfe":                             "bad \uFFFD",
		"tab\tstays\n\n":                           "tab\tstays",
	} {
		if got := write(newOutput(nil), text, 3); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestTail(t *testing.T) {
	text := strings.Repeat("0123456789", 100_000) + "end"
	for _, chunk := range []int{1, 10, 4095, 4096, 4097, 100_000, len(text)} {
		o := newOutput([]string{"none of this"})
		got := write(o, text, chunk)
		if want := "…" + text[len(text)-mostOutput:]; got != want {
			t.Errorf("%d bytes at a time: %d bytes, %.20q", chunk, len(got), got)
		}
		if cap(o.tail) > 8*mostOutput {
			t.Errorf("%d bytes at a time: %d bytes are held", chunk, cap(o.tail))
		}
	}
	o := newOutput(nil)
	_, _ = o.Write([]byte("something"))
	o.drop()
	_, _ = o.Write([]byte(text))
	if got := o.String(); got != "" || o.tail != nil {
		t.Errorf("after drop: %q", got)
	}
}
