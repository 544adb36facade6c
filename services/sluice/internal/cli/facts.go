package cli

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/board"
	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/sluice/internal/doctor"
)

// surveyMost bounds how many requests of one verb, merges, versions of one project and dead letters are looked at.
const surveyMost = 10_000

// survey reads what the doctor examines.
type survey struct {
	*client
	facts   doctor.Facts
	names   []string
	project string // only this one; empty: all
	since   journal.From
}

// read reads all of it. What this user may not read is noted; any other error ends it.
func (s *survey) read(ctx context.Context, lookBack time.Duration) error {
	seen, err := (&board.Reader{Journal: s.journal, Catalog: s.catalog}).See(ctx, s.names)
	if err != nil {
		return err
	}
	s.since.At = seen.Now.Add(-lookBack)
	s.facts.Now, s.facts.Merged, s.facts.Releases, s.facts.Lanes = seen.Now.Local(), seen.Merged, seen.Releases, seen.Lanes
	gates, err := s.journal.Gates(ctx, s.names, 0)
	if err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{s.asked, s.named, s.refused} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	for _, name := range s.names {
		p := doctor.Project{Name: name, Gate: gates[name]}
		var file *project.Project
		if file, _, p.File = s.catalog.Current(ctx, name); errors.Is(p.File, catalog.ErrUnknownProject) {
			p.File = nil // it was taken away
		}
		if file != nil {
			p.Notify = len(file.Notify)
		}
		s.facts.Projects = append(s.facts.Projects, p)
	}
	if err := s.load(ctx); err != nil {
		return err
	}
	s.pinned(ctx)
	s.note(ctx, "whether alarms are set", s.alarms)
	s.note(ctx, "which services run", s.consumers)
	return ctx.Err()
}

// note notes what can not be read.
func (s *survey) note(ctx context.Context, what string, read func(context.Context) error) {
	guarded, cancel := s.guard(ctx)
	defer cancel()
	err := read(guarded)
	if why := denial(guarded); why != nil {
		err = why
	}
	if err != nil {
		s.facts.Unread = append(s.facts.Unread, doctor.Unread{What: what, Why: err})
	}
}

// asked reads the newest requests and merges.
func (s *survey) asked(ctx context.Context) error {
	for _, v := range release.Verbs() {
		n := 0
		err := s.journal.Requests(ctx, v, s.since, func(a journal.Asking) bool {
			s.facts.Asked = append(s.facts.Asked, a)
			n++
			return n < surveyMost
		})
		if err != nil {
			return err
		}
	}
	slices.SortFunc(s.facts.Asked, func(a, b journal.Asking) int { return cmp.Compare(a.Seq, b.Seq) })
	s.facts.Coming = map[string]bool{}
	n := 0
	return s.journal.Merges(ctx, s.project, s.since, func(m journal.Merge) bool {
		s.facts.Coming[m.ID] = true
		n++
		return n < surveyMost
	})
}

// named reads the newest versions.
func (s *survey) named(ctx context.Context) error {
	for _, name := range s.names {
		n := 0
		err := s.journal.Versions(ctx, name, s.since, func(v journal.Taken) bool {
			s.facts.Versions = append(s.facts.Versions, v)
			n++
			return n < surveyMost
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// refused reads the newest dead letters.
func (s *survey) refused(ctx context.Context) error {
	return s.journal.Refused(ctx, s.since, func(d journal.Dead) bool {
		if s.project == "" || d.Token == s.project {
			s.facts.Dead = append(s.facts.Dead, d)
		}
		return len(s.facts.Dead) < surveyMost
	})
}

// load reads the releases that are named and not read yet, and forgets what is of other projects.
func (s *survey) load(ctx context.Context) error {
	var ids []string
	for name, l := range s.facts.Lanes {
		if s.project != "" && l.Project != s.project {
			delete(s.facts.Lanes, name)
			continue
		}
		ids = append(ids, l.Owner)
		for _, w := range l.Waiting {
			ids = append(ids, w.Release)
		}
	}
	for _, p := range s.facts.Projects {
		now, _ := p.Gate.Record.Current()
		ids = append(ids, p.Gate.Record.Rolling, now.Release)
	}
	for _, v := range s.facts.Versions {
		ids = append(ids, v.Release)
	}
	for _, a := range s.facts.Asked {
		ids = append(ids, a.Release)
	}
	slices.Sort(ids)
	ids = slices.DeleteFunc(slices.Compact(ids), func(id string) bool { return id == "" || s.facts.Releases[id].Seq != 0 })
	more, err := s.journal.LoadAll(ctx, ids)
	if err != nil {
		return err
	}
	for id, e := range more {
		s.facts.Releases[id] = e
	}
	if s.project == "" {
		return nil
	}
	for id, e := range s.facts.Releases {
		if e.State.Project != s.project {
			delete(s.facts.Releases, id)
		}
	}
	s.facts.Asked = slices.DeleteFunc(s.facts.Asked, func(a journal.Asking) bool { return s.facts.Releases[a.Release].Seq == 0 })
	return nil
}

// pinned reads the project files that live releases pinned.
func (s *survey) pinned(ctx context.Context) {
	for _, e := range s.facts.Releases {
		i := slices.IndexFunc(s.facts.Projects, func(p doctor.Project) bool { return p.Name == e.State.Project })
		if i < 0 || e.State.Phase.Ended() {
			continue
		}
		p := &s.facts.Projects[i]
		revision := e.State.Policy.Revision
		if _, err := s.catalog.At(ctx, p.Name, revision); err != nil {
			if p.Pinned == nil {
				p.Pinned = map[string]error{}
			}
			p.Pinned[revision] = err
		}
	}
}

// alarms reads which live releases have one.
func (s *survey) alarms(ctx context.Context) (err error) {
	var ids []string
	for id, e := range s.facts.Releases {
		if !e.State.Phase.Ended() {
			ids = append(ids, id)
		}
	}
	s.facts.Alarms, err = s.journal.Alarms(ctx, ids)
	return err
}

// consumers reads how each service keeps up.
func (s *survey) consumers(ctx context.Context) error {
	for _, c := range topology.Consumers() {
		consumer, err := s.js.Consumer(ctx, c.Stream, c.Config.Durable)
		absent := c.Optional && errors.Is(err, jetstream.ErrConsumerNotFound) // an older version prepared the broker
		if err != nil && !absent {
			return err
		}
		if absent || c.Optional && consumer.CachedInfo().NumWaiting == 0 && consumer.CachedInfo().Delivered.Last == nil {
			if c.Config.Durable == topology.ConsumerGatewayNotify {
				s.facts.Unnotified = true
			}
			continue // nobody has ever read it: this deployment does without
		}
		info := consumer.CachedInfo()
		seen := doctor.Consumer{
			Name: c.Config.Durable, Service: strings.SplitN(c.Config.Durable, "-", 2)[0],
			Pending: info.NumPending, Taken: info.NumAckPending, Pulling: info.NumWaiting,
		}
		if info.Delivered.Last != nil {
			seen.Last = *info.Delivered.Last
		}
		s.facts.Consumers = append(s.facts.Consumers, seen)
	}
	return nil
}
