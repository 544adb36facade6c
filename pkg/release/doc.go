// Package release is what may happen to a release: its phases, the commands that services and people give, the events that
// come of them, and who wins when they race. It decides and does nothing: no I/O, no clock, no broker. Time arrives inside
// commands.
//
// # What is authoritative
//
// The stream is. A release is its journal, the events on one subject in the order of their sequences, and the requests on
// subjects of their own. [Decide] says which events a command causes in a state, [Evolve] folds an event into the state, and
// [State.Stamp] adds what only the broker knows of a record: its sequence and its timestamp. What a service remembers is not
// authoritative: it may be old, and an append is a compare-and-set against what was read.
//
// # Who wins
//
// When the delay is over, or somebody expedites, a promoter appends the record promoting. That is the claim, at some
// sequence. Requests may have been stored before it that nobody had answered, and stops that the promoter had not seen. So the
// claim is settled ([State.Settle]): it is effective if no cancel, hold or extend was stored before it that is not answered, and
// no pause, freeze or rollback of its project that was still in force; otherwise it is ineffective, and what was asked for
// happens, or the release waits. Only an effective claim is acted on. What was stored after it came too late, and its sender is
// told. Settling is a function of the stream up to the claim: another promoter, the dashboard and an auditor come to the same
// answer, whenever they ask.
//
// Until a claim is settled, no request is answered: a refusal would be final, and the claim may turn out to be ineffective.
// See [Request].
//
// # Stages, stops and approvals
//
// A release goes through its stages one after the other. Each has a soak of its own, and may need approvals of its own; the
// promotion follows the last. What else is in the way concerns the promotion only: see [Gate]. A release whose delay is over and
// that may not leave its stage yet is postponed: it stays soaking, can be held and cancelled, and goes on by itself when the way
// is open.
//
// # After the promotion
//
// A release that bakes is out: it can not be cancelled, held or extended any more, but rolled back, by a person or by the watcher. So
// can a promoted one, for as long as people like, and one whose promotion failed. A release that failed can be retried.
//
// # Invariants
//
// Each test names those that it tests. They are judged from the stream alone, for whatever several instances do that read
// old answers, pause, and die; see the model in model_test.go.
//
//   - I1: a release ends once, until somebody asks to retry it or to roll it back. At most one of promoted and cancelled is ever
//     effective: what was promoted is never cancelled or superseded. It may be rolled back by an explicit request.
//   - I2: a cancel, hold or extend that was stored before a claim, and was not answered before it, is never followed by that
//     claim's promotion; nor is a pause, a freeze, or a rollback in progress, of the project that was stored before the claim and
//     was in force. A cancel that was stored before a claim is never followed by it at all.
//   - I3: nothing is promoted early. Without an expedite, the clock of the soak of each stage ran for its whole delay and all
//     extensions, by the broker's time, and it stands still while a person holds the release. A retried promotion soaks no second
//     time, but for what it was extended by since.
//   - I4: watched, or not promoted. Without an expedite, heartbeats cover as much of the soak of each stage as the project wants,
//     [DefaultCoverage] percent if it does not say. Those of a release that is held stand in at most for what had soaked until
//     then, not for what is left.
//   - I5: an ended release changes no more, but for the record of what was put back and of requests that came too late, and but
//     for a retry of what failed and a rollback of what was, or may be, promoted, on the request of a person or of the watcher of
//     its bake.
//   - I6: a repeated command causes nothing. (A [Begin] is no repetition: it announces the next attempt.)
//   - I7: every request is answered by exactly one event, in the order of the stream, as soon as there is a journal.
//   - I8: a person's hold is ended by a resume or by an end, by nothing else.
//   - I9: version, beta and digest never change after publishing began, whatever is retried; nor does what the beta channel
//     pointed to before, until that was put back; nor what everybody had before a promotion that failed.
//   - I10: settling is a function of the stream up to the claim. An effective claim is never taken back, an ineffective one
//     never acted on; a further attempt is no new claim, and a new claim is settled for itself.
//   - I11: attempts at one outside action exclude each other until their deadline, and putting back waits for the attempt that
//     it undoes. The end of an attempt that was taken over is nobody's.
//   - I12: what is overdue by more than the project allows is held, not claimed, unless expedited. It is overdue from when nothing
//     was in its way any more.
//   - I13: nothing gets stuck. Every phase in which nothing would happen by itself has a deadline, if the project sets one: see
//     [State.Deadline]. When everybody works again every release ends, or is held for a person, who can end that, or waits for
//     something that it can name; a watched release that nobody stops is promoted.
//   - I14: nothing is promoted while its project is paused, frozen or outside its windows, before as many different people as its
//     project asks for have approved that it leaves the stage it is in, or before what it needs is promoted. Force opens windows
//     and freezes, and nothing else.
//   - I15: channels only move forward. An older release, by its version, or of the same version by its merge, that comes due after a
//     newer one was promoted is superseded. A version that was rolled back is not promoted again without force.
//   - I16: who cancels too late forbids a retry.
//   - I17: a retried promotion needs its lane and a new claim.
//   - I18: a bake ends as promoted or as rolled back. A rollback that fails leaves the release as it was before, and the bake over.
//   - I19: an expedited release is promoted without force only after a watcher has seen all its checks pass since it was expedited
//     and staged.
//
// # What the callers owe
//
//   - Every state that comes from a record is stamped with that record's sequence and timestamp.
//   - A request is answered only together with all before it: from one consistent read of the stream that contains the
//     journal's last record, in the order of the sequences, hidden ones included. A read of last messages shows only the last
//     on each subject.
//   - The answer that settles a claim contains the claim. A replica that lags behind has neither it nor, perhaps, the cancel
//     before it. The stops are read up to the claim as well.
//   - A claim that only a stop makes ineffective is taken back ([Postpone]) before any request is answered: what was stored
//     after such a claim is in time, and a refusal would be final.
//   - What the gate says of the project is no older than the record that an alarm is decided on.
//   - An instance that began an attempt looks at its deadline right before each write, and stops then. It says whose attempt has
//     ended or failed ([Finish], [Fail]).
//   - A promotion is in the project's record before it is in the journal; whoever rolls back says so in that record first, waits
//     for promotions that were claimed before, and says there when it is done.
//   - An instance id belongs to one process at a time: the same instance may go on with its own attempt at once.
//   - A release that was retried after its promotion failed starts its soak only when its lane is its own again.
//
// # State diagram
//
// Everything that changes the phase of a release (written by go test -run Diagram -update):
//
//	from         event           to           because of
//	none         merged          merged       admit
//	merged       publishing      publishing   begin
//	merged       cancelled       cancelled    cancel
//	merged       failed          failed       expire, fail
//	publishing   published       published    finish
//	publishing   cancelled       cancelled    cancel
//	publishing   failed          failed       expire, fail
//	published    queued          queued       wait
//	published    staging         staging      begin
//	published    cancelled       cancelled    cancel
//	published    failed          failed       expire, fail
//	published    superseded      superseded   displace
//	passed       staging         staging      begin
//	passed       cancelled       cancelled    cancel
//	passed       failed          failed       expire, fail
//	queued       staging         staging      begin
//	queued       soaking         soaking      start soak
//	queued       soaking         held         start soak
//	queued       cancelled       cancelled    cancel
//	queued       failed          failed       expire, fail
//	queued       superseded      superseded   displace
//	staging      staged          staged       finish
//	staging      cancelled       cancelled    cancel
//	staging      failed          failed       expire, fail
//	staged       soaking         soaking      start soak
//	staged       soaking         held         start soak
//	staged       cancelled       cancelled    cancel
//	staged       failed          failed       expire, fail
//	soaking      passed          passed       alarm when due, alarm when expedited
//	soaking      held            held         alarm when expedited and not seen, alarm when overdue,
//	                                          alarm when rolled back before, alarm when unwatched, hold
//	soaking      promoting       promoting    alarm when due, alarm when expedited
//	soaking      cancelled       cancelled    cancel
//	soaking      failed          failed       expire, fail
//	soaking      superseded      superseded   alarm when overtaken
//	held         expedited       soaking      expedite
//	held         resumed         soaking      resume
//	held         cancelled       cancelled    cancel
//	held         failed          failed       expire, fail
//	promoting    extended        soaking      extend before the claim
//	promoting    postponed       soaking      a stop before the claim
//	promoting    held            held         hold before the claim
//	promoting    baking          baking       finish
//	promoting    promoted        promoted     finish
//	promoting    cancelled       cancelled    cancel before the claim
//	promoting    failed          failed       fail
//	baking       recalled        rolling-back rollback
//	baking       promoted        promoted     alarm when baked
//	rolling-back rollback-failed promoted     expire, fail
//	rolling-back rollback-failed cancelled    expire, fail
//	rolling-back rollback-failed failed       expire, fail
//	rolling-back rollback-failed superseded   expire, fail
//	rolling-back rolled-back     rolled-back  finish
//	promoted     recalled        rolling-back rollback
//	cancelled    recalled        rolling-back rollback
//	failed       retried         merged       retry
//	failed       retried         published    retry
//	failed       retried         queued       retry
//	failed       recalled        rolling-back rollback
//	superseded   recalled        rolling-back rollback
//
//	event           stays in the phase
//	approved        merged, publishing, published, queued, staging, staged, soaking, held
//	expedited       merged, publishing, published, passed, queued, staging, staged, soaking
//	extended        merged, publishing, published, passed, queued, staging, staged, soaking, held
//	held            merged, publishing, published, passed, queued, staging, staged, held
//	postponed       soaking
//	promoting       promoting
//	publishing      publishing
//	queued          queued
//	refused         merged, publishing, published, passed, queued, staging, staged, soaking, held, promoting, baking,
//	                rolling-back, promoted, cancelled, failed, superseded, rolled-back
//	restored        cancelled, failed, superseded, rolled-back
//	restoring       cancelled, failed, superseded, rolled-back
//	resumed         merged, publishing, published, passed, queued, staging, staged
//	rolling-back    rolling-back
//	staging         staging
//
// That is all that changes it. Requests, holds before the soak, and attempts leave the phase as it is.
package release
