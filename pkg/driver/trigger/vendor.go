package trigger

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/expr"
)

// Vendor is one who runs things and whose driver is in a package of its own, so that what it needs is built in only with it.
type Vendor interface {
	// Runs lists the runs of the job's release on its channel, newest first, each with the [Mark] of its key.
	Runs(ctx context.Context, j Job) ([]Run, error)
	// Start triggers the job. An error that is no refusal leaves open whether it did, unless it is [ErrNotDone].
	Start(ctx context.Context, j Job) (Run, error)
	// Look is the run as it is now.
	Look(ctx context.Context, j Job, r Run) (Run, error)
}

// Stopper is a vendor that can end a run. Its Stop may be called again for one that has ended, and returns before it has.
type Stopper interface {
	Stop(ctx context.Context, j Job, r Run, why string) error
}

// Job is one action to be triggered, Run one run of it, and Mark what the key of a run says: see [Job.Find].
type (
	Job  = job
	Run  = run
	Mark = mark
)

// Templates are named texts with expressions in them; see [ParseTemplates].
type Templates = templates

// The states of a run.
const (
	Running   = running
	Succeeded = succeeded
	Failed    = failed
)

// ErrNotDone marks the error of a start that surely triggered nothing.
var ErrNotDone = errNotDone

// NewRun is a run of a vendor: its id there, where people look at it, its state, and the vendor's own word for that, on one line.
func NewRun(m Mark, id, url string, s state, says string) Run {
	return run{mark: m, id: id, url: link(url), state: s, says: says}
}

// ID is the vendor's name of the run.
func (r run) ID() string { return r.id }

// Mark is what its key said.
func (r run) Mark() Mark { return r.mark }

// State is how far it is, and Says the vendor's word for that.
func (r run) State() state { return r.state }

// Key names the job: release, try, and what is done. It has letters, digits and dashes only, 120 at most.
func (j job) Key() string { return j.key() }

// Release is the job's release, a UUID, and Channel what the action is done to; [Job.Mark] is that of the job's own key.
func (j job) Release() string { return j.release }

// Channel is what the action is done to, and taken back from.
func (j job) Channel() string { return j.channel }

// Mark is that of the job's own key.
func (j job) Mark() Mark { return mark{j.try, j.action == restore} }

// Restores tells whether the job takes its action back.
func (m mark) Restores() bool { return m.back }

// Since is a time before which there is nothing of the release; zero when that is not known.
func (j job) Since() time.Time { return j.since }

// Find looks in a text for a key of the job's release on its channel, of any try.
func (j job) Find(text string) (Mark, bool) { return j.find(text) }

// Choose says what the runs of [Vendor.Runs] mean for the job: mine is the one to follow, opposite one whose end must come first. Both are
// nil when a run has to be triggered.
func (j job) Choose(runs []Run) (mine, opposite *Run) { return choose(runs, j) }

// Beyond ends a search that came to its bound before the end of what is there: with what was found, if that says what to do. Otherwise a
// run of the release may be among what was not looked at, and would be begun twice.
func (j job) Beyond(found []Run, looked string) ([]Run, error) {
	if mine, opposite := choose(found, j); mine != nil || opposite != nil {
		return found, nil
	}
	return nil, driver.Refusef("%s since the merge are as far as is looked, and there are more: look there for one with the key %s; "+
		"when there is none, merge again", looked, j.key())
}

// Facts are all that expressions may name, nested as they name it: release.version is in "release".
func (j job) Facts() map[string]any {
	facts := map[string]any{}
	for name, value := range j.vars {
		group, field, ok := strings.Cut(name, ".")
		if !ok {
			facts[name] = value
			continue
		}
		if facts[group] == nil {
			facts[group] = map[string]any{}
		}
		facts[group].(map[string]any)[field] = value //nolint:forcetypeassert // made two lines above
	}
	return facts
}

// Payload is the facts as JSON, with "input" beside them if there is any.
func (j job) Payload(ctx context.Context, input Templates) ([]byte, error) {
	facts := j.Facts()
	if len(input) > 0 {
		values, err := input.values(ctx, j)
		if err != nil {
			return nil, err
		}
		facts["input"] = values
	}
	payload, err := json.Marshal(facts)
	if err != nil {
		return nil, driver.Refusef("the facts are no JSON: %w", err)
	}
	return payload, nil
}

// ParseTemplates reads the templates of a project file.
func ParseTemplates(sources map[string]string) (Templates, error) { return parseTemplates(sources) }

// Texts are the templates' values for a job, as texts.
func (t templates) Texts(ctx context.Context, j Job) (map[string]string, error) {
	return t.texts(ctx, j)
}

// Open makes the driver of a vendor that repeats its requests by itself. A blind one has no runs that could be looked for, and knows
// a repetition by its key.
func Open(name string, role driver.Role, v Vendor, interval time.Duration, blind bool) (*Driver, error) {
	o := collect(nil)
	o.waits.Tries = 1
	d, err := open(name, role, outer{v}, interval, o)
	if err == nil {
		d.blind = blind
	}
	return d, err
}

// outer is a vendor of another package.
type outer struct{ Vendor }

func (o outer) runs(ctx context.Context, j job) ([]run, error)      { return o.Runs(ctx, j) }
func (o outer) start(ctx context.Context, j job) (run, error)       { return o.Start(ctx, j) }
func (o outer) look(ctx context.Context, j job, r run) (run, error) { return o.Look(ctx, j, r) }
func (o outer) hint() string                                        { return "" } // it names its runs
func (o outer) stop(ctx context.Context, j job, r run, why string) error {
	if s, ok := o.Vendor.(Stopper); ok {
		return s.Stop(ctx, j, r, why)
	}
	return errNoStop
}

// Text is a template's text with nothing escaped.
func (j job) Text(ctx context.Context, t *expr.Template) (string, error) { return asIs(ctx, t, j) }
