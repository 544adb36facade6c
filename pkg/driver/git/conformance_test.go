package git

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/drivertest"
	"github.com/sluice-gate/sluice/pkg/project"
)

// TestConformance runs the drivers' suite in both roles against git's own server: one that makes all changes of a push at once, and
// one that makes them one after the other, where there is a moment in between to be killed in. A push is the same in both roles.
func TestConformance(t *testing.T) {
	const env = "SLUICE_TEST_GIT_TOKEN"
	t.Setenv(env, goodToken)
	t.Setenv(env+"_WRONG", "wrong-"+goodToken)
	for _, c := range []struct {
		name   string
		role   driver.Role
		atomic bool
	}{
		{"publish", driver.Publish, true},
		{"promote", driver.Promote, true},
		{"promote, one by one", driver.Promote, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := drivertest.Subject{Role: c.role, New: func(t *testing.T) drivertest.Peer {
				t.Helper()
				p := &peer{origin: newOrigin(t), role: c.role}
				if !c.atomic {
					p.write(t, "config", gitConfig+"\tadvertiseAtomic = false\n")
				}
				p.cfg = project.Git{
					Remote: p.url, Tag: "pkg/x/v{{version}}", Candidate: "rc", Branch: string(c.role) + "/here", Token: project.Token{Env: env},
				}
				return p.hooks()
			}}
			if c.role == driver.Publish {
				s.Lacks = map[drivertest.Check]string{
					drivertest.Plan: "a version has as many candidates as are merged until one is promoted: TestPlan",
				}
			}
			if !c.atomic {
				s.Lacks = map[drivertest.Check]string{}
				s.Lacks[drivertest.Hostile] = "how a push is carried out changes nothing in what is asked for: it is shown for promote"
			}
			drivertest.Run(t, s)
		})
	}
}

// peer is one repository.
type peer struct {
	*origin

	role driver.Role
	cfg  project.Git
}

func (p *peer) driver(t *testing.T, cfg project.Git, transport http.RoundTripper) driver.Driver {
	t.Helper()
	if p.role == driver.Promote {
		return must[driver.Driver](t)(Promote(cfg, withWaits(quick()), WithTransport(transport)))
	}
	return must[driver.Publisher](t)(Publish(cfg, withWaits(quick()), WithTransport(transport)))
}

func (p *peer) hooks() drivertest.Peer {
	through := func(t *testing.T, line *drivertest.Transport) driver.Driver {
		t.Helper()
		return p.driver(t, p.cfg, line)
	}
	return drivertest.Peer{
		Open:  func(t *testing.T) driver.Driver { t.Helper(); return p.driver(t, p.cfg, http.DefaultTransport) },
		State: p.state,
		Commit: func(t *testing.T, _, content string) string {
			t.Helper()
			return p.commit(t, content)
		},
		Prepare: p.prepare,
		OnWrite: func(t *testing.T, before func(int)) driver.Driver {
			t.Helper()
			return through(t, &drivertest.Transport{Before: before})
		},
		Kill: func(t *testing.T, n int, call drivertest.Call) bool {
			t.Helper()
			line := &drivertest.Transport{KillAt: n}
			if _, err := call.Run(t.Context(), through(t, line)); (err != nil) != line.Killed() {
				t.Fatalf("%s with a line that is dead: %t: %v", call, line.Killed(), err)
			}
			return line.Killed()
		},
		LoseAnswer: func(t *testing.T, n int) driver.Driver {
			t.Helper()
			return through(t, &drivertest.Transport{LoseAt: n})
		},
		WrongSecret: func(t *testing.T) (driver.Driver, string) {
			t.Helper()
			cfg := p.cfg
			cfg.Token.Env += "_WRONG"
			return p.driver(t, cfg, http.DefaultTransport), "wrong-" + goodToken
		},
		Outage: func(t *testing.T) driver.Driver {
			t.Helper()
			return through(t, &drivertest.Transport{Down: true})
		},
	}
}

// prepare tags the candidate of a release that is to be promoted.
func (p *peer) prepare(t *testing.T, f driver.Facts) driver.Facts {
	t.Helper()
	if p.role == driver.Promote {
		f.Beta = f.Version + "-rc.1"
		p.write(t, "refs/tags/pkg/x/v"+f.Beta, f.Commit+"\n")
	}
	return f
}

// state reads all refs, with nothing of the driver's.
func (p *peer) state(t *testing.T) drivertest.State {
	t.Helper()
	s := drivertest.State{Stored: map[string]string{}}
	for name, content := range p.refs(t) {
		if name == headsAt+p.cfg.Branch {
			s.Channel = content
		} else {
			s.Stored[name] = content
		}
		if strings.Contains(name, "canary") {
			t.Errorf("there is %s", name)
		}
	}
	return s
}
