package sluice_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"

	"github.com/rogpeppe/go-internal/testscript"
)

func send(ts *testscript.TestScript, neg bool, args []string) {
	body := []byte(ts.ReadFile(args[1]))
	mac := hmac.New(sha256.New, []byte(ts.Getenv("WEBHOOK_SECRET")))
	mac.Write(body)
	req, err := http.NewRequest(http.MethodPost, args[0], bytes.NewReader(body))
	ts.Check(err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Sluice-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	ts.Check(err)
	_, err = ts.Stdout().Write(answer)
	ts.Check(err)
	if taken := resp.StatusCode < http.StatusMultipleChoices; taken == neg {
		ts.Fatalf("%s: %s\n%s", args[0], resp.Status, answer)
	}
}
