package stage

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/lane"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/react"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/service"
)

const (
	mine   = "01970000-0000-7000-8000-000000000001"
	others = "01970000-0000-7000-8000-000000000002"
	eu     = "eu"
)

// stopped is a stager that stops at any point and goes on with what it has read.
type stopped struct {
	*testing.T
	*Stager
	hint     react.Hint
	deployed int
}

func newStopped(t *testing.T) *stopped {
	t.Helper()
	js := natstest.Topology(t, natstest.One(t).Conn(t))
	env, err := service.Open(t.Context(), "stager", "stager-0", js, zap.NewNop(), service.NewMetrics())
	if err != nil {
		t.Fatal(err)
	}
	s := &stopped{T: t, hint: react.Hint{At: time.Now(), Delivered: 1}}
	s.Stager = New(env, func(*project.Project, project.Action, driver.Role) (driver.Driver, error) { return counting{s: s}, nil })
	_, revision, err := env.Catalog.Apply(t.Context(), "tracer.yaml", []byte("project: tracer\nstage: { exec: { command: [deploy] } }\n"))
	if err != nil {
		t.Fatal(err)
	}
	s.do(release.Admit{
		Release: mine, Project: "tracer", Merge: release.Merge{Version: "1.0.0", Seq: 1},
		Policy: release.Policy{Lane: eu, Collision: release.Queue, Revision: revision},
	}, release.Begin{Work: release.Publish, Plan: release.Plan{Version: "1.0.0", Beta: "1.0.0"}})
	return s
}

// do has commands obeyed, and returns the release after them.
func (s *stopped) do(commands ...release.Command) (e journal.Entry) {
	s.Helper()
	for _, c := range commands {
		var err error
		if e, _, err = s.env.Journal.Do(s.Context(), mine, c, "test"); err != nil {
			s.Fatal(err)
		}
	}
	return e
}

func (s *stopped) owner() string {
	s.Helper()
	r, _, err := s.env.Journal.Lane(s.Context(), eu)
	if err != nil {
		s.Fatal(err)
	}
	return r.Owner
}

// gives lets a release occupy the lane, whoever does.
func (s *stopped) gives(owner string) {
	s.Helper()
	_, last, err := s.env.Journal.Lane(s.Context(), eu)
	if err == nil {
		_, err = s.env.Journal.SetLane(s.Context(), eu, lane.Record{Owner: owner, Project: "tracer"}, last)
	}
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stopped) published() journal.Entry { return s.do(release.Finish{Work: release.Publish}) }
func (s *stopped) failed() journal.Entry    { return s.do(release.Fail{By: "ana"}) }
func (s *stopped) retried() journal.Entry {
	return s.do(release.Request{Verb: release.Retry, Seq: 1000, At: time.Now()})
}

// TestLeaveLooksWhetherItHasStillEnded: it was retried since it was read, and is in its lane again.
func TestLeaveLooksWhetherItHasStillEnded(t *testing.T) {
	s := newStopped(t)
	s.published()
	read := s.failed()
	in, err := s.enter(t.Context(), s.hint, s.retried())
	if err != nil || !in.Owns {
		t.Fatal(in, err)
	}
	if _, err := s.leave(t.Context(), s.hint, read); !errors.Is(err, journal.ErrConflict) {
		t.Errorf("leave by what was read before the retry: %v", err)
	}
	if owner := s.owner(); owner != mine {
		t.Errorf("the lane is %q's", owner)
	}
}

// TestDeploysOnlyWhatItHasRead: while a stager that has let the release in was stopped, it failed, lost its lane to another
// release, and was retried.
func TestDeploysOnlyWhatItHasRead(t *testing.T) {
	s := newStopped(t)
	read := s.published()
	in, err := s.enter(t.Context(), s.hint, read)
	if err != nil || !in.Owns {
		t.Fatal(in, err)
	}
	s.failed()
	s.gives(others)
	s.retried()
	if err := s.deploy(t.Context(), s.hint, read, ""); !errors.Is(err, journal.ErrConflict) {
		t.Errorf("deployed by what was read before it failed: %v", err)
	}
	if s.deployed > 0 {
		t.Error("it is deployed while another release occupies the lane")
	}
}

// counting is a stage that counts what is deployed there.
type counting struct{ s *stopped }

func (counting) Look(context.Context, driver.Facts) (driver.Seen, error) { return driver.Seen{}, nil }

func (c counting) Do(context.Context, driver.Facts) (driver.Done, error) {
	c.s.deployed++
	return driver.Done{}, nil
}

func (counting) Undo(context.Context, driver.Facts, driver.Back) (driver.Done, error) {
	return driver.Done{}, nil
}
