package notify

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/sluice-gate/sluice/pkg/project"
)

// Bounds of an outbox. A full one has about 120 kB, of 240 that can be stored.
const (
	mostItems   = 50  // notices of a batch; of what comes then it is only known how much
	mostBatches = 16  // on their way at once; then what comes joins one that waits
	mostTold    = 256 // records of which it is remembered that they were told
	mostBytes   = 200 << 10
	mostOff     = 10 * time.Minute // that a target which does not answer may ask for; what leaves later is put off by quiet hours
	gatherAfter = 3                // failures, after which what comes waits together for the target to be back
)

// outbox is what is on its way to one target of a project. It is stored, and only what is stored is true. Its methods decide and do
// nothing; each change is a compare-and-set (see store).
type outbox struct {
	Target  string   `json:"target"`            // its name
	Batches []batch  `json:"batches,omitempty"` // each becomes one message
	Told    []uint64 `json:"told,omitempty"`    // sequences of journal records that were told, the newest last
}

// batch is one message: a notice, or a group of them.
type batch struct {
	ID       uint64    `json:"id"`             // the sequence of the record that began it
	Owner    uint64    `json:"owner"`          // that of the record whose hint drives it
	Due      time.Time `json:"due"`            // it is not sent before
	Items    []item    `json:"items"`          // at least one
	More     int       `json:"more,omitempty"` // that did not fit
	By       string    `json:"by,omitempty"`   // the instance that sends it now
	Until    time.Time `json:"until,omitzero"` // it has the batch to itself until then
	Attempts int       `json:"attempts,omitempty"`
	Gone     int       `json:"gone,omitempty"` // of its notices, were given up
	// Spread is set when the record that owns it has been put into all outboxes that it belongs to.
	Spread bool `json:"spread,omitempty"`
}

type item struct {
	Seq    uint64         `json:"seq"`
	Notice project.Notice `json:"notice"`
	Before int            `json:"before,omitempty"` // attempts of its batch when it joined: they are not its own

	quiet bool // quiet hours put it off; it is not stored
}

// errFull: every batch is being sent, and there is no room for another one.
var errFull = errors.New("too much is on its way to the target")

// knows tells whether the record was told, or is on its way.
func (o *outbox) knows(seq uint64) bool {
	return slices.Contains(o.Told, seq) || slices.ContainsFunc(o.Batches, func(b batch) bool {
		return slices.ContainsFunc(b.Items, func(i item) bool { return i.Seq == seq })
	})
}

// put takes a notice that is to be sent at due. It joins a batch that leaves no later than that, and has not left, or one whose
// target does not answer; otherwise it is a batch of its own. One that quiet hours put off joins none that leaves before they are over, and
// none that they put off is joined by one that they do not. It tells whether that is news.
func (o *outbox) put(i item, due, now time.Time) (news bool, err error) {
	if o.knows(i.Seq) {
		return false, nil
	}
	join := slices.IndexFunc(o.Batches, func(b batch) bool {
		waits := b.Attempts == 0 && b.Due.After(now) && !b.Due.After(due)
		return b.By == "" && (waits || b.Attempts >= gatherAfter && !b.Due.After(due.Add(mostOff))) && (!i.quiet || !b.Due.Before(due))
	})
	size := 0
	if len(o.Batches) > 0 {
		size = o.size()
	}
	large := size > mostBytes/2
	room := mostBatches
	if i.quiet { // the others may be gone long before one for it is there
		room++
	}
	if join < 0 && (size > mostBytes*3/4 || len(o.Batches) >= room) {
		// Not one that waits for longer, as what is gathered in quiet hours does: what is urgent would wait with it.
		join = slices.IndexFunc(o.Batches, func(b batch) bool {
			return b.By == "" && (b.Attempts > 0 && !b.Due.After(due.Add(mostOff)) || !b.Due.After(due)) && (!i.quiet || !b.Due.Before(due))
		})
		if join < 0 {
			return false, errFull
		}
	}
	if join < 0 {
		o.Batches = append(o.Batches, batch{ID: i.Seq, Owner: i.Seq, Due: due, Items: []item{i}})
		return true, nil
	}
	b := &o.Batches[join]
	i.Before = b.Attempts
	if len(b.Items) < mostItems && !large {
		b.Items = append(b.Items, i)
		return true, nil
	}
	b.More++
	o.tell(i.Seq)
	return true, nil
}

func (o *outbox) size() int {
	data, err := json.Marshal(o)
	if err != nil {
		return mostBytes
	}
	return len(data)
}

