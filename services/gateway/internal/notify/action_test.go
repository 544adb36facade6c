package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
	"github.com/sluice-gate/sluice/services/gateway/internal/notice"
)

const signing = "8f742231b10e8888abcd99yyyzzz85a5"

// pressing is what Slack sends of a button.
func pressing(user, action, value, answer string) string {
	payload, err := json.Marshal(map[string]any{
		"type": "block_actions", "user": map[string]string{"id": user}, "response_url": answer,
		"actions": []map[string]string{{"action_id": action, "value": value}}, "message": map[string]string{"text": "…"},
	})
	if err != nil {
		panic(err)
	}
	return "payload=" + url.QueryEscape(string(payload))
}

func request(body string, at time.Time, secret string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, ActionsPath, strings.NewReader(body))
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = fmt.Fprintf(mac, "v0:%s:%s", stamp, body)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Slack-Request-Timestamp", stamp)
	r.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	return r
}

// TestVerifyExample is the example of Slack's documentation: https://docs.slack.dev/authentication/verifying-requests-from-slack
func TestVerifyExample(t *testing.T) {
	const body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	header := http.Header{}
	header.Set("X-Slack-Request-Timestamp", "1531420618")
	header.Set("X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503")
	if _, err := verify("8f742231b10e8888abcd99yyyzzz85a5", header, []byte(body), time.Unix(1531420618, 0)); err != nil {
		t.Error(err)
	}
}

// TestActions: a button does what it says under the name of who pressed it, once, and for nobody else.
func TestActions(t *testing.T) {
	w := newWorld(t)
	t.Setenv("SIGNING", signing)
	answers := newReceiver(t, nil)
	elsewhere := false
	h := Actions(w.env, config.SlackActions{SecretEnv: "SIGNING", Users: map[string]config.SlackUser{
		"U1": {Name: "ana", Role: config.Operator}, "U2": {Name: "ben", Role: config.Admin}, "U4": {Name: "vera", Role: config.Viewer},
	}},
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere = true }))
	s := newRelease("tracer")
	s.Phase = release.Soaking
	w.records(s, release.WasSoaked{Due: time.Now()})
	do := func(r *http.Request) int {
		t.Helper()
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if strings.Contains(rec.Body.String(), signing) {
			t.Error("it tells the secret")
		}
		return rec.Code
	}
	now := time.Now()
	press := func(user, verb string) string {
		return pressing(user, notice.SlackAction+verb, s.Release, answers.URL+"/answer")
	}

	good := request(press("U1", "cancel"), now, signing)
	again := good.Clone(t.Context())
	again.Body = http.NoBody
	if code := do(good); code != http.StatusOK {
		t.Errorf("signed: %d", code)
	}
	if code := do(request(press("U1", "cancel"), now, signing)); code != http.StatusOK { // byte for byte the same
		t.Errorf("replayed: %d", code)
	}
	if n := w.stored(topology.StreamSluice, "sluice.cancel.*.ana"); n != 1 {
		t.Errorf("%d cancels are stored", n)
	}
	for name, r := range map[string]*http.Request{
		"another body":    again,
		"another secret":  request(press("U1", "hold"), now, "another"),
		"old":             request(press("U1", "hold"), now.Add(-6*time.Minute), signing),
		"from the future": request(press("U1", "hold"), now.Add(6*time.Minute), signing),
		"unsigned":        httptest.NewRequest(http.MethodPost, ActionsPath, strings.NewReader(press("U1", "hold"))),
	} {
		if code := do(r); code != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, code)
		}
	}
	for name, c := range map[string]struct {
		r    *http.Request
		want int
	}{
		"no payload": {request("a=b", now, signing), http.StatusBadRequest},
		"not JSON":   {request("payload=x", now, signing), http.StatusBadRequest},
		"GET":        {httptest.NewRequest(http.MethodGet, ActionsPath, http.NoBody), http.StatusMethodNotAllowed},
		"too large":  {request(strings.Repeat("x", mostAction+1), now, signing), http.StatusRequestEntityTooLarge},
		"unknown":    {request(press("U3", "hold"), now, signing), http.StatusOK},
		"a viewer":   {request(press("U4", "hold"), now, signing), http.StatusOK},
		"no verb":    {request(press("U1", "erase"), now, signing), http.StatusOK},
		"a stop":     {request(press("U1", "pause"), now, signing), http.StatusOK},
		"no release": {request(pressing("U1", "sluice:hold", "0195573c-5000-7000-8000-000000000000", ""), now, signing), http.StatusOK},
		"wildcard":   {request(pressing("U1", "sluice:hold", "*", ""), now, signing), http.StatusOK},
		"a link":     {request(pressing("U1", "open", s.Release, ""), now, signing), http.StatusOK},
		"stranger's": {request(pressing("U1", "sluice:hold", "*", "http://example.com/"), now, signing), http.StatusOK},
	} {
		if code := do(c.r); code != c.want {
			t.Errorf("%s: %d, want %d", name, code, c.want)
		}
	}
	if n := w.stored(topology.StreamSluice, "sluice.*.*.*") - w.stored(topology.StreamSluice, "sluice.cancel.*.ana"); n != 0 {
		t.Errorf("%d requests are stored that may not be", n)
	}
	if code := do(request(press("U2", "expedite"), now, signing)); code != http.StatusOK || w.stored(topology.StreamSluice, "sluice.expedite.*.ben") != 1 {
		t.Errorf("expedite: %d", code)
	}
	stream, err := w.js.Stream(t.Context(), topology.StreamSluice)
	if err != nil {
		t.Fatal(err)
	}
	m, err := stream.GetLastMsgForSubject(t.Context(), topology.Request("cancel", s.Release, "ana"))
	if err != nil {
		t.Fatal(err)
	}
	if q := releasepb.DecodeRequest(release.Cancel, "ana", m.Sequence, m.Time, m.Data); q.Reason != "" {
		t.Errorf("%+v", q)
	}
	said := strings.Join(answers.taken("/answer"), "\n")
	for _, want := range []string{
		`"ana asked to cancel tracer 1.4.0. What comes of it: sluice show ` + s.Release, `"response_type":"in_channel"`,
		"the role of vera is viewer", "U3 is not in the table of users", "pressed, and done, before", "another version of Sluice", `"response_type":"ephemeral"`,
	} {
		if !strings.Contains(said, want) {
			t.Errorf("nobody was told %s:\n%s", want, said)
		}
	}
	if do(httptest.NewRequest(http.MethodPost, "/hooks/github", http.NoBody)); !elsewhere {
		t.Error("webhooks do not get through")
	}
}

