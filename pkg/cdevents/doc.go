// Package cdevents is Sluice's two ways with CDEvents (https://cdevents.dev), spec 0.5.1 over CloudEvents 1.0: [Read] checks what was
// sent to us and says which merge it is, [Of] tells what happened to a release. Both are pure.
//
// # In
//
// Taken are change.merged, artifact.packaged and artifact.published of the specs 0.3, 0.4 and 0.5, as CloudEvents in binary and in
// structured mode. What is refused is what the CDEvents SDK's schemas refuse, and a test compares with the SDK. The SDK itself is not
// linked: it compiles every schema of every spec when a program starts, which costs 70 to 120 ms and every `sluice cancel` would wait for
// that (measured with v0.5.1 on two cores; `sluice version` takes 10).
//
// Everything is read of the body. In binary mode the attributes are in headers, which no signature of ours covers: the type there must
// be the body's, and the rest is not looked at.
//
// The merge that an event is, unless whoever takes it knows better:
//
//	commit     customData.commit; of a merged change its id; of an artifact the change that it was made of, or else its digest
//	digest     customData.digest, or that in the artifact's package URL: the version of pkg:oci/…@sha256:…, the qualifier checksum=sha256:…
//	version    customData.version, or that in the package URL: the qualifier tag where the version is a digest
//	artifact   customData.artifact, or the digest with a dash: an object of sluice-artifacts that is called sha256-…
//	ref, actor, url    those of customData; actor: or the user who published the artifact
//
// # Out
//
// Every journal record becomes one CDEvent or more; README.md has the table, and a test keeps it true. An event's id is made of the
// release, the sequence of its record in the stream, and its number among those of one record: whoever gets it twice sees that it is
// the same. Its time is the broker's for the record; a chain id is the release's. customData.sluice has our own words.
//
// A step for which CDEvents has no word (held, extended, approved and so on) is a custom event, dev.cdeventsx.sluice-release.<word>.0.1.0.
package cdevents
