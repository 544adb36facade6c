package dash

import (
	"encoding/json"
	"slices"
	"time"
)

// Item is a piece of a page that is replaced as a whole; its HTML has its ID.
type Item struct{ ID, HTML string }

// List is items in an order, in the element with its ID.
type List struct {
	ID    string
	Items []Item
}

// View is all of a page that may change.
type View struct {
	Single []Item
	Lists  []List
}

// sent is what a browser has.
type sent struct {
	items map[string]string // by ID
	lists map[string][]string
}

// change is what makes what a browser has what it should have.
type change struct {
	Now   int64               `json:"now"` // the broker's clock, in milliseconds
	HTML  map[string]string   `json:"html,omitempty"`
	Lists map[string][]string `json:"lists,omitempty"` // the ids in order; what is not among them goes
}

// empty tells whether there is nothing to change.
func (c change) empty() bool { return len(c.HTML)+len(c.Lists) == 0 }

// text is the change as it is sent, in one line.
func (c change) text(now time.Time) ([]byte, error) {
	c.Now = now.UnixMilli()
	return json.Marshal(c)
}

// diff is what of a view a browser has not, and what it has afterwards. It keeps nothing of what is not in the view any more.
func (s sent) diff(v View) (change, sent) {
	next := sent{items: map[string]string{}, lists: map[string][]string{}}
	c := change{HTML: map[string]string{}, Lists: map[string][]string{}}
	take := func(i Item) {
		next.items[i.ID] = i.HTML
		if s.items[i.ID] != i.HTML {
			c.HTML[i.ID] = i.HTML
		}
	}
	for _, i := range v.Single {
		take(i)
	}
	for _, l := range v.Lists {
		ids := make([]string, 0, len(l.Items))
		for _, i := range l.Items {
			take(i)
			ids = append(ids, i.ID)
		}
		next.lists[l.ID] = ids
		if before, had := s.lists[l.ID]; !had || !slices.Equal(before, ids) {
			c.Lists[l.ID] = ids
		}
	}
	return c, next
}

// has tells what a browser has that was given the whole view.
func has(v View) sent {
	_, all := sent{}.diff(v)
	return all
}
