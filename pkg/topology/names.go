package topology

import (
	"fmt"
	"slices"
	"strings"
)

// The streams.
const (
	StreamSluice   = "SLUICE"          // requests, stops, journals, audit chains, projects, lanes, commits, versions, merges, dead letters
	StreamTimers   = "SLUICE_TIMERS"   // delays and due messages
	StreamSignals  = "SLUICE_SIGNALS"  // error signals of staging
	StreamEvidence = "SLUICE_EVIDENCE" // heartbeats, measurements, evidence, verdicts, templates, output, alerts, CDEvents, notifications
)

// The buckets, and the streams that hold them.
const (
	BucketProjects  = "sluice-projects"  // key-value: project files
	BucketArtifacts = "sluice-artifacts" // object store: what CI hands in

	StreamProjects  = "KV_" + BucketProjects
	StreamArtifacts = "OBJ_" + BucketArtifacts
)

// The durable consumers. Each belongs to one service; all instances of the service share it.
const (
	ConsumerPublisher        = "publisher"         // SLUICE: merges
	ConsumerPublisherJournal = "publisher-journal" // SLUICE: journals
	ConsumerStager           = "stager"            // SLUICE: journals
	ConsumerPromoter         = "promoter"          // SLUICE: journals, requests and stops
	ConsumerPromoterDue      = "promoter-due"      // SLUICE_TIMERS: due messages
	ConsumerPromoterJudged   = "promoter-judged"   // SLUICE_EVIDENCE: verdicts
	ConsumerWatcher          = "watcher"           // SLUICE: journals
	ConsumerGatewayAWS       = "gateway-aws"       // SLUICE: journals, to be told to topics of SNS and queues of SQS
	ConsumerGatewayCDEvents  = "gateway-cdevents"  // SLUICE: journals, to become CDEvents on the broker
	ConsumerGatewaySink      = "gateway-sink"      // SLUICE: journals, to become CDEvents that are sent over HTTP
	ConsumerGatewayNotify    = "gateway-notify"    // SLUICE: journals, to become notifications
)

// The verbs: what may be asked of a release. A verb is added here and in accounts/accounts.conf, nowhere else in this
// package: the stream's subjects, the consumers' filters and the parser follow this list, and a test holds the accounts to it.
const (
	VerbCancel   = "cancel"
	VerbExpedite = "expedite"
	VerbHold     = "hold"
	VerbResume   = "resume"
	VerbExtend   = "extend"
	VerbApprove  = "approve"
	VerbRetry    = "retry"
	VerbRollback = "rollback"
)

// What may be asked of a project, or of all: nothing is promoted until somebody takes it back.
const (
	StopPause    = "pause"
	StopUnpause  = "unpause"
	StopFreeze   = "freeze"
	StopUnfreeze = "unfreeze"
)

// AllProjects stands for all projects in the subject of a stop. No project can be called like that.
const AllProjects = "_all"

// Stops returns every verb of a stop, in a fixed order: what stops before what ends it.
func Stops() []string { return []string{StopPause, StopUnpause, StopFreeze, StopUnfreeze} }

// Verbs returns every verb of a request, in a fixed order.
func Verbs() []string {
	return []string{VerbCancel, VerbExpedite, VerbHold, VerbResume, VerbExtend, VerbApprove, VerbRetry, VerbRollback}
}

// Kind says what a subject is for.
type Kind string

