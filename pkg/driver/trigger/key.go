package trigger

import (
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/expr"
)

// keyName is the parameter that carries the key.
const keyName = "sluice_key"

// restore is the action of an Undo.
const restore = "restore"

// mostValue bounds a field of the facts, in bytes.
const mostValue = 8 << 10

// clockError is how much the clock of a CI, or of who made a release's id, may be wrong.
const clockError = 2 * time.Hour

// job is one action to be triggered.
type job struct {
	release string
	try     int
	action  string // a role, or restore
	channel string // what it is done to: a role, and the stage if there is one
	vars    expr.Vars
	since   time.Time // nothing of the release is older; zero when that is not known
}

// key names the job.
func (j job) key() string {
	return driver.Facts{Release: j.release, Try: j.try}.Key() + "-" + j.what()
}

// what is the job as it stands in its key.
func (j job) what() string {
	if j.action == restore {
		return restore + "-" + j.channel
	}
	return j.channel
}

// mark is one key that was found.
type mark struct {
	try  int
	back bool // it takes the action back
}

var (
	stageName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	keyTail   = regexp.MustCompile(`^-([0-9]{1,9})-([a-z0-9-]{1,100})`)
)

// find looks in a text for a key of the job's release on its channel, of any try.
func (j job) find(text string) (mark, bool) {
	for {
		_, after, found := strings.Cut(text, j.release)
		if !found {
			return mark{}, false
		}
		if m := keyTail.FindStringSubmatch(after); m != nil {
			try, err := strconv.Atoi(m[1])
			what, back := strings.CutPrefix(m[2], restore+"-")
			if err == nil && what == j.channel {
				return mark{try, back}, true
			}
		}
		text = after
	}
}

// newJob is the job of an action of release f; the facts are those of to, which an undo goes back to, and nil for none.
func newJob(role driver.Role, action string, f driver.Facts, to *driver.Facts) (job, error) {
	id, err := uuid.Parse(f.Release)
	if err != nil || id.String() != f.Release {
		return job{}, driver.Refusef("the release's id %s is no UUID", driver.Quote(f.Release))
	}
	if f.Stage != "" && !stageName.MatchString(f.Stage) {
		return job{}, driver.Refusef("the stage %s is not a name", driver.Quote(f.Stage))
	}
	j := job{release: f.Release, try: f.Try, action: action, channel: string(role)}
	if f.Stage != "" {
		j.channel += "-" + f.Stage
	}
	switch { // others' clocks may be wrong by a while
	case !f.Merged.IsZero():
		j.since = f.Merged.Add(-clockError)
	case id.Version() == 7: // made by whoever merged
		sec, nsec := id.Time().UnixTime()
		j.since = time.Unix(sec, nsec).Add(-clockError)
	}
	var facts driver.Facts
	if to != nil {
		facts = *to
	}
	facts.Project, facts.Stage, facts.Try = f.Project, f.Stage, f.Try
	j.vars = expr.Vars{
		"release.id": facts.Release, "release.project": facts.Project, "release.commit": facts.Commit, "release.ref": facts.Ref,
		"release.url": facts.URL, "release.actor": facts.Actor, "release.version": facts.Version, "release.beta": facts.Beta,
		"release.stage": facts.Stage, "release.artifact": facts.Artifact.Name, "release.digest": facts.Artifact.Digest,
		"undo.id": "", "undo.version": "", "undo.beta": "", "undo.digest": "", "action": action, "key": j.key(),
	}
	if action == restore {
		j.vars["undo.id"], j.vars["undo.version"], j.vars["undo.beta"] = f.Release, f.Version, f.Beta
		j.vars["undo.digest"] = f.Artifact.Digest
	}
	for name, value := range j.vars {
		text, ok := value.(string)
		if !ok {
			continue
		}
		switch {
		case len(text) > mostValue:
			return job{}, driver.Refusef("%s is %d bytes long, at most %d are passed on: %s", name, len(text), mostValue, driver.Quote(text))
		case strings.ContainsRune(text, 0), !utf8.ValidString(text):
			return job{}, driver.Refusef("%s is not text: %s", name, driver.Quote(text))
		}
	}
	j.vars["release.attempt"] = int64(facts.Try)
	return j, nil
}
