package hook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/services/gateway/internal/config"
	"github.com/sluice-gate/sluice/services/gateway/internal/hook"
	"github.com/sluice-gate/sluice/services/gateway/internal/hook/hooktest"
)

// senders is a delivery of every source that is a merge, and the header that proves who sent it.
func senders(t testing.TB) map[string]struct {
	hook   config.Hook
	d      hook.Delivery
	header string
} {
	t.Helper()
	type sender = struct {
		hook   config.Hook
		d      hook.Delivery
		header string
	}
	bearer := generic(t, "auth: bearer")
	carried := delivered(config.Generic, "build", []byte(genericBody))
	carried.Header.Del(hook.HeaderSignature)
	carried.Header.Set("Authorization", "Bearer "+secret)
	return map[string]sender{
		"github": {
			parsed(t, config.GitHub, `{ repository: Codertocat/Hello-World, project: tracer, on: push, branch: master, artifact: a }`),
			delivered(config.GitHub, "push", example(t, "github_push")), "X-Hub-Signature-256",
		},
		"gitlab": {
			parsed(t, config.GitLab, `{ repository: mike/diaspora, project: tracer, on: push, branch: master, artifact: a }`),
			delivered(config.GitLab, "Push Hook", example(t, "gitlab_push")), "X-Gitlab-Token",
		},
		"circleci": {
			parsed(t, config.CircleCI, `{ repository: github/circleci/webhook-service, project: tracer, on: build, workflow: build-test-deploy, artifact: a }`),
			delivered(config.CircleCI, "", example(t, "circleci_workflow_completed")), "Circleci-Signature",
		},
		"bitbucket": {
			parsed(t, config.Bitbucket, `{ repository: team_name/repo_name, project: tracer, on: push, branch: name-of-branch, artifact: a }`),
			delivered(config.Bitbucket, "repo:push", example(t, "bitbucket_push")), "X-Hub-Signature",
		},
		"generic":        {generic(t, ""), delivered(config.Generic, "build", []byte(genericBody)), hook.HeaderSignature},
		"generic bearer": {bearer, carried, "Authorization"},
		"cdevents":       {cdevents(t), sent(published, true), hook.HeaderSignature},
	}
}

// TestSignatures: nothing unsigned is read, for any source, and no error has the secret.
func TestSignatures(t *testing.T) {
	for name, s := range senders(t) {
		t.Run(name, func(t *testing.T) {
			if out, err := hook.Read(t.Context(), s.hook, secret, s.d); err != nil || len(out.Merges) != 1 {
				t.Fatalf("signed: %+v %v", out, err)
			}
			refused := func(what string, secret string, d hook.Delivery) {
				t.Helper()
				out, err := hook.Read(t.Context(), s.hook, secret, d)
				if !errors.Is(err, hook.ErrUnsigned) || len(out.Merges) != 0 {
					t.Errorf("%s: %+v %v", what, out, err)
				}
				if err != nil && (strings.Contains(err.Error(), "Everybody") || strings.Contains(err.Error(), "\n")) {
					t.Errorf("%s: %v", what, err)
				}
			}
			with := func(value string) hook.Delivery {
				d := s.d
				d.Header = d.Header.Clone()
				d.Header.Set(s.header, value)
				return d
			}
			value := s.d.Header.Get(s.header)
			missing := with("")
			missing.Header.Del(s.header)
			refused("without", secret, missing)
			refused("with another secret", secret+"!", s.d)
			refused("with an empty secret", "", s.d)
			refused("without a scheme", secret, with("="+value))
			refused("cut short", secret, with(value[:len(value)-1]))
			refused("with another digit", secret, with(value[:len(value)-1]+"~"))
			refused("of another scheme", secret, with("sha1=da39a3ee5e6b4b0d3255bfef95601890afd80709"))
			refused("of nothing", secret, with("sha256="))
			if name == "gitlab" || name == "generic bearer" {
				return // they sign nothing but themselves
			}
			changed := s.d
			changed.Body = []byte(strings.Replace(string(s.d.Body), "a", "b", 1))
			refused("with another body", secret, changed)
			changed.Body = s.d.Body[:len(s.d.Body)/2]
			refused("with half the body", secret, changed)
			changed.Body = nil
			refused("without a body", secret, changed)
		})
	}
}

