package hook_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/services/gateway/internal/config"
	"github.com/sluice-gate/sluice/services/gateway/internal/hook"
	"github.com/sluice-gate/sluice/services/gateway/internal/hook/hooktest"
)

const (
	hexDigest = "0b31b1c02ff458ad9b7b81cbdf8f028bd54699fa151f221d1e8de6817db93427"
	published = `{"context":{"specversion":"0.5.1","id":"e-1","source":"/ci","type":"dev.cdevents.artifact.published.0.3.0",
		"timestamp":"2021-09-01T23:00:00Z"},"subject":{"id":"pkg:npm/%40acme/tracer@1.4.0?checksum=sha256:` + hexDigest + `","content":{"user":"ana"}},
		"customData":{"sha":"beef"}}`
)

// cdevents is a hook with some more fields.
func cdevents(t testing.TB, fields ...string) config.Hook {
	t.Helper()
	src := "hooks:\n  - path: /h\n    source: cdevents\n    secret_env: S\n    projects: [tracer]\n    events: [artifact.published]\n" +
		"    project: '{\"pkg:npm/%40acme/tracer\": \"tracer\"}[purl.id]'\n"
	for _, f := range fields {
		src += "    " + f + "\n"
	}
	c, err := config.Parse("gateway.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return c.Hooks[0]
}

func structured(data string) []byte {
	return fmt.Appendf(nil, `{"specversion":"1.0","id":"x","source":"/ci","type":"dev.cdevents.artifact.published.0.3.0",`+
		`"datacontenttype":"application/json","data":%s}`, data)
}

// sent is an event as it is sent in one of the modes, signed over the bytes that are sent.
func sent(data string, binary bool) hook.Delivery {
	if !binary {
		d := delivered(config.Generic, "", structured(data))
		d.Header.Set("Content-Type", "application/cloudevents+json; charset=UTF-8")
		return d
	}
	d := delivered(config.Generic, "", []byte(data))
	for name, value := range map[string]string{
		"Content-Type": "application/json", "ce-specversion": "1.0", "ce-id": "x", "ce-source": "/ci",
		"ce-type": "dev.cdevents.artifact.published.0.3.0",
	} {
		d.Header.Set(name, value)
	}
	return d
}

// TestCDEvents: an artifact that was published is the merge that its package URL tells of, in both modes, unless an expression knows
// better; and it is the same release whichever way it comes.
func TestCDEvents(t *testing.T) {
	ids := map[string]bool{}
	for _, binary := range []bool{true, false} {
		out, err := hook.Read(t.Context(), cdevents(t), secret, sent(published, binary))
		if err != nil || len(out.Merges) != 1 || out.Delivery != "e-1" {
			t.Fatalf("%+v %v", out, err)
		}
		m := out.Merges[0]
		if e := m.Event; m.Project != "tracer" || e.Commit != "sha256-"+hexDigest || e.Version != "1.4.0" || e.Actor != "ana" ||
			e.Artifact != "sha256-"+hexDigest || e.Digest != "sha256:"+hexDigest {
			t.Errorf("%+v", m)
		}
		ids[m.Event.ID] = true
	}
	if len(ids) != 1 {
		t.Errorf("it is the releases %v", ids)
	}
	out, err := hook.Read(t.Context(), cdevents(t, "commit: body.customData.sha", `artifact: '"tracer-" + purl.version + ".tgz"'`), secret, sent(published, true))
	if err != nil || len(out.Merges) != 1 || out.Merges[0].Event.Commit != "beef" || out.Merges[0].Event.Artifact != "tracer-1.4.0.tgz" {
		t.Errorf("%+v %v", out, err)
	}
	packaged := strings.ReplaceAll(published, "published", "packaged")
	d := sent(packaged, true)
	d.Header.Set("ce-type", "dev.cdevents.artifact.packaged.0.3.0")
	packagedHook := cdevents(t)
	if out, err := hook.Read(t.Context(), packagedHook, secret, d); !errors.Is(err, hook.ErrMalformed) || !strings.Contains(err.Error(), "subject.content.change is missing") {
		t.Errorf("%+v %v", out, err)
	}
	d.Body = []byte(strings.Replace(packaged, `"user":"ana"`, `"change":{"id":"c0ffee"}`, 1))
	d.Header.Set(hook.HeaderSignature, sign("sha256=", d.Body))
	if out, err := hook.Read(t.Context(), packagedHook, secret, d); err != nil || len(out.Merges) != 0 || !strings.Contains(out.Ignored, "artifact.packaged") {
		t.Errorf("another event: %+v %v", out, err)
	}
	if out, err := hook.Read(t.Context(), cdevents(t, "when: purl.version.startsWith('2.')"), secret, sent(published, true)); err != nil || !strings.Contains(out.Ignored, "condition") {
		t.Errorf("%+v %v", out, err)
	}
}

// TestCDEventsRefused: what is not signed, no event, or of a project that nobody configured, with one line that says so.
func TestCDEventsRefused(t *testing.T) {
	unsigned := sent(published, true)
	unsigned.Body = append(unsigned.Body, ' ')
	forged := sent(published, true) // headers are not signed: what they say must be what the body says
	forged.Header.Set("ce-type", "dev.cdevents.change.merged.0.3.0")
	for name, c := range map[string]struct {
		delivery hook.Delivery
		is       error
		want     string
	}{
		"unsigned":      {unsigned, hook.ErrUnsigned, "signature"},
		"forged":        {forged, hook.ErrMalformed, "context.type is"},
		"no event":      {sent(`{"status":"passed"}`, false), hook.ErrMalformed, "context.id is missing"},
		"another thing": {sent(strings.Replace(published, "tracer", "nobody", 1), true), hook.ErrRefused, "project: no such key"},
		"a path":        {sent(strings.Replace(published, `"sha":"beef"`, `"artifact":"../../etc/passwd"`, 1), true), hook.ErrRefused, "artifact"},
		"no version":    {sent(strings.Replace(published, "@1.4.0", "@$(id)%0A", 1), true), hook.ErrRefused, "version"},
		"no digest":     {sent(strings.Replace(published, `"sha":"beef"`, `"digest":"sha256:$(id)"`, 1), true), hook.ErrRefused, "commit"},
	} {
		out, err := hook.Read(t.Context(), cdevents(t), secret, c.delivery)
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) || strings.ContainsAny(err.Error(), "\r\n") || len(out.Merges) != 0 {
			t.Errorf("%s: %+v %v, want %s", name, out, err, c.want)
		}
	}
}

