// Package journal reads and appends the journals of releases, and settles claims.
//
// A journal is one concrete subject, sluice.release.<release>, on the stream SLUICE. Its last message carries the folded
// state, so loading a release is one read. An append is a compare-and-set: it names the sequence of the last message on
// exactly that subject, and loses with [ErrConflict] against anybody who was faster. The stream is authoritative; what a
// service remembers is not.
//
// # Why compare-and-set on one concrete subject, and settling
//
// It is tempting to guard the claim with a wildcard over the journal and all requests of a release. On a replicated stream
// the broker checks appends in flight by exact subject only, and a cancel that was acknowledged can be followed by an
// accepted claim. So the claim is appended first, and then judged by what the stream holds up to its own sequence
// ([Journal.Settle]). A replica that lags behind may answer the read: an answer that does not contain the claim itself is
// not believed, and asked again. A replica applies the stream in order, so one that has the claim has all that is before it.
//
// # Reading
//
// [Journal.Snapshot] reads the journal's last message and every request's in one consistent answer (multi_last). The
// answer must be complete: it ends with the broker's end-of-batch mark, every message of it names the one before, and its
// parts are counted, or it is an error. A reader that took what arrived before a connection broke would miss a cancel.
//
// Any replica may answer. It has a beginning of the stream without gaps, but may lag behind. Where that matters:
//
//   - Settling wants the claim in the answer, and what it hides is read up to a sequence that is known to be there.
//   - [Journal.LoadAt] and [Journal.SnapshotAt] want an answer from no earlier than a sequence. Whoever was told of a message
//     must use them, or it may look at a time before the message, find nothing to do, and forget the message.
//   - That there is no journal ([ErrNone]), and that a command leaves nothing to do ([Journal.Do]), is concluded only from what
//     the stream's leader has.
//
// # Who may not be believed
//
// The headers of a stored message are its sender's, byte for byte, and the broker appends its own to them: subject,
// sequence, time. An operator could write "Nats-Subject: sluice.release.<id>" and a state of his own into a cancel, or
// "Status: 204" to end the answer before another's cancel, or a header block that ends before the broker's lines. So the last
// line of a name counts, the broker's own messages are told apart by their size, and when a block is longer than what can be
// read of it the release is read another way ([Journal.walk]). The same way is taken when requests came on more subjects than
// an answer may have (1,024), and for subjects that JSON can not name. Facts about nats-server 2.15.2 (stream.go,
// getDirectMulti; client.go, genHeader) and nats.go 1.55.0, both of which believe the first line; the tests hold them.
//
// An actor may have any name that the broker takes, "ana@corp" for one. The request was acknowledged, so it counts.
//
// # What stops a project
//
// A pause or a freeze of a project, or of all, and the project's own record, speak against a claim as a request does
// ([Journal.Gate], [Journal.Settle]). Of pause and unpause, and of freeze and unfreeze, the newest word counts, whoever said it;
// a project and all projects are two scopes that do not undo each other. A body that can not be read stops all the same. One
// whose headers can not be read is read by a walk of its own, as long as it is the last message of its subject: that is
// slower, and nothing is lost or blocked. A record of the project that can not be read is an error, and stops its claims:
// only the promoter writes it.
//
// # What is proven
//
// Every record carries the hash of the one before, and the last records of ended releases are in a chain for each project
// ([Journal.Link], [Journal.Verify]); package audit says what that proves. Links are appended by compare-and-set, too.
//
// # What it costs
//
// Messages sent and received: load 1 and 1, snapshot 1 and 2, append 2 and 2 (the record is read back for the broker's
// timestamp), settle 2 and 4 (the requests, then the stops), do 3 and 3, link 2 and 2; TestCost holds the numbers. All answers come in on
// one subscription: one for each read made a snapshot eleven times slower.
//
// # What fails
//
// A publish whose acknowledgement is lost may be stored. The caller sees an error, looks again, and finds either its own
// record or the old state; whatever it appends next is guarded by the same sequence. Nothing here retries an append.
//
// An answer that was lost is waited for five seconds, whatever time the caller has; a replica that does not catch up is asked
// for about ten. Then there is an error, [ErrStale] for the latter, and the caller comes back.
//
// A record must not fail to be stored for what is in it: package releasepb cuts and cleans texts, and fields that a newer
// version wrote are carried on.
package journal
