package project

import (
	"errors"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Alert watches the alerts of other people's monitoring, which come in through the gateway: one that fires fails the check. One that
// fired before the soak or bake began is not blamed on the release, nor one that came and went in the hour before.
type Alert struct {
	Match     map[string][]string // labels, each with the values of which it has one; none: every alert of the project
	Source    string              // who sent it, in the gateway's words; empty: anybody
	For       time.Duration       // how long it fires, altogether, before it fails the check
	Heartbeat time.Duration       // so long without any sign of life of the source there is no data; 0: silence is well
}

// Bounds of what is matched.
const (
	maxMatches    = 16
	maxValues     = 32
	maxMatch      = 256 // bytes of a label's name, or of a value
	minHeartbeat  = time.Second
	maxHeartbeat  = 24 * time.Hour
	alertIsPushed = "has no meaning for an alert, which is heard as it comes: remove it"
)

// alert reads a check of alerts.
func (d *decoder) alert(s section, c *Check) {
	block, ok := s.child("alert", ofAlert)
	if !ok {
		return
	}
	c.Alert = &Alert{
		Match:     d.matches(block),
		Source:    block.text("source", checkMatch),
		For:       block.duration("for", 0, between(0, MaxDelay)),
		Heartbeat: block.duration("heartbeat", 0, between(minHeartbeat, maxHeartbeat)),
	}
	for _, name := range []string{"interval", "failures"} {
		if s.has(name) {
			why := alertIsPushed
			if name == "failures" {
				why = "has no meaning for an alert: say with alert.for how long it fires before it counts"
			}
			d.fail(s.at(name), "%s", why)
		}
	}
}

// matches reads labels, each with a value or a list of values.
func (d *decoder) matches(s section) map[string][]string {
	if !s.has("match") {
		return nil
	}
	path := s.at("match")
	mapping, ok := s.values["match"].(*ast.MappingNode)
	switch {
	case !ok:
		d.fail(path, "must be labels with values, as in match: { severity: page }; it is %s", kindOf(s.values["match"]))
		return nil
	case len(mapping.Values) > maxMatches:
		d.fail(path, "has %d labels; allowed are %d", len(mapping.Values), maxMatches)
		return nil
	}
	match := map[string][]string{}
	for _, entry := range mapping.Values {
		at := tokenPosition(entry.Key.GetToken())
		key, ok := entry.Key.(*ast.StringNode)
		if !ok {
			d.failAt(at, path, "a label's name must be text")
			continue
		}
		field := join(path, printable(key.Value))
		if err := checkMatch(key.Value); err != nil {
			d.failAt(at, field, "%s", err)
			continue
		}
		if _, twice := match[key.Value]; twice {
			d.failAt(at, field, "is there twice: write its values as a list")
			continue
		}
		d.place(field, at, entry.Value)
		match[key.Value] = d.anyOf(field, entry.Value)
	}
	return match
}

// anyOf is a value, or a list of them.
func (d *decoder) anyOf(path string, node ast.Node) []string {
	sequence, ok := node.(*ast.SequenceNode)
	switch {
	case !ok:
		return []string{d.scalar(path, node, checkMatch)}
	case len(sequence.Values) == 0 || len(sequence.Values) > maxValues:
		d.fail(path, "has %d values; allowed are 1 to %d", len(sequence.Values), maxValues)
		return nil
	}
	var values []string
	for i, item := range sequence.Values {
		d.at[index(path, i)] = d.start(item)
		values = append(values, d.scalar(index(path, i), item, checkMatch))
	}
	return values
}

func checkMatch(text string) error {
	switch {
	case strings.TrimSpace(text) == "":
		return errors.New("is empty")
	case len(text) > maxMatch || strings.ContainsAny(text, "\r\n"):
		return errors.New("must be one line of at most 256 bytes")
	}
	return nil
}
