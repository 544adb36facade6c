package story

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
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
	s := t.State
	return Audited{
		At: t.At.UTC(), Project: s.Project, Version: s.Version, Release: s.Release, Event: t.Type, Phase: string(s.Phase),
		Actor: Actor(t.Record.Record), Reason: release.SaidOf(t.Event).Reason, Evidence: evidenceOf(t.Event), Cause: t.Cause,
		Service: t.Service, Seq: t.Seq, Hash: t.Hash.String(),
	}
}

// Actor is who made a record's event happen: a person, the watcher, or the service that did.
func Actor(r releasepb.Record) string {
	return cmp.Or(release.SaidOf(r.Event).By, nameless(r.Event), Service(r))
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

// Formats are what transitions are exported as, beside text for people.
func Formats() []string { return []string{"json", "csv", "cdevents"} }

// Export writes transitions to w: "json" as JSON Lines, "csv" with a head, "cdevents" as JSON Lines of what events makes of each. flush is
// called at the end.
func Export(
	w io.Writer, format string, events func(journal.Record) ([]any, error),
) (write func(journal.Transition) error, flush func() error) {
	lines, none := json.NewEncoder(w), func() error { return nil }
	switch format {
	case "json":
		lines.SetEscapeHTML(false)
		return func(t journal.Transition) error { return lines.Encode(AuditedOf(t)) }, none
	case "csv":
		rows := csv.NewWriter(w)
		head := rows.Write(AuditHead())
		return func(t journal.Transition) error { return errors.Join(head, rows.Write(AuditedOf(t).Columns())) }, func() error {
			rows.Flush()
			return rows.Error()
		}
	}
	return func(t journal.Transition) error {
		all, err := events(t.Record)
		for _, e := range all {
			err = errors.Join(err, lines.Encode(e))
		}
		return err
	}, none
}
