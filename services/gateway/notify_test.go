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
// told in one message, and only the messages that were on their way just then may come twice, under the same key.
func TestNotifiesThroughAKill(t *testing.T) {
	w := setup(t)
	const n = 40
	var mu sync.Mutex
	keys, messages := map[string]int{}, make([]map[string]bool, n) // how often each came, and by event those that it was in
	reached, killed := make(chan struct{}), make(chan struct{})
	var once sync.Once
	target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		if err != nil || r.Header.Get("Authorization") != "Bearer token-of-the-target" {
			t.Errorf("%v %v", err, r.Header)
		}
		key := r.Header.Get("Idempotency-Key")
		for i := range n {
			if strings.Contains(string(body), fmt.Sprintf(`"why":"why-%d."`, i)) {
				if messages[i] == nil {
					messages[i] = map[string]bool{}
				}
				messages[i][key] = true
			}
		}
		if keys[key]++; len(keys) == 6 { // of the sixteen at least that become of a burst
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
	for i, in := range messages {
		if len(in) != 1 {
			t.Errorf("%d was told in %d messages", i, len(in))
		}
	}
	twice := 0
	for key, times := range keys {
		if times > 2 {
			t.Errorf("%s came %d times", key, times)
		}
		twice += times - 1
	}
	if twice > 4 { // four at a time are sent to one target
		t.Errorf("%d messages came twice", twice)
	}
	if n := w.stored("sluice.dead.>"); n != 0 {
		t.Errorf("%d dead letters", n)
	}
}
