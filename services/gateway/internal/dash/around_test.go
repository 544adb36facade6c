package dash

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
)

// TestLongRequests: what takes too long, or is broken off because the gateway stops, is told as that. It is no empty page with status 200,
// and no connection that just ends.
func TestLongRequests(t *testing.T) {
	d := &Dash{hub: newHub(), log: zap.NewNop()}
	if err := d.load(); err != nil {
		t.Fatal(err)
	}
	stopping, stop := context.WithCancel(t.Context())
	web := httptest.NewUnstartedServer(bounded(200*time.Millisecond, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stops" {
			stop()
		}
		<-r.Context().Done() // as whatever is asked of the broker
		d.broken(w, r, errors.New("broken off"))
	})))
	web.Config.BaseContext = func(net.Listener) context.Context { return stopping } // as the gateway's server has it
	web.Start()
	defer web.Close()
	for _, c := range []struct{ path, want string }{{"/long", "This took too long to read"}, {"/stops", "This gateway stops"}} {
		if got := answerOf(t, web.URL+c.path); !strings.HasPrefix(got, "503 ") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q", c.path, got)
		}
	}
}

func answerOf(t *testing.T, address string) string {
	t.Helper()
	res, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.Status + " " + string(text)
}
