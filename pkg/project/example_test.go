package project_test

import (
	"fmt"
	"time"

	"github.com/sluice-gate/sluice/pkg/project"
)

func ExampleParse() {
	p, err := project.Parse("sluice.yaml", []byte(`
project: tracer
publish: { npm: { token_env: NPM_TOKEN } }
soak:    { delay: 30m }
watch:
  - { name: health, http: { url: "http://127.0.0.1:9000/healthz" }, interval: 5s }
promote: { npm: {} }
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Name, "soaks", p.Stages[0].Delay, "and goes from", p.Publish.NPM.Tag, "to", p.Promote.NPM.Tag)
	health := p.Stages[0].Watch[0]
	fmt.Println(health.Name, "fails after", health.Failures, "failures every", health.Interval)
	// Output:
	// tracer soaks 30m0s and goes from beta to latest
	// health fails after 3 failures every 5s
}

func ExampleParse_stages() {
	p, err := project.Parse("sluice.yaml", []byte(`
project: tracer
needs: [api@1.4.0]
stages:
  - name: staging
    exec: { command: [./deploy, staging] }
    delay: 30m
  - name: canary
    exec: { command: [./deploy, canary] }
    approvals: 1
windows:
  zone: Europe/Berlin
  open: [ "Mon-Thu 09:00-16:00" ]
  freeze: [ { name: new-year, from: 2026-12-20, to: 2027-01-04 } ]
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range p.Stages {
		fmt.Println(s.Name, "soaks", s.Delay, "and needs", s.Approvals, "approvals")
	}
	v := p.Windows.At(time.Date(2026, time.December, 17, 17, 0, 0, 0, time.UTC))
	fmt.Println(v.Why, "until", v.Until)
	// Output:
	// staging soaks 30m0s and needs 0 approvals
	// canary soaks 2h0m0s and needs 1 approvals
	// outside the windows until 2027-01-05 09:00:00 +0100 CET
}

func ExampleParse_errors() {
	_, err := project.Parse("sluice.yaml", []byte(`
project: tracer
publish: { npm: { token: s3cret } }
soak:    { dely: 2h, collision: newset }
`))
	fmt.Println(err)
	// Output:
	// sluice.yaml:3:19: publish.npm.token: secrets are never written here: name the variable with token_env, or the file with token_file
	// sluice.yaml:4:12: soak.dely: unknown field, did you mean delay? allowed: delay, collision, max_overdue, supersede_limit, max_wait, coverage, on_gap
	// sluice.yaml:4:33: soak.collision: "newset" is unknown, did you mean newest? allowed: newest, queue, supersede, reject
}

func ExampleHash() {
	fmt.Println(project.Hash([]byte("project: tracer\n")))
	// Output: 68afdbc803e5fe35
}

func ExampleParseDelay() {
	d, err := project.ParseDelay("1d12h")
	fmt.Println(d, err)
	_, err = project.ParseDelay("90")
	fmt.Println(err)
	// Output:
	// 36h0m0s <nil>
	// "90" is not a duration: write it like 2h, 30m, 1h30m, 2d or 0s
}
