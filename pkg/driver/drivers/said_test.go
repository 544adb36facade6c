package drivers_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/drivers"
	"github.com/sluice-gate/sluice/pkg/project"
)

const patience = 20 * time.Second

// Every driver that speaks to a peer says what it asked and what was answered, and nothing of the token that it asked with.
func TestEveryDriverSaysWhatItAsks(t *testing.T) {
	const token = "hush-hush-of-a-test"
	t.Setenv("SAID_TOKEN", token)
	t.Setenv("SAID_KEY", "AKIDGOOD")
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	peer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/v2/" {
			_, _ = w.Write([]byte("{}")) // a registry that asks nobody
			return
		}
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprintf(w, `{"message": %q}`, r.Header.Get("Authorization"))
	}))
	t.Cleanup(peer.Close) // after those that run at the same time
	host := strings.TrimPrefix(peer.URL, "http://")
	aws := `region: eu-central-1, endpoint: "` + peer.URL + `", key_env: SAID_KEY, secret_env: SAID_TOKEN`
	for name, action := range map[string]string{
		"npm":            `npm: { registry: "` + peer.URL + `", package: tracer, token_env: SAID_TOKEN }`,
		"oci":            `oci: { image: "` + host + `/team/app", insecure: true, username: ana, token_env: SAID_TOKEN }`,
		"git":            `git: { remote: "` + peer.URL + `/acme/tracer.git", token_env: SAID_TOKEN }`,
		"github_release": `github_release: { repo: acme/tracer, url: "` + peer.URL + `", token_env: SAID_TOKEN }`,
		"http":           `http: { url: "` + peer.URL + `/deploy?key=` + `x", token_env: SAID_TOKEN }`,
		"circleci":       `circleci: { project: gh/a/b, url: "` + peer.URL + `", token_env: SAID_TOKEN }`,
		"github":         `github: { repo: a/b, workflow: c.yml, url: "` + peer.URL + `", token_env: SAID_TOKEN }`,
		"gitlab":         `gitlab: { project: a/b, url: "` + peer.URL + `", token_env: SAID_TOKEN }`,
		"lambda":         `aws-lambda: { function: f, ` + aws + ` }`,
		"stepfunctions":  `aws-stepfunctions: { machine: "arn:aws:states:eu-central-1:123456789012:stateMachine:m", ` + aws + ` }`,
		"codebuild":      `aws-codebuild: { project: deploy, source: "${release.commit}", ` + aws + ` }`,
		"codepipeline":   `aws-codepipeline: { pipeline: p, ` + aws + ` }`,
		"s3":             `aws-s3: { bucket: acme, ` + aws + ` }`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := project.Parse(name, []byte("project: tracer\npublish: { "+action+" }\n"))
			if err != nil {
				t.Fatal(err)
			}
			d, err := drivers.Open(p, *p.Publish, driver.Publish)
			if err != nil {
				t.Fatal(err)
			}
			content := []byte("bytes of tracer")
			f := deployed(1, "1.4.0")
			f.Commit = strings.Repeat("0c", 20)
			f.Artifact = driver.Artifact{Name: "tracer-1.4.0.bin", Digest: driver.Digest(content), Open: func(context.Context) (io.ReadCloser, error) {
				return io.NopCloser(bytes.NewReader(content)), nil
			}}
			if name == "oci" {
				f.Artifact = driver.Artifact{Name: host + "/team/app@" + f.Artifact.Digest, Digest: f.Artifact.Digest}
			}
			o := driver.NewOutput()
			ctx, cancel := context.WithTimeout(driver.WithOutput(t.Context(), o), patience)
			defer cancel()
			_, err = d.Look(ctx, f) // some can not, and others want more of an artifact before they ask anybody
			if _, did := d.Do(ctx, f); did == nil {
				t.Error("it succeeds")
			}
			p1, ok := o.End()
			if !ok || !strings.Contains(p1.Text, "http://"+host) && !strings.Contains(p1.Text, "."+host) || !strings.Contains(p1.Text, ": 403 Forbidden") {
				t.Errorf("it said %q (%v)", p1.Text, err)
			}
			if strings.Contains(p1.Text, token) || strings.Contains(p1.Text, "?") {
				t.Errorf("it said too much: %s", p1.Text)
			}
			t.Logf("%s", p1.Text)
		})
	}
}

// A driver that follows a run says where it is, and each time how it is when that has changed.
func TestAFollowedRunIsTold(t *testing.T) {
	d, _ := stateMachine(t, parseASL(t, example(t, "aws/deploy-staging.asl.json")))
	o := driver.NewOutput()
	if _, err := d.Do(driver.WithOutput(t.Context(), o), deployed(1, "1.4.0")); err != nil {
		t.Fatal(err)
	}
	p, _ := o.End()
	var said []string
	for line := range strings.Lines(p.Text) {
		said = append(said, strings.TrimSpace(line))
	}
	if len(said) != 6 || !strings.HasSuffix(said[2], "AWSStepFunctions.StartExecution: 200 OK") || !strings.HasPrefix(said[3], "the run https://") ||
		!strings.HasSuffix(said[3], ": begun") || !strings.HasSuffix(said[5], ": SUCCEEDED") {
		t.Errorf("it said\n%s", p.Text)
	}
}
