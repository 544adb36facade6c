package dash_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

// TestLapsed: a page that is asked for with a session that the provider has to confirm goes by the provider, and back; everything else is
// refused, and says what to do. Nothing is shown, and nothing is done.
func TestLapsed(t *testing.T) {
	const key = "a key that several gateways have"
	t.Setenv("TEST_SESSION_KEY", key)
	t.Setenv("TEST_OIDC", "what the provider knows Sluice by")
	w := newWorld(t, &outside{latency: map[string]float64{}}, t.TempDir(), t.TempDir())
	w.apply("shop", "")
	d, base := w.dashboard(config.Dashboard{Listen: config.DashboardListen, URL: "http://127.0.0.1:8082", SessionKeyEnv: "TEST_SESSION_KEY",
		OIDC: &config.OIDC{Issuer: "http://127.0.0.1:1", ClientID: "sluice", SecretEnv: "TEST_OIDC", Name: "email", Groups: "groups"}})
	<-d.Ready()
	cookie := func(checked time.Duration) string {
		body := fmt.Sprintf(`{"i":"x","n":"ana","r":"admin","u":%d,"c":%d}`, time.Now().Add(time.Hour).Unix(), time.Now().Add(checked).Unix())
		text := base64.RawURLEncoding.EncodeToString([]byte(body))
		sum := sha256.Sum256([]byte(key))
		mac := hmac.New(sha256.New, sum[:])
		_, _ = io.WriteString(mac, "session\x00"+text)
		return "sluice-session=" + text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, c := range []struct {
		method, path, accept, part string
		checked                    time.Duration
		code                       int
		want                       string
	}{
		{"GET", "/projects?q=shop", "text/html", "", time.Minute, 200, "shop"},
		{"GET", "/projects?q=shop", "text/html", "", -time.Minute, 303, "/auth/start?again=1&next=%2Fprojects%3Fq%3Dshop"},
		{"GET", "/projects/shop/ask/pause", "text/html", "1", -time.Minute, 401, "Load the page again."},
		{"POST", "/projects/shop/pause", "text/html", "", -time.Minute, 401, "nothing was done"},
		{"GET", "/api/v1/me", "*/*", "", time.Minute, 200, `"ana"`},
		{"GET", "/api/v1/me", "*/*", "", -time.Minute, 401, "nothing was done"},
		{"GET", "/live?page=board", "text/event-stream", "", -time.Minute, 200, "event: bye"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, base+c.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Cookie", cookie(c.checked))
		req.Header.Set("Accept", c.accept)
		req.Header.Set("Sluice-Part", c.part)
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != c.code || !strings.Contains(res.Header.Get("Location")+string(text), c.want) {
			t.Errorf("%s %s: %s to %q, %v\n%.300s", c.method, c.path, res.Status, res.Header.Get("Location"), err, text)
		}
	}
}
