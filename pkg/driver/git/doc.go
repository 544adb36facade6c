// Package git publishes and promotes what is released by a tag in a git repository, Go modules first of all.
//
// # What is authoritative
//
// The commit. A merge names it, and its name is its content's: what soaks and what is promoted is the same commit, whatever tags it has.
//
//	v1.4.0-rc.1   a candidate (tag: "v{{version}}", candidate: rc); set by publish, never moved
//	beta          the branch of publish, if it has one
//	v1.4.0        the release; set by promote on exactly the commit that the candidate is on, never moved
//	stable        the branch of promote, if it has one; moves forward only
//
// What stable is at must therefore have the tag of a release, too: a commit without one, which somebody put there by hand, is not left
// behind, but refused.
//
// A module in a folder has the folder before its tags: tag: "pkg/x/v{{version}}". A tag is annotated, and names the release's id. It has
// the time of that id, so that it is the same object whoever makes it, and how often.
//
// # Candidates
//
// Plan fixes the number before anything is written: the candidate that the commit has already, or the one after the highest of its
// version; it begins with 1. So a version has as many candidates as are merged until one is promoted, and staging requires them as Go
// does it: "go get example.com/tracer@v1.4.0-rc.2". Two merges of one version that are planned at the same moment plan the same number. One
// of them gets the tag; the other is refused, and merged again it gets the next.
//
// The merge states the version that everybody will get (1.4.0), or the artifact's name does. Versions are semantic ones, whatever the
// project's order, without build metadata (Go ignores such tags, https://go.dev/ref/mod#versions).
//
// # The artifact
//
// Nothing of it goes to the remote; it is read to see that it is what the merge pinned. When it is the commit itself, it is checked to be
// the release's, so that the digest which soaked covers the commit, and by that all files:
//
//	git cat-file commit HEAD >tracer-1.4.0.commit
//	sluice merge tracer --commit "$(git rev-parse HEAD)" --artifact tracer-1.4.0.commit
//
// # The channel, and rolling back
//
// With a branch the channel is the branch, and its value "1.4.0@<commit>": the newest tag of a version that the commit has. Without one
// it is the newest tag, as "go get @latest" has it.
//
// Undo puts the branch back to where it was, or removes it when there was none. It never deletes a tag, nor moves one: Go's module proxy
// and checksum database keep for ever what they have seen once (https://go.dev/ref/mod#module-proxy), and a tag that comes back on another
// commit is an error at everybody's. So what was promoted by its tag stays fetched by it; Done.Note tells people to retract the version
// in go.mod with the next one (https://go.dev/ref/mod#go-mod-file-retract). A project that wants more than that of a rollback has its
// users follow a branch.
//
// # What fails and what then
//
// All of a push is a compare-and-set at the remote: a tag is made only where there is none, a branch moved only from where it was seen
// (the lease). Tag and branch go in one push, which is done all or not at all; where the remote can not do that (atomic), the tag goes
// first. So whoever is killed anywhere, loses an answer or a race, looks again and finds what there is; nothing is forced. A remote that
// says no twice to the same change, for another reason than that somebody else was at work, is believed: that is driver.Refused, as is
// a tag on another commit. A branch that is protected against going back does not go back, and the error says so.
//
// # Why neither the command nor a clone
//
// A tag object and a handful of refs are all that is sent, so there is nothing to clone: this speaks git's smart HTTP
// (https://git-scm.com/docs/gitprotocol-http) with the formats of github.com/go-git/go-git/v5. The git command would need a working copy
// that survives crashes, or a fetch for each action, and the token in an argument, an environment, or a helper's file, where a process
// list or a core dump finds it. Here it is read by name for each request, goes in a header, to the remote's origin only, and there is
// no process to be orphaned. Remotes are https, or http to this machine; ssh has no place for a token. Repositories of SHA-256 can not be
// read by that library yet.
//
// Requests are repeated a few times with growing pauses, or those that the remote asks for (Retry-After).
package git