// TestActionsThatNeedAReason: where a project wants to know why, a button tells how that is said, and does nothing.
func TestActionsThatNeedAReason(t *testing.T) {
	w := newWorld(t)
	t.Setenv("SIGNING", signing)
	answers := newReceiver(t, nil)
	if _, _, err := w.env.Catalog.Apply(t.Context(), "tracer.yaml", []byte("project: tracer\nreasons: required\n")); err != nil {
		t.Fatal(err)
	}
	h := Actions(w.env, config.SlackActions{SecretEnv: "SIGNING", Users: map[string]config.SlackUser{"U1": {Name: "ana", Role: config.Operator}}},
		http.NotFoundHandler())
	s := newRelease("tracer")
	s.Phase = release.Soaking
	w.records(s, release.WasSoaked{Due: time.Now()})
	for _, verb := range []string{"cancel", "hold", "expedite", "resume"} {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, request(pressing("U1", notice.SlackAction+verb, s.Release, answers.URL+"/answer"), time.Now(), signing))
		if rec.Code != http.StatusOK {
			t.Errorf("%s: %d", verb, rec.Code)
		}
	}
	if n := w.stored(topology.StreamSluice, "sluice.*.*.ana"); n != 1 || w.stored(topology.StreamSluice, "sluice.resume.*.ana") != 1 {
		t.Errorf("%d requests are stored, want the one that needs no reason", n)
	}
	said := strings.Join(answers.taken("/answer"), "\n")
	for _, verb := range []string{"cancel", "hold", "expedite"} {
		if want := `sluice ` + verb + ` ` + s.Release + ` WHY\nor\nnats pub -J sluice.` + verb + `.` + s.Release; !strings.Contains(said, want) {
			t.Errorf("nobody was told %s:\n%s", want, said)
		}
	}
}
