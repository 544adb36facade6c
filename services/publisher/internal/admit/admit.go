// Package admit turns a merge event into a release, once.
//
// The identity of a merge is its project and commit. It is stored first, with the release's id, by compare-and-set against
// nothing; then the journal is begun. Dying between the two is mended by the merge event itself, which comes again and finds
// its own sequence in the identity. The same commit in another event is the same release, and nothing happens; with "again"
// it is a further attempt, if the last one ended without promotion.
//
// What can not be a release at all (malformed, unknown project, an id that is taken) goes to a dead-letter subject with the
// reason. What can be one but must not (a version that is taken, an artifact that is missing) becomes a release that fails,
// so that it is seen where releases are seen.
package admit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/cdevents"
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/react"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// Admitter lets merges in.
type Admitter struct{ env service.Env }

// New makes an Admitter.
func New(env service.Env) *Admitter { return &Admitter{env: env} }

// errRefused is wrapped by every reason for a dead letter.
var errRefused = errors.New("merge refused")

// Merge handles a merge event.
func (a *Admitter) Merge(ctx context.Context, h react.Hint) error {
	err := a.admit(ctx, h)
	if errors.Is(err, errRefused) || errors.Is(err, releasepb.ErrMalformed) || errors.Is(err, catalog.ErrUnknownProject) {
		return a.bury(ctx, h, err)
	}
	return err
}

func (a *Admitter) admit(ctx context.Context, h react.Hint) error {
	m, err := decode(ctx, h)
	if err != nil {
		return err
	}
	if err := check(m); err != nil {
		return err
	}
	name := h.Subject.Project
	p, revision, err := a.env.Catalog.Current(ctx, name)
	if err != nil {
		return err
	}
	id, attempt, err := a.identify(ctx, h, m)
	if err != nil || id == "" {
		return err
	}
	command := release.Admit{
		Release: id, Project: name, At: h.At, Policy: policy(p, revision),
		Merge: release.Merge{
			Commit: m.Commit, Ref: m.Ref, URL: m.URL, Actor: m.Actor, Version: m.Version, Artifact: m.Artifact,
			Digest: m.Digest, Delay: m.Delay, Attempt: attempt, Seq: h.Seq, Needs: m.Needs,
		},
	}
	_, admitted, err := a.env.Journal.Do(ctx, id, command, h.Cause())
	if admitted {
		a.env.Log.Info("merge admitted", zap.String("project", name), zap.String("commit", m.Commit), zap.String("release", id))
	}
	return err
}

// decode reads a merge event of our own, or a CDEvent that is one.
func decode(ctx context.Context, h react.Hint) (releasepb.MergeEvent, error) {
	if !cdevents.Is(h.Header, h.Data) {
		return releasepb.DecodeMergeEvent(h.Data)
	}
	e, err := cdevents.Read(ctx, h.Header, h.Data)
	if err != nil {
		return releasepb.MergeEvent{}, fmt.Errorf("%w: %w", errRefused, err)
	}
	if !slices.Contains(cdevents.Types(), e.Type) {
		return releasepb.MergeEvent{}, fmt.Errorf("%w: the CDEvent %s is no merge; those are: %s",
			errRefused, releasepb.Line(e.Type, maxType), strings.Join(cdevents.Types(), ", "))
	}
	return e.Merge(), nil
}

// maxType bounds what is repeated of an event's type, in bytes.
const maxType = 80

