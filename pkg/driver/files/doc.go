// Package files is the driver of a directory that a download site, an update server or a rollout script serves as it is:
//
//	artifacts/sha256/<64 hex>/<name>     the bytes; written once, never changed
//	versions/<project>/<version>.json    which bytes a version is; written once, never changed
//	channels/<project>/<channel>.json    the channel: the version that its users get; swapped atomically
//	channels/<project>/<channel>         a symbolic link to the channel's bytes, for an address that stays the same
//	.sluice/<project>/                   the lock and the unfinished files of writers; nobody else's business
//
// The channel file is the authority. An update client reads it and fetches the path that it names, below the same root:
//
//	{
//	  "project": "tracer",
//	  "channel": "latest",
//	  "version": "1.4.0",
//	  "digest": "sha256:9f86d08…",
//	  "size": 48211,
//	  "name": "tracer-1.4.0.tgz",
//	  "path": "artifacts/sha256/9f86d08…/tracer-1.4.0.tgz",
//	  "release": "01970000-0000-7000-8000-000000000001",
//	  "before": "1.3.0@sha256:2c26b46…"
//	}
//
// Both kinds of files below artifacts and versions may be cached for ever, those below channels not at all. The link
// follows the channel file a moment later; whoever must not see the two differ reads the channel file.
//
// # Rules
//
//   - A version is one digest for ever, within a project. The same version with other bytes is refused, by Plan before anything is
//     written. A cancelled beta keeps its version, as on a package registry.
//   - The bytes on disk are hashed each time before a channel is pointed to them. What soaked is what is promoted.
//   - In the promote role a channel moves to a newer version only, by semantic versioning, unless the project goes by the order
//     of its merges. In the publish role it moves to the last merge, which may be a fix of an older line, and so in the deploy
//     role. Undo may go back in all.
//   - Undo acts when the channel file names this release. The same artifact put there by a later release is not this release's.
//
// # What fails and what then
//
// Each file is written under a temporary name, flushed, renamed, and its directory flushed, in the order artifact, version,
// channel, link. So a crash leaves a channel old or new, and never one that points to bytes that are not there. What a crash
// leaves under .sluice is removed by the next writer.
//
// Writers of one project exclude each other, in this process and in others on this machine, by a lock on .sluice/<project> (flock),
// and wait for it until their context ends. The lock goes with its process, however that dies. On a network file system that does not
// pass flock on, use one machine at a time. Readers (Look, Plan, everybody's web server) take no lock.
package files
