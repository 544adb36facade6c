package hook_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
	"github.com/sluice-gate/sluice/services/gateway/internal/hook"
)

const genericBody = `{"status":"passed","project":"tracer","sha":"c0ffee","number":42,"branch":"main","link":"https://ci.example.com/42","done":"2021-09-01T23:00:00Z","list":[1,2,3]}`

// generic is a hook whose fields are those given, or else the usual ones.
func generic(t testing.TB, fields ...string) config.Hook {
	t.Helper()
	all := map[string]string{
		"when":     `body.status == "passed" && header["x-event"] == "build"`,
		"project":  "body.project",
		"commit":   "body.sha",
		"version":  `'"1.4." + string(int(body.number))'`,
		"artifact": `'body.project + "-" + body.sha + ".tgz"'`,
		"ref":      "body.branch",
		"url":      "body.link",
		"actor":    `header["x-request-id"]`,
		"at":       "body.done",
		"delivery": "X-Request-Id",
	}
	for _, f := range fields {
		if name, value, ok := strings.Cut(f, ": "); ok {
			all[name] = value
		}
	}
	src := "hooks:\n  - path: /h\n    source: generic\n    secret_env: S\n    projects: [tracer, api]\n"
	for name, value := range all {
		src += fmt.Sprintf("    %s: %s\n", name, value)
	}
	c, err := config.Parse("gateway.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return c.Hooks[0]
}

func TestGeneric(t *testing.T) {
	out, err := hook.Read(t.Context(), generic(t), secret, delivered(config.Generic, "build", []byte(genericBody)))
	if err != nil || len(out.Merges) != 1 || out.Delivery != "r-1" {
		t.Fatalf("%+v %v", out, err)
	}
	want := releasepb.MergeEvent{
		ID: out.Merges[0].Event.ID, Commit: "c0ffee", Ref: "main", Version: "1.4.42", Artifact: "tracer-c0ffee.tgz", Actor: "r-1",
		URL: "https://ci.example.com/42",
	}
	if got := out.Merges[0]; got.Project != "tracer" || fmt.Sprintf("%+v", got.Event) != fmt.Sprintf("%+v", want) {
		t.Errorf("%+v", got)
	}
	if sec, _ := uuid.MustParse(want.ID).Time().UnixTime(); time.Unix(sec, 0).UTC().Format(time.RFC3339) != "2021-09-01T23:00:00Z" {
		t.Errorf("its id is of %s", time.Unix(sec, 0).UTC())
	}
	out, err = hook.Read(t.Context(), generic(t), secret, delivered(config.Generic, "lint", []byte(genericBody)))
	if err != nil || len(out.Merges) != 0 || !strings.Contains(out.Ignored, "condition") {
		t.Errorf("another event: %+v %v", out, err)
	}
}

// TestGenericRefused: an expression that does not give what it should refuses the delivery, and names itself.
func TestGenericRefused(t *testing.T) {
	for field, want := range map[string]string{
		"when: body.misspelt == 1":       "when: no such key: misspelt",
		"when: body.status":              "when: it is of type string, not true or false",
		"commit: body.number":            "commit: it is of type float64, not text",
		"project: '\"other\"'":           `project "other" is none of this hook's`,
		"artifact: '\"../\" + body.sha'": "artifact",
		"version: '\"1.0.0\\n\"'":        "version",
		"url: header.authorization":      "url: no such key: authorization",
		"when: body.list.all(a, body.list.all(b, " + strings.Repeat("body.list.all(c, ", 12) + "true" + strings.Repeat(")", 14): "cost limit",
	} {
		d := delivered(config.Generic, "build", []byte(genericBody))
		d.Header.Set("Authorization", "Bearer x")
		out, err := hook.Read(t.Context(), generic(t, field), secret, d)
		if !errors.Is(err, hook.ErrRefused) || !strings.Contains(err.Error(), want) || len(out.Merges) != 0 {
			t.Errorf("%.60s: %+v %v, want %s", field, out, err, want)
		}
	}
	for _, body := range []string{"", "{", "[1", genericBody + "x"} {
		if _, err := hook.Read(t.Context(), generic(t), secret, delivered(config.Generic, "build", []byte(body))); !errors.Is(err, hook.ErrMalformed) {
			t.Errorf("%q: %v", body, err)
		}
	}
}
