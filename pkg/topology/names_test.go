package topology

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

func kinds() []Kind {
	return []Kind{
		KindMerge, KindRequest, KindRelease, KindCommit, KindVersion, KindLane, KindDead, KindDelay, KindDue,
		KindStop, KindProject, KindAudit, KindSignal, KindHeartbeat, KindMeasured, KindEvidence, KindJudged, KindTemplates, KindOutput,
	}
}

func genRelease() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		var u uuid.UUID
		copy(u[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "bytes"))
		return u.String()
	})
}

// genSubject draws a valid subject of any kind.
func genSubject() *rapid.Generator[Subject] {
	name := rapid.StringMatching(`[a-z0-9][a-z0-9-]{0,62}`)
	actor := rapid.StringMatching(`[A-Za-z0-9_-]{1,64}`)
	return rapid.Custom(func(t *rapid.T) Subject {
		s := Subject{Kind: rapid.SampledFrom(kinds()).Draw(t, "kind")}
		switch s.Kind {
		case KindMerge, KindProject, KindAudit:
			s.Project = name.Draw(t, "project")
		case KindStop:
			s.Verb = rapid.SampledFrom(Stops()).Draw(t, "verb")
			s.Project = rapid.OneOf(name, rapid.Just(AllProjects)).Draw(t, "scope")
			if rapid.Bool().Draw(t, "named") {
				s.Actor = actor.Draw(t, "actor")
			}
		case KindRequest:
			s.Verb = rapid.SampledFrom(Verbs()).Draw(t, "verb")
			s.Release = genRelease().Draw(t, "release")
			if rapid.Bool().Draw(t, "named") {
				s.Actor = actor.Draw(t, "actor")
			}
		case KindCommit:
			s.Project = name.Draw(t, "project")
			s.Commit = rapid.StringMatching(`[0-9A-Za-z][0-9A-Za-z_-]{0,127}`).Draw(t, "commit")
		case KindVersion:
			s.Project = name.Draw(t, "project")
			s.Version = rapid.StringMatching(`[0-9A-Za-z.+-]{1,128}`).Draw(t, "version")
		case KindLane:
			s.Lane = name.Draw(t, "lane")
		case KindDead:
			s.What = name.Draw(t, "what")
			s.Token = actor.Draw(t, "token")
		case KindSignal:
			s.Project = name.Draw(t, "project")
			if rapid.Bool().Draw(t, "of a release") {
				s.Release = genRelease().Draw(t, "release")
			}
		default:
			s.Release = genRelease().Draw(t, "release")
		}
		return s
	})
}

func TestSubjectsSurviveTheRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := genSubject().Draw(t, "subject")
		text := want.String()
		got, err := ParseSubject(text)
		if err != nil {
			t.Fatalf("ParseSubject(%q): %v", text, err)
		}
		if got != want {
			t.Fatalf("ParseSubject(%q) = %+v, want %+v", text, got, want)
		}
		if strings.ContainsAny(text, "*> \t\r\n") {
			t.Fatalf("%q has a wildcard or a space", text)
		}
	})
}

func FuzzParseSubject(f *testing.F) {
	const id = "01890a5d-ac96-774b-bcce-b302099a8057"
	for _, s := range []string{
		Merge("tracer"), Request(VerbCancel, id, ""), Request(VerbExtend, id, "ana"), Release(id), Commit("tracer", "c0ffee"),
		Version("tracer", "1.4.0-beta.1+x"), Lane("web"), Dead("merge", "17"), Delay(id), Due(id), Signal("tracer", ""),
		Signal("tracer", id), Alert("tracer", "c0ffee00c0ffee00"), Heartbeat(id), Evidence(id), Judged(id), Templates(id), CDEvents(id), "", "sluice.", "sluice.cancel." + id + ".", "sluice.cancel.*",
		Stop(StopPause, "tracer", ""), Stop(StopUnfreeze, AllProjects, "ana"), Project("tracer"), Audit("tracer"), "sluice.pause._all.", "sluice.project._all",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseSubject(s)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\r\n") {
				t.Fatalf("the error is more than a line: %q", err)
			}
			return
		}
		if back := got.String(); back != s {
			t.Fatalf("%q parsed to %+v, which is %q", s, got, back)
		}
	})
}

