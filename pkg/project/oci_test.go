package project_test

import (
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/project"
)

func TestOCI(t *testing.T) {
	p, err := project.Parse("oci.yaml", read(t, "testdata/accept/oci.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	beta := project.OCI{
		Image: "registry.example/team/app", From: "{{version}}-beta", Tag: "beta", Username: "ci", TokenEnv: "REGISTRY_TOKEN",
	}
	if got := p.Publish; *got.OCI != beta || got.Timeout != 10*time.Minute {
		t.Errorf("publish: %+v", got.OCI)
	}
	stable := beta
	stable.Tag, stable.To = "stable", "public.example/app"
	if got := p.Promote.OCI; *got != stable {
		t.Errorf("promote: %+v", got)
	}
}

// What promote does not say, it takes from publish; credentials, and leave to send them in the clear, only for the same registry.
func TestInheritOCI(t *testing.T) {
	const from = "project: a\npublish: { oci: { image: r.example/a, from: \"b{{version}}\", username: ci, token_env: A, insecure: true } }\n"
	for src, want := range map[string]project.OCI{
		"oci: {}":                                      {TokenEnv: "A", Username: "ci", Insecure: true},
		"oci: { token_file: /b }":                      {TokenFile: "/b", Insecure: true},
		"oci: { to: r.example/b }":                     {To: "r.example/b", TokenEnv: "A", Username: "ci", Insecure: true},
		"oci: { to: s.example/b }":                     {To: "s.example/b", TokenEnv: "A", Username: "ci"},
		"oci: { insecure: false }":                     {TokenEnv: "A", Username: "ci", Insecure: true},
		"oci: { tag: stable, from: \"b{{version}}\" }": {TokenEnv: "A", Username: "ci", Insecure: true, Tag: "stable"},
	} {
		p, err := project.Parse("sluice.yaml", []byte(from+"promote: { "+src+" }"))
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		want.Image, want.From = "r.example/a", "b{{version}}"
		if want.Tag == "" {
			want.Tag = "latest"
		}
		if got := *p.Promote.OCI; got != want {
			t.Errorf("%s: %+v, want %+v", src, got, want)
		}
	}
}
