package dash

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/mask"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/story"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/gateway/internal/auth"
)

// What drivers printed, on a release's page and in the API. It is stored a moment after the record that tells of the attempt's end
// (package work), and nobody tells of it: what a page says that was made in that moment does not hold for long.

// Printed is what a driver printed during one attempt, as the page has it.
type Printed struct {
	ID     string
	Name   string // publish, attempt 1
	Tone   string
	Ended  string
	Reason string
	At     time.Time
	Took   string
	By     string // the service and its instance
	Text   string // the end of it
	All    string // where all of it is, if there is more
}

const (
	printedMost = 20      // attempts on a page, the newest
	printedTail = 8 << 10 // bytes of each
	outputsMost = 50      // attempts in an answer of the API, the newest
)

// settles is how long after a record what was printed may still come.
const settles = service.AsideWithin + time.Second

// outputs are what was printed for a release, in the order in which the attempts began; at most so many, the newest.
func (d *Dash) outputs(ctx context.Context, id string, most int) (all []journal.Output, unread int, more bool, err error) {
	all, unread, err = d.journal.Outputs(ctx, id)
	if len(all) > most {
		return all[len(all)-most:], unread, true, err
	}
	return all, unread, false, err
}

// printed is what the page has of it, the newest first.
func (d *Dash) printed(ctx context.Context, id string) ([]Printed, error) {
	all, _, _, err := d.outputs(ctx, id, printedMost)
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		d.log.Warn("dashboard: what drivers printed can not be read", zap.String("release", id), zap.Error(err))
	}
	out := make([]Printed, 0, len(all))
	for _, o := range slices.Backward(all) {
		out = append(out, printedOf(id, o))
	}
	return out, nil
}

func printedOf(id string, o journal.Output) Printed {
	p := Printed{
		ID: fmt.Sprintf("o%d", o.Seq), Name: story.AttemptOf(o.Output), Tone: "bad", Ended: o.Ended, Reason: o.Reason, At: o.Began,
		Took: o.Took.Round(time.Millisecond).String(), By: strings.TrimSpace(o.Service + " " + o.Instance), Text: mask.Show(o.Text),
	}
	if o.Ended == "done" {
		p.Tone = "good"
	}
	if len(p.Text) > printedTail {
		tail := p.Text[len(p.Text)-printedTail:]
		if i := strings.IndexByte(tail, '\n'); i >= 0 && i < len(tail)-1 {
			tail = tail[i+1:]
		}
		p.Text, p.All = "…\n"+strings.ToValidUTF8(tail, ""), fmt.Sprintf("/releases/%s/output/%d", id, o.Seq)
	}
	return p
}

// printedList are the items of a page.
func (d *Dash) printedList(all []Printed) (List, error) {
	out := List{ID: "output"}
	for _, p := range all {
		item, err := d.item(p.ID, "printed", p)
		if err != nil {
			return out, err
		}
		out.Items = append(out.Items, item)
	}
	if len(all) == 0 {
		item, err := d.item("o-none", "unprinted", nil)
		if err != nil {
			return out, err
		}
		out.Items = append(out.Items, item)
	}
	return out, nil
}

// outputText answers with all that one attempt printed, as plain text.
func (d *Dash) outputText(w http.ResponseWriter, r *http.Request, _ auth.Person) {
	id := r.PathValue("release")
	seq, err := strconv.ParseUint(r.PathValue("sequence"), 10, 64)
	if err != nil || topology.CheckRelease(id) != nil {
		d.fail(w, r, http.StatusNotFound, "There is no such page.")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), readWithin)
	defer cancel()
	all, _, err := d.journal.Outputs(ctx, id)
	if err != nil {
		d.broken(w, r, err)
		return
	}
	i := slices.IndexFunc(all, func(o journal.Output) bool { return o.Seq == seq })
	if i < 0 {
		d.fail(w, r, http.StatusNotFound, "What that attempt printed is not stored, or not any more.")
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, mask.Show(all[i].Text)) // if it fails, whoever asked is gone
}

type apiOutputs struct {
	Release string      `json:"release"`
	Outputs []apiOutput `json:"outputs"`
	Unread  int         `json:"unread,omitempty"`
	More    bool        `json:"more,omitempty"` // there are older ones
}

type apiOutput struct {
	Seq      uint64    `json:"sequence"`
	Step     string    `json:"step"`
	Stage    string    `json:"stage,omitempty"`
	Attempt  int       `json:"attempt"`
	Try      int       `json:"try"`
	Service  string    `json:"service"`
	Instance string    `json:"instance"`
	Began    time.Time `json:"began"`
	Took     float64   `json:"took"` // seconds
	Ended    string    `json:"ended"`
	Reason   string    `json:"reason,omitempty"`
	Text     string    `json:"text"`
	Bytes    int       `json:"bytes"`
	LeftOut  int       `json:"left_out,omitempty"`
}

func (d *Dash) apiOutput(w http.ResponseWriter, r *http.Request, _ auth.Person) {
	id := r.PathValue("release")
	if topology.CheckRelease(id) != nil {
		d.broken(w, r, journal.ErrNone)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), readWithin)
	defer cancel()
	all, unread, more, err := d.outputs(ctx, id, outputsMost)
	if err == nil && len(all) == 0 { // is there such a release?
		_, err = d.journal.Load(ctx, id)
	}
	if err != nil {
		d.broken(w, r, err)
		return
	}
	out := apiOutputs{Release: id, Outputs: []apiOutput{}, Unread: unread, More: more}
	for _, o := range all {
		out.Outputs = append(out.Outputs, apiOutput{
			Seq: o.Seq, Step: string(o.Work), Stage: o.Stage, Attempt: o.Attempt, Try: o.Try, Service: o.Service, Instance: o.Instance,
			Began: o.Began.UTC(), Took: o.Took.Seconds(), Ended: o.Ended, Reason: o.Reason, Text: mask.Show(o.Text),
			Bytes: o.Bytes, LeftOut: o.Left,
		})
	}
	writeJSON(w, http.StatusOK, out)
}
