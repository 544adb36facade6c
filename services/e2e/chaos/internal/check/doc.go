// Package check judges a chaos run by what it left: the messages of the streams, what clients were told, and what is in the
// outside world. It does no I/O, and it does not ask the code under test who should have won: what a claim, a stop and an early
// promotion are is said here again, in other words. From package release it takes the words, and the fold of an event, which
// it needs to see whether a record was made from the record before it.
//
// The stream is what is judged, and the stream is believed in: sequences and timestamps are the broker's. All brokers and
// clients of a run have one clock, that of their host; the clocks of services are wrong on purpose and no part of this.
//
// Events and phases of a newer version are let pass where nothing is known of them: a record without an event that is known
// here is only looked at for its state.
package check
