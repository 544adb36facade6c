package notice

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/project"
)

// Message is what is sent at once: one notice, or a group of them.
type Message struct {
	To      string // the target's name
	Key     string // is the same whenever the message is sent again
	Notices []project.Notice
	More    int // that did not fit
	Zone    *time.Location
	Own     *project.Template // the text that the project wants; nil: the usual one
}

// clock is a time as a person reads it, in a zone.
func clock(t time.Time, zone *time.Location) string { return t.In(zone).Format("Mon 2 Jan 15:04 MST") }

// subject is the line that says it all: of a group, what there is how often.
func (m Message) subject(fit func(string) string) string {
	if !m.grouped() {
		return m.line(fitting(m.Notices[0], fit))
	}
	names, count := []string{}, map[string]int{}
	projects := map[string]bool{}
	for _, n := range m.Notices {
		word := string(n.Event)
		if count[word]++; !slices.Contains(names, word) {
			names = append(names, word)
		}
		projects[n.Project] = true
	}
	var parts []string
	for _, word := range names {
		parts = append(parts, fmt.Sprintf("%d %s", count[word], word))
	}
	if m.More > 0 {
		parts = append(parts, fmt.Sprintf("%d more", m.More))
	}
	whose := "Sluice"
	if len(projects) == 1 && len(m.Notices) > 0 {
		whose = m.Notices[0].Project
	}
	return whose + ": " + strings.Join(parts, ", ")
}

// line is a notice in one line.
func (m Message) line(n project.Notice) string {
	if n.Due.IsZero() || n.Next == "" {
		return n.Title
	}
	return fmt.Sprintf("%s; %s at %s", n.Title, n.Next, clock(n.Due, m.Zone))
}

// details are the lines below a notice's title.
func (m Message) details(n project.Notice) []string {
	var lines []string
	if n.Why != "" && !strings.Contains(n.Title, n.Why) {
		lines = append(lines, "why: "+n.Why)
	}
	if n.Evidence != "" {
		lines = append(lines, "evidence: "+n.Evidence)
	}
	at := "at: " + clock(n.At, m.Zone)
	if n.Who != "" {
		at += ", by " + n.Who
	}
	lines = append(lines, at)
	commit := ""
	if n.Commit != "" {
		commit = ", commit " + n.Commit
		if n.Author != "" {
			commit += " by " + n.Author
		}
	}
	return append(lines, "release: "+n.Release+commit)
}

// commands are the lines that say what can be done.
func commands(n project.Notice) []string {
	var lines []string
	for _, a := range n.Acts {
		lines = append(lines, a.Verb+": "+a.Sluice, strings.Repeat(" ", len(a.Verb)+2)+a.NATS)
	}
	return lines
}

// grouped tells whether the message is about more than one thing.
func (m Message) grouped() bool { return len(m.Notices) != 1 || m.More > 0 }

// text is all of the message as plain text, each notice with the text that the project wants for it. What fits makes the texts fit
// for where they go.
func (m Message) text(fit func(string) string) string {
	if !m.grouped() {
		return m.one(m.Notices[0], fit)
	}
	parts := []string{m.subject(fit)}
	for _, n := range m.Notices {
		parts = append(parts, m.one(n, fit))
	}
	if m.More > 0 {
		parts = append(parts, fmt.Sprintf("and %d more: sluice status", m.More))
	}
	return strings.Join(parts, "\n\n")
}

// one is the text of one notice: of a group it is short.
func (m Message) one(n project.Notice, fit func(string) string) string {
	n = fitting(n, fit)
	do := commands(n)
	lines := []string{m.line(n)}
	if m.grouped() {
		lines = append(lines, "show: sluice show "+n.Release)
	} else {
		lines = append(append(lines, m.details(n)...), do...)
	}
	if n.Board != "" {
		lines = append(lines, n.Board)
	}
	n.Text, n.Commands = strings.Join(lines, "\n"), strings.Join(do, "\n")
	if m.Own != nil {
		if text, err := m.Own.Execute(n); err == nil && strings.TrimSpace(text) != "" {
			return strings.TrimSpace(text)
		}
	}
	return n.Text
}

// fitting is the notice with the texts that others wrote made fit. What we wrote, the commands, is the same everywhere.
func fitting(n project.Notice, fit func(string) string) project.Notice {
	for _, text := range []*string{
		&n.Title, &n.Project, &n.Version, &n.Stage, &n.Commit, &n.Author, &n.Link, &n.Who, &n.Why, &n.Evidence,
	} {
		*text = fit(*text)
	}
	return n
}

// Plain leaves a text as it is.
func Plain(text string) string { return text }

// cut shortens a text that a service would refuse to so many characters, and says so.
func cut(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}
