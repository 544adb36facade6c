package drivers_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/drivers"
	"github.com/sluice-gate/sluice/pkg/project"
)

// Every action that a project file may have is a driver in its role.
func TestEveryActionOpens(t *testing.T) {
	const src = `
project: tracer
publish: { %[1]s }
stage:   { %[2]s }
promote: { %[1]s }
`
	for name, c := range map[string][2]string{
		"npm":            {`npm: { registry: "http://127.0.0.1:1" }`, `exec: { command: ["true"] }`},
		"oci":            {`oci: { image: "127.0.0.1:1/team/app" }`, `exec: { command: ["true"] }`},
		"git":            {`git: { remote: "https://git.example.com/acme/tracer.git" }`, `exec: { command: ["true"] }`},
		"github_release": {`github_release: { repo: acme/tracer }`, `exec: { command: ["true"] }`},
		"files":          {`files: { dir: site }`, `files: {}`},
		"exec":           {`exec: { command: ["true"] }`, `exec: { command: ["true"] }`},
		"http": {
			`http: { url: "https://a.example/${release.project}" }`,
			`http: { url: "https://a.example", body: { a: ["${key}"] }, poll: { url: body.u, done: "status == 200" } }`,
		},
		"circleci": {`circleci: { project: gh/a/b }`, `circleci: { project: gh/a/b, parameters: { v: "${release.version}" } }`},
		"github":   {`github: { repo: a/b, workflow: c.yml }`, `github: { repo: a/b, workflow: c.yml, inputs: { v: "${release.version}" } }`},
		"gitlab":   {`gitlab: { project: a/b }`, `gitlab: { project: a/b, variables: { V: "${release.version}" } }`},
		"aws-s3":   {`aws-s3: { bucket: acme }`, `aws-s3: {}`},
		"aws": {
			`aws-lambda: { function: f, input: { v: "${release.version}" } }`, `aws-codebuild: { project: deploy, source: "${release.commit}" }`,
		},
		"aws, too": {
			`aws-codepipeline: { pipeline: p }`, `aws-stepfunctions: { machine: "arn:aws:states:eu-central-1:123456789012:stateMachine:m" }`,
		},
	} {
		p, err := project.Parse(name, fmt.Appendf(nil, src, c[0], c[1]))
		if err != nil {
			t.Fatal(err)
		}
		for role, a := range map[driver.Role]*project.Action{
			driver.Publish: p.Publish, driver.Deploy: p.Stages[0].Action, driver.Promote: p.Promote,
		} {
			d, err := drivers.Open(p, *a, role)
			if err != nil || d == nil {
				t.Errorf("%s, %s: %v", name, role, err)
			}
			if _, ok := d.(driver.Publisher); role == driver.Publish && !ok {
				t.Errorf("%s does not plan", name)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	p := &project.Project{Name: "tracer"}
	for name, c := range map[string]struct {
		a    project.Action
		role driver.Role
		want string
	}{
		"no driver":      {project.Action{}, driver.Publish, "names no driver"},
		"npm stages":     {project.Action{NPM: &project.NPM{}}, driver.Deploy, "not deploy"},
		"oci stages":     {project.Action{OCI: &project.OCI{}}, driver.Deploy, "not deploy"},
		"git stages":     {project.Action{Git: &project.Git{}}, driver.Deploy, "not deploy"},
		"releases stage": {project.Action{Release: &project.GitHubRelease{}}, driver.Deploy, "not deploy"},
		"no remote":      {project.Action{Git: &project.Git{}}, driver.Promote, "say which one"},
		"no repository":  {project.Action{Release: &project.GitHubRelease{Repo: "a"}}, driver.Publish, "acme/tracer"},
		"no image":       {project.Action{OCI: &project.OCI{}}, driver.Promote, "image"},
		"no dir":         {project.Action{Files: &project.Files{}}, driver.Publish, "no directory"},
		"plain http":     {project.Action{HTTP: &project.Request{URL: "http://a.example"}}, driver.Deploy, "must be https"},
		"no slug":        {project.Action{CircleCI: &project.CircleCI{URL: "https://a.example", Project: "a/b"}}, driver.Deploy, "no slug"},
		"no repo":        {project.Action{GitHub: &project.GitHub{URL: "https://a.example", Repo: "a"}}, driver.Promote, "acme/tracer"},
		"no project":     {project.Action{GitLab: &project.GitLab{URL: "https://a.example"}}, driver.Publish, "no project"},
		"no role":        {project.Action{GitLab: &project.GitLab{URL: "https://a.example", Project: "a/b"}}, "other", "no role"},
		"no command":     {project.Action{Exec: &project.Exec{}}, driver.Publish, "command"},
		"no bucket":      {project.Action{AWSS3: &project.AWSS3{Channel: "beta"}}, driver.Publish, "no bucket"},
		"no machine":     {project.Action{AWSStepFunctions: &project.AWSStepFunctions{Machine: "m"}}, driver.Deploy, "not the ARN"},
		"no name":        {project.Action{AWSLambda: &project.AWSLambda{}}, driver.Deploy, "has no name"},
		"no build":       {project.Action{AWSCodeBuild: &project.AWSCodeBuild{}}, driver.Deploy, "has no name"},
		"no flow":        {project.Action{AWSCodePipeline: &project.AWSCodePipeline{}}, driver.Deploy, "has no name"},
		"no secrecy": {
			project.Action{AWSLambda: &project.AWSLambda{AWS: project.AWS{Endpoint: "http://a.example"}, Function: "f"}}, driver.Deploy, "must be https",
		},
	} {
		d, err := drivers.Open(p, c.a, c.role)
		if d != nil || !driver.IsRefused(err) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v", name, d, err)
		}
	}
}
