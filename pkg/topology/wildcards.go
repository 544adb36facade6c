package topology

// Subjects with wildcards, to subscribe to and to read by. They must never be the subject of an expected-last-sequence
// guard: on a replicated stream that is unsafe.
const (
	AllJournals = "sluice.release.*"
	AllLanes    = "sluice.lane.*"
	AllAudits   = "sluice.audit.*"
	AllSignals  = "sluice.signal.>"
	AllAlerts   = "sluice.alert.*.*"
)
