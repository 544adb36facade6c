package judge

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/alert"
)

// Notice is what was heard of an alert.
type Notice struct {
	Print string `json:"print"` // its fingerprint: by that it is the same alert
	alert.Alert
}

// AlertsBefore is how long before the soak or bake began alerts are of interest: what was heard of then says which of them fired already.
const AlertsBefore = 24 * time.Hour

const (
	flapsBefore = time.Hour // an alert that came mostFlaps times in this time before the release says nothing about it
	mostFlaps   = 2
	mostAlerts  = 1000 // that are remembered
	maxLink     = 200  // bytes of a link that is told with an alert; half a link leads nowhere
)

// alerts is what was heard so far. It is a pure fold of the notices, and of the times at which it was looked at.
type alerts struct {
	heard time.Time          // the last sign of life of the source
	known map[string]*firing // by fingerprint: those that ever matched; what is pointed to never changes
	over  bool               // there were more than can be remembered
}

// firing is how it is with one alert.
type firing struct {
	Notice           // as it was when it fired last
	on     bool      // it fires
	began  time.Time // to fire, for the last time: as its source says, or else when that was heard
	ended  time.Time // when it was resolved last; zero: it was not
	flaps  int       // how often it came in the hour before the release
	lasted time.Duration
}

// alert is the tally after one more notice, or after one more look at the time, which a measurement without a notice is.
func (r Rule) alert(t Tally, m Measurement) Tally {
	a := alerts{}
	if t.alerts != nil {
		a = *t.alerts
	}
	if m.Alert != nil {
		a = r.hear(a, m.At, *m.Alert)
	}
	t.alerts = &a
	if m.At.Before(r.Began) {
		return t
	}
	t.Measured++
	t.Inconclusive = r.doubt(a)
	if m.At.Before(r.From) {
		return t
	}
	if k := r.blamed(a, m.At); k != nil {
		said := Measurement{At: k.began, Said: k.said()}
		if r.Alert.For > 0 {
			said.Said += ", and fired for " + r.lasted(*k, m.At).Round(time.Second).String()
		}
		t.Count, t.First, t.Last, t.Samples, t.Failed = 1, said, said, []Measurement{said}, true
	}
	return t
}

// weighAlert is what a notice comes to by itself, whoever is to blame.
func (r Rule) weighAlert(m Measurement) (Word, string) {
	n := m.Alert
	if n == nil || n.Status != alert.Firing || r.Alert.Source != "" && n.Source != r.Alert.Source || !r.matches(*n) {
		return Pass, ""
	}
	return Fail, (&firing{Notice: *n}).said()
}

// hear is what is known after a notice.
func (r Rule) hear(a alerts, at time.Time, n Notice) alerts {
	if r.Alert.Source != "" && n.Source != r.Alert.Source {
		return a
	}
	if at.After(a.heard) {
		a.heard = at
	}
	var k firing
	before, known := a.known[n.Print]
	if known {
		k = *before
	}
	switch {
	case n.Status == alert.Firing && (known || r.matches(n)):
		k = r.fires(k, at, n)
	case n.Status == alert.Resolved && known:
		k = r.resolved(k, at)
	default:
		return a
	}
	a.known = maps.Clone(a.known)
	if !known && len(a.known) >= mostAlerts && !forget(a.known) {
		a.over = true
		return a
	}
	if a.known == nil {
		a.known = map[string]*firing{}
	}
	a.known[n.Print] = &k
	return a
}

// matches tells whether an alert has the labels.
func (r Rule) matches(n Notice) bool {
	for name, values := range r.Alert.Match {
		if value, there := n.Labels[name]; !there || !slices.Contains(values, value) {
			return false
		}
	}
	return true
}

// fires is an alert of which was heard that it fires. It may do so since before, or anew: then nobody told that it was resolved.
func (r Rule) fires(k firing, at time.Time, n Notice) firing {
	began := at
	if !n.Since.IsZero() && n.Since.Before(at) {
		began = n.Since
	}
	anew := !k.on || !n.Since.IsZero() && began.After(k.began)
	if anew {
		k = r.resolved(k, began)
		if !began.Equal(k.began) && began.Before(r.Came) && !began.Before(r.Came.Add(-flapsBefore)) {
			k.flaps++
		}
		k.on, k.began = true, began
	}
	k.Notice = n
	return k
}

// resolved is an alert that fires no more.
func (r Rule) resolved(k firing, at time.Time) firing {
	if k.on {
		k.lasted = r.lasted(k, at)
		k.on, k.ended = false, at
	}
	return k
}

