// Package trigger is the drivers that start something elsewhere and wait for it: a pipeline of CircleCI, a workflow of GitHub, a
// pipeline of GitLab, or whatever one HTTP request starts (http).
//
// # Find, trigger, follow
//
// An action has a key: release, try, action and stage ("<release>-2-deploy-staging"; taking it back is "<release>-2-restore-deploy-
// staging"). The try counts up when a release that failed is tried again, and not when another instance takes an attempt over: that one
// asks with the same key. What is triggered carries the key. So before anything is triggered the runs that carry a key of this release,
// for this channel, are looked up, newest first:
//
//   - One that goes on or has succeeded is followed, whichever attempt or try began it.
//   - One of an earlier try that failed is passed over; one of this very try that failed is its result.
//   - Where the newest is the opposite action, its end is waited for, and then there is something to do.
//
// Looked at is what began since the merge, as the broker has it, and a bounded number: when the bound comes first, and nothing was found,
// nothing is triggered, and the error says where to look.
//
// Only when none is left is one triggered. When the answer to that is lost or doubtful, the run is looked for before it is
// triggered again. Two instances at once can still both look, find nothing and trigger: no CI has a compare-and-set for that. The
// job has to bear it, as a command of package exec has.
//
// A run that fails, or that somebody cancels in the CI, fails the release at once. When the action is cancelled, or its time is over,
// the run is left alone, and the error says where it is. Taking back what still runs waits for its end first. A vendor in a package of its
// own ([Vendor]) that can end a run ([Stopper]) is asked to, when the release was cancelled (driver.ErrCancelled) and before taking back.
//
// # What the job gets, and what it must do
//
// The CI gets the parameters of the project file, and sluice_key. "${action}" is deploy, publish, promote, or restore: after a cancel the
// facts of ${release…} are those of the earlier release, that is, of what shall be there afterwards, and ${undo…} names what is
// taken away; without an earlier release they are empty texts. A CI can not be asked what is deployed: Look knows nothing, and as with
// exec the job refuses an older version than the one that is there, and leaves alone what somebody else has moved on.
// The artifact's bytes do not go through here; "${release.digest}" lets the job check them.
//
// # How each vendor's run is found
//
// CircleCI: no call tells the parameters of a pipeline (trigger_parameters is empty for these, discuss.circleci.com/t/34128).
// GET /pipeline/{id}/config does tell the compiled configuration, in which << pipeline.parameters.sluice_key >> has been replaced. So
// the configuration declares the parameter and uses it in a job, say in its environment. Pipelines triggered by the API are looked at, as
// long as they are not older than the release.
//
// GitHub: the answer to a dispatch names no run (204). The workflow has the input sluice_key and puts it in its run-name:
// "run-name: deploy ${{ inputs.sluice_key }}"; that comes back as display_title. Runs of the event workflow_dispatch,
// created since the release was, are listed. A dispatch that is accepted and then never shows is refused with that advice.
//
// GitLab: GET /projects/:id/pipelines/:pipeline_id/variables tells the variables that a pipeline was created with; SLUICE_KEY is one.
// Pipelines of the source api, updated since the release began, are looked at. The token is one that may do that: a project access
// token with the scope api and the role of a maintainer, or a developer's where the project lets developers use pipeline variables.
//
// http: nothing is known of the other side. It gets the key as Idempotency-Key; a request whose answer is lost is made again with the
// same key, and so does an instance that takes over. Only after a failure a retry has another key: a side that must not begin twice even
// then looks at ${release.id} too.
//
// # What fails and what then
//
// Reads are repeated a few times with growing pauses, or after what Retry-After, X-RateLimit-Reset or RateLimit-Reset say. Credentials
// that are not accepted, and whatever else repeating does not mend, are driver.Refused. Tokens are read by name for each request, go in a
// header to the configured origin only, and are cut out of what answers say. Nothing is redirected with a token or a body.
// Fields of a release are data: JSON where they are in a body, percent-encoded in a URL, refused in a header when they have control
// characters.
package trigger
