package sluice_test

import (
	"io"
	"net/http"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// post sends JSON: post URL BODY.
func post(ts *testscript.TestScript, neg bool, args []string) {
	resp, err := http.Post(args[0], "application/json", strings.NewReader(args[1]))
	ts.Check(err)
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	ts.Check(err)
	_, err = ts.Stdout().Write(answer)
	ts.Check(err)
	if done := resp.StatusCode == http.StatusOK; done == neg {
		ts.Fatalf("%s: %s\n%s", args[0], resp.Status, answer)
	}
}