// TestJSONIsNoForm: what a stranger wrote into a body that is signed as JSON, say a commit message, is no field of a form, whatever the
// delivery calls the body's type: that is not signed.
func TestJSONIsNoForm(t *testing.T) {
	h := parsed(t, config.GitHub, `{ repository: Codertocat/Hello-World, project: hello, on: push, artifact: x }`)
	forged := hooktest.Edit(t, example(t, "github_push"), map[string]any{"ref": "refs/heads/main", "after": "bad", "deleted": false})
	message := "fix a typo&payload=" + url.QueryEscape(string(forged)) + "&x="
	body := hooktest.Edit(t, example(t, "github_push"), map[string]any{"ref": "refs/heads/feature", "head_commit.message": "TYPO"})
	body = []byte(strings.Replace(string(body), "TYPO", message, 1)) // not escaped as Go does: others leave & as it is
	for kind, want := range map[string]error{"application/json": nil, "application/x-www-form-urlencoded": hook.ErrMalformed} {
		d := delivered(config.GitHub, "push", body)
		d.Header.Set("Content-Type", kind)
		if out, err := hook.Read(t.Context(), h, secret, d); !errors.Is(err, want) || len(out.Merges) != 0 {
			t.Errorf("%s: %+v %v", kind, out, err)
		}
	}
}

// TestForm: GitHub's form is signed as it is sent, and its field payload is the body.
func TestForm(t *testing.T) {
	h := parsed(t, config.GitHub, `{ repository: Codertocat/Hello-World, project: hello, on: push, artifact: x }`)
	body := hooktest.Edit(t, example(t, "github_push"), map[string]any{"ref": "refs/heads/main", "after": "c0ffee", "deleted": false})
	for form, want := range map[string]error{
		"payload=" + url.QueryEscape(string(body)): nil,
		"payload=a&payload=b":                      hook.ErrMalformed,
		"body=" + url.QueryEscape(string(body)):    hook.ErrMalformed,
		"payload=%zz":                              hook.ErrMalformed,
		"payload=not+json":                         hook.ErrMalformed,
	} {
		d := delivered(config.GitHub, "push", []byte(form))
		d.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		out, err := hook.Read(t.Context(), h, secret, d)
		if !errors.Is(err, want) || want == nil && (len(out.Merges) != 1 || out.Merges[0].Event.Commit != "c0ffee") {
			t.Errorf("%.40s: %+v %v", form, out, err)
		}
		d.Header.Set("X-Hub-Signature-256", sign("sha256=", body)) // of the payload, not of what was sent
		if _, err := hook.Read(t.Context(), h, secret, d); !errors.Is(err, hook.ErrUnsigned) {
			t.Errorf("%.40s, signed without the form: %v", form, err)
		}
	}
}
