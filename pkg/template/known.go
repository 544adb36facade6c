package template

import "time"

// Known is what is no news: the templates of earlier soaks. Its zero value knows nothing.
type Known struct {
	index
	rated map[*Template]Rated
}

// Rated is how often a template was seen where it is known from. For is zero where that can not be compared.
type Rated struct {
	Count int
	For   time.Duration
}

// Add makes the templates of a soak known. rated says that it is one whose numbers can be compared: the same stage's, of the release
// before.
func (k *Known) Add(s Soak, rated bool) {
	if k.rated == nil {
		k.rated = map[*Template]Rated{}
	}
	for _, t := range s.Templates {
		e := k.exact[t.Text]
		if e == nil {
			e = &t
			k.add(e)
		}
		if rated {
			k.rated[e] = Rated{Count: t.Count, For: max(s.Until.Sub(s.From), 0)}
		}
	}
}

// Len is how many templates are known.
func (k *Known) Len() int { return len(k.all) }

// Find tells whether a message's template is known, and how often it was seen.
func (k *Known) Find(text string) (Rated, bool) {
	e := k.find(text)
	return k.rated[e], e != nil
}
