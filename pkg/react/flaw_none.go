//go:build !flaw_ack

package react

// A hint is acknowledged when all is done that it led to, an alarm only after the next one is set. The build flaw_ack does it before;
// what follows shows with luck: services/e2e/chaos, -tags flaw_ack -only kill.
const acksFirst = false
