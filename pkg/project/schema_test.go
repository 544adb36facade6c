package project_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sluice-gate/sluice/pkg/project"
)

// The schema and the parser say the same of each of these. Where the parser knows more than a schema can say, the case says so.
func TestSchemaAgrees(t *testing.T) {
	const (
		both   = "both accept"
		none   = "both refuse"
		parser = "only the parser refuses"

		comparison = "compare: {errors: a, requests: b, baseline_errors: c, baseline_requests: d, tolerated: 1.5, false_alarms: 0.001}"
	)
	schema := compile(t)
	for _, c := range []struct{ src, want string }{
		{`{}`, none},
		{`{project: a, lane: b, version: next-patch}`, both},
		{`{project: A}`, none},
		{`{project: -a}`, none},
		{`{project: 1}`, none},
		{`{project: a, notify: []}`, none},
		{`{project: a, version: command}`, none},
		{`{project: a, lane: }`, none},

		{`{project: a, publish: {}}`, none},
		{`{project: a, publish: {npm: {}, exec: {command: [x]}}}`, none},
		{`{project: a, publish: {npm: {}}}`, both},
		{`{project: a, publish: {npm: {access: public}}}`, both},
		{`{project: a, publish: {npm: {access: everybody}}}`, none},
		{`{project: a, publish: {npm: }}`, none},
		{`{project: a, publish: {npm: {registry: "https://a.example/x"}}}`, both},
		{`{project: a, publish: {npm: {registry: "ftp://a.example"}}}`, none},
		{`{project: a, publish: {npm: {registry: "https://a.example/#x"}}}`, none},
		{`{project: a, publish: {npm: {registry: "https://u:p@a.example"}}}`, parser},
		{`{project: a, publish: {npm: {registry: "https://a.example/?q"}}}`, parser},
		{`{project: a, publish: {npm: {registry: "https:///x"}}}`, parser},
		{`{project: a, publish: {npm: {package: "@a/b.c"}}}`, both},
		{`{project: a, publish: {npm: {package: "@A/b"}}}`, none},
		{`{project: a, publish: {npm: {package: "` + strings.Repeat("a", 215) + `"}}}`, none},
		{`{project: a, publish: {npm: {tag: next}}}`, both},
		{`{project: a, publish: {npm: {tag: v1.2}}}`, none},
		{`{project: a, publish: {npm: {tag: x}}}`, none},
		{`{project: a, publish: {npm: {tag: "a b"}}}`, none},
		{`{project: a, publish: {npm: {mode: move}}}`, none},
		{`{project: a, publish: {npm: {token: x}}}`, none},
		{`{project: a, publish: {npm: {token_env: NPM_TOKEN}}}`, both},
		{`{project: a, publish: {npm: {token_env: npm_token}}}`, none},
		{`{project: a, publish: {npm: {token_file: /run/x}}}`, both},
		{`{project: a, publish: {npm: {npmrc: /run/x}}}`, both},
		{`{project: a, publish: {npm: {npmrc: /run/x, token_env: A}}}`, none},
		{`{project: a, publish: {npm: {npmrc: /run/x, token_file: /run/y}}}`, none},
		{`{project: a, publish: {npm: {token_file: "  "}}}`, none},
		{`{project: a, publish: {npm: {token_file: "a\nb"}}}`, none},
		{`{project: a, publish: {npm: {token_env: A, token_file: b}}}`, none},
		{`{project: a, publish: {npm: {timeout: 1m}}}`, both},
		{`{project: a, publish: {npm: {timeout: 1}}}`, none},
		{`{project: a, publish: {npm: {timeout: 1ms}}}`, parser},
		{`{project: a, publish: {npm: {timeout: 2d}}}`, parser},
		{`{project: a, publish: {npm: {}}, promote: {npm: {}}}`, both},
		{`{project: a, promote: {npm: {}}}`, parser},
		{`{project: a, promote: {npm: {mode: retag}}}`, both},
		{`{project: a, publish: {npm: {}}, promote: {npm: {mode: retag}}}`, parser},
		{`{project: a, publish: {npm: {tag: latest}}, promote: {npm: {}}}`, parser},

		{`{project: a, watch: [{name: x, prometheus: {url: "https://p.example", query: up}, condition: value > 0.0, no_data: fail}]}`, both},
		{`{project: a, watch: [{name: x, prometheus: {url: "https://p.example", query: up}}]}`, none},
		{`{project: a, watch: [{name: x, prometheus: {url: "https://p.example"}, condition: value > 0.0}]}`, none},
		{`{project: a, watch: [{name: x, prometheus: {url: "https://p.example", query: " "}, condition: value > 0.0}]}`, none},
		{`{project: a, watch: [{name: x, prometheus: {url: "https://p.example", query: up, token: x}, condition: value > 0.0}]}`, none},
		{`{project: a, watch: [{name: x, prometheus: {url: "https://p.example", query: up}, condition: value > x}]}`, parser},
		{`{project: a, watch: [{name: x, prometheus: {url: "https://p.example", query: up}, condition: value > 0.0, no_data: pass}]}`, none},
		{`{project: a, watch: [{name: x, prometheus: {url: "https://p.example", ` + comparison + `}}]}`, both},
		{`{project: a, watch: [{name: x, prometheus: {url: "https://p.example", ` + comparison + `}, failures: 2}]}`, none},
		{`{project: a, watch: [{name: x, prometheus: {url: "https://p.example", ` + comparison + `}, condition: value > 0.0}]}`, none},
		{`{project: a, watch: [{name: x, prometheus: {url: "https://p.example", query: up, ` + comparison + `}}]}`, none},
		{`{project: a, watch: [{name: x, prometheus: {url: "https://p.example", compare: {errors: a, requests: b}}}]}`, none},
		{`{project: a, watch: [{name: x, json: {url: "https://p.example/x", value: body.n}, condition: value < 3.0}]}`, both},
		{`{project: a, watch: [{name: x, json: {url: "https://p.example/x", value: body.n}}]}`, none},
		{`{project: a, watch: [{name: x, json: {url: "https://p.example/x"}, condition: value < 3.0}]}`, none},
		{`{project: a, watch: [{name: x, json: {url: "https://p.example/x", value: "'text'"}, condition: value < 3.0}]}`, parser},
		{`{project: a, watch: [{name: x, http: {url: "https://p.example/x"}, condition: value < 3.0}]}`, none},
		{`{project: a, watch: [{name: x, signal: {}, no_data: fail}]}`, none},
		{`{project: a, publish: {git: {remote: "https://g.example/a.git"}}, promote: {git: {branch: release/stable}}}`, both},
		{`{project: a, publish: {git: {remote: "https://g.example/a", tag: "pkg/x/v{{version}}", candidate: beta1, branch: next.1}}}`, both},
		{`{project: a, publish: {git: {remote: "https://g.example/a", username: ci, token_env: A, timeout: 1m}}}`, both},
		{`{project: a, publish: {git: {remote: "https://g.example/a", tag: "{{version}}"}}}`, both},
		{`{project: a, promote: {git: {remote: "https://g.example/a"}}}`, both},
		{`{project: a, publish: {git: {}}}`, parser},
		{`{project: a, publish: {git: {remote: "git@g.example:a"}}}`, none},
		{`{project: a, publish: {git: {remote: "https://u:p@g.example/a"}}}`, parser},
		{`{project: a, publish: {git: {remote: "https://g.example/a", tag: v1}}}`, none},
		{`{project: a, publish: {git: {remote: "https://g.example/a", tag: "a..{{version}}"}}}`, none},
		{`{project: a, publish: {git: {remote: "https://g.example/a", tag: "/{{version}}"}}}`, none},
		{`{project: a, publish: {git: {remote: "https://g.example/a", tag: "a.lock/{{version}}"}}}`, parser},
		{`{project: a, publish: {git: {remote: "https://g.example/a", candidate: rc.1}}}`, none},
		{`{project: a, publish: {git: {remote: "https://g.example/a", branch: -f}}}`, none},
		{`{project: a, publish: {git: {remote: "https://g.example/a", branch: a.lock}}}`, parser},
		{`{project: a, publish: {git: {remote: "https://g.example/a", branch: b}}, promote: {git: {branch: b}}}`, parser},
		{`{project: a, publish: {git: {remote: "https://g.example/a"}}, promote: {git: {candidate: beta}}}`, parser},
		{`{project: a, publish: {git: {remote: "https://g.example/a", username: ci}}}`, none},
		{`{project: a, publish: {git: {remote: "https://g.example/a", token: x}}}`, none},
		{`{project: a, publish: {git: {remote: "https://g.example/a", token_env: A, token_file: b}}}`, none},
		{`{project: a, stage: {git: {remote: "https://g.example/a"}}}`, none},
		{`{project: a, publish: {github_release: {repo: a/b}}, promote: {github_release: {}}}`, both},
		{`{project: a, publish: {github_release: {repo: a/b, url: "https://g.example/api/v3", tag: "x/v{{version}}", token_file: /t}}}`, both},
		{`{project: a, publish: {github_release: {}}}`, parser},
		{`{project: a, publish: {github_release: {repo: a}}}`, none},
		{`{project: a, publish: {github_release: {repo: a/..}}}`, parser},
		{`{project: a, publish: {github_release: {repo: a/b}}, promote: {github_release: {repo: a/c}}}`, parser},
		{`{project: a, publish: {github_release: {repo: a/b}}, promote: {github_release: {tag: "x{{version}}"}}}`, parser},

		{`{project: a, publish: {oci: {image: r.example/a/b}}, promote: {oci: {to: "r.example:5000/c"}}}`, both},
		{`{project: a, publish: {oci: {image: localhost/a-b__c, username: ci, token_env: A, insecure: true, timeout: 1m}}}`, both},
		{`{project: a, publish: {oci: {image: "registry:5000/a"}}}`, both},
		{`{project: a, publish: {oci: {image: a/b}}}`, none},
		{`{project: a, publish: {oci: {image: "r.example/a:1"}}}`, none},
		{`{project: a, publish: {oci: {image: r.example/A}}}`, none},
		{`{project: a, publish: {oci: {image: "https://r.example/a"}}}`, none},
		{`{project: a, publish: {oci: {image: r.example}}}`, none},
		{`{project: a, publish: {oci: {image: r.example/` + strings.Repeat("a", 255) + `}}}`, none},
		{`{project: a, publish: {oci: {}}}`, parser},
		{`{project: a, publish: {oci: {image: r.example/a, to: r.example/b}}}`, parser},
		{`{project: a, publish: {oci: {image: r.example/a, from: "b-{{version}}.x"}}}`, both},
		{`{project: a, publish: {oci: {image: r.example/a, from: "{{version}}"}}}`, none},
		{`{project: a, publish: {oci: {image: r.example/a, from: "{{version}}_b"}}}`, none},
		{`{project: a, publish: {oci: {image: r.example/a, from: beta}}}`, none},
		{`{project: a, publish: {oci: {image: r.example/a, tag: v1.2}}}`, none},
		{`{project: a, publish: {oci: {image: r.example/a, insecure: "yes"}}}`, none},
		{`{project: a, publish: {oci: {image: r.example/a, username: ci}}}`, none},
		{`{project: a, publish: {oci: {image: r.example/a, username: "a:b", token_env: A}}}`, none},
		{`{project: a, publish: {oci: {image: r.example/a, token_env: A, token_file: b}}}`, none},
		{`{project: a, publish: {oci: {image: r.example/a, password: b}}}`, none},
		{`{project: a, promote: {oci: {image: r.example/a}}}`, both},
		{`{project: a, promote: {oci: {}}}`, parser},
		{`{project: a, publish: {oci: {image: r.example/a, tag: latest}}, promote: {oci: {}}}`, parser},
		{`{project: a, publish: {oci: {image: r.example/a}}, promote: {oci: {image: r.example/b}}}`, parser},
		{`{project: a, stage: {oci: {image: r.example/a}}}`, none},

		{`{project: a, publish: {files: {dir: x}}, stage: {files: {}}, promote: {files: {}}}`, both},
		{`{project: a, publish: {files: {dir: ""}}}`, none},
		{`{project: a, publish: {files: {dir: x, channel: ../y}}}`, none},
		{`{project: a, publish: {files: {}}}`, parser},
		{`{project: a, publish: {files: {dir: x}}, promote: {files: {channel: beta}}}`, parser},

		{`{project: a, publish: {exec: {}}}`, none},
		{`{project: a, publish: {exec: {command: x}}}`, none},
		{`{project: a, publish: {exec: {command: []}}}`, none},
		{`{project: a, publish: {exec: {command: [""]}}}`, none},
		{`{project: a, publish: {exec: {command: [x, ""]}}}`, both},
		{`{project: a, publish: {exec: {command: [x, 1]}}}`, none},
		{`{project: a, publish: {exec: {command: [x, "a\0b"]}}}`, none},
		{`{project: a, publish: {exec: {command: [x], env: {A: b, c_D: ""}, env_from: [E], dir: /x, timeout: 90s}}}`, both},
		{`{project: a, publish: {exec: {command: [x], env: {A: 1}}}}`, none},
		{`{project: a, publish: {exec: {command: [x], env: {1A: b}}}}`, none},
		{`{project: a, publish: {exec: {command: [x], env: {SLUICE_A: b}}}}`, none},
		{`{project: a, publish: {exec: {command: [x], env: {Npm_Token: b}}}}`, none},
		{`{project: a, publish: {exec: {command: [x], env: {API_KEY: b}}}}`, none},
		{`{project: a, publish: {exec: {command: [x], env: {DB_PASSWD: b}}}}`, none},
		{`{project: a, publish: {exec: {command: [x], env_from: [NPM_TOKEN]}}}`, both},
		{`{project: a, publish: {exec: {command: [x], env_from: [a-b]}}}`, none},
		{`{project: a, publish: {exec: {command: [x], env: {A: b}, env_from: [A]}}}`, parser},
		{`{project: a, publish: {exec: {command: [x], dir: ""}}}`, none},

		{`{project: a, stage: {exec: {command: [x]}}}`, both},
		{`{project: a, stage: {exec: {command: [x]}, on_cancel: leave}}`, both},
		{`{project: a, stage: {exec: {command: [x]}, on_cancel: undo}}`, none},
		{`{project: a, stage: {on_cancel: leave}}`, none},
		{`{project: a, stage: {npm: {}}}`, none},
		{`{project: a, stage: {files: {dir: x}, exec: {command: [x]}}}`, none},

		{`{project: a, stage: {http: {url: "https://a.example/${release.project}", body: {v: "${release.beta}", n: [1, 1.5, true, null]}}}}`, both},
		{`{project: a, stage: {http: {url: "https://a.example/x", headers: {X-Team: web}, token_env: T, token_header: X-Key}}}`, both},
		{`{project: a, stage: {http: {}}}`, none},
		{`{project: a, stage: {http: {url: "https://a.example", method: GET}}}`, none},
		{`{project: a, stage: {http: {url: "ftp://a.example"}}}`, none},
		{`{project: a, stage: {http: {url: "https://${release.project}.example/"}}}`, parser},
		{`{project: a, stage: {http: {url: "https://a.example${release.project}/"}}}`, parser},
		{`{project: a, stage: {http: {url: "https://u:p@a.example/"}}}`, parser},
		{`{project: a, stage: {http: {url: "https://a.example/", token_header: X-Key}}}`, none},
		{`{project: a, stage: {http: {url: "https://a.example/", headers: {Authorization: x}}}}`, parser},
		{`{project: a, stage: {http: {url: "https://a.example/", headers: {"X Y": x}}}}`, none},
		{`{project: a, stage: {http: {url: "https://a.example/", body: "${release.verison}"}}}`, parser},
		{`{project: a, stage: {http: {url: "https://a.example/", body: "${release.version"}}}`, parser},
		{`{project: a, stage: {http: {url: "https://a.example/", success: "status"}}}`, parser},
		{`{project: a, stage: {http: {url: "https://a.example/", success: ""}}}`, none},
		{`{project: a, stage: {http: {url: "https://a.example/", poll: {url: body.u, done: "body.s == 'x'", failed: "status > 300", interval: 1s}}}}`, both},
		{`{project: a, stage: {http: {url: "https://a.example/", poll: {url: body.u}}}}`, none},
		{`{project: a, stage: {http: {url: "https://a.example/", poll: {url: body.u, done: "body.s == 'x'", interval: 10ms}}}}`, parser},
		{`{project: a, stage: {circleci: {project: gh/acme/tracer, branch: main, parameters: {beta: "${release.beta}"}, token_env: C}}}`, both},
		{`{project: a, stage: {circleci: {project: gh/acme}}}`, none},
		{`{project: a, stage: {circleci: {project: gh/../tracer}}}`, parser},
		{`{project: a, stage: {circleci: {project: gh/a/b, parameters: {sluice_key: x}}}}`, parser},
		{`{project: a, stage: {circleci: {project: gh/a/b, parameters: {npm_token: x}}}}`, parser},
		{`{project: a, stage: {circleci: {project: gh/a/b, parameters: {"a b": x}}}}`, none},
		{`{project: a, stage: {circleci: {project: gh/a/b, token_env: A, token_file: b}}}`, none},
		{`{project: a, stage: {github: {url: "https://git.example/api/v3", repo: a/b, workflow: d.yml, ref: main, inputs: {v: x}, timeout: 1m}}}`, both},
		{`{project: a, stage: {github: {repo: a/b}}}`, none},
		{`{project: a, stage: {github: {repo: b, workflow: d.yml}}}`, none},
		{`{project: a, promote: {gitlab: {project: a/b/c, ref: main, variables: {V: x}, interval: 5s}}}`, both},
		{`{project: a, promote: {gitlab: {project: "42"}}}`, both},
		{`{project: a, promote: {gitlab: {project: b}}}`, none},
		{`{project: a, promote: {gitlab: {project: a/b}, github: {repo: a/b, workflow: d.yml}}}`, none},
		{`{project: a, stages: [{name: s, http: {url: "https://a.example/"}, timeout: 1m}]}`, both},
		{`{project: a, stage: {aws-lambda: {function: deploy, version: live, region: eu-central-1, input: {v: "${release.version}"}}}}`, both},
		{`{project: a, stage: {aws-lambda: {function: "arn:aws:lambda:eu-central-1:123456789012:function:deploy"}}}`, both},
		{`{project: a, stage: {aws-lambda: {function: "deploy:live"}}}`, none},
		{`{project: a, stage: {aws-lambda: {function: deploy, key_env: K, secret_file: s, session_env: T}}}`, both},
		{`{project: a, stage: {aws-lambda: {function: deploy, key_env: K}}}`, none},
		{`{project: a, stage: {aws-lambda: {function: deploy, session_env: K}}}`, none},
		{`{project: a, stage: {aws-lambda: {function: deploy, key_env: K, key_file: k, secret_env: S}}}`, none},
		{`{project: a, stage: {aws-lambda: {function: deploy, region: "eu central"}}}`, none},
		{`{project: a, stage: {aws-stepfunctions: {machine: "arn:aws:states:eu-central-1:123456789012:stateMachine:deploy", interval: 5s}}}`, both},
		{`{project: a, stage: {aws-stepfunctions: {machine: deploy}}}`, none},
		{`{project: a, stage: {aws-codebuild: {project: deploy, source: main, variables: {V: x}, endpoint: "http://127.0.0.1:4566"}}}`, both},
		{`{project: a, stage: {aws-codebuild: {project: deploy, variables: {SLUICE_KEY: x}}}}`, parser},
		{`{project: a, stage: {aws-codepipeline: {pipeline: deploy, variables: {v: x}}}}`, both},
		{`{project: a, stage: {aws-codepipeline: {}}}`, none},
		{`{project: a, publish: {aws-s3: {bucket: acme, prefix: downloads/x}}, stage: {aws-s3: {}}, promote: {aws-s3: {channel: stable}}}`, both},
		{`{project: a, promote: {aws-s3: {}}}`, parser},
		{`{project: a, promote: {aws-s3: {bucket: acme, prefix: ../x}}}`, none},
		{`{project: a, publish: {aws-s3: {bucket: acme, channel: x}}, promote: {aws-s3: {channel: x}}}`, parser},
		{`{project: a, stages: [{name: s, http: {url: "https://a.example/"}, exec: {command: [x]}}]}`, none},

		{`{project: a, soak: {}}`, both},
		{`{project: a, soak: 2h}`, none},
		{`{project: a, soak: {delay: 0s}}`, both},
		{`{project: a, soak: {delay: 1d2h3m4.5s6ms, max_overdue: 30d}}`, both},
		{`{project: a, soak: {delay: 0}}`, none},
		{`{project: a, soak: {delay: -1h}}`, none},
		{`{project: a, soak: {delay: +1h}}`, none},
		{`{project: a, soak: {delay: 1.5d}}`, none},
		{`{project: a, soak: {delay: 2h1d}}`, none},
		{`{project: a, soak: {delay: .5h}}`, none},
		{`{project: a, soak: {delay: ""}}`, none},
		{`{project: a, soak: {delay: 31d}}`, parser},
		{`{project: a, soak: {delay: 99999d99999999h}}`, parser},
		{`{project: a, soak: {delay: 99999d2000000h}}`, parser}, // more than fits in a time.Duration
		{`{project: a, soak: {max_overdue: 0s}}`, parser},
		{`{project: a, soak: {collision: supersede}}`, both},
		{`{project: a, soak: {collision: newset}}`, none},

		{`{project: a, soak: {supersede_limit: 1, max_wait: 1s}}`, both},
		{`{project: a, soak: {supersede_limit: 0}}`, none},
		{`{project: a, soak: {supersede_limit: 101}}`, none},
		{`{project: a, soak: {max_wait: 31d}}`, parser},

		{`{project: a, order: merge}`, both},
		{`{project: a, order: time}`, none},
		{`{project: a, needs: [api@1.4.0, b-1@0.0.1-rc.1+x]}`, both},
		{`{project: a, needs: []}`, both},
		{`{project: a, needs: api@1.4.0}`, none},
		{`{project: a, needs: [api]}`, none},
		{`{project: a, needs: [api@v1.4.0]}`, none},
		{`{project: a, needs: [API@1.4.0]}`, none},
		{`{project: a, needs: ["api@1.4.0\n"]}`, none},
		{`{project: a, needs: [api@01.4.0]}`, parser},
		{`{project: a, needs: [a@1.4.0]}`, parser},
		{`{project: a, needs: [b@1.4.0, b@1.5.0]}`, parser},

		{`{project: a, approvals: 16}`, both},
		{`{project: a, approvals: 17}`, none},
		{`{project: a, approvals: -1}`, none},
		{`{project: a, approvals: two}`, none},

		{`{project: a, stages: [{name: s}]}`, both},
		{`{project: a, stages: [{name: s, exec: {command: [x]}, timeout: 1m, on_cancel: leave, delay: 1h, watch: [], approvals: 1}]}`, both},
		{`{project: a, stages: []}`, none},
		{`{project: a, stages: {name: s}}`, none},
		{`{project: a, stages: [{}]}`, none},
		{`{project: a, stages: [s]}`, none},
		{`{project: a, stages: [{name: S}]}`, none},
		{`{project: a, stages: [{name: s, npm: {}}]}`, none},
		{`{project: a, stages: [{name: s, timeout: 1m}]}`, none},
		{`{project: a, stages: [{name: s, files: {dir: x}, exec: {command: [x]}}]}`, none},
		{`{project: a, stages: [{name: s}], stage: {exec: {command: [x]}}}`, none},
		{`{project: a, stages: [{name: s}], watch: []}`, none},
		{`{project: a, stages: [{name: s}, {name: s}]}`, parser},
		{`{project: a, stages: [{name: s, exec: {command: [x], timeout: 1m}, timeout: 1m}]}`, parser},
		{`{project: a, stages: [{name: s, approvals: 1}, {name: t}], approvals: 2}`, both},
		{`{project: a, stages: [{name: s, approvals: 1}], approvals: 1}`, parser},
		{`{project: a, stages: [{name: s, delay: 1h, watch: [{name: c, signal: {}, grace: 1h}]}]}`, parser},
		{`{project: a, stages: [{name: 1s, files: {dir: x}}]}`, parser},
		{`{project: a, stages: [{name: 1s, files: {dir: x, channel: s}}]}`, both},
		{`{project: a, stages: [` + strings.Repeat(`{name: s},`, 9) + `]}`, none},

		{`{project: a, windows: {}}`, both},
		{`{project: a, windows: []}`, none},
		{`{project: a, windows: {zone: America/Argentina/Buenos_Aires, open: [], freeze: []}}`, both},
		{`{project: a, windows: {zone: Local}}`, none},
		{`{project: a, windows: {zone: ../UTC}}`, none},
		{`{project: a, windows: {zone: ""}}`, none},
		{`{project: a, windows: {zone: Europe/Atlantis}}`, parser},
		{`{project: a, windows: {open: [Mon, "tue,WED 9:00 - 24:00", "Thu-Fri 22:00-02:00", "Fri 16:00 - Mon 09:00"]}}`, both},
		{`{project: a, windows: {open: Mon}}`, none},
		{`{project: a, windows: {open: [Monday]}}`, none},
		{`{project: a, windows: {open: [Mon 24:00-02:00]}}`, none},
		{`{project: a, windows: {open: [Mon 9-16]}}`, none},
		{`{project: a, windows: {open: [Xyz]}}`, parser},
		{`{project: a, windows: {open: [Mon, Mon]}}`, parser},
		{`{project: a, windows: {open: [{weekly: Mon, name: m}, {weekly: Tue, name: m}]}}`, parser},
		{`{project: a, windows: {open: [{weekly: Mon, name: m}], freeze: [{weekly: Tue, name: m}]}}`, both},
		{`{project: a, windows: {open: [{weekly: Mon, name: M}]}}`, none},
		{`{project: a, windows: {open: [{weekly: Mon, for: 1h}]}}`, none},
		{`{project: a, windows: {open: [{weekly: Mon, to: 2026-12-20}]}}`, none},
		{`{project: a, windows: {open: [{name: m}]}}`, none},
		{`{project: a, windows: {open: [{cron: "0 9 * * MON-FRI", for: 7h}]}}`, both},
		{`{project: a, windows: {open: [{cron: "0 9 * * 1-5"}]}}`, none},
		{`{project: a, windows: {open: [{for: 7h}]}}`, none},
		{`{project: a, windows: {open: [{cron: "@daily", for: 7h}]}}`, none},
		{`{project: a, windows: {open: [{cron: "TZ=UTC 0 9 * * *", for: 7h}]}}`, none},
		{`{project: a, windows: {open: [{cron: "0 9 * * *", for: 7h, from: 2026-12-20, to: 2026-12-21}]}}`, none},
		{`{project: a, windows: {open: [{cron: "60 9 * * *", for: 7h}]}}`, parser},
		{`{project: a, windows: {open: [{cron: "0 9 * * *", for: 1s}]}}`, parser},
		{`{project: a, windows: {freeze: [{from: 2026-12-20, to: 2026-12-20}, {from: 2026-12-20 9:00, to: "2026-12-20 16:30"}]}}`, both},
		{`{project: a, windows: {freeze: [{from: 2026-12-20}]}}`, none},
		{`{project: a, windows: {freeze: [{to: 2026-12-20}]}}`, none},
		{`{project: a, windows: {freeze: [{from: 2026-12-20, to: 20270104}]}}`, none},
		{`{project: a, windows: {freeze: [{from: 2026-12-20, to: soon}]}}`, none},
		{`{project: a, windows: {freeze: [{from: 2026-12-20, to: 2026-12-19}]}}`, parser},
		{`{project: a, windows: {freeze: [{from: 2026-02-30, to: 2026-12-19}]}}`, parser},
		{`{project: a, windows: {freeze: [Mon-Sun]}}`, parser},
		{`{project: a, windows: {open: [1]}}`, none},

		{`{project: a, bake: {for: 30d, watch: [{name: a, signal: {}}]}}`, both},
		{`{project: a, bake: {for: 30m}}`, none},
		{`{project: a, bake: {for: 30m, watch: []}}`, none},
		{`{project: a, bake: {watch: [{name: a, signal: {}}]}}`, none},
		{`{project: a, bake: {for: 31d, watch: [{name: a, signal: {}}]}}`, parser},
		{`{project: a, bake: {for: 0s, watch: [{name: a, signal: {}}]}}`, parser},
		{`{project: a, bake: {for: 30m, watch: [{name: a, signal: {}, grace: 30m}]}}`, parser},

		{`{project: a, limits: {phase: 1s, hold: 365d}}`, both},
		{`{project: a, limits: {phase: 0s}}`, parser},
		{`{project: a, limits: {hold: 366d}}`, parser},
		{`{project: a, publish: {exec: {command: [x], timeout: 2h}}, limits: {phase: 1h}}`, parser},

		{`{project: a, watch: []}`, both},
		{`{project: a, watch: {}}`, none},
		{`{project: a, watch: [{name: a}]}`, none},
		{`{project: a, watch: [{signal: {}}]}`, none},
		{`{project: a, watch: [{name: a, signal: {max: 3}, grace: 1m}]}`, both},
		{`{project: a, watch: [{name: a, signal: {max: 3.5}}]}`, none},
		{`{project: a, watch: [{name: a, signal: {max: 3.0}}]}`, parser},
		{`{project: a, watch: [{name: a, signal: {max: -1}}]}`, none},
		{`{project: a, watch: [{name: a, signal: {max: 1000000001}}]}`, none},
		{`{project: a, watch: [{name: a, signal: {max: 99999999999999999999}}]}`, none},
		{`{project: a, watch: [{name: a, signal: {}, interval: 1s}]}`, none},
		{`{project: a, watch: [{name: a, signal: {}, failures: 1}]}`, none},
		{`{project: a, watch: [{name: a, http: {url: "http://a"}, interval: 1s, failures: 5, grace: 1s}]}`, both},
		{`{project: a, watch: [{name: a, http: {}}]}`, none},
		{`{project: a, watch: [{name: a, http: {url: "http://a", status: 99}}]}`, none},
		{`{project: a, watch: [{name: a, http: {url: "http://a b"}}]}`, none},
		{`{project: a, watch: [{name: a, http: {url: "http://a"}, failures: 0}]}`, none},
		{`{project: a, watch: [{name: a, http: {url: "http://a"}, timeout: 1s}]}`, none},
		{`{project: a, watch: [{name: a, http: {url: "http://a", timeout: 1h}}]}`, parser},
		{`{project: a, watch: [{name: a, exec: {command: [x], timeout: 1s}}]}`, both},
		{`{project: a, watch: [{name: a, exec: {command: [x]}, signal: {}}]}`, none},
		{`{project: a, watch: [{name: a, signal: {}}, {name: a, signal: {}}]}`, parser},
		{`{project: a, watch: [{name: a, signal: {}, grace: 2h}]}`, parser},
		{`{project: a, watch: [` + strings.Repeat(`{name: a, signal: {}},`, 33) + `]}`, none},
	} {
		_, err := project.Parse("sluice.yaml", []byte(c.src))
		byParser, bySchema := err == nil, schema.accepts(t, []byte(c.src))
		if byParser != (c.want == both) || bySchema != (c.want != none) {
			t.Errorf("%s: want %s; parser accepts %v (%v), schema accepts %v", c.src, c.want, byParser, err, bySchema)
		}
	}
}