// lasted is how long an alert has fired that counts: altogether, since the release came and the check's grace was over.
func (r Rule) lasted(k firing, now time.Time) time.Duration {
	if !k.on || k.began.Before(r.Came) {
		return k.lasted
	}
	return k.lasted + max(0, now.Sub(r.counts(k)))
}

// counts is the time from which on it counts that an alert fires.
func (r Rule) counts(k firing) time.Time {
	from := k.began
	for _, at := range []time.Time{k.ended, r.From} {
		if at.After(from) {
			from = at
		}
	}
	return from
}

// suspect tells whether an alert that fires may be the release's fault.
func (r Rule) suspect(k firing) bool {
	return k.flaps < mostFlaps && (k.lasted > 0 || k.on && !k.began.Before(r.Came))
}

// blamed is the first alert, by the time at which it began, that fails the check.
func (r Rule) blamed(a alerts, now time.Time) (first *firing) {
	for _, k := range a.known {
		if r.suspect(*k) && r.lasted(*k, now) >= r.Alert.For && (first == nil || byTime(k, first) < 0) {
			first = k
		}
	}
	return first
}

// byTime orders alerts by the time at which they began.
func byTime(x, y *firing) int {
	return cmp.Or(x.began.Compare(y.began), cmp.Compare(x.Print, y.Print))
}

// doubt says why what was heard says nothing about the release; empty if it does.
func (r Rule) doubt(a alerts) string {
	var doubtful []*firing
	for _, k := range a.known {
		if k.on && (k.flaps >= mostFlaps || k.began.Before(r.Came)) {
			doubtful = append(doubtful, k)
		}
	}
	slices.SortFunc(doubtful, byTime)
	const most = 3
	var why []string
	for _, k := range doubtful[:min(len(doubtful), most)] {
		if k.flaps >= mostFlaps {
			why = append(why, fmt.Sprintf("%s: it came %d times in the hour before the release", k.said(), k.flaps))
		} else {
			why = append(why, fmt.Sprintf("%s: it fires since %s UTC, before the release came", k.said(), k.began.UTC().Format(time.DateTime)))
		}
	}
	if n := len(doubtful); n > most {
		why = append(why, fmt.Sprintf("and %d more", n-most))
	}
	return strings.Join(why, "; ")
}

// Suspects tells whether an alert fires that may be the release's fault, whether or not it has for long enough.
func (r Rule) Suspects(t Tally) bool {
	if t.alerts == nil {
		return false
	}
	for _, k := range t.alerts.known {
		if k.on && r.suspect(*k) {
			return true
		}
	}
	return false
}

// Due is the time at which an alert that fires will have failed the check if nothing more is heard of it; zero if none will.
func (r Rule) Due(t Tally) time.Time {
	var due time.Time
	if t.alerts == nil || t.Failed {
		return due
	}
	for _, k := range t.alerts.known {
		if !k.on || !r.suspect(*k) {
			continue
		}
		if at := r.counts(*k).Add(r.Alert.For - k.lasted); due.IsZero() || at.Before(due) {
			due = at
		}
	}
	return due
}

// Silent says why there is no data of alerts; empty if there is.
func (r Rule) Silent(t Tally, now time.Time) string {
	a := alerts{}
	if t.alerts != nil {
		a = *t.alerts
	}
	source := cmp.Or(r.Alert.Source, "the source of alerts")
	switch {
	case a.over:
		return fmt.Sprintf("more than %d alerts of %s at once: match fewer", mostAlerts, source)
	case r.Alert.Heartbeat == 0:
	case a.heard.IsZero():
		return fmt.Sprintf("%s was never heard of, and is to be every %s", source, r.Alert.Heartbeat)
	case now.Sub(a.heard) > r.Alert.Heartbeat:
		return fmt.Sprintf("%s was heard of last at %s UTC, and is to be every %s",
			source, a.heard.UTC().Format(time.TimeOnly), r.Alert.Heartbeat)
	}
	return ""
}

// forget makes room for one more, by the one that was resolved first. It tells whether there was one.
func forget(known map[string]*firing) bool {
	var first string
	for one, k := range known {
		if k.on {
			continue
		}
		if f := known[first]; first == "" || k.ended.Before(f.ended) || k.ended.Equal(f.ended) && one < first {
			first = one
		}
	}
	delete(known, first)
	return first != ""
}

// said is an alert in words, with its link if that is short.
func (k *firing) said() string {
	a := k.Alert
	if len(a.URL) > maxLink {
		a.URL = ""
	}
	return a.String()
}
