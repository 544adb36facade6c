// Package oci publishes and promotes what an OCI registry has: container images, multi-platform indexes, Helm charts, and whatever
// else has an image's manifest.
//
// # What is authoritative
//
// The digest. CI pushes the image, and what is merged, soaks and is promoted is its digest, which nothing here can change: a
// manifest goes back to the registry byte for byte, an index with all its children, attestations included. Tags are names that
// point to digests:
//
//	1.4.0-beta   the release's beta (from: "{{version}}-beta"); set by CI or by publish, never moved
//	beta         the beta channel; publish moves it
//	1.4.0        the release; set by promote, never moved
//	latest       everybody's channel; promote moves it, forward only
//
// What Helm does holds for all of them: a "+" in a version is a "_" in its tag.
//
// # The artifact
//
// The artifact of a release is the manifest of what CI pushed, in a file, as the registry has it. So the artifact's digest is the image's
// digest; the merge pins it, and a digest in the merge event is checked against it:
//
//	docker buildx build --push -t registry.example/team/app:1.4.0-beta .
//	crane manifest registry.example/team/app:1.4.0-beta >app-1.4.0.json
//	sluice merge app --artifact app-1.4.0.json
//
// The version is that of the merge, or of the file's name, or of the manifest's annotation org.opencontainers.image.version, which
// Helm writes. Staging deploys by digest (SLUICE_DIGEST) or by the beta's tag (SLUICE_BETA); the digest can not be moved.
//
// # Rules
//
//   - Publish refuses an image that the registry does not have, a version whose tag, or whose beta's tag, points to another digest,
//     and one that everybody has passed.
//   - Promote refuses when the beta's tag was moved or removed while its digest soaked: somebody meant something by that. Promoting by
//     digest would be safe, but whoever tried that tag would not have tried what is promoted.
//   - With `to` the image is copied to another repository, or another registry: blobs, children, and the manifest last. Blobs that are
//     there, or that the registry mounts from the other repository, are not sent.
//   - Undo moves a channel back, and leaves the tags of versions and betas. Where a channel pointed to nothing, its tag is deleted; many
//     registries do not delete tags, and deleting by digest would take the other tags along. Then the tag stays and Done.Note says so.
//
// # Values
//
// A channel's value is "1.4.0@sha256:…", on the beta channel "1.4.0-beta@sha256:…". A registry tells a tag's digest and not its
// version, so that is looked up among the tags of versions, newest first and pre-releases last; an image that none of the first 64
// points to is "unknown@sha256:…", and older than everything. Done.Before of a repetition is the release's own value; Undo to that
// leaves the tag alone, and says so.
//
// # What fails and what then
//
// A registry has no compare-and-set for a tag. So it is read right before it is moved, and everybody's channel once more after a while.
// Order makes a crash harmless: blobs, children, the manifest, the version's tag, the channel. What a crash leaves is
// found, and not sent again.
//
// Requests are repeated a few times with growing pauses, or those that the registry asks for (Retry-After). Wrong credentials,
// and whatever else repeating does not mend, are driver.Refused.
//
// # Credentials
//
// token_env or token_file name the password of `username`, or, without one, a token that the registry takes as it is. They are read for
// each request, and are for the registry of `image`. Without them, and for a `to` on another registry, docker's configuration is
// asked (DOCKER_CONFIG, credential helpers), and then nobody. Plain HTTP is for this machine, unless `insecure: true` says otherwise.
package oci
