// Package hooktest makes the deliveries of webhooks that tests hand in.
package hooktest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
)

// Edit changes fields of a JSON body, each named by its path; nil takes one away.
func Edit(t testing.TB, body []byte, fields map[string]any) []byte {
	t.Helper()
	if len(fields) == 0 {
		return body
	}
	var all map[string]any
	if err := json.Unmarshal(body, &all); err != nil {
		t.Fatal(err)
	}
	for path, value := range fields {
		at, names := all, strings.Split(path, ".")
		for _, name := range names[:len(names)-1] {
			inner, ok := at[name].(map[string]any)
			if !ok {
				t.Fatalf("%s: %s is no object", path, name)
			}
			at = inner
		}
		at[names[len(names)-1]] = value
	}
	out, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Sign is the HMAC-SHA256 of a body, in hexadecimal, as all vendors write it that sign.
func Sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write(body) // a hash takes everything
	return hex.EncodeToString(mac.Sum(nil))
}
