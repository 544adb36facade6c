//go:build flaw_ack

package react

// Whoever dies with a hint in hand takes it along.
const acksFirst = true
