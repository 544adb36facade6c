//go:build !flaw_stale && !flaw_wildcard && !flaw_settle && !flaw_append && !flaw_clock

package journal

const flawed, unsettled = false, false

type flaw struct{ sound }
