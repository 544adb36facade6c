// Package expr is what a project file, and the gateway's file, may compute: texts with expressions in them, and conditions, in CEL
// (cel.dev). It is pure: an expression sees the variables below and can do nothing but answer.
//
// A [Template] is text in which ${…} stands for the value of a CEL expression: "v${release.version}". $${ is a plain ${. A template
// that is one expression and nothing else keeps the kind of its value: "${release.attempt}" is a number. A [Condition] is one CEL
// expression that is true or false, a [Text] one whose value is text; both see the answer to an HTTP request, or what was sent to us.
//
// # Variables
//
//	release.id, .project, .commit, .ref, .url, .actor, .version, .beta, .stage, .artifact, .digest    texts
//	release.attempt            a number
//	undo.id, .version, .beta, .digest    what is taken back; empty texts unless action is restore
//	action                     publish, deploy, promote or restore
//	key                        names the action of this attempt of this release: the idempotency key
//	status, header, body       of an answer: a number; texts by name in lower case; what its JSON holds, or its text
//
// A delivery to the gateway has no release yet, and so these and nothing else:
//
//	header, body               texts by name in lower case; what its JSON holds
//	purl                       of a CDEvent about an artifact: id (without version and qualifiers), type, namespace, name, version,
//	                           digest ("sha256:" and hex); texts, empty where the package URL does not tell
//
// What a check of the watcher reads has no release either: its number is taken from status, header and body, and its condition sees
//
//	value                      the number
//
// The condition of an address that is probed sees status, header and body, and
//
//	latency_ms                 how long it took until the answer began, in milliseconds
//	tls_days_left              how long the certificates are valid that were shown, in days; there is none without TLS
//
// Whole numbers and others can be compared: value < 1.
//
// A delivery that tells of alerts is first asked for the list of them ([List]), of header and body. Then each is asked what it is, and
// its labels are a [Table]:
//
//	header, body               as above
//	alert                      the one that is asked about
//
// A name that does not exist is an error when the file is read, with its place. What an answer or a delivery lacks is an
// error when the condition is asked: has(body.state) asks first. An expression that costs more than a bounded number of steps is stopped.
package expr
