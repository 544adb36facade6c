package dash

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/audit"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/story"
	"github.com/sluice-gate/sluice/services/gateway/internal/auth"
)

// proveWithin bounds a verification: what takes longer is for the command line, which has no limit.
const proveWithin = 20 * time.Second

// errBusy: one verification at a time is enough for a broker that has other things to do.
var errBusy = errors.New("somebody else verifies now: try again in a moment")

// Proof is what verifying the chains came to, as sluice audit verify does it: the projects that are broken first.
type Proof struct {
	Release  string // one journal by itself; empty: projects
	Projects []Proved
	Left     []string // projects for which there was no time
	Broken   int
}

// Proved is what verifying a project, or a release, came to.
type Proved struct {
	Project  string
	Text     string       // what was proven
	Break    *audit.Break // the first one; nil: there is none
	Covered  Text
	Notes    []Text
	Verified journal.Verified
}

// prove verifies the chains of a project, or of all, or one release's journal, no longer than proveWithin.
func (d *Dash) prove(ctx context.Context, q Query) (*Proof, error) {
	if _, err := q.checked(d.hub.now()); err != nil {
		return nil, err
	}
	select {
	case d.proving <- struct{}{}:
		defer func() { <-d.proving }()
	default:
		return nil, errBusy
	}
	out := &Proof{Release: q.Release}
	names, err := d.chains(ctx, q)
	asked := ctx
	ctx, cancel := context.WithTimeout(ctx, d.proveWithin)
	defer cancel()
	for i, name := range names {
		if err != nil {
			break
		}
		var one Proved
		if one, err = d.proved(ctx, name, q.Release); err == nil {
			out.add(one)
		} else if ctx.Err() != nil && asked.Err() == nil {
			out.Left, err = names[i:], nil
			break
		}
	}
	return out, err
}

func (p *Proof) add(one Proved) {
	if one.Break == nil {
		p.Projects = append(p.Projects, one)
		return
	}
	p.Projects = slices.Insert(p.Projects, p.Broken, one)
	p.Broken++
}

// chains are the projects whose chains are asked for: those with a project file, and those with a chain, so that nobody hides one by
// removing its file.
func (d *Dash) chains(ctx context.Context, q Query) ([]string, error) {
	if q.Release != "" {
		return []string{""}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	names, err := d.catalog.Names(ctx)
	if err != nil {
		return nil, err
	}
	more, err := d.journal.Audited(ctx)
	names = append(names, more...)
	if q.Project != "" {
		if err == nil && !slices.Contains(names, q.Project) {
			err = errWrong("there is no project of that name")
		}
		return []string{q.Project}, err
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

func (d *Dash) proved(ctx context.Context, name, id string) (Proved, error) {
	out := Proved{Project: name}
	var err error
	if id == "" {
		out.Verified, err = d.journal.Verify(ctx, name, audit.Expect{})
		out.Text, out.Notes = story.Proven(out.Verified)
		out.Covered = story.Covered(out.Verified).Sentence()
	} else {
		var told audit.Told
		if told, err = d.journal.VerifyRelease(ctx, id); told.Records == 0 && err == nil {
			return out, journal.ErrNone
		}
		out.Verified.Records, out.Verified.Unchained = told.Records, told.Unchained
		out.Text = story.Count(told.Records, "record") + ": nothing was removed or changed" + story.Unchained(told.Unchained)
		out.Covered = say("That its last record is there, the chain of its project tells.")
	}
	if !errors.As(err, &out.Break) {
		return out, err
	}
	out.Covered, out.Notes = nil, nil
	if id == "" {
		last, _, err := d.journal.Checkpoint(ctx, name)
		if err != nil {
			d.log.Warn("dashboard: the last link of a broken chain can not be read", zap.String("project", name), zap.Error(err))
		}
		out.Covered = story.Followed(out.Verified, last).Sentence()
	}
	return out, nil
}

func (d *Dash) provePage(w http.ResponseWriter, r *http.Request, p auth.Person) {
	q := queryOf(r)
	proof, err := d.prove(r.Context(), q)
	if errors.Is(err, errBusy) {
		err = errWrong(errBusy.Error())
	}
	d.audited(w, r, p, Audit{Query: q, Events: events(), Proof: proof}, err)
}

type apiProof struct {
	Intact   bool        `json:"intact"` // nothing was found to be removed or changed
	Whole    bool        `json:"whole"`  // there was time for all that was asked for
	Projects []apiProved `json:"projects"`
	Left     []string    `json:"not_verified,omitempty"`
}

type apiProved struct {
	Project    string            `json:"project,omitempty"`
	Release    string            `json:"release,omitempty"`
	Text       string            `json:"text"`
	Covered    string            `json:"covered"`
	Notes      []string          `json:"notes,omitempty"`
	Break      *apiBreak         `json:"break,omitempty"`
	Releases   int               `json:"releases"`
	Records    int               `json:"records"`
	Links      int               `json:"links"`
	Unsigned   int               `json:"unsigned"`
	Checkpoint *audit.Checkpoint `json:"checkpoint,omitempty"` // the last signed one
}

type apiBreak struct {
	Release  string `json:"release,omitempty"`
	Sequence uint64 `json:"sequence,omitempty"`
	What     string `json:"what"`
}

func (d *Dash) apiProve(w http.ResponseWriter, r *http.Request, _ auth.Person) {
	proof, err := d.prove(r.Context(), queryOf(r))
	if err != nil {
		d.unable(w, r, err)
		return
	}
	out := apiProof{Intact: proof.Broken == 0, Whole: len(proof.Left) == 0, Projects: []apiProved{}, Left: proof.Left}
	for _, p := range proof.Projects {
		v := p.Verified
		one := apiProved{
			Project: p.Project, Release: proof.Release, Text: p.Text, Covered: p.Covered.String(), Releases: v.Releases, Records: v.Records,
			Links: v.Links, Unsigned: v.Unsigned,
		}
		for _, n := range p.Notes {
			one.Notes = append(one.Notes, n.String())
		}
		if v.Signed.Key != "" {
			one.Checkpoint = &v.Signed
		}
		if b := p.Break; b != nil {
			one.Text, one.Break = b.Error(), &apiBreak{b.Release, b.Seq, b.What}
		}
		out.Projects = append(out.Projects, one)
	}
	writeJSON(w, http.StatusOK, out)
}

// unable answers a program whose wish can not be met.
func (d *Dash) unable(w http.ResponseWriter, r *http.Request, err error) {
	var wrong errWrong
	switch {
	case errors.As(err, &wrong):
		d.fail(w, r, http.StatusUnprocessableEntity, sentence(wrong.Error()))
	case errors.Is(err, errBusy):
		w.Header().Set("Retry-After", "5")
		d.fail(w, r, http.StatusServiceUnavailable, sentence(errBusy.Error()))
	default:
		d.broken(w, r, err)
	}
}
