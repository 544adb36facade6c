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
// answer must be complete: it ends with the broker's end-of-batch mark, or it is an error. A reader that took what arrived
// before a connection broke would miss a cancel.
//
// # What fails
//
// A publish whose acknowledgement is lost may be stored. The caller sees an error, looks again, and finds either its own
// record or the old state; whatever it appends next is guarded by the same sequence. Nothing here retries an append.
package journal
