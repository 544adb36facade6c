package dash

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/story"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/gateway/internal/auth"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

const (
	// storeWithin bounds how long the broker has to acknowledge a request.
	storeWithin = 5 * time.Second
	// answerWithin bounds how long the journal is waited for; the request stands all the same.
	answerWithin = 8 * time.Second
)

// errWrong is what a person has to change before anything is sent.
type errWrong string

func (e errWrong) Error() string { return string(e) }

// errRole is what a person may not.
type errRole string

func (e errRole) Error() string { return string(e) }

// Wish is what a person asks of a release, or of a project.
type Wish struct {
	Verb   string `json:"-"`
	Reason string `json:"reason"`
	By     string `json:"by"`    // extend: 30m
	Force  bool   `json:"force"` // expedite
	For    string `json:"for"`   // freeze: 48h; empty: until somebody unfreezes
}

// Answer is what became of it.
type Answer struct {
	Done    bool      // it is as was asked
	Pending bool      // it is stored and not answered yet
	Seq     uint64    // at which the request is stored
	Outcome Text      // a sentence
	At      time.Time // of the journal record that answers
}

// ask asks something of a release: publishes the request, and waits for what the journal says to it.
func (d *Dash) ask(ctx context.Context, p auth.Person, id string, wish Wish) (Answer, error) {
	if !slices.Contains(topology.Verbs(), wish.Verb) {
		return Answer{}, errWrong("nothing is called " + wish.Verb)
	}
	r := release.Request{Reason: clean(wish.Reason), Force: wish.Force}
	switch {
	case wish.Force && wish.Verb != topology.VerbExpedite:
		return Answer{}, errWrong("only an expedite can be forced")
	case wish.Force && !p.May(config.Admin):
		return Answer{}, errRole("forcing a release through needs the role admin")
	case wish.Force && r.Reason == "":
		return Answer{}, errWrong("force needs a reason")
	case wish.Verb == topology.VerbExtend:
		by, err := project.ParseDuration(strings.TrimSpace(wish.By))
		if err != nil || by <= 0 || by > release.MaxExtend {
			return Answer{}, errWrong(fmt.Sprintf("by how much? a duration such as 30m or 2h, and at most %s", story.Left(release.MaxExtend)))
		}
		r.By = by
	}
	e, err := d.journal.Load(ctx, id)
	if err == nil {
		err = d.reasoned(ctx, e.State.Project, wish.Verb, r.Reason)
	}
	if err != nil {
		return Answer{}, err
	}
	body, err := releasepb.EncodeRequest(r)
	if err != nil {
		return Answer{}, err
	}
	seq, err := d.publish(ctx, topology.Request(wish.Verb, id, p.Name), body)
	if err != nil {
		return Answer{}, err
	}
	d.log.Info("dashboard: asked", zap.String("verb", wish.Verb), zap.String("release", id), zap.String("actor", p.Name),
		zap.Uint64("sequence", seq))
	return d.answer(ctx, e, release.Verb(wish.Verb), seq)
}

// reasoned refuses what needs a reason and has none, where the project file has `reasons: required`. One that can not be read requires
// none: its releases must be stopped, too.
func (d *Dash) reasoned(ctx context.Context, name, verb, reason string) error {
	if reason != "" || !project.Accountable(verb) {
		return nil
	}
	if p, _, err := d.catalog.Current(ctx, name); err == nil && p.Reasons {
		return errWrong("project " + name + " wants a reason for this")
	}
	return ctx.Err()
}

// clean is a reason in one line, as it will stand in the journal.
func clean(text string) string { return releasepb.Line(strings.TrimSpace(text), releasepb.MaxReason) }