// owned is the next batch that the record drives.
func (o *outbox) owned(seq uint64) *batch {
	for i := range o.Batches {
		if o.Batches[i].Owner == seq {
			return &o.Batches[i]
		}
	}
	return nil
}

func (o *outbox) batch(id uint64) *batch {
	for i := range o.Batches {
		if o.Batches[i].ID == id {
			return &o.Batches[i]
		}
	}
	return nil
}

// wait is how long the instance has to wait until it may send the batch; 0: it may. What it claimed itself, before it died,
// it may take up at once.
func (b *batch) wait(by string, now time.Time) time.Duration {
	if b.By != "" && b.By != by && now.Before(b.Until) {
		return b.Until.Sub(now)
	}
	return max(0, b.Due.Sub(now))
}

// claim gives the batch to the instance for a while.
func (b *batch) claim(by string, now time.Time) {
	b.By, b.Until = by, now.Add(lease)
	b.Attempts++
}

// taken forgets a batch that was sent, or given up.
func (o *outbox) taken(id uint64) {
	b := o.batch(id)
	if b == nil {
		return
	}
	for _, i := range b.Items {
		o.tell(i.Seq)
	}
	o.Batches = slices.DeleteFunc(o.Batches, func(b batch) bool { return b.ID == id })
}

// spent are the notices of the batch that had so many attempts.
func (b *batch) spent(attempts int) (out []item) {
	for _, i := range b.Items {
		if b.Attempts-i.Before >= attempts {
			out = append(out, i)
		}
	}
	return out
}

// without forgets notices of a batch that were given up; the others stay.
func (o *outbox) without(id uint64, items []item) {
	b := o.batch(id)
	if b == nil {
		return
	}
	for _, lost := range items {
		before := len(b.Items)
		b.Items = slices.DeleteFunc(b.Items, func(i item) bool { return i.Seq == lost.Seq })
		b.Gone += before - len(b.Items)
		o.tell(lost.Seq)
	}
	if len(b.Items) == 0 {
		o.taken(id)
	}
}

// again lets the batch be sent again after a pause.
func (o *outbox) again(id uint64, by string, due time.Time) {
	if b := o.batch(id); b != nil && b.By == by {
		b.By, b.Until, b.Due = "", time.Time{}, due
	}
}

func (o *outbox) tell(seq uint64) {
	if !slices.Contains(o.Told, seq) {
		o.Told = append(o.Told, seq)
	}
	o.Told = o.Told[max(0, len(o.Told)-mostTold):]
}

// adopt gives to a record the batches that nobody drives any more: their owner's hint is gone, or it would have been sent long ago.
func (o *outbox) adopt(seq uint64, now time.Time) {
	for i := range o.Batches {
		b := &o.Batches[i]
		last := b.Due
		if b.Until.After(last) {
			last = b.Until
		}
		if b.Owner != seq && now.Sub(last) > orphanAfter {
			b.Owner, b.Spread = seq, false
		}
	}
}

// spread says that the record needs not be put anywhere any more. It tells whether that is news.
func (o *outbox) spread(seq uint64) bool {
	news := false
	for i := range o.Batches {
		if b := &o.Batches[i]; b.Owner == seq && !b.Spread {
			b.Spread, news = true, true
		}
	}
	return news
}

// pause is how long a target is left alone after so many attempts.
func pause(attempts int) time.Duration {
	return min(firstPause<<min(max(attempts-1, 0), 16), lastPause)
}

// due is when a notice is sent that came now, and whether quiet hours put it off. What is late, because nobody was there to tell it, is
// gathered for a moment.
func due(to project.Notify, n project.Notice, now time.Time) (when time.Time, quiet bool) {
	at := now
	switch {
	case to.Group > 0:
		at = now.Add(to.Group)
	case now.Sub(n.At) > lateAfter:
		at = now.Add(lateGroup)
	}
	if until := calm(to, []item{{Notice: n}}, at); until.After(at) {
		return until, true
	}
	return at, false
}

// calm is when quiet hours let notices be sent that were to be sent at a time: that time, if there are none or one of them is urgent.
func calm(to project.Notify, items []item, at time.Time) time.Time {
	if slices.ContainsFunc(items, func(i item) bool { return project.Wants(to.Urgent, i.Notice) }) {
		return at
	}
	if v := to.Quiet.At(at); !v.Open && v.Until.After(at) {
		return v.Until
	}
	return at
}