// The kinds, named as the second token of their subjects, except KindRequest, which stands for all verbs.
const (
	KindMerge     Kind = "merge"     // sluice.merge.<project>
	KindRequest   Kind = "request"   // sluice.<verb>.<release>[.<actor>]
	KindStop      Kind = "stop"      // sluice.{pause,unpause,freeze,unfreeze}.<project or _all>[.<actor>]
	KindProject   Kind = "project"   // sluice.project.<project>: what became of its releases
	KindAudit     Kind = "audit"     // sluice.audit.<project>: the audit chain over the journals of its releases
	KindRelease   Kind = "release"   // sluice.release.<release>: the journal
	KindCommit    Kind = "commit"    // sluice.commit.<project>.<commit>
	KindVersion   Kind = "version"   // sluice.version.<project>.<version>
	KindLane      Kind = "lane"      // sluice.lane.<lane>
	KindDead      Kind = "dead"      // sluice.dead.<what>.<token>
	KindDelay     Kind = "delay"     // sluice.delay.<release>
	KindDue       Kind = "due"       // sluice.due.<release>
	KindSignal    Kind = "signal"    // sluice.signal.<project>[.<release>]
	KindAlert     Kind = "alert"     // sluice.alert.<project>.<fingerprint>
	KindNotify    Kind = "notify"    // sluice.notify.<project>.<fingerprint>: what is on its way to whom a project notifies
	KindHeartbeat Kind = "heartbeat" // sluice.heartbeat.<release>
	KindMeasured  Kind = "measured"  // sluice.measured.<release>
	KindEvidence  Kind = "evidence"  // sluice.evidence.<release>
	KindJudged    Kind = "judged"    // sluice.judged.<release>
	KindTemplates Kind = "templates" // sluice.templates.<release>: which errors its soaks had
	KindOutput    Kind = "output"    // sluice.output.<release>: what drivers printed
	KindCDEvents  Kind = "cdevents"  // sluice.cdevents.<release>: its records as CDEvents
)

// Subject is a parsed subject. Only the fields that its Kind has are set.
type Subject struct {
	Kind    Kind
	Verb    string // request, stop
	Release string // request, release, delay, due, heartbeat, measured, evidence, judged, templates, output, cdevents; optional in signal
	Actor   string // request, stop; empty where the sender gave no name
	Project string // merge, commit, version, signal, alert, project, audit, notify, stop: there it may be AllProjects
	Commit  string // commit
	Version string // version, with its dots
	Lane    string // lane
	Print   string // alert, notify: its fingerprint, by which its source knows it again
	What    string // dead: the kind of input that was refused, "merge" for one
	Token   string // dead: which one
}

const root = "sluice."

// Merge is the subject of a project's merge events. Like every function here that builds a subject, it returns "" for a
// token that is not safe; publishing to "" is an error of the client, so that nothing is ever stored under a wrong name.
func Merge(project string) string {
	return Subject{Kind: KindMerge, Project: project}.String()
}

// Request is the subject of a request. The actor may be empty.
func Request(verb, release, actor string) string {
	return Subject{Kind: KindRequest, Verb: verb, Release: release, Actor: actor}.String()
}

// Stop is the subject of a stop, or of what ends one. The actor may be empty.
func Stop(verb, project, actor string) string {
	return Subject{Kind: KindStop, Verb: verb, Project: project, Actor: actor}.String()
}

// Project is the subject of what became of a project's releases.
func Project(project string) string {
	return Subject{Kind: KindProject, Project: project}.String()
}

// Audit is the subject of a project's audit chain.
func Audit(project string) string {
	return Subject{Kind: KindAudit, Project: project}.String()
}

// Release is the subject of a release's journal.
func Release(id string) string {
	return Subject{Kind: KindRelease, Release: id}.String()
}

// Commit is the subject of a merge's identity.
func Commit(project, commit string) string {
	return Subject{Kind: KindCommit, Project: project, Commit: commit}.String()
}

// Version is the subject under which a project's version is taken. Dots of the version are written as underscores.
func Version(project, version string) string {
	return Subject{Kind: KindVersion, Project: project, Version: version}.String()
}

// Lane is the subject of a lane record.
func Lane(lane string) string {
	return Subject{Kind: KindLane, Lane: lane}.String()
}

// Delay is the subject of a release's delayed message; publishing it again replaces it.
func Delay(id string) string {
	return Subject{Kind: KindDelay, Release: id}.String()
}

// Due is the subject that a release's delayed message arrives on.
func Due(id string) string {
	return Subject{Kind: KindDue, Release: id}.String()
}

// Signal is the subject of error signals of a project; the release may be empty.
func Signal(project, release string) string {
	return Subject{Kind: KindSignal, Project: project, Release: release}.String()
}

// Alert is the subject of an alert of a project.
func Alert(project, fingerprint string) string {
	return Subject{Kind: KindAlert, Project: project, Print: fingerprint}.String()
}

// Notify is the subject of what is on its way to somebody whom a project notifies, or that a button was pressed, by a fingerprint.
func Notify(project, fingerprint string) string {
	return Subject{Kind: KindNotify, Project: project, Print: fingerprint}.String()
}