func TestSubjectsAreExactlyThese(t *testing.T) {
	const id = "01890a5d-ac96-774b-bcce-b302099a8057"
	for _, c := range []struct{ got, want string }{
		{Merge("tracer"), "sluice.merge.tracer"},
		{Request(VerbCancel, id, ""), "sluice.cancel." + id},
		{Request(VerbExpedite, id, "ana"), "sluice.expedite." + id + ".ana"},
		{Release(id), "sluice.release." + id},
		{Commit("tracer", "c0ffee"), "sluice.commit.tracer.c0ffee"},
		{Version("tracer", "1.4.0"), "sluice.version.tracer.1_4_0"},
		{Lane("web"), "sluice.lane.web"},
		{Dead("merge", "17"), "sluice.dead.merge.17"},
		{Delay(id), "sluice.delay." + id},
		{Due(id), "sluice.due." + id},
		{Signal("tracer", ""), "sluice.signal.tracer"},
		{Signal("tracer", id), "sluice.signal.tracer." + id},
		{Heartbeat(id), "sluice.heartbeat." + id},
		{Measured(id), "sluice.measured." + id},
		{Evidence(id), "sluice.evidence." + id},
		{Judged(id), "sluice.judged." + id},
		{Templates(id), "sluice.templates." + id},
		{Output(id), "sluice.output." + id},
		{CDEvents(id), "sluice.cdevents." + id},
		{Notify("tracer", "0123abcd"), "sluice.notify.tracer.0123abcd"},
		{Alert("tracer", "c6eadffa33fcdf37"), "sluice.alert.tracer.c6eadffa33fcdf37"},
		{Alerts("tracer"), "sluice.alert.tracer.*"},
		{Request(VerbApprove, id, "ana"), "sluice.approve." + id + ".ana"},
		{Request(VerbRetry, id, "ana"), "sluice.retry." + id + ".ana"},
		{Request(VerbRollback, id, "watcher"), "sluice.rollback." + id + ".watcher"},
		{Stop(StopPause, "tracer", ""), "sluice.pause.tracer"},
		{Stop(StopUnpause, "tracer", "ana"), "sluice.unpause.tracer.ana"},
		{Stop(StopFreeze, AllProjects, ""), "sluice.freeze._all"},
		{Stop(StopUnfreeze, AllProjects, "ana"), "sluice.unfreeze._all.ana"},
		{Project("tracer"), "sluice.project.tracer"},
		{Audit("tracer"), "sluice.audit.tracer"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestUnsafeTokensAreRefused(t *testing.T) {
	const id = "01890a5d-ac96-774b-bcce-b302099a8057"
	for name, got := range map[string]string{
		"uppercase id":      Release(strings.ToUpper(id)),
		"braced id":         Release("{" + id + "}"),
		"id with urn":       Release("urn:uuid:" + id),
		"id without hyphen": Release(strings.ReplaceAll(id, "-", "")),
		"id wildcard":       Delay("*"),
		"empty id":          Due(""),
		"unknown verb":      Request("erase", id, ""),
		"actor with dot":    Request(VerbCancel, id, "ana.lee"),
		"actor wildcard":    Request(VerbCancel, id, ">"),
		"long actor":        Request(VerbCancel, id, strings.Repeat("a", 65)),
		"project with dot":  Merge("a.b"),
		"project uppercase": Merge("Tracer"),
		"project hyphen":    Merge("-tracer"),
		"long project":      Merge(strings.Repeat("a", 64)),
		"commit space":      Commit("tracer", "a b"),
		"commit hyphen":     Commit("tracer", "-a"),
		"version _":         Version("tracer", "1_4"),
		"version space":     Version("tracer", "1 4"),
		"empty version":     Version("tracer", ""),
		"lane wildcard":     Lane("*"),
		"dead newline":      Dead("merge", "a\r\nPUB x 0"),
		"no kind":           Subject{Release: id}.String(),
		"unknown stop":      Stop("stop", "tracer", ""),
		"a stop's verb":     Request(StopPause, id, "ana"),
		"a request's verb":  Stop(VerbHold, "tracer", ""),
		"stop wildcard":     Stop(StopPause, "*", ""),
		"stop underscore":   Stop(StopPause, "_every", ""),
		"stop by wildcard":  Stop(StopPause, "tracer", "*"),
		"stop dotted":       Stop(StopPause, "tracer", "ana.lee"),
		"stop of nothing":   Stop(StopPause, "", "ana"),
		"merge of all":      Merge(AllProjects),
		"record of all":     Project(AllProjects),
		"signal of all":     Signal(AllProjects, ""),
		"commit of all":     Commit(AllProjects, "c0ffee"),
		"record wildcard":   Project(">"),
		"audit of all":      Audit(AllProjects),
		"audit wildcard":    Audit("*"),
		"empty record":      Project(""),
	} {
		if got != "" {
			t.Errorf("%s: built %q, want nothing", name, got)
		}
	}
	for _, s := range []string{
		"", "sluice", "sluice.", "other.merge.tracer", "sluice.merge", "sluice.merge.", "sluice.merge.a.b", "sluice.request." + id,
		"sluice.cancel." + id + ".ana.lee", "sluice.cancel.*", "sluice.release." + strings.ToUpper(id), "sluice.commit.tracer",
		"sluice.version.tracer.1.4.0", "sluice.signal.tracer." + id + ".x", "sluice.due.tracer", "sluice.nonsense.x",
		"sluice.pause", "sluice.pause.", "sluice.pause.Tracer", "sluice.pause._ALL", "sluice.pause.tracer.ana.lee", "sluice.pause.tracer.",
		"sluice.stop.tracer", "sluice.freeze.*", "sluice.merge._all", "sluice.project._all", "sluice.project.tracer.ana", "sluice.lane._all",
	} {
		if got, err := ParseSubject(s); err == nil {
			t.Errorf("ParseSubject(%q) = %+v, want an error", s, got)
		}
	}
}

func TestRequestFiltersMatchAReleasesRequestsOnly(t *testing.T) {
	const id, other = "01890a5d-ac96-774b-bcce-b302099a8057", "01890a5d-ac96-774b-bcce-b302099a8058"
	match := func(subject string) bool {
		for _, f := range RequestFilters(id) {
			if f == subject || strings.HasSuffix(f, ".*") && strings.HasPrefix(subject, strings.TrimSuffix(f, "*")) &&
				!strings.Contains(strings.TrimPrefix(subject, strings.TrimSuffix(f, "*")), ".") {
				return true
			}
		}
		return false
	}
	for _, v := range Verbs() {
		for _, actor := range []string{"", "ana"} {
			if !match(Request(v, id, actor)) {
				t.Errorf("%s by %q is not matched", v, actor)
			}
			if match(Request(v, other, actor)) {
				t.Errorf("%s of another release is matched", v)
			}
		}
	}
	if match(Release(id)) {
		t.Error("the journal is matched as a request")
	}
	if RequestFilters("*") != nil {
		t.Error("filters were built from a wildcard")
	}
}

func TestStopFiltersMatchAProjectsStopsOnly(t *testing.T) {
	t.Parallel()
	var all []string
	for _, v := range Stops() {
		for _, scope := range []string{"tracer", AllProjects} {
			all = append(all, Stop(v, scope, ""), Stop(v, scope, "")+".*")
		}
	}
	if got := StopFilters("tracer"); !slices.Equal(got, all) {
		t.Errorf("got %q, want %q", got, all)
	}
	for _, project := range []string{"", "*", ">", "Tracer", "a.b", AllProjects} {
		if got := StopFilters(project); got != nil {
			t.Errorf("filters were built from %q: %q", project, got)
		}
	}
}

func TestParseStoredStops(t *testing.T) {
	t.Parallel()
	for _, v := range Stops() {
		for _, scope := range []string{"tracer", AllProjects} {
			for _, actor := range []string{"", "ana", "ana@corp", "$(x)", "_all", "*x", "\xff", strings.Repeat("a", 200)} {
				subject := "sluice." + v + "." + scope
				if actor != "" {
					subject += "." + actor
				}
				want := Subject{Kind: KindStop, Verb: v, Project: scope, Actor: actor}
				if s, err := ParseStored(subject); err != nil || s != want {
					t.Errorf("%s: %+v, %v", subject, s, err)
				}
			}
		}
	}
	for _, subject := range []string{
		"sluice.pause", "sluice.pause.", "sluice.pause.Tracer", "sluice.pause.Tracer.ana", "sluice.pause._every.ana", "sluice.pause.tracer.ana.b@c",
		"sluice.project.tracer.ana", "sluice.project._all", "sluice.stop.tracer.ana",
	} {
		if s, err := ParseStored(subject); err == nil {
			t.Errorf("%s: is %+v", subject, s)
		}
	}
}

// TestStopsAndRequestsHaveTheirOwnVerbs: a verb that were both would be parsed as a request, and stop no project.
func TestStopsAndRequestsHaveTheirOwnVerbs(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, k := range kinds() {
		seen[string(k)] = true
	}
	for _, v := range slices.Concat(Verbs(), Stops()) {
		if seen[v] {
			t.Errorf("%s means two things", v)
		}
		seen[v] = true
	}
	if CheckProject(AllProjects) == nil {
		t.Errorf("a project may be called %s", AllProjects)
	}
}

func TestParseStored(t *testing.T) {
	t.Parallel()
	const id = "01890a5d-ac96-774b-bcce-b302099a8057"
	for subject, actor := range map[string]string{
		"sluice.cancel." + id:               "",
		"sluice.cancel." + id + ".ana":      "ana",
		"sluice.cancel." + id + ".ana@corp": "ana@corp",
		"sluice.extend." + id + ".$(x)":     "$(x)",
	} {
		s, err := ParseStored(subject)
		if err != nil || s.Kind != KindRequest || s.Release != id || s.Actor != actor {
			t.Errorf("%s: %+v, %v", subject, s, err)
		}
	}
	for _, subject := range []string{
		"", ".", "sluice.cancel.tracer", "sluice.cancel.tracer.ana", "sluice.cancel." + id + ".ana.b@c", "sluice.release." + id + ".ana",
		"sluice.merge.Tracer", "sluice.merge.tracer.ana", "sluice.signal.tracer.ana",
	} {
		if s, err := ParseStored(subject); err == nil {
			t.Errorf("%s: is %+v", subject, s)
		}
	}
}
