package project_test

import (
	"testing"

	"github.com/sluice-gate/sluice/pkg/project"
)

// What promote does not say, it takes from publish; the token only for the same place.
func TestInheritGit(t *testing.T) {
	const from = "project: a\npublish: { git: { remote: \"https://g.example/a.git/\", candidate: beta, username: ci, token_env: A } }\n"
	for src, want := range map[string]project.Git{
		"git: {}":                 {Token: project.Token{Env: "A"}, Username: "ci"},
		"git: { branch: stable }": {Token: project.Token{Env: "A"}, Username: "ci", Branch: "stable"},
		"git: { token_file: /b }": {Token: project.Token{File: "/b"}},
		"git: { remote: \"https://g.example/a.git\" }": {Token: project.Token{Env: "A"}, Username: "ci"},
	} {
		p, err := project.Parse("sluice.yaml", []byte(from+"promote: { "+src+" }"))
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		want.Remote, want.Tag, want.Candidate = "https://g.example/a.git", "v{{version}}", "beta"
		if got := *p.Promote.Git; got != want {
			t.Errorf("%s: %+v, want %+v", src, got, want)
		}
	}
	p, err := project.Parse("sluice.yaml", []byte("project: a\npromote: { git: { remote: \"https://g.example/a\" } }"))
	if err != nil || *p.Promote.Git != (project.Git{Remote: "https://g.example/a", Tag: project.DefaultGitTag}) {
		t.Errorf("promote alone: %+v, %v", p, err)
	}
}

func TestInheritReleases(t *testing.T) {
	const from = "project: a\npublish: { github_release: { repo: acme/tracer, tag: \"x/v{{version}}\", token_env: A } }\n"
	want := project.GitHubRelease{URL: project.GitHubHome, Repo: "acme/tracer", Tag: "x/v{{version}}"}
	for src, token := range map[string]project.Token{"": {Env: "A"}, "token_file: /b": {File: "/b"}, "repo: acme/tracer": {Env: "A"}} {
		p, err := project.Parse("sluice.yaml", []byte(from+"promote: { github_release: { "+src+" } }"))
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		want.Token = token
		if got := *p.Promote.Release; got != want {
			t.Errorf("%s: %+v, want %+v", src, got, want)
		}
	}
}
