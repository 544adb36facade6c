package window

import (
	"fmt"
	"strings"
	"time"
)

// Horizon is how far ahead At looks for a moment at which promotion is allowed.
const Horizon = 400 * 24 * time.Hour

// maxLooks bounds what one At costs, in ranges looked at. A range of a week needs a handful; only a cron expression that
// begins a range every few minutes, and closes the schedule for months, comes to the bound.
const maxLooks = 10_000

// Schedule is the promotion windows and freezes of a project. The zero Schedule is always open.
type Schedule struct {
	Zone   *time.Location // of all ranges; UTC when nil
	Open   []Range        // promotion is allowed inside one of them, or always when there are none
	Freeze []Range        // promotion is not allowed inside any of them
}

// Verdict says whether a release may be promoted at a moment.
type Verdict struct {
	Open bool
	// Until is when a schedule that is not open opens: the first moment at which promotion is allowed, in the schedule's
	// zone. It is zero when Open, and when there is none within Horizon. It is never too late. It is too early only for a
	// schedule that changes thousands of times before it opens: then it is when to ask again.
	Until time.Time
	// Why it is not open: the freezes that are in force, or that no window is. Empty when Open.
	Why string
}

// At tells whether a release may be promoted at t.
func (s Schedule) At(t time.Time) Verdict {
	now := s.look(civil(t.In(s.zone())))
	if now.open {
		return Verdict{Open: true}
	}
	return Verdict{Until: s.opens(t), Why: now.why()}
}

// Never tells that what returns every week or by cron keeps the schedule closed for good, whatever the dates say. It is
// for refusing a schedule that can not be meant.
func (s Schedule) Never() bool {
	lasting := Schedule{Zone: s.Zone}
	for _, r := range s.Open {
		if _, once := r.rule.(dates); once {
			return false
		}
		lasting.Open = append(lasting.Open, r)
	}
	for _, r := range s.Freeze {
		if _, once := r.rule.(dates); !once {
			lasting.Freeze = append(lasting.Freeze, r)
		}
	}
	// Any moment would do. From this one the horizon reaches a 29 February.
	v := lasting.At(time.Date(2027, time.June, 1, 0, 0, 0, 0, time.UTC))
	return !v.Open && v.Until.IsZero()
}

func (s Schedule) zone() *time.Location {
	if s.Zone == nil {
		return time.UTC
	}
	return s.Zone
}

// civil is what the clock on the wall shows at a local time, as a time of UTC: one without gaps and repetitions.
func civil(local time.Time) time.Time {
	_, offset := local.Zone()
	return local.UTC().Add(time.Duration(offset) * time.Second)
}

// opens is the first moment from t on at which the schedule is open. It goes from one moment at which that may change to the
// next. The clock on the wall runs evenly between two changes of the zone, so there it also stops at those.
func (s Schedule) opens(t time.Time) time.Time {
	at, end := t.In(s.zone()).Round(0), t.Add(Horizon)
	for range maxLooks / (1 + len(s.Open) + len(s.Freeze)) {
		shows := civil(at)
		now := s.look(shows)
		if now.open {
			return at
		}
		_, next := at.ZoneBounds()
		if !now.next.IsZero() {
			if change := at.Add(now.next.Sub(shows)); next.IsZero() || change.Before(next) {
				next = change
			}
		}
		if next.IsZero() || next.After(end) {
			return time.Time{}
		}
		at = next
	}
	return at
}

// sight is what a schedule looks like when the clock on the wall shows a time.
type sight struct {
	open    bool
	freezes []string  // the names of those in force
	next    time.Time // if not open: it does not open before, as long as the clock runs evenly; zero: never
}

func (s Schedule) look(shows time.Time) sight {
	inside, next := len(s.Open) == 0, time.Time{} // the first window that opens ends the wait for one
	for _, r := range s.Open {
		in, change := r.at(shows)
		inside = inside || in
		if next.IsZero() || !change.IsZero() && change.Before(next) {
			next = change
		}
	}
	now := sight{open: inside, next: next}
	for _, r := range s.Freeze {
		in, change := r.at(shows)
		if !in {
			continue
		}
		if now.open || change.After(now.next) { // the last freeze that ends does
			now.next = change
		}
		now.open = false
		now.freezes = append(now.freezes, r.Name)
	}
	return now
}

func (s sight) why() string {
	if len(s.freezes) == 0 {
		return "outside the windows"
	}
	names := make([]string, len(s.freezes))
	for i, name := range s.freezes {
		names[i] = fmt.Sprintf("freeze %q", name)
	}
	return strings.Join(names, ", ")
}
