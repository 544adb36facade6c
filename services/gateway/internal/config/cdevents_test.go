package config_test

import (
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

// TestCDEventsOut: a file that only tells of releases is one, with defaults.
func TestCDEventsOut(t *testing.T) {
	c, err := config.Parse("g.yaml", []byte("cdevents: { sink: { url: http://127.0.0.1:8080 } }"))
	if err != nil || len(c.Hooks) != 0 || c.CDEvents.Source != "/sluice" || c.CDEvents.NATS || c.CDEvents.Sink.Attempts != 1000 {
		t.Errorf("%+v %v", c, err)
	}
	for text, want := range map[string]string{
		"cdevents: {}":              "g.yaml:1:1: cdevents: tells nobody",
		"cdevents: { nats: false }": "cdevents: tells nobody",
		"cdevents: { nats: 1 }":     "cdevents.nats: must be true or false",
		"cdevents: 1":               "cdevents: must be fields with values (source, nats, since, sink)",
		"cdevents: { nats: true, source: https://x/ }":                                                                      "cdevents.source: must be a URI",
		"cdevents: { nats: true, since: yesterday }":                                                                        `cdevents.since: "yesterday" is no time`,
		"cdevents: { sink: {} }":                                                                                            "cdevents.sink.url: is missing",
		"cdevents: { sink: { url: http://x } }":                                                                             "cdevents.sink.url: must be https",
		"cdevents: { sink: { url: ftp://x } }":                                                                              "cdevents.sink.url: must be a URL",
		"cdevents: { sink: { url: 'https://a:secret@x' } }":                                                                 "cdevents.sink.url: has a user in it",
		"cdevents: { sink: { url: https://x, attempts: 0 } }":                                                               "cdevents.sink.attempts: must be a whole number from 1",
		"cdevents: { sink: { url: https://x, attempts: many } }":                                                            "cdevents.sink.attempts: must be a whole number from 1",
		"cdevents: { sink: { url: https://x, token: x } }":                                                                  "cdevents.sink.token: secrets are never written here",
		"cdevents: { sink: { url: https://x, token_env: A, token_file: b } }":                                               "cdevents.sink.token_file: stands beside token_env",
		"cdevents: { nats: true }\nhooks: [ { path: /a, source: cdevents, secret_env: A } ]":                                "hooks[0].events: is missing or empty",
		"hooks: [ { path: /a, source: cdevents, secret_env: A, projects: [a], project: body.x, events: [build.started] } ]": `"build.started" is unknown; allowed: change.merged, artifact.packaged, artifact.published`,
		"hooks: [ { path: /a, source: generic, secret_env: A, projects: [a], project: body.x, commit: body.x, artifact: body.x, events: [change.merged] } ]": "hooks[0].events: is for CDEvents",
	} {
		_, err := config.Parse("g.yaml", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "a:secret") {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
