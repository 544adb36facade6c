// Package topology is the one place that names and configures what Sluice has on the broker: streams, subjects, durable
// consumers, buckets. [Ensure] makes it (`sluice init` and `sluice up` only), [Verify] refuses to run on anything else,
// [ParseSubject] is the only parser of subjects. Who may do what stands in the package accounts.
//
// What is authoritative is the broker. Nothing here is cached: a service verifies when it starts, and what changes later
// is an operator's doing that the accounts keep to the user admin.
//
// Line references are to nats-server 2.15.2.
//
// # SLUICE
//
// It holds what may never be lost: requests, journals, lanes, merges, what stops a project (pause, freeze) and what became of
// its releases. So nothing evicts: no MaxAge, no MaxMsgs, no
// MaxBytes, and DiscardNew, so that a full disk refuses the next message instead of taking the first away. Roll-up, TTL,
// schedules, counters and batches are off, because each is a header by which somebody who may publish one message takes
// away or forges another. TTL and schedules can not be switched off again once they were on (stream.go,
// configUpdateCheckLocked), so Ensure refuses such a stream, and deleting it is a human's decision.
//
// DenyDelete is on: nobody needs to take single messages out of the middle. DenyPurge is off, because it can never be
// switched off again and our janitor will have to purge: requests first, journal last, a release at a time, and the audit chains
// (sluice.audit.*) never. Until then purging is kept from everybody by the accounts; package audit is how it would be seen.
//
// The duplicate window is the smallest that the broker takes, 100 ms; zero would mean two minutes. Within it a message
// with a Nats-Msg-Id seen before is acknowledged as a duplicate and not stored. Requests carry no Nats-Msg-Id: for them
// there is no window. Retrying an append is made safe by compare-and-set, not by this.
//
// Subjects have their exact number of tokens. With "sluice.cancel.>" a cancel by the actor "ana.lee" would be stored and
// acknowledged, and honoured by no reader; this way nothing answers, and the sender sees it. SLUICE_SIGNALS is the
// exception: there a misspelt signal is better stored, where the watcher can see it, than lost.
//
// A stop names a project or, as "_all", every project; no project can be called like that. It is on a subject of its own for
// each verb, so that what ends a stop does not hide who began it, and the newest of both counts (package journal).
//
// # SLUICE_TIMERS
//
// A delayed message stays on sluice.delay.<release> until its time; then the broker publishes it on sluice.due.<release>
// and purges the delay (stream.go, processJetStreamMsgWithRollup). The broker demands roll-up for schedules and refuses
// DiscardNew (stream.go, checkStreamCfg).
//
// Due messages may not pile up, and none may vanish before its alarm was handled. So the stream is a work queue: a due
// message is removed when the promoter acknowledges it and stays as long as it does not, however long the promoter is
// away. Delays have no consumer and are not touched by that. An expiry (Nats-Schedule-TTL, MaxAge) would lose alarms in a
// long outage; interest retention would drop the delays, which nobody listens to. Measured: 300,000 delays that became due
// at the same moment were published and acknowledged in 8 s on one node of two cores; afterwards the stream held no
// message and 1.7 MB of disk instead of 95 MB (316 bytes a delay).
//
// MaxMsgsPerSubject 1 bounds it to one delay and one due message a release. A second alarm takes the place of an
// unacknowledged first one and is delivered by itself; acknowledging the first afterwards is harmless.
//
// The broker fires schedules at most every 250 ms (scheduler.go, resetTimer), so an alarm is up to that late, also one
// whose time is past when it is published. The schedule itself is kept to the nanosecond. The purge at firing takes
// whatever is on the delay's subject by then: an alarm re-armed at that very moment is lost. Whoever gets a due message
// therefore re-arms first and acknowledges then.
//
// There is no need to cancel a delay: the alarm of a release that has ended finds that out and is forgotten.
//
// # SLUICE_SIGNALS and SLUICE_EVIDENCE
//
// Signals are bounded in every way: 24 hours, 100,000 a subject, 256 MiB. What was dropped before the watcher had read it is a
// gap. On one replica they persist asynchronously: the
// broker acknowledges before the disk has them, and a crash may lose the tail, which is a gap in the coverage. They are on
// disk and not in memory so that a restart does not lose what a running count depends on. The broker refuses asynchronous
// persistence with more than one replica, and refuses to change it (stream.go, checkStreamCfg, configUpdateCheckLocked):
// going from one replica to three means deleting this stream, and Ensure says so.
//
// Evidence is kept 30 days unless the deployment chooses otherwise; so are measurements, which is how far `sluice backtest` can look
// back, and the templates of a release's errors, which are what the releases after it know: a project that releases less often than
// that knows nothing, and every error is new. The CDEvents that the gateway makes of journals are kept with it: whoever reads them
// later than that has the journals.
// So is what drivers printed (package work), of which a deployment that prints much has the most: one message of about 160 KiB at most for
// each attempt, and nothing for one that printed nothing.
// So is what is on its way to whom a project notifies: it must be kept longer than the longest quiet hours.
// So are the alerts of other people's monitoring (package alert): whoever sent one does not send it again because we lost it, so it is
// stored before it is acknowledged, and no flood of signals evicts it.
//
// # Buckets
//
// They are the streams that nats.go would make for them, but for this: project files allow neither roll-up nor purge (a
// release pins a version for ever), and so a key can be deleted but its history stays. The object store can not do without
// roll-up: every put uses it.
//
// # Consumers
//
// Ensure makes them, too, so that no service needs the right to create a consumer on SLUICE. All instances of a service
// share its durables. Those of the gateway are for deployments that tell their releases as CDEvents; where nobody reads them they
// wait, and begin with the first record when somebody does. MaxDeliver is unlimited: giving a message up is a decision, with
// a reason, and the service's.
package topology
