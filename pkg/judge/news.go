package judge

import (
	"fmt"
	"time"

	"github.com/sluice-gate/sluice/pkg/compare"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/signal"
	"github.com/sluice-gate/sluice/pkg/template"
)

// News tells which signals of a stretch are news: whose templates are not known from the soaks of earlier releases, nor from the
// baseline, or come significantly more often than they did. It is a fold of the signals in the order of the stream, like a tally, but
// there is one for all checks of the stretch, and it changes as signals are added.
type News struct {
	Known      template.Known // the soaks of the releases before
	Table      template.Table // this stretch's
	From       time.Time      // when that began
	production template.Table
	masked     map[string]string // recent texts, which floods repeat
}

// mostMasked bounds how many texts are remembered, and mostRemembered how long they are.
const (
	mostMasked     = 256
	mostRemembered = 512
)

// Sight is what a signal is, in the light of all before.
type Sight struct {
	Template template.Template // what its template came to; without Count if the table had no room for it
	Known    bool
	rated    template.Rated
}

// mask is the template of a signal.
func (n *News) mask(s signal.Signal) string {
	title := s.Title()
	if out, ok := n.masked[title]; ok {
		return out
	}
	out := template.Mask(title)
	if len(title) <= mostRemembered {
		if n.masked == nil || len(n.masked) >= mostMasked {
			n.masked = map[string]string{}
		}
		n.masked[title] = out
	}
	return out
}

// Produced adds a signal of the baseline's project. Whatever production has is no news.
func (n *News) Produced(s signal.Signal, at time.Time) {
	n.production.Seen(n.mask(s), func() string { return "" }, at)
}

// See adds a signal of the stretch. example is what is shown of it, if it is the first of its template.
func (n *News) See(s signal.Signal, example func() string, at time.Time) Sight {
	text := n.mask(s)
	var out Sight
	if seen, _ := n.Table.Seen(text, example, at); seen != nil {
		out.Template = *seen
	} else {
		out.Template = template.Template{Text: text, First: at, Last: at, Example: example()}
	}
	if out.rated, out.Known = n.Known.Find(text); !out.Known {
		out.Known = n.production.Has(text)
	}
	return out
}

// oftenLooked is how many occurrences of a template are all looked at; after that every sixteenth part more of them is.
const oftenLooked = 16

// News tells whether a signal is news for a check, and why.
//
// How often a known error comes is compared with the soak of the release before in the same stage, by the test of rates that stays valid
// however often one looks (package compare), with two precautions. Errors come in bursts, and a deployment is a usual time for one: until
// this stretch has lasted as long as that soak, what was counted so far is compared with all of that soak. And the chance of a false
// alarm is that of the whole table, so each of its templates gets its part.
func (n *News) News(check project.Signal, s Sight, at time.Time) (said string, news bool) {
	t := s.Template
	if !s.Known {
		return "new error: " + t.Text + often(t) + forExample(t), true
	}
	if s.rated.For <= 0 || t.Count > oftenLooked && t.Count%(t.Count/oftenLooked) != 0 {
		return "", false
	}
	lasted := max(at.Sub(n.From), s.rated.For)
	rate, err := compare.Rate{Tolerated: check.Tolerated}.Add(
		compare.Count{Events: t.Count, Exposure: lasted.Seconds()},
		compare.Count{Events: s.rated.Count + 1, Exposure: s.rated.For.Seconds()}, // one more: what was not seen may have been about to
	)
	if err != nil || !rate.Worse(check.FalseAlarms/float64(max(1, n.Known.Len()))) {
		return "", false
	}
	return fmt.Sprintf("known error, more often: %s, %d times in %s, the release before had it %d times in %s%s",
		t.Text, t.Count, short(at.Sub(n.From)), s.rated.Count, short(s.rated.For), forExample(t)), true
}

// often is how many times it was seen, if it was more than once.
func often(t template.Template) string {
	if t.Count < 2 {
		return ""
	}
	return fmt.Sprintf(", %d times since %s UTC", t.Count, t.First.UTC().Format(time.TimeOnly))
}

func forExample(t template.Template) string {
	if t.Example == "" || t.Example == t.Text {
		return ""
	}
	return "; for example: " + t.Example
}

// short is a duration in whole seconds.
func short(d time.Duration) string { return d.Round(time.Second).String() }

// Soak is the table as it is stored.
func (n *News) Soak(t Stretch, until time.Time) template.Soak {
	return template.Soak{
		Stage: t.Stage, Bake: t.Bake, From: t.From, Until: until, Templates: n.Table.All(), Overflow: n.Table.Overflow(),
	}
}
