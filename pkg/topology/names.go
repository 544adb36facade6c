package topology

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// The streams.
const (
	StreamSluice   = "SLUICE"          // requests, journals, lanes, commits, versions, merges, dead letters
	StreamTimers   = "SLUICE_TIMERS"   // delays and due messages
	StreamSignals  = "SLUICE_SIGNALS"  // error signals of staging
	StreamEvidence = "SLUICE_EVIDENCE" // heartbeats, evidence, verdicts
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
	ConsumerPromoter         = "promoter"          // SLUICE: journals and requests
	ConsumerPromoterDue      = "promoter-due"      // SLUICE_TIMERS: due messages
	ConsumerPromoterJudged   = "promoter-judged"   // SLUICE_EVIDENCE: verdicts
	ConsumerWatcher          = "watcher"           // SLUICE: journals
)

// The verbs: what may be asked of a release. A verb is added here and in accounts/accounts.conf, nowhere else in this
// package: the stream's subjects, the consumers' filters and the parser follow this list, and a test holds the accounts to it.
const (
	VerbCancel   = "cancel"
	VerbExpedite = "expedite"
	VerbHold     = "hold"
	VerbResume   = "resume"
	VerbExtend   = "extend"
)

// Verbs returns every verb of a request, in a fixed order.
func Verbs() []string {
	return []string{VerbCancel, VerbExpedite, VerbHold, VerbResume, VerbExtend}
}

// Kind says what a subject is for.
type Kind string

// The kinds, named as the second token of their subjects, except KindRequest, which stands for all verbs.
const (
	KindMerge     Kind = "merge"     // sluice.merge.<project>
	KindRequest   Kind = "request"   // sluice.<verb>.<release>[.<actor>]
	KindRelease   Kind = "release"   // sluice.release.<release>: the journal
	KindCommit    Kind = "commit"    // sluice.commit.<project>.<commit>
	KindVersion   Kind = "version"   // sluice.version.<project>.<version>
	KindLane      Kind = "lane"      // sluice.lane.<lane>
	KindDead      Kind = "dead"      // sluice.dead.<what>.<token>
	KindDelay     Kind = "delay"     // sluice.delay.<release>
	KindDue       Kind = "due"       // sluice.due.<release>
	KindSignal    Kind = "signal"    // sluice.signal.<project>[.<release>]
	KindHeartbeat Kind = "heartbeat" // sluice.heartbeat.<release>
	KindEvidence  Kind = "evidence"  // sluice.evidence.<release>
	KindJudged    Kind = "judged"    // sluice.judged.<release>
)