func TestSchemaAcceptsTheExamples(t *testing.T) {
	schema := compile(t)
	for _, path := range append(files(t, "testdata/accept/*.yaml"), files(t, "../../deploy/examples/*/project.yaml")...) {
		if !schema.accepts(t, read(t, path)) {
			t.Errorf("%s: refused", path)
		}
		if _, err := project.Parse(path, read(t, path)); err != nil {
			t.Error(err)
		}
	}
}

// Every field that the parser names in an error about an unknown one is in the schema, and the other way round.
func TestSchemaHasTheFields(t *testing.T) {
	var root map[string]any
	if err := json.Unmarshal(project.Schema(), &root); err != nil {
		t.Fatal(err)
	}
	for def, src := range map[string]string{
		"":       `{project: a, %: 1}`,
		"action": `{project: a, publish: {%: 1}}`,
		"stage":  `{project: a, stage: {%: 1}}`,
		"npm":    `{project: a, publish: {npm: {%: 1}}}`,
		"oci":    `{project: a, publish: {oci: {%: 1}}}`,
		"files":  `{project: a, publish: {files: {%: 1}}}`,
		"exec":   `{project: a, publish: {exec: {%: 1}}}`,

		"request":  `{project: a, publish: {http: {%: 1}}}`,
		"circleci": `{project: a, publish: {circleci: {%: 1}}}`,
		"github":   `{project: a, publish: {github: {%: 1}}}`,
		"gitlab":   `{project: a, publish: {gitlab: {%: 1}}}`,

		"aws-lambda":        `{project: a, publish: {aws-lambda: {%: 1}}}`,
		"aws-stepfunctions": `{project: a, publish: {aws-stepfunctions: {%: 1}}}`,
		"aws-codebuild":     `{project: a, publish: {aws-codebuild: {%: 1}}}`,
		"aws-codepipeline":  `{project: a, publish: {aws-codepipeline: {%: 1}}}`,
		"aws-s3":            `{project: a, publish: {aws-s3: {%: 1}}}`,

		"soak":  `{project: a, soak: {%: 1}}`,
		"check": `{project: a, watch: [{%: 1}]}`,

		"stageOfMany": `{project: a, stages: [{%: 1}]}`,
		"windows":     `{project: a, windows: {%: 1}}`,
		"range":       `{project: a, windows: {open: [{%: 1}]}}`,
		"bake":        `{project: a, bake: {%: 1}}`,
		"limits":      `{project: a, limits: {%: 1}}`,
	} {
		_, err := project.Parse("sluice.yaml", []byte(strings.Replace(src, "%", "nowhere-to-be-found", 1)))
		_, list, _ := strings.Cut(err.Error(), "unknown field; allowed: ")
		list, _, _ = strings.Cut(list, "\n")
		got := strings.Split(list, ", ")
		slices.Sort(got)
		object := root
		if def != "" {
			object = root["$defs"].(map[string]any)[def].(map[string]any)
		}
		if want := slices.Sorted(maps.Keys(object["properties"].(map[string]any))); !slices.Equal(got, want) {
			t.Errorf("%q: the parser has %v, the schema %v", def, got, want)
		}
	}
}

type validator struct{ schema *jsonschema.Schema }

func compile(t testing.TB) validator {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(project.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	return validator{c.MustCompile("schema.json")}
}

// accepts tells what an editor makes of the file: YAML, read as JSON, that fits the schema.
func (v validator) accepts(t testing.TB, src []byte) bool {
	t.Helper()
	text, err := yaml.YAMLToJSON(bytes.TrimPrefix(src, []byte("\uFEFF")))
	if err != nil {
		return false
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return false
	}
	return v.schema.Validate(value) == nil
}
