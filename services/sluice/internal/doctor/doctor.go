// Package doctor finds what is stuck, orphaned or inconsistent. [Examine] is pure: what was read comes in, findings come out.
// Each says what is wrong, what that means, and what to do.
//
// A finding is worth a person's look. What is only a moment old is none: services work, and between two records of theirs
// everything looks inconsistent for a while. So nothing counts that is younger than a grace.
//
// # What can be repaired
//
// A retry of a release that has not failed changes nothing: the promoter answers that nothing has failed, and its answer is a
// record of the journal, so that every service looks at the release again. The promoter arms its alarm, the stager frees its
// lane, the publisher puts the beta back. That is the only repair. A release that has failed is never repaired like that: it
// would be taken up again, and whether it should be is a person's decision.
package doctor

import (
	"cmp"
	"slices"
	"time"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/lane"
	"github.com/sluice-gate/sluice/pkg/release"
)

const (
	// HeldLong is from when on a lane whose occupant a person holds is worth a look.
	HeldLong = time.Hour
	// StoppedLong is from when on a pause, or a freeze without an end, may have been forgotten.
	StoppedLong = 24 * time.Hour
	// Backlog is how many messages may wait for a service.
	Backlog = 1000
)

// Facts is what was read.
type Facts struct {
	Now      time.Time     // the broker's, in the reader's zone
	Grace    time.Duration // how old something must be to count
	Projects []Project
	Lanes    map[string]lane.Record
	// Releases are those that the lanes, the merges, the records and the requests name, and that have a journal.
	Releases map[string]journal.Entry
	// Alarms tells which releases have an alarm; nil when that could not be read.
	Alarms map[string]bool
	// Merged are the newest merges, and Versions the newest names that were taken.
	Merged   []journal.Identity
	Versions []journal.Taken
	// Asked are the newest requests, and Coming the releases whose merges are stored, admitted or not.
	Asked     []journal.Asking
	Coming    map[string]bool
	Dead      []journal.Dead
	Consumers []Consumer
	// Unnotified tells that no gateway notifies anybody, and none ever did.
	Unnotified bool
	Unread     []Unread
}

// Project is a project, and what became of its releases.
type Project struct {
	Name string
	File error // why its file can not be used; nil: it can
	// Pinned are the revisions that live releases pinned and that can not be used, with the reason.
	Pinned map[string]error
	Gate   release.Gate
	Notify int // how many targets its file wants to be notified
}

// Consumer is how a service keeps up.
type Consumer struct {
	Name, Service string
	Pending       uint64    // messages that wait for it
	Taken         int       // messages in its hands
	Pulling       int       // requests of its instances that wait for messages
	Last          time.Time // when it was given a message last; zero: never
}

// Unread is what could not be read.
type Unread struct {
	What string // that can therefore not be told
	Why  error
}

// Finding is something that a person should know.
type Finding struct {
	Project string // empty: it is none's
	Subject string // what it is about: a release, a lane, a service
	What    string
	Means   string
	Do      string
	Repair  string // the release whose look-again repairs it; empty: it is not safe to repair, or not by that
}

// Examine says what is wrong, by project and subject.
func Examine(f Facts) []Finding {
	var out []Finding
	for _, examine := range []func(Facts) []Finding{
		unread, consumers, projects, unnotified, records, stops, lanes, releases, requests, orphans, dead,
	} {
		out = append(out, examine(f)...)
	}
	slices.SortStableFunc(out, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(a.Subject, b.Subject))
	})
	return slices.Compact(out)
}

// state is a release's state; ok is false when it has no journal.
func (f Facts) state(id string) (s release.State, ok bool) {
	e, ok := f.Releases[id]
	return e.State, ok
}

// settled tells whether nothing has happened to a release for a while.
func (f Facts) settled(id string) bool {
	e, ok := f.Releases[id]
	return ok && f.Now.Sub(e.At) > f.Grace
}

// again is the release if looking at it again is safe.
func (f Facts) again(id string) string {
	if s, ok := f.state(id); ok && s.Phase != release.Failed {
		return id
	}
	return ""
}

// JSONFinding is a finding for programs. Fields are only ever added.
type JSONFinding struct {
	Project string `json:"project,omitempty"`
	Subject string `json:"subject"`
	What    string `json:"what"`
	Means   string `json:"means"`
	Do      string `json:"do"`
	Repair  string `json:"repair,omitempty"`
}

// JSON is findings for programs.
func JSON(findings []Finding) []JSONFinding {
	out := []JSONFinding{}
	for _, f := range findings {
		out = append(out, JSONFinding(f))
	}
	return out
}
