// Package notify tells people of releases: those whom project files name under notify, once for each event, however often a gateway
// dies and however many there are.
//
// What is told is package notice's business, and pure. Here is how it gets there.
//
// # What is authoritative
//
// The outbox: one message on sluice.notify.<project>.<fingerprint of the target's name>, replaced by compare-and-set. It has what is on
// its way to that target, in batches that become one message each, and which records were told. What a gateway remembers is not true.
//
// A hint of the durable consumer says that there is a new journal record. Whoever gets it puts the notice into the outbox of each
// target: into a batch that waits there (a group, the quiet hours, a target that does not answer), and then the hint is done with; or into
// a batch of its own, which the record then owns: its hint is put off until the batch is due, and drives it. So the alarms of groups
// and quiet hours are hints that the broker keeps, at most a few for each target, and nothing waits in memory. Notices that join a batch
// cost no alarm of their own. A target that has failed three times is let be: what comes for it waits in the batch that it did not take. So
// does what comes when sixteen messages to one target are on their way: a burst becomes fewer messages.
//
// # Once
//
// Before a batch is sent it is claimed, for half a minute, by name; a claim is a compare-and-set, so of two gateways one sends. The sender
// gives up after ten seconds, counted from before its claim; the rest is room for clocks that differ. Then what became of it is stored. So:
//
//   - Who dies before the claim has done nothing: the hint comes again.
//   - Who dies after the claim leaves it to whoever gets the hint when that time is over, or to itself when it is back before that.
//   - Who dies after the target has answered, and before that is stored, has it sent twice. The other choice would be not at all. Webhooks
//     get the same Idempotency-Key, mails the same Message-ID. A gateway that lives and can not store it remembers it, and does not send
//     again.
//   - A target that takes a message and whose answer is lost gets it twice, too.
//   - A hint whose acknowledgement is lost comes again and finds its record among those that were told: of the last 256 of a target. One
//     that drives a batch has been put everywhere first, which the batch says (spread), so that it needs not be looked for there.
//   - A batch whose hint is gone for good, because its target had another name for a while, is driven by the next record that comes, a
//     quarter of an hour after its time.
//
// The outbox is on the stream of evidence, whose age bounds it (30 days unless the deployment chooses otherwise).
//
// # What fails
//
// A target that does not take a message is asked again after a second, two, four, up to five minutes, or when its Retry-After says. What
// it will never take (400, 410, 413, 415, 422), and what it has not taken after the configured number of attempts, is kept on
// sluice.dead.notify.<release>, each notice with the reason. A notice that joins a batch later has as many attempts of its own, and what is
// not urgent is not sent in quiet hours, whichever batch it is in and however often that was tried. A missing secret is one more reason
// to try again: an operator mends that.
//
// What is older than a day when a gateway first sees it is passed over: a project that begins to notify has a past. What is older than a
// quarter of an hour comes as one message.
//
// # Secrets
//
// Project files name secrets, and whoever may apply one could name the gateway's password for the broker and an address of their own. So
// the gateway's file says which ones they may name. No address and no token is in an error, a log or a dead letter: what the
// libraries say is searched for them and their parts.
//
// # Cost
//
// A notification to one target that takes it at once: a request for the outbox, a message with the notice and the claim, a request, and a
// message that it was told; TestCost counts them. A record of which nobody is told costs nothing but its hint; one that is told also one
// read of the project file: it is the present one that counts, not the one that the release has pinned, so that a wrong address can be
// mended.
//
// # Why not shoutrrr for all
//
// github.com/nicholas-fedor/shoutrrr (v0.13.2) knows many services, and any of them can be named by its address. But it knows no context,
// ends a conversation with a mail server never, keeps no Retry-After, escapes nothing, and has no buttons. So Slack, Teams, Discord,
// webhooks and mail are sent here, in few lines each, and it is kept for the rest, on a leash (see shoutrrr.go).
package notify
