package tell

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/sluice-gate/sluice/pkg/react"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

// TestVerdict: what a sink answers is taken, never taken, or tried again, after the pause that it asks for.
func TestVerdict(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		status int
		after  string
		final  bool
		later  time.Duration
	}{
		{status: 200}, {status: 202}, {status: 204},
		{status: 400, final: true}, {status: 410, final: true}, {status: 413, final: true}, {status: 415, final: true}, {status: 422, final: true},
		{status: 301}, {status: 401}, {status: 403}, {status: 404}, {status: 500},
		{status: 429, after: "7", later: 7 * time.Second}, {status: 503, after: "99999", later: mostPause},
		{status: 503, after: "-1"}, {status: 503, after: "soon"}, {status: 503, after: now.Add(-time.Hour).UTC().Format(http.TimeFormat)},
		{status: 503, after: now.Add(time.Hour).UTC().Format(http.TimeFormat), later: mostPause},
	} {
		err := Verdict("the sink", &http.Response{StatusCode: c.status, Header: http.Header{"Retry-After": {c.after}}})
		if (err == nil) != (c.status < 300) || errors.Is(err, ErrFinal) != c.final {
			t.Errorf("%d %q: %v", c.status, c.after, err)
		}
		var later *react.LaterError
		if errors.As(err, &later) != (c.later > 0) || later != nil && later.In != c.later {
			t.Errorf("%d %q: %v, want in %s", c.status, c.after, err, c.later)
		}
	}
}

// TestSinkIsNotTold: what stands in the query of a sink's address may be a secret, and is in no error.
func TestSinkIsNotTold(t *testing.T) {
	e := event.New()
	e.SetID("a")
	e.SetSource("/a")
	e.SetType("a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, url := range []string{"http://127.0.0.1:1/hook?code=hunter2", "http://127.0.0.1:1/hook?code=hunter2\x7f"} {
		err := overHTTP(config.Sink{URL: url})(ctx, "r", e)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
		if to := shown(url); strings.Contains(to, "hunter2") || !strings.HasPrefix(to, "http://127.0.0.1:1/hook") {
			t.Errorf("it is told as %s", to)
		}
	}
}

func TestEncoded(t *testing.T) {
	for text, want := range map[string]string{
		"01890a5d/soak/staging": "01890a5d/soak/staging", "a b\n\"%\"": "a%20b%0A%22%25%22", "é": "%C3%A9",
	} {
		if got := encoded(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