// publish stores a message on SLUICE and returns its sequence. Only an acknowledgement of that very stream counts.
func (d *Dash) publish(ctx context.Context, subject string, body []byte) (uint64, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeWithin) // whoever asked may be gone: it is on its way
	defer cancel()
	ack, err := d.js.Publish(ctx, subject, body, jetstream.WithExpectStream(topology.StreamSluice))
	if err != nil {
		return 0, fmt.Errorf("no acknowledgement for %s: %w", subject, err)
	}
	if ack.Stream != topology.StreamSluice || ack.Sequence == 0 || ack.Duplicate {
		return 0, fmt.Errorf("%s is not stored: the acknowledgement is of stream %q, sequence %d, duplicate %t",
			subject, ack.Stream, ack.Sequence, ack.Duplicate)
	}
	return ack.Sequence, nil
}

// answer waits until the journal answers the request at a sequence.
func (d *Dash) answer(ctx context.Context, e journal.Entry, verb release.Verb, seq uint64) (Answer, error) {
	out := Answer{Seq: seq}
	waiting, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if at, err := d.journal.LoadAt(waiting, e.State.Release, seq); err == nil {
		e = at
	}
	if final(e.State, verb) && e.State.Folded < seq { // nobody answers any more
		out.Outcome, out.At = tooLate(e.State, verb), e.At
		return out, nil
	}
	var answer *journal.Record
	err := d.journal.Follow(waiting, e.State.Release, seq+1, func(r journal.Record) bool {
		if r.State.Folded < seq {
			return true
		}
		answer = &r
		return false
	}, func(error) error { return nil })
	switch {
	case answer != nil:
		return answered(*answer, verb, out), nil
	case ctx.Err() != nil:
		return out, ctx.Err()
	case !errors.Is(err, context.DeadlineExceeded):
		return out, err
	}
	out.Pending = true
	out.Outcome = say(fmt.Sprintf("The %s is stored, at sequence %d, and no service has answered it yet. It counts all the same.", verb, seq))
	return out, nil
}

// final tells whether nothing that is asked changes the release any more.
func final(s release.State, verb release.Verb) bool {
	return s.Phase.Ended() && s.Phase != release.Failed && verb != release.Recall
}

// code is the status of HTTP that goes with an answer.
func (a Answer) code() int {
	switch {
	case a.Pending:
		return http.StatusAccepted
	case !a.Done:
		return http.StatusConflict
	}
	return http.StatusOK
}

func tooLate(s release.State, verb release.Verb) Text {
	return say("Too late to "+string(verb)+" it. ", outcome(s))
}

// answered says what the record that answers a request says.
func answered(r journal.Record, verb release.Verb, out Answer) Answer {
	out.At = r.At
	if refused, ok := r.Event.(release.WasRefused); ok && refused.Seq == out.Seq {
		out.Outcome = say("It is refused: ", refused.Said.Reason)
		if s := r.State; final(s, verb) || s.Phase == release.Failed && verb != release.Retry && verb != release.Recall {
			out.Outcome = tooLate(s, verb)
		}
		return out
	}
	out.Done = true
	s := r.State
	switch e := r.Event.(type) {
	case release.WasExpedited:
		out.Outcome = say("Expedited; it is promoted as soon as it can be.")
	case release.WasExtended:
		out.Outcome = say("Extended by " + story.Left(e.By) + ".")
		if s.Phase == release.Soaking {
			out.Outcome = say("Extended by "+story.Left(e.By)+", until ", s.Due, ".")
		}
	case release.WasHeld:
		out.Outcome = say("Held; it keeps lane " + s.Policy.Lane + " until it is resumed.")
		if s.Phase != release.Held {
			out.Outcome = say("It will be held when its soak begins.")
		}
	case release.WasApproved:
		out.Outcome = say("Approved: " + s.Approvals().String() + ".")
	case release.WasRetried:
		out.Outcome = say("It is taken up again.")
	case release.WasRecalled:
		out.Outcome = say("It is being rolled back.")
	case release.WasCancelled, release.WasResumed, release.WasRefused, release.WasMerged, release.WasBegun, release.WasDone,
		release.WasQueued, release.WasSoaked, release.WasFailed, release.WasSuperseded, release.WasPostponed, release.WasPassed,
		release.WasBaking, release.WasNotRolledBack, nil:
		out.Outcome = outcome(s)
	}
	return out
}

