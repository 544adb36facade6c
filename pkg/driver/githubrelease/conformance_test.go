package githubrelease

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/drivertest"
	"github.com/sluice-gate/sluice/pkg/project"
)

// TestConformance runs the drivers' suite in both roles.
func TestConformance(t *testing.T) {
	const env = "SLUICE_TEST_GITHUB_TOKEN"
	t.Setenv(env, goodToken)
	t.Setenv(env+"_WRONG", "wrong-"+goodToken)
	for _, role := range []driver.Role{driver.Publish, driver.Promote} {
		t.Run(string(role), func(t *testing.T) {
			drivertest.Run(t, drivertest.Subject{Role: role, New: func(t *testing.T) drivertest.Peer {
				t.Helper()
				p := &peer{hub: newHub(), role: role, cfg: project.GitHubRelease{
					URL: home, Repo: "acme/tracer", Tag: "pkg/x/v{{version}}", Token: project.Token{Env: env},
				}}
				return p.hooks()
			}})
		})
	}
}

// peer is one repository.
type peer struct {
	*hub

	role driver.Role
	cfg  project.GitHubRelease
}

func driverOf(t *testing.T, role driver.Role, cfg project.GitHubRelease, transport http.RoundTripper) driver.Driver {
	t.Helper()
	var d driver.Driver
	var err error
	if role == driver.Promote {
		d, err = Promote(cfg, withWaits(quick()), WithTransport(transport))
	} else {
		d, err = Publish(cfg, withWaits(quick()), WithTransport(transport))
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (p *peer) hooks() drivertest.Peer {
	through := func(t *testing.T, line *drivertest.Transport) driver.Driver {
		t.Helper()
		line.Base = p.hub
		return driverOf(t, p.role, p.cfg, line)
	}
	h := drivertest.Peer{
		Open:  func(t *testing.T) driver.Driver { t.Helper(); return driverOf(t, p.role, p.cfg, p.hub) },
		State: p.state,
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
			return driverOf(t, p.role, cfg, p.hub), "wrong-" + goodToken
		},
		Outage: func(t *testing.T) driver.Driver {
			t.Helper()
			return through(t, &drivertest.Transport{Down: true})
		},
	}
	if p.role == driver.Promote {
		h.Prepare = func(t *testing.T, f driver.Facts) driver.Facts {
			t.Helper()
			var content string
			if err := f.Artifact.Read(t.Context(), func(r io.Reader) error { b, err := io.ReadAll(r); content = string(b); return err }); err != nil {
				t.Fatal(err)
			}
			p.ci("pkg/x/v"+f.Version, f.Commit, f.Artifact.Name, content)
			return f
		}
	}
	return h
}

// state reads all releases, with nothing of the driver's.
func (p *peer) state(t *testing.T) drivertest.State {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	s := drivertest.State{Stored: map[string]string{}}
	newest := ""
	for _, one := range p.releases {
		version := one.tag[len("pkg/x/v"):]
		what := fmt.Sprintf("%s draft %t, prerelease %t", one.tag, one.draft, one.prerelease)
		if _, twice := s.Stored[what]; twice {
			t.Errorf("twice: %s", what)
		}
		content := ""
		for _, f := range one.assets {
			content += f.content
			s.Stored[what+" "+f.name+" "+f.state] = f.content
		}
		s.Stored[what] = fmt.Sprint(len(one.assets))
		shown := one == p.latest
		if p.role == driver.Publish && !one.draft && one.prerelease && (newest == "" || driver.Newer(version, newest)) {
			newest, shown = version, content != ""
		}
		if shown {
			s.Channel = content
		}
	}
	return s
}
