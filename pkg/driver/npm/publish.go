package npm

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
)

// Option changes how a driver is made.
type Option func(*options)

type options struct {
	rule      project.VersionRule
	promote   *project.NPM
	transport http.RoundTripper
	waits     waits
}

func collect(opts []Option) options {
	o := options{rule: project.FromArtifact, transport: http.DefaultTransport, waits: defaultWaits()}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// WithVersionRule says how Plan finds the version of a merge that names none. With [project.NextPatch], which needs the mode
// republish, the version in the artifact may be any: it is rewritten.
func WithVersionRule(rule project.VersionRule) Option { return func(o *options) { o.rule = rule } }

// WithPromote tells the publisher how its betas will be promoted, so that Plan refuses what the promotion would refuse: a version
// that everybody has passed already.
func WithPromote(cfg project.NPM) Option { return func(o *options) { o.promote = &cfg } }

// publisher puts betas on the beta channel.
type publisher struct {
	channel
	rule    project.VersionRule
	promote string // the tag of everybody's channel
}

// Publish makes the driver of a project's publish action: the beta goes to cfg.Registry under the dist-tag cfg.Tag, which is
// beta unless set. Facts.Beta must be what Plan said. An error is a mistake in cfg.
func Publish(cfg project.NPM, opts ...Option) (driver.Publisher, error) {
	o := collect(opts)
	c, err := open(cfg, "beta", o)
	if err != nil {
		return nil, err
	}
	p := &publisher{channel: c, rule: o.rule, promote: latest}
	if o.promote != nil && o.promote.Tag != "" {
		p.promote = o.promote.Tag
	}
	switch {
	case c.tag == latest || c.tag == p.promote:
		return nil, fmt.Errorf("npm: publish under the tag %s would give the beta to everybody", c.tag)
	case o.rule == project.NextPatch && c.mode == project.Retag:
		return nil, fmt.Errorf("npm: the version rule %s needs the mode %s: %s publishes packages as they are", o.rule, project.Republish, project.Retag)
	case o.promote != nil && modeOf(o.promote.Mode) != c.mode:
		return nil, fmt.Errorf("npm: publish has the mode %s and promote has %s: they must agree", c.mode, modeOf(o.promote.Mode))
	}
	return p, nil
}

func modeOf(m project.NPMMode) project.NPMMode {
	if m == "" {
		return project.Republish
	}
	return m
}

// Plan is driver.Publisher's.
func (p *publisher) Plan(ctx context.Context, f driver.Facts) (driver.Plan, error) {
	t, err := p.artifact(ctx, f)
	if err != nil {
		return driver.Plan{}, err
	}
	is, err := p.show(ctx, t.name)
	if err != nil {
		return driver.Plan{}, err
	}
	version, err := p.version(t, f.Version, is)
	if err != nil {
		return driver.Plan{}, err
	}
	if now := is.tags[p.promote]; now != "" && driver.Newer(now, version) {
		return driver.Plan{}, driver.Refusef("%s of %s points to %s already, which is newer than %s: it could never be promoted", p.promote, t.name, now, version)
	}
	plan := driver.Plan{Version: version, Beta: version, Before: is.tags[p.tag]}
	if have, taken := is.versions[version]; taken {
		return plan, p.again(ctx, t, version, have, is)
	}
	if p.mode != project.Retag {
		plan.Beta = nextBeta(version, is.versions)
		_, err = p.make(t, version, plan.Beta)
	}
	return plan, err
}

// version is the one that everybody will get.
func (p *publisher) version(t *tarball, asked string, is shown) (string, error) {
	version := t.version
	switch {
	case asked != "":
		var err error
		if version, err = driver.CleanVersion(asked); err != nil {
			return "", err
		}
	case p.rule == project.NextPatch:
		version = nextPatch(t.version, is.versions)
	}
	if err := plain(version); err != nil {
		return "", err
	}
	if version != t.version && p.rule != project.NextPatch {
		return "", driver.Refusef("the merge says version %s and the package %s says %s", version, t.name, t.version)
	}
	return version, nil
}

// again returns nil for a version that is there and may be taken for this release's own: in the mode retag, one with the same
// bytes that was never promoted, as it is after a cancel.
func (p *publisher) again(ctx context.Context, t *tarball, version string, have published, is shown) error {
	if p.mode != project.Retag {
		return driver.Refusef("%s@%s is published already: merge with a new version", t.name, version)
	}
	if err := p.registry.same(ctx, have, t); err != nil {
		return err
	}
	if is.tags[p.promote] == version && len(is.versions) > 1 {
		return driver.Refusef("%s@%s is published and %s points to it already: merge with a new version", t.name, version, p.promote)
	}
	return nil
}

// make builds the package that is published as the beta.
func (p *publisher) make(artifact *tarball, version, beta string) (*tarball, error) {
	if p.mode == project.Retag {
		if beta != version || artifact.version != version {
			return nil, driver.Refusef("%s: the package says version %s, the release is %s and its beta %s; in the mode %s they are one",
				artifact.name, artifact.version, driver.Quote(version), driver.Quote(beta), project.Retag)
		}
		return artifact, nil
	}
	if err := plain(version); err != nil {
		return nil, err
	}
	if _, ok := betaNumber(beta, version); !ok {
		return nil, driver.Refusef("%s: the beta of version %s can not be %s: it is what the plan says, such as %s", artifact.name, version, driver.Quote(beta), betaOf(version, 0))
	}
	if err := artifact.mentions(beta); err != nil {
		return nil, err
	}
	return artifact.rewrite(beta)
}

// Look is driver.Driver's.
func (p *publisher) Look(ctx context.Context, f driver.Facts) (driver.Seen, error) {
	return p.look(ctx, f, f.Beta, func(artifact *tarball) (*tarball, error) { return p.make(artifact, f.Version, f.Beta) })
}

// Do is driver.Driver's.
func (p *publisher) Do(ctx context.Context, f driver.Facts) (driver.Done, error) {
	artifact, err := p.artifact(ctx, f)
	if err != nil {
		return driver.Done{}, err
	}
	t, err := p.make(artifact, f.Version, f.Beta)
	if err != nil {
		return driver.Done{}, err
	}
	was, err := p.show(ctx, t.name)
	if err != nil {
		return driver.Done{}, err
	}
	done, err := p.publish(ctx, t, f.Commit, was, func() error { return nil })
	if err != nil {
		return driver.Done{}, err
	}
	note, err := p.firstVersion(ctx, t, was)
	if err != nil {
		return driver.Done{}, err
	}
	done.Note = join(note, done.Note)
	if _, ok := t.manifest["publishConfig"]; ok {
		done.Note = join(done.Note, "publishConfig in package.json is ignored: the project file decides")
	}
	if _, there := was.versions[t.version]; t.attested() && (p.mode != project.Retag || !there) {
		done.Note = join(done.Note, fmt.Sprintf("package.json asks for provenance, which only npm publish in CI can attest: %s@%s has none",
			t.name, t.version))
	}
	return done, nil
}

// attested tells whether package.json asks npm publish for provenance.
// https://docs.npmjs.com/generating-provenance-statements
func (t *tarball) attested() bool {
	var config struct{ Provenance bool }
	return json.Unmarshal(t.manifest["publishConfig"], &config) == nil && config.Provenance
}

// firstVersion deals with the registry's habit of pointing latest to a package's first version: it tries to remove latest, when
// this call has published that version, and says what the outcome is. A removal that fails is no failure of the publish.
func (p *publisher) firstVersion(ctx context.Context, t *tarball, was shown) (note string, err error) {
	if _, existed := was.versions[t.version]; existed {
		if was.tags[latest] != t.version || len(was.versions) > 1 || p.promote != latest {
			return "", nil
		}
		return firstNote(t, ""), nil // to be removed by whoever published it, or never: it may have been promoted since
	}
	if was.tags[latest] != "" {
		return "", nil
	}
	tags, err := p.registry.tags(ctx, t.name)
	if err != nil || tags[latest] != t.version {
		return "", err
	}
	failed := p.registry.point(ctx, t.name, latest, "", func(string) error { return nil })
	if ctx.Err() != nil {
		return "", failed
	}
	if failed != nil {
		return firstNote(t, failed.Error()), nil
	}
	if tags, err = p.registry.tags(ctx, t.name); err != nil {
		return "", err
	}
	if tags[latest] == t.version {
		return firstNote(t, "latest was removed, and is back"), nil
	}
	return fmt.Sprintf("%s is new to the registry, which pointed latest to its first version, the beta %s; latest is removed again",
		t.name, t.version), nil
}

func firstNote(t *tarball, why string) string {
	note := fmt.Sprintf("%s is new to the registry, which points latest to its first version and does not let go of it: "+
		"until a promotion, npm install %s gets the beta %s", t.name, t.name, t.version)
	if why != "" {
		note += " (" + why + ")"
	}
	return note
}

// join makes one line of notes.
func join(notes ...string) string {
	var said []string
	for _, n := range notes {
		if n != "" {
			said = append(said, n)
		}
	}
	return strings.Join(said, "; ")
}

// Undo is driver.Driver's.
func (p *publisher) Undo(ctx context.Context, f driver.Facts, back driver.Back) (driver.Done, error) {
	name, err := p.undoable(ctx, f, f.Beta, back)
	if err != nil {
		return driver.Done{}, err
	}
	return p.undo(ctx, name, f.Beta, back)
}