// check refuses what is well-formed but can not be a name.
func check(m releasepb.MergeEvent) error {
	err := topology.CheckCommit(m.Commit)
	if err == nil && m.Version != "" {
		err = topology.CheckVersion(m.Version)
	}
	for _, n := range m.Needs {
		if err == nil {
			err = topology.CheckProject(n.Project)
		}
		if err == nil {
			err = topology.CheckVersion(n.Version)
		}
	}
	if err == nil {
		err = checkArtifact(m.Artifact)
	}
	if err == nil && m.Digest != "" {
		_, err = driver.DigestHex(m.Digest)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	return nil
}

// checkArtifact refuses what can not be the name of an object. The object store makes a subject of the name, and a client that
// asks for one that is too long loses its connection, again at every delivery.
func checkArtifact(name string) error {
	const most = 512
	switch {
	case name == "":
		return fmt.Errorf("artifact is missing: name an object in %s", topology.BucketArtifacts)
	case len(name) > most:
		return fmt.Errorf("artifact %s is %d bytes long, at most %d are allowed", driver.Quote(name), len(name), most)
	case strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("artifact %s: want a name on one line, of characters that print", driver.Quote(name))
	}
	return nil
}

// identify stores, or finds, which release the merge is. An empty id means that there is nothing to do: the commit is a
// release already.
func (a *Admitter) identify(ctx context.Context, h react.Hint, m releasepb.MergeEvent) (id string, attempt int, err error) {
	for {
		known, last, err := a.env.Journal.Commit(ctx, h.Subject.Project, m.Commit)
		if err != nil {
			return "", 0, err
		}
		switch {
		case last != 0 && known.MergeSeq == h.Seq:
			return known.Release, known.Attempt, nil
		case last != 0 && (known.MergeSeq > h.Seq || !m.Again):
			a.env.Log.Info("the commit is a release already",
				zap.String("project", h.Subject.Project), zap.String("commit", m.Commit), zap.String("release", known.Release))
			return "", 0, nil
		case last != 0:
			if err := a.mayTryAgain(ctx, m.Commit, known.Release); err != nil {
				return "", 0, err
			}
		}
		if id, err = a.newID(ctx, h, m); err != nil {
			return "", 0, err
		}
		record := releasepb.CommitRecord{Release: id, Attempt: known.Attempt + 1, MergeSeq: h.Seq}
		err = a.env.Journal.SetCommit(ctx, h.Subject.Project, m.Commit, record, last)
		if !errors.Is(err, journal.ErrConflict) {
			return id, record.Attempt, err
		}
	}
}

func (a *Admitter) mayTryAgain(ctx context.Context, commit, id string) error {
	e, err := a.env.Journal.Load(ctx, id)
	if err != nil {
		return err // without a journal yet: its own merge event is still being handled
	}
	if !e.State.Phase.Ended() || e.State.Phase == release.Promoted {
		return fmt.Errorf("%w: commit %s is release %s, which is %s: again is for one that ended without promotion",
			errRefused, commit, id, e.State.Phase)
	}
	return nil
}

// newID is the id that the event brought along, if no other merge has it, or a new one.
func (a *Admitter) newID(ctx context.Context, h react.Hint, m releasepb.MergeEvent) (string, error) {
	if m.ID == "" {
		id, err := uuid.NewV7()
		return id.String(), err
	}
	e, err := a.env.Journal.Load(ctx, m.ID)
	if errors.Is(err, journal.ErrNone) || (err == nil && e.State.Merge.Seq == h.Seq) {
		return m.ID, nil
	}
	if err == nil {
		err = fmt.Errorf("%w: id %s belongs to commit %s of project %s: leave it out, or make a new one",
			errRefused, m.ID, e.State.Merge.Commit, e.State.Project)
	}
	return "", err
}

func policy(p *project.Project, revision string) release.Policy {
	out := release.Policy{
		Revision: revision, Lane: p.Lane, Collision: release.Collision(p.Soak.Collision),
		SupersedeLimit: p.Soak.SupersedeLimit, MaxWait: p.Soak.MaxWait,
		MaxOverdue: p.Soak.MaxOverdue, Order: release.Order(p.Order), MaxPhase: p.Limits.Phase, MaxHold: p.Limits.Hold,
		Coverage: p.Soak.Coverage, OnGap: release.OnGap(p.Soak.OnGap),
		Delay: p.Stages[0].Delay, Approvals: p.Stages[0].Approvals,
		PutBack: slices.ContainsFunc(p.Stages, func(s project.Stage) bool { return s.OnCancel != project.Leave }),
	}
	if p.Bake != nil {
		out.Bake = p.Bake.For
	}
	for _, n := range p.Needs {
		out.Needs = append(out.Needs, release.Need(n))
	}
	if len(p.Stages) > 1 || p.Stages[0].Name != release.DefaultStage {
		for _, s := range p.Stages {
			out.Stages = append(out.Stages, release.StagePolicy{Name: s.Name, Delay: s.Delay, Approvals: s.Approvals})
		}
	}
	return out
}

// bury keeps a refused merge with its reason, and ends its delivery.
func (a *Admitter) bury(ctx context.Context, h react.Hint, why error) error {
	data, err := releasepb.EncodeDeadLetter(releasepb.DeadLetter{Reason: why.Error(), Subject: h.Raw, Seq: h.Seq, Body: h.Data})
	if err != nil {
		return err
	}
	subject := topology.Dead("merge", h.Subject.Project)
	if _, err := a.env.JS.Publish(ctx, subject, data, jetstream.WithExpectStream(topology.StreamSluice)); err != nil {
		return fmt.Errorf("keep a refused merge: %w", err)
	}
	return react.Refuse(why)
}
