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
// sequence. Requests may have been stored before it that nobody had answered. So the claim is settled ([State.Settle]): it is
// effective if no cancel, hold or extend was stored before it that is not answered; otherwise it is ineffective, and what
// was asked for happens. Only an effective claim is acted on. What was stored after it came too late, and its sender is told.
// Settling is a function of the stream up to the claim: another promoter, the dashboard and an auditor come to the same
// answer, whenever they ask.
//
// Until a claim is settled, no request is answered: a refusal would be final, and the claim may turn out to be ineffective.
// See [Request].
//
// # Invariants
//
// Each test names those that it tests. They are judged from the stream alone, for whatever several instances do that read
// old answers, pause, and die; see the model in model_test.go.
//
//   - I1: a release ends once. At most one of promoted and cancelled is ever effective: what was promoted outside is never
//     cancelled or superseded.
//   - I2: a cancel, hold or extend that was stored before a claim, and was not answered before it, is never followed by that
//     claim's promotion. A cancel that was stored before a claim is never followed by it at all.
//   - I3: nothing is promoted early. Without an expedite, the clock of the soak ran for the whole delay and all extensions, by
//     the broker's time, and it stands still while a person holds the release.
//   - I4: watched, or not promoted. Without an expedite, heartbeats cover at least [MinCoverage] percent of the soak. Those
//     of a release that is held stand in at most for what had soaked until then, not for what is left.
//   - I5: an ended release changes no more, but for the record of what was put back and of requests that came too late.
//   - I6: a repeated command causes nothing. (A [Begin] is no repetition: it announces the next attempt.)
//   - I7: every request is answered by exactly one event, in the order of the stream, as soon as there is a journal.
//   - I8: a person's hold is ended by a resume or by an end, by nothing else.
//   - I9: version, beta and digest, and what the beta channel pointed to before, never change after publishing began.
//   - I10: settling is a function of the stream up to the claim. An effective claim is never taken back, an ineffective one
//     never acted on; a further attempt is no new claim, and a new claim is settled for itself.
//   - I11: attempts at one outside action exclude each other until their deadline, and putting back waits for the attempt that
//     it undoes.
//   - I12: what is overdue by more than the project allows is held, not claimed, unless expedited.
//   - I13: nothing gets stuck. When everybody works again every release ends, or is held for a person, who can end that; a
//     watched release that nobody stops is promoted.
//
// # What the callers owe
//
//   - Every state that comes from a record is stamped with that record's sequence and timestamp.
//   - A request is answered only together with all before it: from one consistent read of the stream that contains the
//     journal's last record, in the order of the sequences, hidden ones included. A read of last messages shows only the last
//     on each subject.
//   - The answer that settles a claim contains the claim. A replica that lags behind has neither it nor, perhaps, the cancel
//     before it.
//   - An instance that began an attempt looks at its deadline right before each write, and stops then.
//   - An instance id belongs to one process at a time: the same instance may go on with its own attempt at once.
//
// # State diagram
//
// Everything that changes the phase of a release (written by go test -run Diagram -update):
//
//	from        event       to          because of
//	none        merged      merged      admit
//	merged      publishing  publishing  begin
//	merged      cancelled   cancelled   cancel
//	merged      failed      failed      fail
//	publishing  published   published   finish
//	publishing  cancelled   cancelled   cancel
//	publishing  failed      failed      fail
//	published   queued      queued      wait
//	published   staging     staging     begin
//	published   cancelled   cancelled   cancel
//	published   failed      failed      fail
//	published   superseded  superseded  displace
//	queued      staging     staging     begin
//	queued      cancelled   cancelled   cancel
//	queued      failed      failed      fail
//	queued      superseded  superseded  displace
//	staging     staged      staged      finish
//	staging     cancelled   cancelled   cancel
//	staging     failed      failed      fail
//	staged      soaking     soaking     start soak
//	staged      soaking     held        start soak
//	staged      cancelled   cancelled   cancel
//	staged      failed      failed      fail
//	soaking     held        held        alarm when overdue, alarm when unwatched, hold
//	soaking     promoting   promoting   alarm when due, alarm when expedited
//	soaking     cancelled   cancelled   cancel
//	soaking     failed      failed      fail
//	soaking     superseded  superseded  alarm when overtaken
//	held        expedited   soaking     expedite
//	held        resumed     soaking     resume
//	held        cancelled   cancelled   cancel
//	held        failed      failed      fail
//	promoting   extended    soaking     extend before the claim
//	promoting   held        held        hold before the claim
//	promoting   promoted    promoted    finish
//	promoting   cancelled   cancelled   cancel before the claim
//	promoting   failed      failed      fail
//
//	event       stays in the phase
//	expedited   merged, publishing, published, queued, staging, staged, soaking
//	extended    merged, publishing, published, queued, staging, staged, soaking, held
//	held        merged, publishing, published, queued, staging, staged, held
//	promoting   promoting
//	publishing  publishing
//	queued      queued
//	refused     merged, publishing, published, queued, staging, staged, soaking, held, promoting, promoted, cancelled, failed, superseded
//	restored    cancelled, failed, superseded
//	restoring   cancelled, failed, superseded
//	resumed     merged, publishing, published, queued, staging, staged
//	staging     staging
//
// That is all that changes it. Requests, holds before the soak, and attempts leave the phase as it is.
package release
