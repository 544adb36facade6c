package topology

import (
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Bounds of single messages, in bytes, headers included. A writer keeps below them: the broker refuses a larger message.
const (
	MaxRecord   = 256 << 10 // SLUICE: a journal record, a merge, a request
	MaxTimer    = 4 << 10   // SLUICE_TIMERS
	MaxSignal   = 16 << 10  // SLUICE_SIGNALS
	MaxEvidence = 256 << 10 // SLUICE_EVIDENCE
	MaxProject  = 256 << 10 // a project file
)

// SignalsPerSubject bounds what one flooding app keeps: the newest of its subject, two seconds of 50,000 a second. What is dropped before
// the watcher read it is a gap in what it has seen, and it says so. The watcher asks the stream how many it keeps, which may be fewer, but
// not fewer than it reads at once.
const (
	SignalsPerSubject      = 100_000
	LeastSignalsPerSubject = 1_000
)

// Defaults of [Options].
const (
	DefaultSignalAge   = 24 * time.Hour
	DefaultEvidenceAge = 30 * 24 * time.Hour
)

const (
	// dedupWindow is the smallest that the broker takes; 0 would mean its default of two minutes. Within the window a
	// message with a Nats-Msg-Id seen before is acknowledged and not stored. Requests carry no Nats-Msg-Id and are not
	// touched by it; the window is small for those whose sender sets one all the same.
	dedupWindow = 100 * time.Millisecond

	signalBytes = 256 << 20

	projectHistory = 64
)

// Options is what a deployment may choose. The zero value keeps, for a stream that exists, what it has.
type Options struct {
	Replicas    int           // 1 or 3; 0 keeps what is there, 1 for new streams
	SignalAge   time.Duration // how long signals are kept; at least the longest soak with a signal check
	EvidenceAge time.Duration // how long heartbeats, measurements, evidence, verdicts, alerts and what was notified of are kept
}

func (o Options) filled() Options {
	if o.Replicas == 0 {
		o.Replicas = 1
	}
	if o.SignalAge == 0 {
		o.SignalAge = DefaultSignalAge
	}
	if o.EvidenceAge == 0 {
		o.EvidenceAge = DefaultEvidenceAge
	}
	return o
}

// Streams returns the configuration of every stream, those of the buckets included. The reasons stand in the package
// comment; [Verify] refuses each difference that matters.
func Streams(o Options) []jetstream.StreamConfig {
	o = o.filled()
	return []jetstream.StreamConfig{
		sluice(o), timers(o), signals(o), evidence(o), projects(o), artifacts(o),
	}
}

func base(name, description string, o Options, subjects ...string) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: name, Description: description, Subjects: subjects,
		Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew,
		MaxConsumers: -1, MaxMsgs: -1, MaxBytes: -1, MaxMsgsPerSubject: -1, MaxMsgSize: -1,
		Duplicates: dedupWindow, Replicas: o.Replicas, AllowDirect: true,
	}
}

func sluice(o Options) jetstream.StreamConfig {
	subjects := []string{
		"sluice.merge.*", AllJournals, "sluice.commit.*.*", "sluice.version.*.*", AllLanes, "sluice.project.*", "sluice.dead.*.*",
		AllAudits,
	}
	subjects = append(subjects, requestSubjects()...)
	c := base(StreamSluice, "Sluice: merges, requests, journals", o, subjects...)
	c.MaxMsgSize = MaxRecord
	c.DenyDelete = true
	return c
}

// requestSubjects matches every request and every stop by its exact number of tokens. A wildcard tail would store and acknowledge
// sluice.cancel.<release>.ana.lee, which no reader honours; this way nothing answers, and the sender sees that.
func requestSubjects() []string {
	var out []string
	for _, v := range slices.Concat(Verbs(), Stops()) {
		out = append(out, root+v+".*", root+v+".*.*")
	}
	return out
}

func timers(o Options) jetstream.StreamConfig {
	c := base(StreamTimers, "Sluice: delays and due messages", o, "sluice.delay.*", "sluice.due.*")
	c.Retention = jetstream.WorkQueuePolicy // a due message is gone once it is acknowledged
	c.Discard = jetstream.DiscardOld        // the broker takes no schedules otherwise; without limits nothing is discarded
	c.MaxMsgsPerSubject = 1                 // at most one delay and one due message a release
	c.MaxMsgSize = MaxTimer
	c.AllowMsgSchedules = true
	c.AllowRollup = true // a schedule replaces and purges its subject by roll-up; the broker would switch it on itself
	c.DenyDelete = true
	return c
}

func signals(o Options) jetstream.StreamConfig {
	c := base(StreamSignals, "Sluice: error signals of staging", o, AllSignals)
	c.Discard = jetstream.DiscardOld
	c.MaxAge = o.SignalAge
	c.MaxMsgsPerSubject = SignalsPerSubject
	c.MaxBytes = signalBytes
	c.MaxMsgSize = MaxSignal
	c.DenyDelete = true
	if o.Replicas == 1 {
		c.PersistMode = jetstream.AsyncPersistMode // the broker has it for a single replica only; three commit in groups
	}
	return c
}

func evidence(o Options) jetstream.StreamConfig {
	c := base(StreamEvidence, "Sluice: heartbeats, measurements, evidence, verdicts, templates, output, alerts, CDEvents, notifications", o,
		"sluice.heartbeat.*", "sluice.measured.*", "sluice.evidence.*", "sluice.judged.*", "sluice.templates.*", "sluice.output.*",
		AllAlerts, "sluice.cdevents.*", "sluice.notify.*.*")
	c.Discard = jetstream.DiscardOld
	c.MaxAge = o.EvidenceAge
	c.MaxMsgSize = MaxEvidence
	c.DenyDelete = true
	return c
}

// projects is a key-value bucket as nats.go makes one, but for roll-up and purge: a project's versions are kept for
// ever, and Nats-Rollup on one key may not wipe all of them.
func projects(o Options) jetstream.StreamConfig {
	c := base(StreamProjects, "Sluice: project files", o, "$KV."+BucketProjects+".>")
	c.MaxMsgsPerSubject = projectHistory
	c.MaxMsgSize = MaxProject
	c.DenyDelete = true
	c.DenyPurge = true
	return c
}

// artifacts is an object store bucket as nats.go makes one. It can not do without roll-up: every put rolls up its name.
func artifacts(o Options) jetstream.StreamConfig {
	c := base(StreamArtifacts, "Sluice: what CI hands in", o, "$O."+BucketArtifacts+".C.>", "$O."+BucketArtifacts+".M.>")
	c.AllowRollup = true
	return c
}