// Alerts matches the alerts of a project, to read by. It is "" for an unsafe name.
func Alerts(project string) string {
	if !validName(project) {
		return ""
	}
	return root + string(KindAlert) + "." + project + ".*"
}

// Heartbeat is the subject on which the watcher says that it watches a release.
func Heartbeat(id string) string {
	return Subject{Kind: KindHeartbeat, Release: id}.String()
}

// Measured is the subject of everything that the watcher measured of a release.
func Measured(id string) string {
	return Subject{Kind: KindMeasured, Release: id}.String()
}

// Evidence is the subject of what the watcher's checks of a release came to.
func Evidence(id string) string {
	return Subject{Kind: KindEvidence, Release: id}.String()
}

// Judged is the subject of the watcher's verdict on a release.
func Judged(id string) string {
	return Subject{Kind: KindJudged, Release: id}.String()
}

// Templates is the subject of the templates of a release's errors; the last message counts.
func Templates(id string) string {
	return Subject{Kind: KindTemplates, Release: id}.String()
}

// Output is the subject of what drivers printed for a release, a message for each attempt.
func Output(id string) string {
	return Subject{Kind: KindOutput, Release: id}.String()
}

// CDEvents is the subject on which the records of a release are told as CDEvents.
func CDEvents(id string) string {
	return Subject{Kind: KindCDEvents, Release: id}.String()
}

// Dead is the subject under which refused input is kept: what it was ("merge"), and a token to find it by.
func Dead(what, token string) string {
	return Subject{Kind: KindDead, What: what, Token: token}.String()
}

// InboxPrefix is the prefix of the inboxes of a service: what its user of accounts/accounts.conf may subscribe to, and
// nobody else. A service connects with nats.CustomInboxPrefix(InboxPrefix(name)).
func InboxPrefix(service string) string { return "_INBOX_" + service }

// RequestFilters returns the subject filters that match every request of a release, with and without an actor. They are
// for reading. They must never be the subject of an expected-last-sequence guard: on a replicated stream that is unsafe.
// They are nil for an unsafe id.
func RequestFilters(release string) []string {
	if !validRelease(release) {
		return nil
	}
	var out []string
	for _, v := range Verbs() {
		out = append(out, root+v+"."+release, root+v+"."+release+".*")
	}
	return out
}

// StopFilters returns the subject filters that match every stop of a project and of all projects, and what ends them, with and
// without an actor. They are for reading only, like those of RequestFilters. They are nil for an unsafe name.
func StopFilters(project string) []string {
	if !validName(project) {
		return nil
	}
	var out []string
	for _, v := range Stops() {
		for _, scope := range []string{project, AllProjects} {
			out = append(out, root+v+"."+scope, root+v+"."+scope+".*")
		}
	}
	return out
}

// String builds the subject, or returns "" if a token of it is not safe.
func (s Subject) String() string {
	var tokens []string
	ok := true
	add := func(token string, valid func(string) bool) {
		ok = ok && valid(token)
		tokens = append(tokens, token)
	}
	switch s.Kind {
	case KindMerge, KindProject, KindAudit:
		add(s.Project, validName)
	case KindStop:
		if !slices.Contains(Stops(), s.Verb) {
			return ""
		}
		add(s.Project, validScope)
		if s.Actor != "" {
			add(s.Actor, validActor)
		}
	case KindRequest:
		if !slices.Contains(Verbs(), s.Verb) {
			return ""
		}
		add(s.Release, validRelease)
		if s.Actor != "" {
			add(s.Actor, validActor)
		}
	case KindRelease, KindDelay, KindDue, KindHeartbeat, KindMeasured, KindEvidence, KindJudged, KindTemplates, KindOutput, KindCDEvents:
		add(s.Release, validRelease)
	case KindCommit:
		add(s.Project, validName)
		add(s.Commit, validCommit)
	case KindVersion:
		add(s.Project, validName)
		ok = ok && validVersion(s.Version)
		add(strings.ReplaceAll(s.Version, ".", "_"), validVersionToken)
	case KindLane:
		add(s.Lane, validName)
	case KindDead:
		add(s.What, validName)
		add(s.Token, validActor)
	case KindSignal:
		add(s.Project, validName)
		if s.Release != "" {
			add(s.Release, validRelease)
		}
	case KindAlert, KindNotify:
		add(s.Project, validName)
		add(s.Print, validPrint)
	default:
		return ""
	}
	if !ok {
		return ""
	}
	first := string(s.Kind)
	if s.Kind == KindRequest || s.Kind == KindStop {
		first = s.Verb
	}
	return root + first + "." + strings.Join(tokens, ".")
}

