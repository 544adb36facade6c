//go:build !flaw_deadline

package work

// An attempt ends at its deadline, because another instance may be at it from then on. The build flaw_deadline goes on, and a test
// must catch what follows (services/e2e, TestStoppedForAnHourCatches).
const endless = false
