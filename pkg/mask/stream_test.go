package mask_test

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-gate/sluice/pkg/mask"
)

func masked(text string, chunk int, secrets ...string) string {
	var out strings.Builder
	s := mask.NewStream(func(b []byte) { out.Write(b) })
	s.HideEncoded(secrets...)
	for len(text) > 0 {
		n := min(chunk, len(text))
		_, _ = s.Write([]byte(text[:n]))
		text = text[n:]
	}
	s.Flush()
	return out.String()
}

// A secret is hidden as it is and in what it is usually encoded in, whoever stands beside it and however it is cut into writes.
func TestNoSecretComesThroughEncoded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`[A-Za-z0-9+/=%"\\&<é-]{9,40}`).Draw(t, "secret")
		user := rapid.StringMatching(`[a-z]{0,9}:?`).Draw(t, "user")
		after := rapid.StringMatching(`[a-z\n]{0,9}`).Draw(t, "after")
		quoted, err := json.Marshal(secret)
		if err != nil {
			t.Fatal(err)
		}
		basic := []byte(user + secret + after)
		forms := map[string]string{
			"as it is": secret, "query": url.QueryEscape(secret), "path": url.PathEscape(secret), "json": string(quoted),
			"base64": base64.StdEncoding.EncodeToString(basic), "base64 of URLs": base64.RawURLEncoding.EncodeToString(basic),
		}
		text := "Authorization: "
		for _, form := range forms {
			text += form + " "
		}
		got := masked(text, rapid.IntRange(1, 100).Draw(t, "chunk"), secret)
		for name, form := range forms {
			if strings.Contains(got, form) {
				t.Fatalf("%s: %q came through: %q", name, form, got)
			}
		}
		// Of Base64 not more than the characters at its ends, which the neighbours have a part in.
		for _, word := range strings.Fields(got) {
			for _, piece := range strings.Split(word, "***") {
				for n := len(piece); n >= len(secret)*3/4 && n >= 8; n-- {
					if raw, err := base64.RawStdEncoding.DecodeString(piece[:n/4*4]); err == nil && strings.Contains(secret, strings.Trim(string(raw), user+after)) &&
						len(strings.Trim(string(raw), user+after)) > 6 {
						t.Fatalf("%q decodes to %q of %q", piece, raw, secret)
					}
				}
			}
		}
	})
}

func TestShow(t *testing.T) {
	for text, want := range map[string]string{
		"a\u202egnp.exe":              "agnp.exe",
		"\x1b[2J\x1b[Hgone":           "gone",
		"bad \xff\xfe":                "bad \uFFFD",
		"<script>alert(1)</script>\n": "<script>alert(1)</script>\n",
		"10%\r20%\r\n":                "10%\n20%\n",
	} {
		if got := mask.Show(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got, want := mask.UserInfo("push to https://ana:hunter2@git.example.com/x?a=b"), "push to https://***@git.example.com/x?a=b"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
