package project

import (
	"strings"
	"time"
)

// inherit gives stage and promote what publish says and they do not.
func (p *Project) inherit() {
	if p.Publish == nil {
		return
	}
	if from := p.Publish.Files; from != nil {
		for _, a := range p.later() {
			if a.Files != nil && a.Files.Dir == "" {
				a.Files.Dir = from.Dir
			}
		}
	}
	if p.Promote == nil || p.Promote.NPM == nil || p.Publish.NPM == nil {
		return
	}
	from, to := p.Publish.NPM, p.Promote.NPM
	if to.Registry == "" {
		to.Registry = from.Registry
	}
	if to.Package == "" {
		to.Package = from.Package
	}
	if to.Mode == "" {
		to.Mode = from.Mode
	}
	if to.TokenEnv == "" && to.TokenFile == "" && sameRegistry(from, to) {
		to.TokenEnv, to.TokenFile = from.TokenEnv, from.TokenFile
	}
}

// later is the actions after publish.
func (p *Project) later() []*Action {
	var actions []*Action
	if p.Stage != nil {
		actions = append(actions, &p.Stage.Action)
	}
	if p.Promote != nil {
		actions = append(actions, p.Promote)
	}
	return actions
}

func sameRegistry(a, b *NPM) bool {
	return strings.TrimSuffix(a.Registry, "/") == strings.TrimSuffix(b.Registry, "/")
}

// fillIn sets the defaults of what is still unset. Those of durations are set where they are read, since 0s has a meaning.
func (p *Project) fillIn() {
	setUnset(&p.Lane, p.Name)
	setUnset(&p.Version, FromArtifact)
	setUnset(&p.Soak.Collision, Newest)
	if p.Publish != nil {
		p.Publish.fillIn("beta")
	}
	if p.Stage != nil {
		p.Stage.fillIn("staging")
		setUnset(&p.Stage.OnCancel, Restore)
	}
	if p.Promote != nil {
		p.Promote.fillIn("latest")
	}
	for i := range p.Watch {
		p.Watch[i].fillIn()
	}
}

func (a *Action) fillIn(channel string) {
	if a.NPM != nil {
		setUnset(&a.NPM.Tag, channel)
		setUnset(&a.NPM.Mode, Republish)
	}
	if a.Files != nil {
		setUnset(&a.Files.Channel, channel)
	}
}

func (c *Check) fillIn() {
	if c.Signal != nil {
		setUnset(&c.Failures, 1)
		return
	}
	setUnset(&c.Interval, DefaultProbeInterval)
	setUnset(&c.Timeout, DefaultProbeTimeout)
	setUnset(&c.Failures, DefaultFailures)
}

func setUnset[T comparable](field *T, value T) {
	var unset T
	if *field == unset {
		*field = value
	}
}

// agree checks what concerns more than one field. A rule about fields that are wrong themselves is left out: its error would
// only repeat theirs.
func (d *decoder) agree(p *Project) {
	if d.clean("publish.npm", "promote.npm") {
		d.agreeNPM(p)
	}
	d.agreeFiles(p)
	for i, c := range p.Watch {
		if path := index("watch", i); d.clean(path, "soak.delay") {
			d.agreeCheck(path, c, p.Soak.Delay)
		}
	}
}

func (d *decoder) agreeNPM(p *Project) {
	if p.Promote == nil || p.Promote.NPM == nil {
		return
	}
	to := p.Promote.NPM
	if p.Publish == nil || p.Publish.NPM == nil {
		if to.Mode == Republish && d.clean("publish") {
			d.fail("promote.npm", "republish makes the release from the beta that publish.npm published, and there is none: "+
				"add publish: { npm: … }, or set mode: retag")
		}
		return
	}
	from := p.Publish.NPM
	if to.Mode != from.Mode {
		d.fail("promote.npm.mode", "is %s, but publish.npm publishes with %s: set the same mode in both, or only in publish.npm",
			to.Mode, from.Mode)
		return
	}
	if to.Package != from.Package {
		d.fail("promote.npm.package", "must be the package of publish.npm: set it only there")
	}
	if !sameRegistry(from, to) {
		if to.Mode == Retag {
			d.fail("promote.npm.registry", "must be the registry of publish.npm: retag moves a tag on the version that is there")
		}
		return
	}
	if to.Tag == from.Tag {
		d.fail("promote.npm.tag", "%s is the tag of publish.npm too: everybody would get the beta at once", quote(to.Tag))
	}
}

func (d *decoder) agreeFiles(p *Project) {
	type place struct{ dir, channel string }
	taken := map[place]string{}
	look := func(path string, a *Action) {
		if a == nil || a.Files == nil || !d.clean(path+".files") {
			return
		}
		if a.Files.Dir == "" {
			if d.clean("publish") {
				d.fail(path+".files.dir", "is missing: the directory that holds the artifacts and the channels")
			}
			return
		}
		at := place{a.Files.Dir, a.Files.Channel}
		if first, both := taken[at]; both {
			d.fail(path+".files.channel", "%s is the channel of %s too: each needs its own", quote(at.channel), first)
		}
		taken[at] = path
	}
	look("publish", p.Publish)
	if p.Stage != nil {
		look("stage", &p.Stage.Action)
	}
	look("promote", p.Promote)
}

// agreeCheck refuses a check that can not fail before the soak ends. A merge event may ask for another delay than the
// project's; this is about the project's.
func (d *decoder) agreeCheck(path string, c Check, delay time.Duration) {
	if delay == 0 {
		return
	}
	if c.Grace >= delay {
		d.fail(path+".grace", "is not shorter than soak.delay (%s), so nothing that fails would count", short(delay))
		return
	}
	if first := c.Grace + time.Duration(c.Failures-1)*c.Interval; first >= delay {
		d.fail(path, "can not fail during the soak: grace and %d failures every %s take %s, soak.delay is %s; lower interval or failures",
			c.Failures, short(c.Interval), short(first), short(delay))
	}
}
