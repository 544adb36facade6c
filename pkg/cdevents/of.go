package cdevents

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/sluice-gate/sluice/pkg/release"
)

// Production is the environment of everybody: what a promotion changes.
const Production = "production"

// step is what CDEvents are made of a record: what it says, and the facts around it.
type step struct {
	Record
	out []told
}

// told is the type of an event, and its subject.
type told struct {
	kind    string // with its version: "service.deployed.0.3.0"
	id      string // of the subject
	content any    // of the subject
}

// events are what happened, in the words of CDEvents.
func (s *step) events() []told {
	switch e := s.Event.(type) {
	case release.WasMerged:
		s.tell("pipelinerun.queued", s.State.Release, run{Name: s.State.Project, URI: s.State.Merge.URL})
	case release.WasBegun:
		s.tell("taskrun.started", s.task(e.Work), task{Name: string(e.Work), Run: s.run()})
	case release.WasDone:
		finished := task{Name: string(e.Work), Run: s.run(), Outcome: success}
		if e.Failed { // so nothing has changed
			finished.Outcome, finished.Errors = failure, e.Note
		} else {
			s.done(e.Work)
		}
		s.tell("taskrun.finished", s.task(e.Work), finished)
		s.ended(e.Work)
	case release.WasSoaked:
		s.tell("testsuiterun.started", s.soak(s.stage()), suite{Environment: ref(s.stage()), Suite: ref("soak")})
	case release.WasPassed:
		where := s.stageAt(s.State.Stage - 1) // it is on its way to the next one by now
		s.tell("testsuiterun.finished", s.soak(where), suite{Environment: ref(where), Suite: ref("soak"), Outcome: success})
	case release.WasBaking:
		s.promoted()
		s.tell("taskrun.finished", s.task(release.Promote), task{Name: string(release.Promote), Run: s.run(), Outcome: success})
		s.tell("testsuiterun.started", s.soak(Production), suite{Environment: ref(Production), Suite: ref("bake")})
	case release.WasRecalled:
		if e.Evidence != "" {
			s.incident("detected", Production, e.Said.Reason)
		}
		s.custom()
	case release.WasNotRolledBack:
		s.tell("taskrun.finished", s.task(release.Rollback),
			task{Name: string(release.Rollback), Run: s.run(), Outcome: failure, Errors: e.Said.Reason})
		s.incident("detected", Production, "not rolled back: "+e.Said.Reason)
	case release.WasCancelled:
		outcome := cancel
		if e.Evidence != "" { // the watcher's, who saw staging err
			s.incident("detected", s.stage(), e.Said.Reason)
			outcome = failure
		}
		s.soaked(outcome)
		s.finished(outcome, e.Said.Reason)
	case release.WasFailed:
		s.soaked(cancel)
		s.finished(errored, e.Said.Reason)
	case release.WasSuperseded:
		s.soaked(cancel)
		s.finished(cancel, "superseded by "+e.Newer)
	case release.WasQueued, release.WasHeld, release.WasResumed, release.WasExtended, release.WasExpedited, release.WasApproved,
		release.WasPostponed, release.WasRetried, release.WasRefused:
		s.custom()
	}
	return s.out
}

// done is what finished work has changed.
func (s *step) done(work release.Work) {
	switch work {
	case release.Publish:
		s.tell("artifact.published", s.purl(s.State.Beta), published{})
	case release.Stage:
		s.tell("service.deployed", s.State.Project, service{Artifact: s.purl(s.State.Beta), Environment: ref(s.stage())})
		s.tell("environment.modified", s.stage(), environment{Name: s.stage()})
	case release.Promote:
		if s.State.Policy.Bake > 0 { // everybody has it since it began to bake
			s.tell("testsuiterun.finished", s.soak(Production), suite{Environment: ref(Production), Suite: ref("bake"), Outcome: success})
			return
		}
		s.promoted()
	case release.RestoreBeta: // only a tag has moved: the task says so
	case release.RestoreStaging:
		stage := s.restored()
		s.tell("environment.modified", stage, environment{Name: stage})
		if s.State.Evidence != "" {
			s.incident("resolved", stage, "staging is put back")
		}
	case release.Rollback:
		before := purl(s.State.Project, s.State.Latest.Before, "")
		s.tell("service.rolledback", s.State.Project, service{Artifact: before, Environment: ref(Production)})
		s.tell("environment.modified", Production, environment{Name: Production})
		if s.State.Evidence != "" {
			s.incident("resolved", Production, "rolled back")
		}
	}
}

