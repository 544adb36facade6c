// Package project is the project file: what is released, where its beta goes, how it is staged, how long it soaks, what is
// watched, and how it is promoted.
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
//	stage:   { exec: { command: ["./deploy-staging"], env: {K: v}, env_from: [HOME], dir: ".", timeout: 10m }, on_cancel: restore }
//	soak:    { delay: 2h, collision: newest, max_overdue: 6h }
//	watch:
//	  - { name: errors, signal: { max: 0 }, grace: 1m }
//	  - { name: health, http: { url: "http://127.0.0.1:9000/healthz", status: 200, timeout: 5s }, interval: 10s, failures: 3 }
//	  - { name: smoke, exec: { command: ["./smoke"], timeout: 30s }, interval: 1m }
//	promote: { npm: { tag: latest } }
//
// An action (publish, stage, promote) has exactly one driver: npm (not for stage), files or exec. `timeout` stands beside
// the driver's settings and bounds one attempt.
//
// What stage and promote do not say, they take from publish where it has the same driver: npm's registry, package, mode and
// token, and the directory of files. The token is taken only together with the registry, so that no token goes to a
// registry it was not meant for.
//
// # Durations
//
// Go's hours, minutes, seconds and milliseconds, with whole days before them: 2h, 30m, 1h30m, 1.5h, 2d, 1d12h, 0s. A bare
// number has no unit and is refused, also 0. Nothing is negative. See [ParseDuration].
//
// # Secrets
//
// A secret is named (token_env, token_file, env_from) and never written. A field that looks like a literal secret is refused
// with that advice, and no error repeats a value that could be one.
package project
