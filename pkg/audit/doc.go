// Package audit is how it is proven that nothing was removed from the journals and nothing in them was changed. It is pure, but for
// ReadSigner: messages in, a verdict out. Package journal stores and reads what it is about (Append, Link, Verify).
//
// # The chains
//
// Every record of a journal carries the hash of the record before it: of the subject, the stream sequence and the broker's timestamp that
// it was stored with, and of every byte of it ([Of]); all replicas store the leader's timestamp (nats-server 2.15.2,
// jetstream_batching.go and stream.go, StoreRawMsg). The first one carries a hash of its journal's subject, so that it can neither be left
// out nor be moved to another release. Whoever appends has read the record before anyway, so this costs a hash and no message.
//
// That leaves the end of a journal: nothing follows the last record, and so nothing would tell that it is gone. So when a release has
// ended, the promoter adds a link to the chain of its project, on sluice.audit.<project>: the sequence and the hash of the journal's
// last record, and the hash of the link before. It adds another one whenever an ended release gets more records (restored, retried and
// ended again, rolled back), but for those that only announce a record which must follow. One service writes the chain, by compare-and-set
// against the link before; whoever handles the same record again finds that it is linked.
//
// That leaves the end of the chain. A promoter that was given an nkey signs every link, and so each of them is a [Checkpoint]: a place in
// the chain and what stood there, signed. It costs no message, and is written to the promoter's log, which usually leaves the machine.
// `sluice audit checkpoint` prints the last ones, to be kept anywhere else. A chain that is shorter than a checkpoint was cut, and one
// that differs from it was rewritten. Whoever has no seed can not make links that verify with the key that an auditor expects.
//
// # What is proven
//
// With no checkpoint: that no record of a linked journal, and no link but the last ones, was removed, changed, or put elsewhere. With a
// checkpoint: that nothing was up to it. The last records of a release on its way, after which no other came, are not covered until it
// has ended. Who has the seed and may write to the streams can write another history: keep checkpoints where the services can not go.
//
// Not covered are the headers of records, which repeat what the body says and which no reader believes, and what people and CI publish
// (requests, merges): the records that answer them name them by sequence, and tell who asked, why, and with what evidence.
//
// # Older records
//
// Records that were written before there were hashes, or by an instance of an older version during an upgrade, carry none. They are
// counted and told of, and are no break: whoever takes the hash out of a record changes the record, which the next one tells. Nothing tells
// of a change to a record that such a one follows.
//
// # Why on the stream SLUICE
//
// A stream of its own could deny purging for good. But whoever may purge may delete a stream as well, the signed checkpoint catches
// both, and another stream costs a cluster another group that replicates. What purges ended releases one day leaves sluice.audit.* alone.
package audit
