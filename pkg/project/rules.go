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
	p.inheritS3()
	p.inheritOCI()
	p.inheritGit()
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
	if to.TokenEnv+to.TokenFile+to.NPMRC == "" && sameRegistry(from, to) {
		to.TokenEnv, to.TokenFile, to.NPMRC = from.TokenEnv, from.TokenFile, from.NPMRC
	}
}

// later is the actions after publish.
func (p *Project) later() []*Action {
	var actions []*Action
	for _, stage := range p.Stages {
		if stage.Action != nil {
			actions = append(actions, stage.Action)
		}
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
	setUnset(&p.Order, BySemver)
	setUnset(&p.Soak.Collision, Newest)
	setUnset(&p.Soak.OnGap, HoldOnGap)
	if p.Publish != nil {
		p.Publish.fillIn("beta")
	}
	for i := range p.Stages {
		p.Stages[i].fillIn()
	}
	if p.Promote != nil {
		p.Promote.fillIn("latest")
	}
	if p.Bake != nil {
		for i := range p.Bake.Watch {
			p.Bake.Watch[i].fillIn(p.Bake.For)
		}
	}
	setUnset(&p.Limits.Phase, max(DefaultPhase, p.longest()))
}

// longest is the greatest timeout of the actions.
func (p *Project) longest() time.Duration {
	var longest time.Duration
	for _, a := range append(p.later(), p.Publish) {
		if a != nil {
			longest = max(longest, a.Timeout)
		}
	}
	return longest
}

// fillIn leaves the channel unset if the stage's name is none: it may begin with a digit.
func (s *Stage) fillIn() {
	setUnset(&s.OnCancel, Restore)
	if s.Action != nil && checkChannel(s.Name) == nil {
		s.Action.fillIn(s.Name)
	}
	for i := range s.Watch {
		s.Watch[i].fillIn(s.Delay)
	}
}

func (a *Action) fillIn(channel string) {
	if a.NPM != nil {
		setUnset(&a.NPM.Tag, channel)
		setUnset(&a.NPM.Mode, Republish)
	}
	if a.OCI != nil {
		setUnset(&a.OCI.Tag, channel)
	}
	if a.Files != nil {
		setUnset(&a.Files.Channel, channel)
	}
	a.fillInGit()
	if a.AWSS3 != nil {
		setUnset(&a.AWSS3.Channel, channel)
	}
}

func (c *Check) fillIn(lasts time.Duration) {
	if c.Signal != nil || c.Alert != nil {
		setUnset(&c.Failures, 1)
		return
	}
	if c.Scores() || c.Compares() && c.Metric.Prometheus.Compare.Numbers() {
		setUnset(&c.Interval, apart(lasts))
	}
	setUnset(&c.Interval, DefaultProbeInterval)
	setUnset(&c.Timeout, DefaultProbeTimeout)
	if c.Metric != nil {
		setUnset(&c.Metric.NoData, HoldOnNoData)
		switch {
		case c.Compares():
			setUnset(&c.Failures, 1)
			c.Metric.Prometheus.Compare.fillIn(lasts)
		case c.Scores():
			setUnset(&c.Failures, 1)
			setUnset(&c.Metric.Prometheus.Score.After, onceAfter(lasts))
		}
	}
	setUnset(&c.Failures, DefaultFailures)
}

// apart is how often numbers are compared unless the file says. A server of Prometheus measures anew every minute unless it is told
// otherwise (scrape_interval: https://prometheus.io/docs/prometheus/latest/configuration/configuration/), and who takes one number for
// six is wrong about chance. What is short is looked at sixty times.
func apart(lasts time.Duration) time.Duration {
	const looks = 60
	return max(min(time.Minute, lasts/looks), DefaultProbeInterval)
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
	if d.clean("publish.oci", "promote.oci") {
		d.agreeOCI(p)
	}
	d.agreeGit(p)
	d.agreeFiles(p)
	d.agreeS3(p)
	for i, stage := range p.Stages {
		at := d.stageAt(i)
		d.agreeChecks(at.watch, stage.Watch, lasting{"soak", at.delay, stage.Delay})
	}
	if p.Bake != nil {
		d.agreeChecks("bake.watch", p.Bake.Watch, lasting{"bake", "bake.for", p.Bake.For})
	}
	if longest := p.longest(); longest > p.Limits.Phase && d.clean("limits", "publish", "stage", "stages", "promote") {
		d.fail("limits.phase", "%s is shorter than the longest timeout of an action (%s): raise it, or lower the timeout",
			short(p.Limits.Phase), short(longest))
	}
	if d.clean("windows") && p.Windows.Never() {
		d.fail("windows", "are never open: in no week is there a moment inside a window and outside the freezes")
	}
}

func (d *decoder) agreeNPM(p *Project) {
	if p.Promote == nil || p.Promote.NPM == nil {
		return
	}
	to := p.Promote.NPM
	if p.Publish == nil || p.Publish.NPM == nil {
		if to.Mode != Retag && d.clean("publish") {
			d.fail("promote.npm", "%s makes the release from the beta that publish.npm published, and there is none: "+
				"add publish: { npm: … }, or set mode: retag", to.Mode)
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
		if a.Files.Channel == "" {
			if d.clean(path + ".name") {
				d.fail(path+".files.channel", "is missing: the stage's name can not be its channel, which begins with a letter")
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
	for i, stage := range p.Stages {
		look(d.stageAt(i).stage, stage.Action)
	}
	look("promote", p.Promote)
}

// lasting is a time during which checks run, and the field that says how long it is.
type lasting struct {
	name, field string
	time.Duration
}

// agreeChecks refuses a check that can not fail before the time is over. A merge event may ask for another delay than the
// project's; this is about the project's.
func (d *decoder) agreeChecks(path string, checks []Check, during lasting) {
	for i, c := range checks {
		if path := index(path, i); during.Duration > 0 && d.clean(path, during.field) {
			d.agreeCheck(path, c, during)
		}
	}
}

func (d *decoder) agreeCheck(path string, c Check, during lasting) {
	if c.Grace >= during.Duration {
		d.fail(path+".grace", "is not shorter than %s (%s), so nothing that fails would count", during.field, short(during.Duration))
		return
	}
	if field, after := c.once(); after > 0 && after+c.Interval >= during.Duration {
		d.fail(path+".prometheus."+field+".after",
			"%s, and a look every %s, come too late to judge anything before %s (%s) is over: lower one of them",
			short(after), short(c.Interval), during.field, short(during.Duration))
		return
	}
	if most, need := numbersIn(&c, during.Duration); most < need {
		d.fail(path, "can not fail during the %s: it compares a number every %s, so at most %d of them, and can not be sure of anything "+
			"with less than %d; look more often, over a shorter range, or lower grace",
			during.name, short(c.spacing()), most, need)
		return
	}
	if c.Alert != nil && c.Grace+c.Alert.For >= during.Duration {
		d.fail(path+".alert.for", "is too long for the %s: with grace it takes %s, %s is %s",
			during.name, short(c.Grace+c.Alert.For), during.field, short(during.Duration))
		return
	}
	if first := c.Grace + time.Duration(c.Failures-1)*c.Interval; first >= during.Duration {
		d.fail(path, "can not fail during the %s: grace and %d failures every %s take %s, %s is %s; lower interval or failures",
			during.name, c.Failures, short(c.Interval), short(first), during.field, short(during.Duration))
	}
}

// once is when a check that is asked once is, and the field that says so; zero: it is not one.
func (c *Check) once() (field string, after time.Duration) {
	switch {
	case c.Scores():
		return "score", c.Metric.Prometheus.Score.After
	case c.Compares():
		return "compare", c.Metric.Prometheus.Compare.After
	}
	return "", 0
}

// spacing is how far apart the numbers of a comparison are that count.
func (c *Check) spacing() time.Duration {
	if c.Scores() {
		return max(c.Interval, c.Metric.Prometheus.Score.Window())
	}
	return max(c.Interval, c.Metric.Prometheus.Compare.Window())
}

// numbersIn is how many numbers a check can compare in a time, at most, before it is judged, and how many it needs to see anything, however
// large the difference is: by ranks, and sequentially at one false alarm in a hundred soaks (package compare). None are needed
// where none are compared.
func numbersIn(c *Check, lasts time.Duration) (most, need int) {
	need = 7
	switch {
	case c.Scores() || c.Compares() && c.Metric.Prometheus.Compare.Method == MannWhitney:
		lasts = onceAfter(lasts) // what comes after that may be missing
	case !c.Compares() || !c.Metric.Prometheus.Compare.Numbers():
		return 0, 0
	}
	return int((lasts-c.Grace-1)/c.spacing()) + 1, need
}