// ofReleases are the kinds that have a release and nothing else.
func ofReleases() []Kind {
	return []Kind{
		KindRelease, KindDelay, KindDue, KindHeartbeat, KindMeasured, KindEvidence, KindJudged, KindTemplates, KindOutput,
		KindCDEvents,
	}
}

// ParseSubject takes a subject apart. It is the only parser, and the inverse of [Subject.String]: what it accepts is
// rebuilt byte for byte. Its error names the token that is wrong and what is allowed there.
func ParseSubject(s string) (Subject, error) {
	bad := func(format string, args ...any) (Subject, error) {
		return Subject{}, fmt.Errorf("subject %q: %s", clip(s), fmt.Sprintf(format, args...))
	}
	rest, ok := strings.CutPrefix(s, root)
	if !ok {
		return bad("does not begin with %q", root)
	}
	t := strings.Split(rest, ".")
	first, t := t[0], t[1:]

	var out Subject
	least, most := 1, 1
	var assign []func(string) error
	take := func(to *string, check func(string) error) {
		assign = append(assign, func(token string) error { *to = token; return check(token) })
	}
	out.Kind = Kind(first)
	switch {
	case slices.Contains(Verbs(), first):
		out.Kind, out.Verb = KindRequest, first
		most = 2
		take(&out.Release, CheckRelease)
		take(&out.Actor, CheckActor)
	case slices.Contains(Stops(), first):
		out.Kind, out.Verb = KindStop, first
		most = 2
		take(&out.Project, checkScope)
		take(&out.Actor, CheckActor)
	case out.Kind == KindMerge, out.Kind == KindProject, out.Kind == KindAudit:
		take(&out.Project, CheckProject)
	case out.Kind == KindLane:
		take(&out.Lane, CheckLane)
	case slices.Contains(ofReleases(), out.Kind):
		take(&out.Release, CheckRelease)
	case out.Kind == KindCommit:
		least, most = 2, 2
		take(&out.Project, CheckProject)
		take(&out.Commit, CheckCommit)
	case out.Kind == KindVersion:
		least, most = 2, 2
		take(&out.Project, CheckProject)
		assign = append(assign, func(token string) error {
			if !validVersionToken(token) {
				return fmt.Errorf("version token %q: want 1 to 128 of 0-9 A-Z a-z + - and _ for a dot", clip(token))
			}
			out.Version = strings.ReplaceAll(token, "_", ".")
			return nil
		})
	case out.Kind == KindDead:
		least, most = 2, 2
		take(&out.What, CheckProject)
		take(&out.Token, CheckActor)
	case out.Kind == KindSignal:
		most = 2
		take(&out.Project, CheckProject)
		take(&out.Release, CheckRelease)
	case out.Kind == KindAlert, out.Kind == KindNotify:
		least, most = 2, 2
		take(&out.Project, CheckProject)
		take(&out.Print, CheckPrint)
	default:
		return bad("unknown kind %q", clip(first))
	}
	if len(t) < least || len(t) > most {
		return bad("%d tokens after %q, want %d to %d", len(t), root+first, least, most)
	}
	for i, token := range t {
		if err := assign[i](token); err != nil {
			return bad("%v", err)
		}
	}
	return out, nil
}

// ParseStored is [ParseSubject] for what the broker has acknowledged. The sender of a request may have named itself in a way
// that is none of our names, "ana@corp" for one: it counts like any other, and Actor is as it was sent, not safe.
func ParseStored(s string) (Subject, error) {
	out, err := ParseSubject(s)
	if i := strings.LastIndexByte(s, '.'); err != nil && i >= 0 {
		if named, cut := ParseSubject(s[:i]); cut == nil && (named.Kind == KindRequest || named.Kind == KindStop) && named.Actor == "" {
			named.Actor = s[i+1:]
			return named, nil
		}
	}
	return out, err
}
