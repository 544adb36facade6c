package npm

import (
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/npmtest"
	"github.com/sluice-gate/sluice/pkg/project"
)

func testPlan(t *testing.T, registry *npmtest.Registry) {
	b := newBench(t, registry, "plan", project.Republish)
	packed := b.pack("1.4.0", nil)
	want := func(f driver.Facts, want driver.Plan) {
		t.Helper()
		if got, err := b.publish.Plan(t.Context(), f); err != nil || got != want {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	}
	refused := func(version string, packed []byte, want string) {
		t.Helper()
		_, err := b.publish.Plan(t.Context(), facts(version, packed))
		b.wantRefused(err, want)
	}
	want(facts("", packed), driver.Plan{Version: "1.4.0", Beta: "1.4.0-beta.0"})
	want(facts("v1.4.0", packed), driver.Plan{Version: "1.4.0", Beta: "1.4.0-beta.0"})

	seed(t, registry, "plan")
	put(t, registry, b.pack("1.4.0-beta.2", nil), "beta") // of a release that ended; numbers below are used up
	put(t, registry, b.pack("1.4.0-beta.07x", nil), "other")
	put(t, registry, b.pack("1.4.0-rc.9", nil), "other")
	put(t, registry, b.pack("1.4.1-beta.9", nil), "other")
	want(facts("1.4.0", packed), driver.Plan{Version: "1.4.0", Beta: "1.4.0-beta.3", Before: "1.4.0-beta.2"})

	// A package's beta may have any contents that are not taken: a second merge of the same version gets the next number.
	want(facts("1.4.0", b.pack("1.4.0", map[string]string{"a": "other"})), driver.Plan{Version: "1.4.0", Beta: "1.4.0-beta.3", Before: "1.4.0-beta.2"})

	refused("1.5.0", packed, "the merge says version 1.5.0 and the package plan says 1.4.0")
	refused("", b.pack("1.4.0-rc.1", nil), "is a pre-release")
	refused("", b.pack("1.4.0+build.5", nil), "build metadata")
	refused("", b.pack("9007199254740992.0.0", nil), "can not count")
	refused("0.0.1", b.pack("0.0.1", nil), "plan@0.0.1 is published already")
	refused("", b.pack("0.0.0", nil), "latest of plan points to 0.0.1 already, which is newer than 0.0.0")
	tag(t, registry, "plan", latest, "1.4.1-beta.9")
	refused("", packed, "latest of plan points to 1.4.1-beta.9 already")
	tag(t, registry, "plan", latest, "0.0.1")
	refused("", npmtest.Pack(t, "other", "1.4.0", nil), "is the package other, and the project publishes plan")
	refused("", b.pack("1.4.0", map[string]string{"CHANGELOG.md": "1.4.0-beta.3: soon"}), "1.4.0-beta.3 is written in CHANGELOG.md")
	refused("", []byte("no package"), "not an npm package")
	if got := b.front.Writes(); len(got) != 0 {
		t.Errorf("planning wrote %q", got)
	}

	// Do takes nothing but what a plan said.
	for _, beta := range []string{"", "1.4.0", "1.4.0-beta", "1.4.0-beta.", "1.4.0-beta.-1", "1.4.0-beta.01", "1.4.0-beta.9007199254740992", "1.4.1-beta.0", "latest"} {
		f := facts("1.4.0", packed)
		f.Beta = beta
		_, err := b.publish.Do(t.Context(), f)
		b.wantRefused(err, "can not be")
	}

	b = newBench(t, registry, "plan", project.Retag)
	want(facts("", packed), driver.Plan{Version: "1.4.0", Beta: "1.4.0", Before: "1.4.0-beta.2"})
	put(t, registry, packed, "other")
	want(facts("", packed), driver.Plan{Version: "1.4.0", Beta: "1.4.0", Before: "1.4.0-beta.2"})
	refused("", b.pack("1.4.0", map[string]string{"a": "other"}), "1.4.0 is published already, with other contents")
	tag(t, registry, "plan", latest, "1.4.0")
	refused("", packed, "latest points to it already")
}

// With the rule next-patch any version in the package will do, also one that the package never loses.
func testNextPatch(t *testing.T, registry *npmtest.Registry) {
	b := newBench(t, registry, "next", project.Republish, WithVersionRule(project.NextPatch))
	for _, step := range []struct{ artifact, version, beta string }{
		{"0.0.0-development", "0.0.1", "0.0.1-beta.0"},
		{"0.0.0-development", "0.0.2", "0.0.2-beta.0"},
		{"1.2.0", "1.2.0", "1.2.0-beta.0"},
		{"1.2.0", "1.2.1", "1.2.1-beta.0"},
	} {
		f := b.plan("", b.pack(step.artifact, map[string]string{"a": step.beta[:5]}))
		if f.Version != step.version || f.Beta != step.beta {
			t.Errorf("%s was planned as %s, %s, want %s, %s", step.artifact, f.Version, f.Beta, step.version, step.beta)
		}
		b.beta(f)
		if done, err := b.promote.Do(t.Context(), f); err != nil || done.Value != step.version {
			t.Fatalf("%+v, %v", done, err)
		}
		if again, err := b.promote.Do(t.Context(), f); err != nil || !again.Existed {
			t.Errorf("again: %+v, %v", again, err)
		}
		if got := npmtest.Unpack(t, registry.Tarball(t, "next", step.version))[manifestFile]; !strings.Contains(got, `"version": "`+step.version+`"`) {
			t.Errorf("%s says %s", step.version, got)
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	good := project.NPM{Registry: "https://npm.example.com/base/"}
	for name, c := range map[string]struct {
		change func(cfg *project.NPM)
		opts   []Option
		want   string // empty for a configuration that is fine
	}{
		"nothing else":          {},
		"loopback":              {change: func(c *project.NPM) { c.Registry = "http://localhost:4873" }},
		"loopback 6":            {change: func(c *project.NPM) { c.Registry = "http://[::1]:4873" }},
		"no registry":           {change: func(c *project.NPM) { c.Registry = "" }, want: "say which one"},
		"no URL":                {change: func(c *project.NPM) { c.Registry = "npm.example.com" }, want: "must be a URL"},
		"a query":               {change: func(c *project.NPM) { c.Registry += "?x=1" }, want: "must be a URL"},
		"a password":            {change: func(c *project.NPM) { c.Registry = "https://ana:hunter2@npm.example.com" }, want: "credentials"},
		"a bad password":        {change: func(c *project.NPM) { c.Registry = "https://ana:hunter2%zz@npm.example.com" }, want: "must be a URL"},
		"http":                  {change: func(c *project.NPM) { c.Registry = "http://npm.example.com" }, want: "must be https"},
		"another scheme":        {change: func(c *project.NPM) { c.Registry = "file://localhost/x" }, want: "must be https"},
		"a package":             {change: func(c *project.NPM) { c.Package = "@acme/tracer" }},
		"no package":            {change: func(c *project.NPM) { c.Package = "a/b" }, want: "not a name"},
		"a mode":                {change: func(c *project.NPM) { c.Mode = "rebuild" }, want: "must be republish, retag or staged"},
		"two tokens":            {change: func(c *project.NPM) { c.TokenEnv, c.TokenFile = "A", "b" }, want: "one of token_env"},
		"a tag":                 {change: func(c *project.NPM) { c.Tag = "next-7" }},
		"a tag that is a range": {change: func(c *project.NPM) { c.Tag = "v1" }, want: "no range"},
		"any version for a tag": {change: func(c *project.NPM) { c.Tag = "x" }, want: "no range"},
		"a tag with a slash":    {change: func(c *project.NPM) { c.Tag = "a/b" }, want: "a tag is a word"},
		"the tag of everybody":  {change: func(c *project.NPM) { c.Tag = "latest" }, want: "beta to everybody"},
		"the promotion's tag": {
			change: func(c *project.NPM) { c.Tag = "stable" }, opts: []Option{WithPromote(project.NPM{Tag: "stable"})}, want: "beta to everybody",
		},
		"the promotion's mode": {opts: []Option{WithPromote(project.NPM{Mode: project.Retag})}, want: "they must agree"},
		"a retag of what is to be counted": {
			change: func(c *project.NPM) { c.Mode = project.Retag }, opts: []Option{WithVersionRule(project.NextPatch)}, want: "needs the mode republish",
		},
		"access":            {change: func(c *project.NPM) { c.Access, c.Package = "restricted", "@acme/tracer" }},
		"access to nobody":  {change: func(c *project.NPM) { c.Access = "nobody" }, want: "public or restricted"},
		"access by a scope": {change: func(c *project.NPM) { c.Access, c.Package = "restricted", "tracer" }, want: "names with a scope"},
	} {
		cfg := good
		if c.change != nil {
			c.change(&cfg)
		}
		_, err := Publish(cfg, c.opts...)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2")):
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := Promote(project.NPM{Registry: "https://npm.example.com", Mode: "rebuild"}); err == nil {
		t.Error("Promote takes any mode")
	}
}
