package hook_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sluice-gate/sluice/services/gateway/internal/config"
	"github.com/sluice-gate/sluice/services/gateway/internal/hook"
	"github.com/sluice-gate/sluice/services/gateway/internal/hook/hooktest"
)

// TestReleaseID: whoever takes it, whenever, and whatever event told of it at that moment, a merge is the same release; and its id's
// time is that of the event, which lists and searches go by.
func TestReleaseID(t *testing.T) {
	h := parsed(t, config.GitHub, `{ repository: Codertocat/Hello-World, project: tracer, on: push, branch: master, artifact: a }`)
	body := example(t, "github_push")
	id := func(fields map[string]any) uuid.UUID {
		t.Helper()
		d := delivered(config.GitHub, "push", hooktest.Edit(t, body, fields))
		d.Header.Set("X-GitHub-Delivery", fmt.Sprint(fields)) // which nobody signs
		out, err := hook.Read(t.Context(), h, secret, d)
		if err != nil || len(out.Merges) != 1 {
			t.Fatalf("%+v %v", out, err)
		}
		return uuid.MustParse(out.Merges[0].Event.ID)
	}
	first := id(map[string]any{"head_commit.timestamp": "2021-05-15T15:19:25Z"})
	if again := id(map[string]any{"head_commit.timestamp": "2021-05-15T15:19:25Z", "forced": true}); again != first {
		t.Errorf("%s, then %s", first, again)
	}
	if sec, _ := first.Time().UnixTime(); time.Unix(sec, 0).UTC().Format(time.RFC3339) != "2021-05-15T15:19:25Z" {
		t.Errorf("%s is of %s", first, time.Unix(sec, 0))
	}
	other := id(map[string]any{"head_commit.timestamp": "2021-05-15T15:19:25Z", "after": strings.Repeat("a", 40)})
	if other == first {
		t.Error("two commits are one release")
	}
	for _, odd := range []any{"2999-01-01T00:00:00Z", "1971-01-01T00:00:00Z", "never", nil, 7, true} {
		if sec, _ := id(map[string]any{"head_commit.timestamp": odd}).Time().UnixTime(); time.Unix(sec, 0).UTC().Year() != 2020 {
			t.Errorf("%v makes an id of %s", odd, time.Unix(sec, 0).UTC())
		}
	}
}

// TestReplayOfGitHub: GitHub signs no time, so that what it signed once is taken for ever. It is the same commit, and by that the same release,
// whatever delivery id it comes under, and whenever.
func TestReplayOfGitHub(t *testing.T) {
	h := parsed(t, config.GitHub, `{ repository: Codertocat/Hello-World, project: tracer, on: push, branch: master, artifact: a }`)
	d := delivered(config.GitHub, "push", example(t, "github_push"))
	var first hook.Merge
	for i, after := range []time.Duration{0, time.Minute, 24 * time.Hour, 10 * 365 * 24 * time.Hour} {
		d.Header.Set("X-GitHub-Delivery", uuid.NewString())
		d.At = now.Add(after)
		out, err := hook.Read(t.Context(), h, secret, d)
		if err != nil || len(out.Merges) != 1 {
			t.Fatalf("after %s: %+v %v", after, out, err)
		}
		if i == 0 {
			first = out.Merges[0]
		}
		if got := out.Merges[0]; got.Event.ID != first.Event.ID || got.Event.Commit != first.Event.Commit {
			t.Errorf("after %s it is %+v, and was %+v", after, got, first)
		}
	}
}

// TestHostile: what a stranger may choose is data that passes the checks of names, or is refused in one line.
func TestHostile(t *testing.T) {
	merge := `{ repository: Codertocat/Hello-World, project: tracer, on: push, branch: master, ` +
		`version: "{body.head_commit.message}", artifact: "tracer-{body.pusher.name}.tgz" }`
	h := parsed(t, config.GitHub, merge)
	good := map[string]any{"head_commit.message": "1.4.0", "pusher.name": "ana"}
	for name, c := range map[string]struct {
		fields map[string]any
		want   string // of the error; "" when it is data
	}{
		"a command in the actor":   {map[string]any{"sender.login": "$(reboot)\n`reboot`"}, ""},
		"a script as the link":     {map[string]any{"head_commit.url": "javascript:alert(1)"}, ""},
		"a megabyte of link":       {map[string]any{"head_commit.url": "https://x/" + strings.Repeat("a", 1<<20)}, ""},
		"a command as the commit":  {map[string]any{"after": "$(reboot)"}, "commit"},
		"lines in the commit":      {map[string]any{"after": "a\nb"}, "commit"},
		"wildcards in the commit":  {map[string]any{"after": "a.>"}, "commit"},
		"no commit":                {map[string]any{"after": "-rf"}, "commit"},
		"a long commit":            {map[string]any{"after": strings.Repeat("a", 10<<20)}, "commit"},
		"a path as the artifact":   {map[string]any{"pusher.name": "/../../etc/passwd"}, "artifact"},
		"lines in the artifact":    {map[string]any{"pusher.name": "a\nb"}, "artifact"},
		"a long artifact":          {map[string]any{"pusher.name": strings.Repeat("a", 10<<20)}, "artifact"},
		"no artifact":              {map[string]any{"pusher.name": nil}, "has no {body.pusher.name}"},
		"a list as the artifact":   {map[string]any{"pusher.name": []any{"a"}}, "has no {body.pusher.name}"},
		"a command as the version": {map[string]any{"head_commit.message": "1.0.0; reboot"}, "version"},
		"a path as the version":    {map[string]any{"head_commit.message": "../1.0.0"}, "version"},
		"lines in the version":     {map[string]any{"head_commit.message": "1.0.0\nSLUICE=1"}, "version"},
		"a long version":           {map[string]any{"head_commit.message": strings.Repeat("1", 10<<20)}, "version"},
	} {
		t.Run(name, func(t *testing.T) {
			body := hooktest.Edit(t, hooktest.Edit(t, example(t, "github_push"), good), c.fields)
			out, err := hook.Read(t.Context(), h, secret, delivered(config.GitHub, "push", body))
			if c.want != "" {
				if !errors.Is(err, hook.ErrRefused) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 500 {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil || len(out.Merges) != 1 {
				t.Fatalf("%+v %v", out, err)
			}
			e := out.Merges[0].Event
			if strings.ContainsAny(e.Actor+e.URL, "\n\r") || len(e.URL) > 2048 || strings.Contains(e.URL, "javascript") {
				t.Errorf("%+v", e)
			}
		})
	}
}
