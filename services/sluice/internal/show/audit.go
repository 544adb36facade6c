package show

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
)

// Audited is one transition of a release for an auditor, as JSON and, field by field in this order, as CSV.
type Audited struct {
	At       time.Time `json:"at"` // the broker's timestamp
	Project  string    `json:"project"`
	Version  string    `json:"version,omitempty"`
	Release  string    `json:"release"`
	Event    string    `json:"event"` // the journal's word
	Phase    string    `json:"phase"` // after it
	Actor    string    `json:"actor"` // who made it happen: a person, the watcher, or the service that did
	Reason   string    `json:"reason,omitempty"`
	Evidence string    `json:"evidence,omitempty"`
	Cause    string    `json:"cause,omitempty"` // the message that led to it: "<stream> <sequence> <subject>"
	Service  string    `json:"service"`         // the instance that stored it
	Seq      uint64    `json:"seq"`             // in the stream SLUICE
	Hash     string    `json:"hash"`            // of the record; the next record of the journal, or the project's chain, has it
}

// AuditedOf is a journal record for an auditor.
func AuditedOf(t journal.Transition) Audited {
	s, said := t.State, release.SaidOf(t.Event)
	a := Audited{
		At: t.At.UTC(), Project: s.Project, Version: s.Version, Release: s.Release, Event: t.Type, Phase: string(s.Phase),
		Actor: cmp.Or(said.By, nameless(t.Event), serviceOf(t.Record)), Reason: said.Reason, Cause: t.Cause, Service: t.Service,
		Seq: t.Seq, Hash: t.Hash.String(),
	}
	switch e := t.Event.(type) { //nolint:gochecksumtype // these have evidence
	case release.WasCancelled:
		a.Evidence = e.Evidence
	case release.WasRecalled:
		a.Evidence = e.Evidence
	}
	return a
}

// nameless is who asked for what no service does by itself, and gave no name: sluice.cancel.<release> has none. Empty for other events.
func nameless(e release.Event) string {
	switch e := e.(type) { //nolint:gochecksumtype // the others are the services' own
	case release.WasCancelled, release.WasExpedited, release.WasExtended, release.WasApproved, release.WasRetried, release.WasRecalled,
		release.WasResumed, release.WasRefused:
		return "somebody"
	case release.WasHeld:
		if !e.Holding.System {
			return "somebody"
		}
	}
	return ""
}

// serviceOf is the service that stored the record, without its instance.
func serviceOf(r journal.Record) string {
	service, _, _ := strings.Cut(r.Service, "@")
	return service
}

// AuditHead names the columns of Columns.
func AuditHead() []string {
	return []string{
		"at", "project", "version", "release", "event", "phase", "actor", "reason", "evidence", "cause", "service", "seq", "hash",
	}
}

// Columns are the fields of a line of CSV. A text that a spreadsheet would take for a formula has an apostrophe before it: anybody
// who may cancel chooses the reason (https://owasp.org/www-community/attacks/CSV_Injection).
func (a Audited) Columns() []string {
	texts := []string{
		a.At.Format(time.RFC3339Nano), a.Project, a.Version, a.Release, a.Event, a.Phase, a.Actor, a.Reason, a.Evidence, a.Cause, a.Service,
		strconv.FormatUint(a.Seq, 10), a.Hash,
	}
	for i, text := range texts {
		if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
			texts[i] = "'" + text
		}
	}
	return texts
}

// Transition is one transition on one line, with further lines for notes and evidence.
func Transition(t journal.Transition, st Style) string {
	r := t.Record
	r.At = r.At.In(st.zone())
	told := Tell(r)
	word := st.Phase(r.State.Phase, told.Word)
	line := strings.Join([]string{
		r.At.Format("2006-01-02 15:04:05.000"), title(r.State), st.Dim(First(r.State.Release)), word, told.Text, st.Dim(cause(r)),
	}, "  ") + "\n"
	for _, more := range told.More {
		line += "    " + more + "\n"
	}
	return line
}

func title(s release.State) string {
	if s.Version == "" {
		return s.Project
	}
	return s.Project + " " + s.Version
}
