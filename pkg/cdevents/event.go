package cdevents

import (
	"fmt"
	"net/url"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// SpecVersion is the version of CDEvents that is told.
const SpecVersion = "0.5.1"

// Record is a journal record, and what only the broker knows of it.
type Record struct {
	releasepb.Record
	Seq uint64    // in the stream
	At  time.Time // the broker's timestamp
}

// The outcomes.
const (
	success = "success"
	failure = "failure"
	cancel  = "cancel"
	errored = "error"
)

// The content of subjects: https://github.com/cdevents/spec/tree/v0.5.1/schemas
type (
	run struct {
		Name    string `json:"pipelineName"`
		URI     string `json:"uri,omitempty"`
		Outcome string `json:"outcome,omitempty"`
		Errors  string `json:"errors,omitempty"`
	}
	task struct {
		Name    string     `json:"taskName"`
		Run     *reference `json:"pipelineRun"`
		Outcome string     `json:"outcome,omitempty"`
		Errors  string     `json:"errors,omitempty"`
	}
	suite struct {
		Environment *reference `json:"environment"`
		Suite       *reference `json:"testSuite"`
		Outcome     string     `json:"outcome,omitempty"`
	}
	published struct{}
	service   struct {
		Artifact    string     `json:"artifactId,omitempty"`
		Environment *reference `json:"environment"`
	}
	environment struct {
		Name string `json:"name"`
	}
	incident struct {
		Description string     `json:"description,omitempty"`
		Environment *reference `json:"environment"`
		Service     *reference `json:"service"`
		Artifact    string     `json:"artifactId"`
	}
)

func ref(id string) *reference { return &reference{ID: id} }

// facts is the record in our own words.
type facts struct {
	Record   string `json:"record"`
	Release  string `json:"release"`
	Project  string `json:"project"`
	Phase    string `json:"phase"`
	Commit   string `json:"commit,omitempty"`
	Version  string `json:"version,omitempty"`
	Beta     string `json:"beta,omitempty"`
	Digest   string `json:"digest,omitempty"`
	Stage    string `json:"stage,omitempty"`
	By       string `json:"by,omitempty"`
	Reason   string `json:"reason,omitempty"`
	Evidence string `json:"evidence,omitempty"`
}

// Of tells what happened to a release as CDEvents, in an order in which they make sense. source is a URI reference that begins
// theirs: the project follows it. A record that a newer version wrote, with an event unknown here, gives none.
func Of(source string, r Record) ([]event.Event, error) {
	r.State.Merge.URL = absolute(r.State.Merge.URL)
	s := &step{Record: r}
	source += "/" + r.State.Project
	var out []event.Event
	for i, t := range s.events() {
		e := event.New()
		e.SetID(fmt.Sprintf("%s.%d.%d", r.State.Release, r.Seq, i+1))
		e.SetSource(source)
		e.SetType(t.kind)
		e.SetSubject(t.id)
		e.SetTime(r.At.UTC())
		body := map[string]any{
			"context": map[string]any{
				"specversion": SpecVersion, "id": e.ID(), "source": source, "type": t.kind,
				"timestamp": r.At.UTC(), "chainId": r.State.Release,
			},
			"subject":    map[string]any{"id": t.id, "source": source, "content": t.content},
			"customData": map[string]any{"sluice": r.facts()},
		}
		err := e.SetData(event.ApplicationJSON, body)
		if err == nil {
			err = e.Validate()
		}
		if err != nil {
			return nil, fmt.Errorf("tell %s of release %s as %s: %w", r.Type, r.State.Release, t.kind, err)
		}
		out = append(out, e)
	}
	return out, nil
}

// All is Of, to be written as JSON.
func All(source string, r releasepb.Record, seq uint64, at time.Time) ([]any, error) {
	events, err := Of(source, Record{Record: r, Seq: seq, At: at})
	out := make([]any, len(events))
	for i, e := range events {
		out[i] = e
	}
	return out, err
}

// absolute is a URI as the schema wants one, or nothing.
func absolute(text string) string {
	if u, err := url.Parse(text); err != nil || !u.IsAbs() {
		return ""
	}
	return text
}

func (r Record) facts() facts {
	s := r.State
	f := facts{
		Record: r.Type, Release: s.Release, Project: s.Project, Phase: string(s.Phase), Commit: s.Merge.Commit,
		Version: s.Version, Beta: s.Beta, Digest: s.Digest, Stage: s.StageName(), Evidence: s.Evidence,
	}
	said := release.SaidOf(r.Event)
	f.By, f.Reason = said.By, said.Reason
	return f
}
