//go:build flaw_deadline

package work

// An instance that was stopped for a while goes on where it was.
const endless = true