// Subject is a parsed subject. Only the fields that its Kind has are set.
type Subject struct {
	Kind    Kind
	Verb    string // request
	Release string // request, release, delay, due, heartbeat, evidence, judged; optional in signal
	Actor   string // request; empty where the sender gave no name
	Project string // merge, commit, version, signal
	Commit  string // commit
	Version string // version, with its dots
	Lane    string // lane
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

// Heartbeat is the subject on which the watcher says that it watches a release.
func Heartbeat(id string) string {
	return Subject{Kind: KindHeartbeat, Release: id}.String()
}

// Evidence is the subject of what the watcher measured of a release.
func Evidence(id string) string {
	return Subject{Kind: KindEvidence, Release: id}.String()
}

// Judged is the subject of the watcher's verdict on a release.
func Judged(id string) string {
	return Subject{Kind: KindJudged, Release: id}.String()
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

// String builds the subject, or returns "" if a token of it is not safe.
func (s Subject) String() string {
	var tokens []string
	ok := true
	add := func(token string, valid func(string) bool) {
		ok = ok && valid(token)
		tokens = append(tokens, token)
	}
	switch s.Kind {
	case KindMerge:
		add(s.Project, validName)
	case KindRequest:
		if !slices.Contains(Verbs(), s.Verb) {
			return ""
		}
		add(s.Release, validRelease)
		if s.Actor != "" {
			add(s.Actor, validActor)
		}
	case KindRelease, KindDelay, KindDue, KindHeartbeat, KindEvidence, KindJudged:
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
	default:
		return ""
	}
	if !ok {
		return ""
	}
	first := string(s.Kind)
	if s.Kind == KindRequest {
		first = s.Verb
	}
	return root + first + "." + strings.Join(tokens, ".")
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
	case out.Kind == KindMerge:
		take(&out.Project, CheckProject)
	case out.Kind == KindLane:
		take(&out.Lane, CheckLane)
	case slices.Contains([]Kind{KindRelease, KindDelay, KindDue, KindHeartbeat, KindEvidence, KindJudged}, out.Kind):
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
		if named, cut := ParseSubject(s[:i]); cut == nil && named.Kind == KindRequest && named.Actor == "" {
			named.Actor = s[i+1:]
			return named, nil
		}
	}
	return out, err
}

// CheckRelease returns nil for a canonical UUID: lowercase, with hyphens.
func CheckRelease(id string) error {
	if !validRelease(id) {
		return fmt.Errorf("release %q: want a UUID in lowercase with hyphens", clip(id))
	}
	return nil
}

// CheckActor returns nil for 1 to 64 of A-Z a-z 0-9 _ -.
func CheckActor(actor string) error {
	if !validActor(actor) {
		return fmt.Errorf("actor %q: want 1 to 64 of A-Z a-z 0-9 _ -", clip(actor))
	}
	return nil
}

// CheckProject returns nil for 1 to 63 of a-z 0-9 - that do not begin with a hyphen.
func CheckProject(project string) error {
	if !validName(project) {
		return fmt.Errorf("project %q: want 1 to 63 of a-z 0-9 -, not beginning with -", clip(project))
	}
	return nil
}

// CheckLane returns nil for 1 to 63 of a-z 0-9 - that do not begin with a hyphen.
func CheckLane(lane string) error {
	if !validName(lane) {
		return fmt.Errorf("lane %q: want 1 to 63 of a-z 0-9 -, not beginning with -", clip(lane))
	}
	return nil
}

// CheckCommit returns nil for 1 to 128 of 0-9 A-Z a-z _ - that begin with a letter or a digit.
func CheckCommit(commit string) error {
	if !validCommit(commit) {
		return fmt.Errorf("commit %q: want 1 to 128 of 0-9 A-Z a-z _ -, beginning with a letter or digit", clip(commit))
	}
	return nil
}

// CheckVersion returns nil for 1 to 128 of 0-9 A-Z a-z . + -.
func CheckVersion(version string) error {
	if !validVersion(version) {
		return fmt.Errorf("version %q: want 1 to 128 of 0-9 A-Z a-z . + -", clip(version))
	}
	return nil
}

func validRelease(id string) bool {
	if len(id) != 36 { // also keeps uuid.Parse from taking its other forms
		return false
	}
	u, err := uuid.Parse(id)
	return err == nil && u.String() == id
}

func validActor(s string) bool {
	return len(s) >= 1 && len(s) <= 64 && all(s, func(c byte) bool { return alnum(c) || c == '_' || c == '-' })
}

func validName(s string) bool {
	return len(s) >= 1 && len(s) <= 63 && s[0] != '-' &&
		all(s, func(c byte) bool { return c == '-' || (alnum(c) && (c < 'A' || c > 'Z')) })
}

func validCommit(s string) bool {
	return len(s) >= 1 && len(s) <= 128 && alnum(s[0]) &&
		all(s, func(c byte) bool { return alnum(c) || c == '_' || c == '-' })
}

func validVersion(s string) bool {
	return len(s) >= 1 && len(s) <= 128 &&
		all(s, func(c byte) bool { return alnum(c) || c == '.' || c == '+' || c == '-' })
}

func validVersionToken(s string) bool {
	return !strings.Contains(s, ".") && validVersion(strings.ReplaceAll(s, "_", "."))
}

func all(s string, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}

func alnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// clip keeps an error on one readable line, whatever was sent.
func clip(s string) string {
	const most = 140
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
