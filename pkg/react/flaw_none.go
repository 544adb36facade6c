//go:build !flaw_ack

package react

// A hint is acknowledged when all is done that it led to, an alarm only after the next one is set. The build flaw_ack does it before;
// a test must catch what follows (services/e2e, TestKilledAtEveryAckCatches).
const acksFirst = false
