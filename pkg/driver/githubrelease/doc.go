// Package githubrelease publishes and promotes releases at GitHub: a prerelease that soaks, and becomes the latest release.
//
// # What is authoritative
//
// The digest of the artifact, which is an asset of the release. GitHub computes an asset's digest when it is uploaded, and tells it
// (https://docs.github.com/en/rest/releases/assets#get-a-release-asset, field digest). An asset counts by its digest, whatever its name
// is: GitHub changes names that it does not like.
//
//	v1.4.0, prerelease    the beta (tag: "v{{version}}"); set by publish
//	v1.4.0, latest        the release, the same one with the same assets; set by promote
//
// The beta has the release's own version and tag, and nobody who asks for the latest release gets it. A release whose tag is on another
// commit than the merge's is refused.
//
// # Publish
//
// Without a release of the tag, publish makes a prerelease on the merge's commit (and GitHub the tag, where there is none), and
// uploads the artifact. A prerelease that CI made is taken as it is, if the artifact is among its assets; so is a draft, which then is
// published as a prerelease. So CI can add more assets: before it sends the merge. Where a repository has immutable releases, whose assets
// can not be added later, a draft with all its assets is the way; a release that everybody has already is refused:
// https://docs.github.com/en/code-security/supply-chain-security/understanding-your-software-supply-chain/immutable-releases
//
// The beta channel is the newest prerelease. Undo makes it a draft again, which nobody sees who may not write, unless there is a newer
// one by then; the tag stays.
//
// # Promote
//
// The digest is checked, then the prerelease becomes a release and the latest in one request, and the digest is checked once more in the
// answer. Undo makes the former latest release that again (make_latest), and then this one a prerelease: so there is always one. Where
// there was none, this one becomes a prerelease, and there is none.
//
// # Values
//
// A channel's value is "1.4.0@<id of the release>"; of a release whose tag is none of a version it is "unknown@<id>".
//
// # What fails and what then
//
// GitHub lets a tag have one release, and a release one asset of a name: whoever is too late is told so, looks again, and takes what
// is there. A prerelease without its asset, or with one that never arrived as a whole (state starter), is what a crash leaves; the next
// attempt uploads the asset. There is no compare-and-set for latest: it is read right before it is set, and once more after a while;
// see promoter.Do. At most 1,000 releases are looked through for the newest prerelease and for drafts.
//
// Requests are repeated a few times with growing pauses, or those that GitHub asks for: Retry-After, X-RateLimit-Reset, and a minute
// for a secondary limit that names none (https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api). A token that is
// not accepted, and whatever else repeating does not mend, is driver.Refused. The token is read by name for each request, and goes in a
// header to the API's own origin, and from api.github.com to uploads.github.com; nothing is redirected.
//
// A server of one's own needs a version that tells digests; without them nothing is published or promoted.
package githubrelease
