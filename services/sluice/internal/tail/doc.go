// Package tail turns what a program prints, or what is in a log, into signals: each error is one, its stack trace with it.
//
// The program comes first. What it prints goes on to where it would have gone, byte for byte and at once. Nothing that happens to the
// signals reaches it: they wait in a buffer of bounded size for the broker, and what finds no room there is dropped and counted. The
// count is stored as a gap before the next signals, and the watcher holds the release: what was lost may have been an error. A program
// ends as it ends; then what is left in the buffer has a few seconds to be stored.
//
// A message that was stored, but whose acknowledgement was lost, is sent again: its signals may count twice, never not at all.
package tail
