package template

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

// MaxTemplates bounds a table. More kinds of errors than that in one soak are not read by anybody.
const MaxTemplates = 500

// Template is one kind of error, and what was seen of it.
type Template struct {
	Fingerprint string    `json:"fingerprint"`
	Text        string    `json:"template"`
	Count       int       `json:"count"`
	First       time.Time `json:"first"`
	Last        time.Time `json:"last"`
	Example     string    `json:"example,omitempty"` // the first; one line
}

// Fingerprint names a template: the same wherever and whenever it is made.
func Fingerprint(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// Table is the templates of one soak. Its zero value is empty and ready.
type Table struct {
	index
	overflow int
}

// Len is how many templates there are.
func (t *Table) Len() int { return len(t.all) }

// Overflow is how many messages were of templates that found no room.
func (t *Table) Overflow() int { return t.overflow }

// Has tells whether a template is there.
func (t *Table) Has(text string) bool { return t.find(text) != nil }

// All returns the templates, in the order in which they were first seen.
func (t *Table) All() []Template {
	out := make([]Template, len(t.all))
	for i, e := range t.all {
		out[i] = *e
	}
	return out
}

// Restore fills an empty table with the templates of one that was stored.
func (t *Table) Restore(all []Template) {
	for _, e := range all {
		if len(t.all) < MaxTemplates && t.exact[e.Text] == nil {
			t.add(&e)
		}
	}
}

// Seen adds a message that was seen at a time. example makes what is shown of it, if it is the first of its template. It returns what the
// template came to, and whether it is there for the first time; nil if there is no room for it.
func (t *Table) Seen(text string, example func() string, at time.Time) (seen *Template, first bool) {
	e := t.find(text)
	if e == nil {
		if len(t.all) >= MaxTemplates {
			t.overflow++
			return nil, true
		}
		e = &Template{Fingerprint: Fingerprint(text), Text: text, First: at, Example: example()}
		t.add(e)
		first = true
	}
	e.Count++
	if at.Before(e.First) {
		e.First = at
	}
	if at.After(e.Last) {
		e.Last = at
	}
	if first {
		e = t.learn(e)
	}
	return e, first
}

// index finds templates by their text.
type index struct {
	all    []*Template
	exact  map[string]*Template
	anyFew map[int][]wild // by the number of words: those with variables
}

// wild is a template with variables, as words.
type wild struct {
	words []string
	of    *Template
}

func (x *index) add(e *Template) {
	if x.exact == nil {
		x.exact, x.anyFew = map[string]*Template{}, map[int][]wild{}
	}
	x.all = append(x.all, e)
	x.exact[e.Text] = e
	if strings.Contains(e.Text, Any) {
		words := strings.Fields(e.Text)
		x.anyFew[len(words)] = append(x.anyFew[len(words)], wild{words, e})
	}
}

func (x *index) find(text string) *Template {
	if e := x.exact[text]; e != nil || len(x.anyFew) == 0 {
		return e
	}
	words := strings.Fields(text)
	for _, w := range x.anyFew[len(words)] {
		if w.matches(words) {
			return w.of
		}
	}
	return nil
}

func (w wild) matches(words []string) bool {
	for i, word := range w.words {
		if word != words[i] && word != Any {
			return false
		}
	}
	return true
}

// What it takes to see a variable: so many messages that are alike but for one word, and so many words that they have in common.
const (
	alike  = 3
	common = 3
)

// learn looks whether the new template is the third that is like two others but for one plain word. Then they are one.
func (t *Table) learn(e *Template) *Template {
	words := strings.Fields(e.Text)
	if len(words) <= common {
		return e
	}
	siblings := map[int][]*Template{} // by the place of the word
	for _, o := range t.all {
		if at := differAt(words, o.Text); at >= 0 {
			siblings[at] = append(siblings[at], o)
		}
	}
	for at := range words { // the first place that will do
		if len(siblings[at]) < alike-1 {
			continue
		}
		merged := *e
		words[at] = Any
		merged.Text = strings.Join(words, " ")
		merged.Fingerprint = Fingerprint(merged.Text)
		for _, o := range siblings[at] {
			if o.First.Before(merged.First) {
				merged.First, merged.Example = o.First, o.Example
			}
			if o.Last.After(merged.Last) {
				merged.Last = o.Last
			}
			merged.Count += o.Count
		}
		t.replace(append(siblings[at], e), &merged)
		return &merged
	}
	return e
}

// replace puts one template in the place of several.
func (t *Table) replace(old []*Template, by *Template) {
	for _, o := range old {
		delete(t.exact, o.Text)
	}
	t.all = slices.DeleteFunc(t.all, func(e *Template) bool { return slices.Contains(old, e) })
	t.add(by)
}

// differAt is the place of the only word in which a template differs, if that is a plain word in both, and not the first; or -1.
func differAt(words []string, text string) int {
	at, i := -1, 0
	for word := range strings.FieldsSeq(text) {
		if i >= len(words) {
			return -1
		}
		if word != words[i] {
			if at >= 0 || i == 0 || strings.ContainsRune(word, '<') || strings.ContainsRune(words[i], '<') {
				return -1
			}
			at = i
		}
		i++
	}
	if i != len(words) {
		return -1
	}
	return at
}
