package project

import (
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/sluice-gate/sluice/pkg/window"
)

func (d *decoder) windows(s section) window.Schedule {
	block, ok := s.child("windows", ofWindows)
	if !ok {
		return window.Schedule{}
	}
	var schedule window.Schedule
	block.text("zone", func(name string) (err error) {
		schedule.Zone, err = window.Zone(name)
		return err
	})
	schedule.Open, schedule.Freeze = d.ranges(block, "open"), d.ranges(block, "freeze")
	return schedule
}

func (d *decoder) ranges(s section, name string) []window.Range {
	var ranges []window.Range
	names := map[string]string{}
	for i, item := range s.list(name, maxRanges) {
		path := index(s.at(name), i)
		r := d.oneRange(path, item)
		at := path
		if _, named := d.at[path+".name"]; named {
			at = path + ".name"
		}
		d.unique(names, r.Name, at, path)
		ranges = append(ranges, r)
	}
	return ranges
}

// oneRange reads a range: a weekly one as text, any as fields.
func (d *decoder) oneRange(path string, item ast.Node) (r window.Range) {
	switch item := item.(type) {
	case *ast.StringNode, *ast.LiteralNode:
		d.scalar(path, item, func(text string) (err error) {
			r, err = window.Weekly("", text)
			return err
		})
		return r
	case *ast.MappingNode:
		if unquoted(item) {
			d.fail(path, "must be in quotes, like \"Mon-Fri 09:00-16:00\": without them the colon ends a field's name")
			return r
		}
	default:
		d.fail(path, "must be text like Mon-Fri 09:00-16:00 or fields with values (%s); it is %s",
			strings.Join(ofRange.fields(), ", "), kindOf(item))
		return r
	}
	s, ok := d.section(path, item, ofRange)
	if !ok {
		return r
	}
	name := s.text("name", Safe)
	switch form := s.formOfRange(); form {
	case "weekly":
		s.text(form, func(text string) (err error) {
			r, err = window.Weekly(name, text)
			return err
		})
	case "cron":
		lasts := s.duration("for", window.MinFor, between(window.MinFor, window.MaxFor))
		s.text(form, func(text string) (err error) {
			r, err = window.Cron(name, text, lasts)
			return err
		})
	case "from":
		from, to := s.text("from", window.Moment), s.text("to", window.Moment)
		if from == "" || to == "" {
			return r
		}
		var err error
		if r, err = window.Dates(name, from, to); err != nil {
			d.fail(s.at("to"), "%s", err)
		}
	}
	return r
}

// unquoted tells that a mapping is a weekly range that stands between braces without quotes.
func unquoted(m *ast.MappingNode) bool {
	return len(m.Values) > 0 && strings.Contains(m.Values[0].Key.GetToken().Value, " ")
}

// formOfRange is weekly, cron or from, by the fields that are there. It is empty, and reported, when they do not fit together.
func (s section) formOfRange() string {
	for _, pair := range []struct{ field, needs, why string }{
		{"cron", "for", "how long the range lasts, as in for: 7h"},
		{"for", "cron", "for belongs to cron, which says when the range begins"},
		{"from", "to", "the last day, or the moment at which the range is over"},
		{"to", "from", "the first day, or the moment at which the range begins"},
	} {
		if s.has(pair.field) {
			s.require(pair.needs, pair.why)
		}
	}
	var forms []string
	for _, form := range [][]string{{"weekly"}, {"cron", "for"}, {"from", "to"}} {
		if s.has(form[0]) || s.has(form[len(form)-1]) {
			forms = append(forms, form[0])
		}
	}
	switch len(forms) {
	case 0:
		s.fail(s.path, "needs exactly one of weekly, cron with for, from with to; it has none")
	case 1:
		return forms[0]
	default:
		s.fail(s.path, "needs exactly one of weekly, cron with for, from with to; it has more")
	}
	return ""
}