// ended finishes the run with the work that is its last.
func (s *step) ended(work release.Work) {
	switch {
	case work == release.Promote:
		s.finished(success, "")
	case work == release.Rollback && s.State.RecalledIn == release.Baking: // otherwise it had finished before
		s.finished(failure, s.State.End.Reason)
	}
}

// soaked is that the soak of the release's stage has come to its end, if it had begun.
func (s *step) soaked(outcome string) {
	if !s.State.SoakFrom.IsZero() {
		s.tell("testsuiterun.finished", s.soak(s.stage()), suite{Environment: ref(s.stage()), Suite: ref("soak"), Outcome: outcome})
	}
}

// promoted is that everybody gets the artifact. What was expedited has not soaked to the end.
func (s *step) promoted() {
	outcome := success
	if s.State.Expedited != nil {
		outcome = cancel
	}
	s.soaked(outcome)
	s.tell("artifact.published", s.purl(s.State.Version), published{})
	s.tell("service.published", s.State.Project, service{Environment: ref(Production)})
	s.tell("environment.modified", Production, environment{Name: Production})
}

func (s *step) finished(outcome, why string) {
	s.tell("pipelinerun.finished", s.State.Release, run{Name: s.State.Project, URI: s.State.Merge.URL, Outcome: outcome, Errors: why})
}

func (s *step) incident(what, where, why string) {
	s.tell("incident."+what, s.State.Release+"/"+where, incident{
		Description: why, Environment: ref(where), Service: ref(s.State.Project), Artifact: s.purl(cmp.Or(s.State.Version, s.State.Beta)),
	})
}

// custom is the record's own word. A word of a custom event has letters only.
func (s *step) custom() {
	s.out = append(s.out, told{
		kind: CustomType(s.Type), id: s.State.Release, content: map[string]string{"project": s.State.Project},
	})
}

// CustomType is the type of the event for a journal record that CDEvents has no word for.
func CustomType(word string) string {
	return "dev.cdeventsx.sluice-release." + strings.ReplaceAll(word, "-", "") + ".0.1.0"
}

// tell adds an event of spec 0.5, where all that are told here have the same version.
func (s *step) tell(kind, id string, content any) {
	s.out = append(s.out, told{kind: "dev.cdevents." + kind + ".0.3.0", id: id, content: content})
}

func (s *step) task(work release.Work) string { return s.State.Release + "/" + string(work) }
func (s *step) soak(where string) string      { return s.State.Release + "/soak/" + where }
func (s *step) run() *reference               { return ref(s.State.Release) }
func (s *step) stage() string                 { return s.State.StageName() }

func (s *step) stageAt(i int) string {
	if stages := s.State.Policy.Stages; i >= 0 && i < len(stages) {
		return stages[i].Name
	}
	return s.stage()
}

// restored is the stage that was put back last: they are put back from the last one to the first.
func (s *step) restored() string {
	for i, c := range s.State.Passed {
		if c.Restored {
			return s.stageAt(i)
		}
	}
	return s.stage()
}

// purl names the artifact under a version. Which registries have it is the drivers' business, so it is of type generic.
func (s *step) purl(version string) string { return purl(s.State.Project, version, s.State.Digest) }

func purl(name, version, digest string) string {
	text := "pkg:generic/" + escape(name)
	if version != "" {
		text += "@" + escape(version)
	}
	if digest != "" {
		text += "?checksum=" + digest
	}
	return text
}

// escape keeps what every package URL has as it is, and encodes the rest.
func escape(text string) string {
	var out strings.Builder
	for i := range len(text) {
		switch c := text[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte(".-_~", c) >= 0:
			out.WriteByte(c)
		default:
			fmt.Fprintf(&out, "%%%02X", c)
		}
	}
	return out.String()
}
