// Package project is the project file: what is released, where its beta goes, through which stages it goes, how long it soaks,
// what is watched, and when and how it is promoted.
//
// [Parse] is authoritative. It is strict: an unknown field, a field in the wrong place, a number where a duration belongs or
// an anchor is an error, because a release gate that overlooks a misspelt `failures` is worse than none. It reports all
// errors at once, each with file, line, column and field ([Errors]). [Schema] is for editors. Whatever Parse accepts, the
// schema accepts too; Parse knows more, such as which fields must agree with each other.
//
// # Shape
//
//	project: tracer                          # required; all else has a default
//	lane: tracer                             # the project's name unless set
//	version: from-artifact                   # or next-patch: for a merge that names no version
//	publish:
//	  npm: { registry: "https://…", package: "@a/tracer", tag: beta, mode: republish, access: public, token_env: NPM_TOKEN }
//	  oci: { image: registry.example/team/app, from: "{{version}}-beta", tag: beta, username: ci, token_env: REGISTRY_TOKEN }
//	  git: { remote: "https://…", tag: "pkg/x/v{{version}}", candidate: rc, branch: beta, token_env: GIT_TOKEN }
//	  github_release: { repo: acme/tracer, tag: "v{{version}}", token_env: GITHUB_TOKEN }
//	stage:   { exec: { command: ["./deploy-staging"], env: {K: v}, env_from: [HOME], dir: ".", timeout: 10m }, on_cancel: restore }
//	soak:    { delay: 2h, collision: newest, max_overdue: 6h, coverage: 90%, on_gap: hold }
//	watch:
//	  - { name: errors, signal: { max: 0 }, grace: 1m }
//	  - { name: log, signal: { max: 5, level: error, match: "(?i)payment", ignore: ["^deprecated"] } }
//	  - { name: news, signal: { level: error, new_only: true, baseline: tracer-production, tolerated: 2, false_alarms: 0.01 } }
//	  - { name: health, http: { url: "http://127.0.0.1:9000/healthz", status: 200, timeout: 5s }, interval: 10s, failures: 3 }
//	  - { name: login, http: { url: "https://…", status: [200, "300-399"] }, condition: latency_ms < 300 && body.ok, failures: 3, of: 5 }
//	  - { name: smoke, exec: { command: ["./smoke"], timeout: 30s }, interval: 1m, severity: warn }
//	  - { name: disk, exec: { command: ["check_disk", "-w", "10%"], nagios: critical }, no_data: ignore }
//	  - { name: rate, prometheus: { url: "https://prometheus.example", query: "…" }, condition: value < 0.01, no_data: hold }
//	  - { name: worst, prometheus: { url: "https://…", query: "max(latency)", range: 10m, take: max }, condition: value < 2 }
//	  - { name: depth, json: { url: "https://queue.example/api", value: body.depth, token_env: QUEUE_TOKEN }, condition: value < 100.0 }
//	  - name: lambda
//	    cloudwatch: { namespace: AWS/Lambda, metric: Errors, dimensions: { FunctionName: tracer }, stat: Sum, over: soak }
//	    condition: value < 1
//	  - name: rate
//	    cloudwatch: { expression: 100 * e / n, metrics: { e: { namespace: AWS/Lambda, metric: Errors, stat: Sum }, n: { … } } }
//	    condition: value < 0.5
//	  - { name: exceptions, cloudwatch_logs: { group: /aws/lambda/tracer, filter: "?ERROR ?Exception" } }    # or query: of Logs Insights
//	  - name: errors                         # sequential: it may look as often as it likes; see package compare
//	    prometheus:
//	      url: "https://prometheus.example"
//	      compare: { errors: "…", requests: "…", baseline_errors: "…", baseline_requests: "…", tolerated: 1.5, false_alarms: 0.01 }
//	  - name: latency                        # numbers: sequential unless set, or mann-whitney, once, after four fifths of the soak
//	    prometheus: { url: "https://prometheus.example", compare: { value: "…", baseline: "…", method: sequential, worse: higher } }
//	  - name: slower                         # than the release before was in its soak
//	    prometheus: { url: "https://prometheus.example", compare: { value: "…", baseline: previous } }
//	    link: "https://wiki.example/slow"    # the tombstone has it
//	  - name: canary                         # several numbers, once, together, as Kayenta does
//	    prometheus:
//	      url: "https://prometheus.example"
//	      score: { pass: 95, marginal: 75, groups: [ { name: speed, weight: 60, metrics: [ { name: p95, value: "…", baseline: "…" } ] } ] }
//	  - { name: alerts, alert: { match: { severity: [page, critical] }, source: alertmanager, for: 2m, heartbeat: 5m } }
//	promote: { npm: { tag: latest } }
//	reasons: required                        # people must say why they cancel, hold, expedite, roll back, pause or freeze; or optional
//
// An alert comes in through the gateway (deploy/gateway.example.yaml). One that fires fails the check, once it has for `for`
// altogether, so that one that flaps after the deployment does not get away. One that began before the release was deployed is not blamed
// on it, and neither is one that came twice in the hour before; the check is then inconclusive, and `sluice status` says so. One that
// was resolved and fires anew counts. Silence is taken for well unless `heartbeat` is set: then the source must have been heard of
// within that time, by an alert or by the one that always fires (Prometheus' Watchdog, sent anew every minute), and otherwise there are
// no data, which holds the release.
//
// A check that fails cancels the release, or with require_human: true holds it for a person; one with severity: warn only says so.
// A signal that does not say how bad it is counts at any level. With new_only only errors that are not known from the soaks of
// the releases promoted before, or from the signals of the baseline, count, and known ones that became significantly more frequent.
//
// A number that is not there, NaN, and a source that does not answer are no data: no_data says whether that holds the release, which
// is the default, counts as a failure, or is ignored once something was measured. No data never passes. Who is asked too often (429, 503
// with Retry-After, throttling) has no data either, whatever no_data says but ignore.
//
// Counters that are compared may be sums over instances: when one of them goes, what the sum falls by is told from a restart. While there
// are no requests on one of the sides nothing is compared; after five minutes, or a twentieth of a short soak, that is no data. Of numbers
// that overlap, because their queries look back over a range, only those count that see something new: a shorter range sees sooner. With
// baseline: previous the other side is what the release that was promoted last had in the same stage, so long after the beginning of its
// soak, as a check of the same name and queries measured it then; without any, which is so for the first one, there is no data.
//
// A score between marginal and pass is inconclusive, less than marginal fails. A group's is the part of its metrics that pass; critical,
// must_have_data and missing say what a metric without numbers means, and half of all without is a score of 0.
//
// The condition of http is about status, latency_ms, header, body and tls_days_left. A command with nagios answers as the plugins of
// Nagios do: 0 is ok, 1 a warning, 2 critical, and 3 no data; nagios says which of them fails, or a condition what the first number of the
// performance data must be. Of CloudWatch the newest complete datapoint counts, or all since the soak began; of its logs the events since
// then, of which none is allowed unless a condition says otherwise. With `of` failures are counted among so many looks, not in a row.
//
// An action (publish, stage, promote) has exactly one driver: npm, oci, git or github_release (not for stage), files, exec, http,
// circleci, github or gitlab. `timeout` stands beside the driver's settings and bounds one attempt. The last four trigger something
// elsewhere; package trigger, among the drivers, says what it must do. Their texts may have ${release.version} and the like in them,
// and their conditions are CEL: package expr.
//
//	http: { url: "https://…/hooks/${release.project}", body: { v: "${release.beta}" }, poll: { url: body.url, done: "body.state == 'ok'" } }
//	circleci: { project: gh/acme/tracer, branch: main, parameters: { beta: "${release.beta}" }, token_env: CIRCLE_TOKEN }
//	github: { repo: acme/tracer, workflow: deploy.yml, ref: main, inputs: { beta: "${release.beta}" }, token_env: GITHUB_TOKEN }
//	gitlab: { project: acme/tracer, ref: main, variables: { BETA: "${release.beta}" }, token_env: GITLAB_TOKEN }
//
// What stage and promote do not say, they take from publish where it has the same driver: npm's registry, package, mode and token, by
// name or from npm's settings (npmrc: a path); oci's image, tags of betas, and credentials; git's remote, tags, and token;
// github_release's repository, tags, and token; the directory of files. Credentials are taken only together with the registry, so
// that none goes to a registry it was not meant for. The channel of files is beta, the stage's name, or latest.
//
// # What a larger project adds
//
//	order: semver                            # or merge: which of two releases is newer; channels only move forward
//	needs: [api@1.4.0]                       # promoted before this one is, at that version or a newer one
//	stages:                                  # instead of stage and watch
//	  - name: staging
//	    exec: { command: ["./deploy"] }      # or files; a stage without either deploys nothing
//	    timeout: 10m                         # here, or in exec or files
//	    on_cancel: restore
//	    delay: 30m                           # soak.delay unless set
//	    watch: [ … ]
//	    approvals: 1                         # distinct people, to leave this stage
//	soak: { delay: 2h, collision: supersede, supersede_limit: 3, max_wait: 24h }
//	approvals: 2                             # before promotion: another place for those of the last stage
//	windows:
//	  zone: Europe/Berlin                    # UTC unless set
//	  open: [ "Mon-Thu 09:00-16:00", { cron: "0 9 * * 1-5", for: 7h } ]
//	  freeze: [ { name: weekend, weekly: "Fri 16:00 - Mon 09:00" }, { name: new-year, from: 2026-12-20, to: 2027-01-04 } ]
//	bake: { for: 30m, watch: [ … ] }         # production, after promotion: a check that fails rolls back
//	limits: { phase: 1h, hold: 168h }        # how long a release may stay where it is before it fails
//	notify:                                  # who is told, by the gateway
//	  - slack: { url_env: SLACK_URL }        # or teams, discord, webhook, email; or shoutrrr: any service of its
//	    on: [failed, held, attention]        # all that a person must know unless set; see [Tell]
//	    group: 5m                            # what comes within is one message
//	    zone: Europe/Berlin
//	    quiet: [ "Mon-Fri 20:00-08:00", "Sat 00:00 - Mon 08:00" ]
//	    urgent: [attention, rolled-back]     # told in quiet hours, too
//	    template: "{{.Title}} {{.Board}}"    # of Go's text/template, about a [Notice]
//	  - email: { host: smtp.example.com, from: sluice@example.com, to: [team@example.com], username: sluice, password_env: SMTP_SECRET }
//	  - webhook: { url: "https://events.example.com/sluice", token_env: EVENTS_TOKEN }
//
// A file without `stages` has one, named staging, made of stage, watch, soak.delay and approvals. Package window says what the
// ranges mean. A schedule that no week opens is refused.
//
// limits.phase is at least as long as the longest timeout of an action, since an attempt could not use its time otherwise.
// Unset, it is an hour, or that timeout if it is longer; set too short, it is refused.
//
// # Durations
//
// Go's hours, minutes, seconds and milliseconds, with whole days before them: 2h, 30m, 1h30m, 1.5h, 2d, 1d12h, 0s. A bare
// number has no unit and is refused, also 0. Nothing is negative. See [ParseDuration].
//
// # Secrets
//
// A secret is named (token_env, token_file, url_env, password_env, env_from) and never written. A field that looks like a literal secret is
// refused with that advice, and no error repeats a value that could be one.
package project