// stop stops a project, or all, or ends that.
func (d *Dash) stop(ctx context.Context, p auth.Person, scope string, wish Wish) (Answer, error) {
	all := scope == topology.AllProjects
	reason := clean(wish.Reason)
	switch {
	case !slices.Contains(topology.Stops(), wish.Verb):
		return Answer{}, errWrong("nothing is called " + wish.Verb)
	case all && !p.May(config.Admin):
		return Answer{}, errRole("stopping all projects needs the role admin")
	case wish.Verb == topology.StopFreeze && reason == "":
		return Answer{}, errWrong("a freeze needs a reason: it is what everybody is told who waits")
	}
	if !all {
		_, _, err := d.catalog.Source(ctx, scope)
		if err == nil {
			err = d.reasoned(ctx, scope, wish.Verb, reason)
		}
		if err != nil {
			return Answer{}, err
		}
	}
	word := release.Stop{Said: release.Said{Reason: reason}}
	if wish.For != "" {
		lasts, err := project.ParseDuration(strings.TrimSpace(wish.For))
		if err != nil || lasts <= 0 || wish.Verb != topology.StopFreeze {
			return Answer{}, errWrong("for how long? a duration such as 90m, 48h or 2d")
		}
		now, err := d.journal.Now(ctx)
		if err != nil {
			return Answer{}, err
		}
		word.Until = now.Add(lasts)
	}
	body, err := releasepb.EncodeStop(word)
	if err != nil {
		return Answer{}, err
	}
	seq, err := d.publish(ctx, topology.Stop(wish.Verb, scope, p.Name), body)
	if err != nil {
		return Answer{}, err
	}
	d.log.Info("dashboard: asked", zap.String("verb", wish.Verb), zap.String("project", scope), zap.String("actor", p.Name),
		zap.Uint64("sequence", seq))
	d.source.stopsChanged()
	return d.stopped(ctx, scope, wish.Verb, seq)
}

// stopped says what the broker has of a stop after a word on it.
func (d *Dash) stopped(ctx context.Context, scope, verb string, seq uint64) (Answer, error) {
	name := scope
	if scope == topology.AllProjects {
		names, err := d.catalog.Names(ctx)
		if err != nil || len(names) == 0 {
			return Answer{Done: true, Seq: seq, Outcome: say("It is stored.")}, err
		}
		name = names[0]
	}
	gates, err := d.journal.Gates(ctx, []string{name}, seq)
	if err != nil {
		return Answer{}, err
	}
	kind, begins := release.Pause, verb == topology.StopPause || verb == topology.StopFreeze
	if verb == topology.StopFreeze || verb == topology.StopUnfreeze {
		kind = release.Freeze
	}
	stands := slices.ContainsFunc(gates[name].Stops, func(s release.Stop) bool {
		return s.Kind == kind && s.All == (scope == topology.AllProjects)
	})
	subject := scope + " is "
	if scope == topology.AllProjects {
		subject = "All projects are "
	}
	word := map[release.StopKind]string{release.Pause: "paused", release.Freeze: "frozen"}[kind]
	out := Answer{Done: stands == begins, Seq: seq, Outcome: say(subject + "not " + word + " any more.")}
	if stands {
		out.Outcome = say(subject + word + ": nothing is promoted that was not claimed before.")
	}
	return out, nil
}

// status is the answer's HTTP status for an error, and what a person is told.
func status(err error) (int, string) {
	var wrong errWrong
	var role errRole
	switch {
	case errors.As(err, &wrong):
		return http.StatusUnprocessableEntity, sentence(wrong.Error())
	case errors.As(err, &role):
		return http.StatusForbidden, sentence(role.Error())
	case errors.Is(err, journal.ErrNone):
		return http.StatusNotFound, "There is no such release."
	case errors.Is(err, catalog.ErrUnknownProject):
		return http.StatusNotFound, "There is no project of that name."
	}
	return http.StatusServiceUnavailable, "The broker does not answer: it may be stored or not, and doing it again is harmless."
}

func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
