package project_test

import "testing"

// TestSchemaAgrees, of whom is told.
func TestSchemaAgreesOnNotify(t *testing.T) {
	agree(t, []agreement{
		{`{project: a, notify: []}`, both},
		{`{project: a, notify: {}}`, none},
		{`{project: a, notify: [{slack: {url_env: A}, on: [failed], group: 5m, quiet: [Sat], urgent: [failed], template: "{{.Title}}"}]}`, both},
		{`{project: a, notify: [{teams: {url_file: /a}}, {discord: {url_env: A}}, {shoutrrr: {url_env: A}}]}`, both},
		{`{project: a, notify: [{slack: {}}]}`, none},
		{`{project: a, notify: [{slack: {url: "https://a.example"}}]}`, none},
		{`{project: a, notify: [{slack: {url_env: A, url_file: /a}}]}`, none},
		{`{project: a, notify: [{slack: {url_env: A}, teams: {url_env: A}}]}`, none},
		{`{project: a, notify: [{on: [failed]}]}`, none},
		{`{project: a, notify: [{slack: {url_env: A}, on: []}]}`, none},
		{`{project: a, notify: [{slack: {url_env: A}, on: [fail]}]}`, none},
		{`{project: a, notify: [{slack: {url_env: A}, urgent: [failed]}]}`, none},
		{`{project: a, notify: [{slack: {url_env: A}, group: 2d}]}`, parser},
		{`{project: a, notify: [{slack: {url_env: A}, zone: Mars}]}`, parser},
		{`{project: a, notify: [{slack: {url_env: A}, quiet: ["Mon-Sun 00:00-24:00"]}]}`, parser},
		{`{project: a, notify: [{slack: {url_env: A}, template: "{{.Titel}}"}]}`, parser},
		{`{project: a, notify: [{slack: {url_env: A}, template: " "}]}`, none},
		{`{project: a, notify: [{slack: {url_env: A}, name: x}, {slack: {url_env: A}, name: x}]}`, parser},
		{`{project: a, notify: [{email: {host: h.example, port: 25, from: a@b.c, to: [d@e.f], username: u, password_env: P, tls: implicit}}]}`, both},
		{`{project: a, notify: [{email: {host: h.example, from: a@b.c, to: []}}]}`, none},
		{`{project: a, notify: [{email: {host: h.example, from: "A <a@b.c>", to: [d@e.f]}}]}`, none},
		{`{project: a, notify: [{email: {host: h.example, from: a@b.c, to: [d@e.f], username: u}}]}`, none},
		{`{project: a, notify: [{email: {host: h.example, from: a@b.c, to: [d@e.f], password_env: P}}]}`, none},
		{`{project: a, notify: [{email: {host: h.example, from: a@b.c, to: [d@e.f], tls: none}}]}`, parser},
		{`{project: a, notify: [{email: {host: localhost, from: a@b.c, to: [d@e.f], tls: none}}]}`, both},
		{`{project: a, notify: [{webhook: {url: "https://a.example/x", token_env: T}}]}`, both},
		{`{project: a, notify: [{webhook: {url_env: A, token_file: /t}}]}`, both},
		{`{project: a, notify: [{webhook: {url: "https://a.example/x", url_env: A}}]}`, none},
		{`{project: a, notify: [{webhook: {url_env: A, token_env: T, token_file: /t}}]}`, none},
		{`{project: a, notify: [{webhook: {url: "http://a.example/x"}}]}`, parser},
	})
}
