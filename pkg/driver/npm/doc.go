// Package npm publishes betas to an npm registry and promotes them there, over the registry's HTTP API. It needs no npm.
//
// # What is authoritative
//
// The registry. A version, once published, never changes: so a version that is there with our bytes is our effect, whoever
// wrote it and whether or not its answer arrived, and one that is there with other bytes is refused for ever. A channel is a
// dist-tag: a name that points to a version and can be moved. Registries have no compare-and-set for it. So a tag is read
// right before it is moved and again afterwards, and what is found then decides. Everybody's channel is looked at once more
// after a while (a second, or longer when the registry is slow), against two releases that are promoted at the same time.
//
// # The artifact
//
// The artifact is the package that CI built: what npm pack, pnpm pack or yarn pack make, with the version that everybody will
// get ("1.4.0", no pre-release) in package/package.json. Its name must be that of the project file, if that names one. It is read
// with suspicion: it may have 128 MiB, 512 MiB unpacked, and 100,000 files; names that leave package/, links, devices, a file that
// is there twice and bytes after the end are refused.
//
// # Modes
//
// Retag publishes 1.4.0 once, under the beta channel's tag; promoting moves the tag of everybody's channel to it. The bytes
// are those of CI, from the beginning to the end, and so is the integrity. It needs a token: npm's trusted publishing can
// publish but not move tags. The version's number is used up by a beta that is cancelled, unless the very same
// bytes are merged again.
//
// Republish publishes 1.4.0-beta.N, where N follows the highest that there is, and promoting publishes 1.4.0: the artifact as
// CI built it. The beta is the artifact with one value changed, "version" in package.json and, where there is one, twice in
// npm-shrinkwrap.json. That is an edit of bytes, in the file and in the archive: all else stays as it is, order, white space,
// times and modes. Before 1.4.0 is published the beta is downloaded from the registry and compared with it file by file: what
// everybody gets is what soaked. A package in which any file mentions the beta's version is refused with the names of these
// files, since the one that soaked and the one that is promoted would differ in more than their version.
//
// Staged is Republish up to the promotion, which stages 1.4.0 (npm stage publish, since npm 11.15; docs.npmjs.com/staged-publishing): it
// is uploaded, nobody can install it, and a maintainer approves it, with a second factor, on npmjs.com or by npm stage approve. That is
// for people only, so this driver never tries: it waits for the version to be published, as long as the attempt lasts, says meanwhile
// which stage id waits, and finds that again in the next attempt. Give the promotion a timeout that suits the people. What is rejected
// fails the release. What somebody else has staged under that version, with other contents or for another tag, is refused: a staged
// version takes the number, and its tag can not be changed. Staging works with any token; listing what is staged, which this needs, not
// with the short-lived ones of trusted publishing. A registry without staged publishing is refused, and known by its 404.
//
// Rewriting is deterministic. Compression may change with the version of Go that Sluice is built with, so of rewritten packages
// the unpacked bytes are compared where the integrity differs.
//
// # Trusted publishing and provenance
//
// npm's registry wants people or a CI's identity behind what is published: from January 2027 tokens that pass the second factor by can
// no longer publish (docs.npmjs.com/about-access-tokens). Staged is for that, and trusted publishing; other registries are as they were.
//
// Tokens of npm's trusted publishing are got by the CI's own job, for its OIDC identity, and are good for npm publish and npm stage
// publish (docs.npmjs.com/trusted-publishers): they can neither move tags nor deprecate, and nobody but that job can have one. So a
// project that has no other token promotes by triggering that job: package trigger, and deploy/examples/npm-trusted.
//
// Provenance is an attestation that npm publish makes in that job, of the SHA-512 of the very package
// (docs.npmjs.com/generating-provenance-statements); the registry keeps it with the version. It holds for bytes, so Retag of what the job
// has published keeps it: the version and its integrity stay, the tag moves. Republish and Staged make packages of their own, which have
// none; they say so in Done.Note when package.json asks for it (publishConfig.provenance), and a project file that asks for it is refused.
//
// A bundle that the job made without publishing (what npm publish --provenance-file takes) is not passed on. It would be a second file of
// the release, under no digest of the merge; it attests the package that CI built, and so not the beta that Republish makes of it; npm
// verifies one against sigstore's roots, which it fetches and this driver does not have, before it sends it; and of registries only npm's
// own keeps it: GitLab's drops it, or refuses the publish (gitlab.com/gitlab-org/ops/artifact-registry/-/issues/1273). The job
// that can make it can publish, too: that is the way above.
//
// # A package's first version
//
// A registry points latest to the first version of a package, whatever tag it is published under, and does not let go of it: npm's own
// answers 400 to the removal (github.com/npm/cli/issues/8490); verdaccio 6.8 answers 201, and latest is back at the next look, at the
// highest version that there is. So a new package's first beta is what "npm install" gets. The driver tries to remove latest, looks,
// and says what came of it in Done.Note.
//
// # Values
//
// A channel's value is the version that its tag points to. Done.Before of a repetition is the release's own version, since that is what
// the repetition found; what was there before is what Plan and Look have said, and going back to the release's own version
// is no way back: Undo then leaves the tag alone, and says so. A promotion never moves its tag to an older version, also not
// from a beta that the registry put on latest. A publish moves its tag to any.
//
// # Rolling back
//
// A rollback puts the tag back and then deprecates the version, with a message that begins with "Rolled back by Sluice", so that those
// who have it, or ask for it by its number, are told; a promotion of that version by force takes that away again. A version that
// somebody else has deprecated stays as they left it. A registry that does not deprecate is no failure: Done.Note says what is left to do.
//
// Deprecating is putting back the package's whole document, as npm deprecate does. A registry that keeps to CouchDB's revisions refuses one
// that is no longer the newest, and it is read anew. verdaccio 6.8 does not: it takes the tags from the document, and drops versions
// that are not in it. So what somebody publishes or tags between that read and that write, some milliseconds, may be lost there;
// that none publishes at the same time is for the lane to ensure. It also wants the permission to unpublish. The channel's tag is
// looked at afterwards.
//
// # What fails and what then
//
// Reads are repeated a few times with growing pauses. A write that gets no answer or a doubtful one (429 excepted) is
// looked up before it is repeated. 409 and 403 do not tell enough: registries give them for versions that exist, for packages that are busy
// ("Failed to save packument"), and for publishes that went through (github.com/npm/cli/issues/7376); so these
// are looked up too. Credentials that are not accepted, and whatever else repeating does not mend, are driver.Refused.
//
// The token is read by name for each request, goes to the registry's own origin only, and a write is never redirected. With npmrc it
// comes from npm's settings, for the longest part of the registry's address that has one there: _authToken, _auth, or username and
// _password, with ${NAME} for what the environment has. What is not taken from there are client certificates, proxies, and the rest. The
// registry is that of the package's scope, or the one for all, unless the project file names one. publishConfig in package.json has no
// say: the project file decides; Done.Note mentions it.
//
// Sources for the API: the npm command line's libnpmpublish 11 (the publish document, its attachment's name, and that
// dist.tarball says http) and its "dist-tag" command; GET of a package in the abbreviated form is
// github.com/npm/registry/blob/main/docs/responses/package-metadata.md. All of it is tested against verdaccio.
package npm