// TestEmptySecret: a secret that is not there is none, although anybody could sign with it.
func TestEmptySecret(t *testing.T) {
	for name, s := range senders(t) {
		mac := hmac.New(sha256.New, nil)
		mac.Write(s.d.Body)
		sum := hex.EncodeToString(mac.Sum(nil))
		s.d.Header.Set(s.header, "sha256="+sum+",v1="+sum)
		for _, value := range []string{s.d.Header.Get(s.header), "sha256=" + sum, "", "Bearer "} {
			s.d.Header.Set(s.header, value)
			if out, err := hook.Read(t.Context(), s.hook, "", s.d); !errors.Is(err, hook.ErrUnsigned) || len(out.Merges) != 0 {
				t.Errorf("%s, signed with nothing: %+v %v", name, out, err)
			}
		}
	}
}

// TestCircleCIListsSignatures: there is one for each version that CircleCI signs with.
func TestCircleCIListsSignatures(t *testing.T) {
	s := senders(t)["circleci"]
	s.d.Header.Set(s.header, "v0=abc, "+s.d.Header.Get(s.header)+",v2=def")
	if out, err := hook.Read(t.Context(), s.hook, secret, s.d); err != nil || len(out.Merges) != 1 {
		t.Errorf("%+v %v", out, err)
	}
}

// TestReplay: where the signed part tells the time, what is too old or of the future is refused.
func TestReplay(t *testing.T) {
	happened := time.Date(2021, 9, 1, 22, 49, 34, 0, time.UTC)
	s := senders(t)["circleci"]
	for after, want := range map[time.Duration]error{
		-time.Hour: hook.ErrStale, -4 * time.Minute: nil, 23 * time.Hour: nil, 25 * time.Hour: hook.ErrStale, 1e6 * time.Hour: hook.ErrStale,
	} {
		s.d.At = happened.Add(after)
		if _, err := hook.Read(t.Context(), s.hook, secret, s.d); !errors.Is(err, want) {
			t.Errorf("%s after it happened: %v", after, err)
		}
	}
	timeless := delivered(config.CircleCI, "", hooktest.Edit(t, s.d.Body, map[string]any{"happened_at": nil}))
	if _, err := hook.Read(t.Context(), s.hook, secret, timeless); !errors.Is(err, hook.ErrStale) {
		t.Errorf("without a time: %v", err)
	}
}

// TestTimestamp: a generic sender may sign the time, and then nobody can take it away or set it.
func TestTimestamp(t *testing.T) {
	h := generic(t, "")
	at := func(stamp, signedStamp string) error {
		d := delivered(config.Generic, "build", []byte(genericBody))
		d.Header.Set(hook.HeaderTimestamp, stamp)
		d.Header.Set(hook.HeaderSignature, sign("sha256=", []byte(signedStamp+"."+genericBody)))
		_, err := hook.Read(t.Context(), h, secret, d)
		return err
	}
	for _, c := range []struct {
		stamp, signed string
		want          error
	}{
		{"1630540000", "1630540000", nil},
		{"1630540000", "1630540001", hook.ErrUnsigned},
		{"", "1630540000", hook.ErrUnsigned},
		{"1630440000", "1630440000", hook.ErrStale},
		{"1630640000", "1630640000", hook.ErrStale},
		{"yesterday", "yesterday", hook.ErrStale},
		{"9223372036854775807", "9223372036854775807", hook.ErrStale},
	} {
		if err := at(c.stamp, c.signed); !errors.Is(err, c.want) {
			t.Errorf("%q, signed as %q: %v, want %v", c.stamp, c.signed, err, c.want)
		}
	}
}

func TestMalformed(t *testing.T) {
	for name, s := range senders(t) {
		if strings.HasPrefix(name, "generic") {
			continue
		}
		for _, body := range []string{"", "{", "[]", `"text"`, "null x", strings.Repeat("[", 1<<19), string(s.d.Body[:len(s.d.Body)/2])} {
			d := delivered(s.hook.Source, kindOf(s.d.Header), []byte(body))
			out, err := hook.Read(t.Context(), s.hook, secret, d)
			if !errors.Is(err, hook.ErrMalformed) || len(out.Merges) != 0 || len(err.Error()) > 300 {
				t.Errorf("%s: %.20q: %+v %v", name, body, out, err)
			}
		}
	}
}

// kindOf is the event that headers tell of.
func kindOf(h http.Header) string {
	return h.Get("X-GitHub-Event") + h.Get("X-Gitlab-Event") + h.Get("X-Event-Key")
}
