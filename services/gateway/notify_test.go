package gateway_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/topology/accounts"
)

// cancelled appends to a journal that somebody cancelled a release, and returns which.
func (w *world) cancelled(why string) (id string) {
	w.Helper()
	s := release.State{Release: uuid.Must(uuid.NewV7()).String(), Project: "told", Version: "1.4.0", Phase: release.Cancelled}
	data, err := releasepb.EncodeRecord(releasepb.Record{Event: release.WasCancelled{Said: release.Said{By: "ana", Reason: why}}, State: s})
	if err == nil {
		_, err = w.js.Publish(w.Context(), topology.Release(s.Release), data)
	}
	if err != nil {
		w.Fatal(err)
	}
	return s.Release
}

// says adds to the gateway's file.
func (w *world) says(text string) {
	w.Helper()
	src, err := os.ReadFile(w.file)
	if err == nil {
		err = os.WriteFile(w.file, append(src, text...), 0o600)
	}
	if err != nil {
		w.Fatal(err)
	}
}

// TestButtonInSlack: what is pressed in Slack reaches the broker through a gateway with the rights that it has in production, once, and under
// the name of who pressed it.
func TestButtonInSlack(t *testing.T) {
	w := setup(t)
	t.Setenv("TEST_SIGNING_SECRET", "8f742231b10e8888abcd99yyyzzz85a5")
	w.says("notify: { slack: { secret_env: TEST_SIGNING_SECRET, users: { U024BE7LH: ana } } }\n")
	address := strings.TrimSuffix(w.gateway("gateway-0"), "/hooks/github")
	id := w.cancelled("why")
	body := "payload=" + url.QueryEscape(`{"type":"block_actions","user":{"id":"U024BE7LH"},"actions":[{"action_id":"sluice:retry","value":"`+id+`"}]}`)
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte("8f742231b10e8888abcd99yyyzzz85a5"))
	_, _ = mac.Write([]byte("v0:" + stamp + ":" + body))
	press := func(signature string) int {
		t.Helper()
		req, err := http.NewRequest(http.MethodPost, address+"/slack/actions", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Slack-Request-Timestamp", stamp)
		req.Header.Set("X-Slack-Signature", signature)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	signature := "v0=" + hex.EncodeToString(mac.Sum(nil))
	for _, want := range []int{http.StatusOK, http.StatusOK} {
		if got := press(signature); got != want {
			t.Errorf("%d", got)
		}
	}
	if got := press("v0=" + strings.Repeat("0", 64)); got != http.StatusUnauthorized {
		t.Errorf("%d", got)
	}
	if n := w.stored("sluice.retry." + id + ".ana"); n != 1 || w.stored("sluice.retry.*.*") != 1 {
		t.Errorf("%d requests are stored", n)
	}
}

// TestNotifiesThroughAKill: a gateway with the rights that it has in production is killed while it sends, and started again. Each event is
// told once, but for what was on its way just then: that comes twice at most, under the same key.
func TestNotifiesThroughAKill(t *testing.T) {
	w := setup(t)
	const n = 40
	var mu sync.Mutex
	got, keys := map[string]int{}, map[string]int{}
	reached, killed := make(chan struct{}), make(chan struct{})
	var once sync.Once
	target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		if err != nil || r.Header.Get("Authorization") != "Bearer token-of-the-target" {
			t.Errorf("%v %v", err, r.Header)
		}
		for i := range n {
			got[fmt.Sprint(i)] += strings.Count(string(body), fmt.Sprintf(`"why":"why-%d."`, i))
		}
		if keys[r.Header.Get("Idempotency-Key")]++; len(keys) == 6 { // of the sixteen at least that become of a burst
			once.Do(func() {
				close(reached)
				select {
				case <-killed: // so that it dies before it has the answer
				case <-r.Context().Done():
				}
			})
		}
	}))
	t.Cleanup(target.Close)
	t.Setenv("TEST_TARGET_TOKEN", "token-of-the-target")
	project := "project: told\nnotify: [ { webhook: { url: \"" + target.URL + "\", token_env: TEST_TARGET_TOKEN } } ]\n"
	if _, _, err := w.catalog.Apply(t.Context(), "told.yaml", []byte(project)); err != nil {
		t.Fatal(err)
	}
	w.says("notify: { secrets: [TEST_TARGET_TOKEN] }\n")
	process := exec.Command(os.Args[0], "--server", w.broker.URL(), "--user", accounts.Gateway, "--password-env",
		accounts.PasswordEnv(accounts.Gateway), "--config", w.file, "--listen", "127.0.0.1:0", "--instance", "gateway-0")
	process.Env = append(os.Environ(), asProcess+"=1")
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		w.cancelled(fmt.Sprintf("why-%d.", i))
	}
	select {
	case <-reached:
	case <-time.After(patience):
		t.Error("nothing was told for a minute")
	}
	if err := process.Process.Kill(); err != nil {
		t.Error(err)
	}
	var exit *exec.ExitError
	if err := process.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Errorf("it was not killed: %v", err)
	}
	close(killed)
	w.gateway("gateway-0") // the same instance is back, and goes on with its claims at once
	w.eventually("all is told", func() error {
		c, err := w.js.Consumer(t.Context(), topology.StreamSluice, topology.ConsumerGatewayNotify)
		if err != nil {
			return err
		}
		info, err := c.Info(t.Context())
		if err == nil && info.NumPending+uint64(info.NumAckPending) > 0 {
			err = fmt.Errorf("%d and %d are left", info.NumPending, info.NumAckPending)
		}
		return err
	})
	mu.Lock()
	defer mu.Unlock()
	twice := 0
	for i := range n {
		switch got[fmt.Sprint(i)] {
		case 1:
		case 2:
			twice++
		default:
			t.Errorf("%d was told %d times", i, got[fmt.Sprint(i)])
		}
	}
	again := 0
	for _, times := range keys {
		again += times - 1
	}
	if twice > 4 || twice != again { // four at a time are sent to one target
		t.Errorf("%d were told twice, %d under the same key", twice, again)
	}
	if n := w.stored("sluice.dead.>"); n != 0 {
		t.Errorf("%d dead letters", n)
	}
}
