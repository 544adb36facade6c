package npm

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/drivertest"
	"github.com/sluice-gate/sluice/pkg/npmtest"
	"github.com/sluice-gate/sluice/pkg/project"
)

// TestConformance runs the drivers' suite against the real registry, in both roles and modes, with names with and without a scope.
//
// The channel of everybody is "stable" here, as the suite begins with a channel that points to nothing, and registries never leave
// latest at nothing. What is special about latest has tests of its own.
func TestConformance(t *testing.T) {
	const env = "SLUICE_TEST_NPM_TOKEN"
	registry := npmtest.Start(t)
	t.Setenv(env, registry.Token)
	t.Setenv(env+"_WRONG", "wrong-"+registry.Token)
	packages := 0
	modes := []project.NPMMode{project.Retag, project.Republish}
	if raceDetector { // it costs four times as much; make test runs both modes without
		modes = modes[1:]
	}
	for _, mode := range modes {
		for _, role := range []driver.Role{driver.Publish, driver.Promote} {
			s := drivertest.Subject{
				Role: role,
				New: func(t *testing.T) drivertest.Peer {
					t.Helper()
					packages++
					p := &peer{registry: registry, role: role, contents: map[string]string{}, cfg: project.NPM{
						Registry: registry.URL, Package: fmt.Sprintf("tracer-%d", packages), Mode: mode, TokenEnv: env,
					}}
					if packages%2 == 0 {
						p.cfg.Package = "@acme/" + p.cfg.Package
					}
					seed(t, registry, p.cfg.Package)
					return p.hooks()
				},
			}
			if role == driver.Publish && mode == project.Republish {
				s.Lacks = map[drivertest.Check]string{drivertest.Plan: "a version has as many betas as are merged until one is promoted: TestPlan"}
			}
			t.Run(fmt.Sprintf("%s/%s", mode, role), func(t *testing.T) { drivertest.Run(t, s) })
		}
	}
}

// peer is one package on the registry.
type peer struct {
	registry *npmtest.Registry
	role     driver.Role
	cfg      project.NPM
	contents map[string]string // by integrity, as a version never changes
}

func (p *peer) tag() string {
	if p.role == driver.Promote {
		return "stable"
	}
	return "beta"
}

func (p *peer) driver(t *testing.T, cfg project.NPM, opts ...Option) driver.Driver {
	t.Helper()
	var d driver.Driver
	var err error
	w := quick()
	if strings.HasSuffix(t.Name(), "/"+string(drivertest.Concurrent)) {
		w.settle = 500 * time.Millisecond // nearly what it really is: here it has something to wait for
	}
	opts = append([]Option{withWaits(w)}, opts...)
	cfg.Tag = p.tag()
	if p.role == driver.Promote {
		d, err = Promote(cfg, opts...)
	} else {
		d, err = Publish(cfg, opts...)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (p *peer) hooks() drivertest.Peer {
	through := func(t *testing.T, rt *drivertest.Transport) driver.Driver {
		t.Helper()
		return p.driver(t, p.cfg, withTransport(rt))
	}
	h := drivertest.Peer{
		Open:  func(t *testing.T) driver.Driver { t.Helper(); return p.driver(t, p.cfg) },
		State: p.state,
		Artifact: func(t *testing.T, version, content string) (string, []byte) {
			t.Helper()
			return "tracer-" + version + ".tgz", npmtest.Pack(t, p.cfg.Package, version, map[string]string{"content": content})
		},
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
			cfg.TokenEnv += "_WRONG"
			return p.driver(t, cfg), "wrong-" + p.registry.Token
		},
		Outage: func(t *testing.T) driver.Driver {
			t.Helper()
			return through(t, &drivertest.Transport{Down: true})
		},
	}
	if p.role == driver.Promote {
		h.Prepare = p.prepare
	}
	return h
}

// prepare publishes the beta of a release that is to be promoted.
func (p *peer) prepare(t *testing.T, f driver.Facts) driver.Facts {
	t.Helper()
	if strings.Contains(f.Version, "-") {
		return f // no version that could be published: the promoter must see that too
	}
	d, err := Publish(p.cfg, withWaits(quick()))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := d.Plan(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	f.Version, f.Beta = plan.Version, plan.Beta
	if _, err := d.Do(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	return f
}

// state reads the package from the registry, with nothing of the driver's.
func (p *peer) state(t *testing.T) drivertest.State {
	t.Helper()
	s := drivertest.State{Stored: map[string]string{}}
	shown := p.registry.Packument(t, p.cfg.Package)
	for version, has := range shown.Versions {
		content, known := p.contents[has.Dist.Integrity]
		if !known {
			files := npmtest.Unpack(t, p.registry.Tarball(t, p.cfg.Package, version))
			if !strings.Contains(files["package/package.json"], `"version": "`+version+`"`) {
				t.Fatalf("%s@%s says %s", p.cfg.Package, version, files["package/package.json"])
			}
			content = files["package/content"]
			p.contents[has.Dist.Integrity] = content
		}
		s.Stored["version "+version] = content
	}
	for tag, version := range shown.Tags {
		if tag == p.tag() {
			s.Channel = s.Stored["version "+version]
		} else {
			s.Stored["tag "+tag] = version
		}
	}
	return s
}
