package dash_test

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

// TestLiveByToken: a program with a token hears of changes for as long as it likes; and a page whose session is over is told to load itself
// again, not refused for ever.
func TestLiveByToken(t *testing.T) {
	w := newWorld(t, &outside{latency: map[string]float64{}}, t.TempDir(), t.TempDir())
	w.apply("shop", "")
	t.Setenv("TEST_TOKEN_VERA", tokenOf("vera"))
	d, base := w.dashboard(config.Dashboard{Listen: config.DashboardListen, Tokens: []config.Token{
		{Name: "vera", Role: config.Viewer, Env: "TEST_TOKEN_VERA"},
	}})
	d.Fidget(10 * time.Millisecond)
	<-d.Ready()
	live := func(header ...string) *bufio.Scanner {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/live?page=board", nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		if res.StatusCode != http.StatusOK {
			t.Errorf("%v: %s", header, res.Status)
		}
		return bufio.NewScanner(res.Body)
	}
	in := live("Authorization", "Bearer "+tokenOf("vera"))
	for heard := 0; heard < 5; {
		if !in.Scan() || strings.HasPrefix(in.Text(), "event: bye") {
			t.Fatalf("it ends after %d messages: %q %v", heard, in.Text(), in.Err())
		}
		if strings.HasPrefix(in.Text(), "data:") {
			heard++
		}
	}
	if in := live("Accept", "text/event-stream", "Cookie", "sluice-session=over"); !in.Scan() || in.Text() != "event: bye" {
		t.Errorf("a page hears %q %v", in.Text(), in.Err())
	}
}
