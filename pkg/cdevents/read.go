package cdevents

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"

	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// The events that may be merges.
const (
	ChangeMerged      = "change.merged"
	ArtifactPackaged  = "artifact.packaged"
	ArtifactPublished = "artifact.published"
)

// Types lists the events that may be merges.
func Types() []string { return []string{ChangeMerged, ArtifactPackaged, ArtifactPublished} }

// ErrInvalid is wrapped by every error of [Read]: it is one line that says what is wrong.
var ErrInvalid = errors.New("no valid CDEvent")

// Structured is the media type of a CloudEvent in structured mode.
const Structured = event.ApplicationCloudEventsJSON

// Event is a CDEvent that was sent to us, checked.
type Event struct {
	Type       string    // without root and version: "artifact.published"
	ID         string    // unique in its source
	At         time.Time // when it happened, as it says
	Subject    string    // id of its subject: of an artifact its package URL
	Repository string    // id of the repository of a change; may be empty
	PURL       PURL      // of an artifact; its zero value when the subject's id is no package URL
	Body       any       // all of the CDEvent, for expressions

	change, user string
	custom       map[string]any
}

// Is tells whether a message is a CloudEvent at all. Without headers it is one in structured mode or none.
func Is(header map[string][]string, body []byte) bool {
	h := canonical(header)
	if h.Get("ce-specversion") != "" || strings.HasPrefix(strings.ToLower(h.Get("Content-Type")), event.ApplicationCloudEventsJSON) {
		return true
	}
	var attributes struct {
		SpecVersion string `json:"specversion"`
	}
	return json.Unmarshal(body, &attributes) == nil && attributes.SpecVersion != ""
}

// Read checks a message: a CloudEvent, in binary or structured mode, that carries a CDEvent. An event of a type that can be no merge
// is returned with its type alone and without an error.
func Read(ctx context.Context, header map[string][]string, body []byte) (Event, error) {
	h := canonical(header)
	if h.Get("ce-specversion") == "" && h.Get("Content-Type") == "" {
		// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/nats-protocol-binding.md
		h.Set("Content-Type", Structured)
	}
	ce, err := binding.ToEvent(ctx, cehttp.NewMessage(h, io.NopCloser(bytes.NewReader(body))))
	if err == nil {
		err = ce.Validate()
	}
	if err != nil {
		return Event{}, invalid("it is no CloudEvent: %s", err)
	}
	if kind := ce.DataMediaType(); kind != "" && kind != event.ApplicationJSON {
		return Event{}, invalid("its data is %s, want %s", kind, event.ApplicationJSON)
	}
	return read(ce.Type(), ce.Data())
}

// canonical gives the headers of a NATS message, whose case is as it was sent, the case that net/http looks for.
func canonical(header map[string][]string) http.Header {
	out := http.Header{}
	for name, values := range header {
		if len(values) > 0 {
			out.Set(name, values[0])
		}
	}
	return out
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, releasepb.Line(fmt.Sprintf(format, args...), maxProblem))
}

// message is what is read of a CDEvent of the types that may be merges. Fields that it has not are left alone, as by the SDK:
// https://github.com/cdevents/spec/tree/v0.5.1/schemas
type message struct {
	Context struct {
		SpecVersion string    `json:"specversion"` // since 0.5; version before
		Version     string    `json:"version"`
		ID          string    `json:"id"`
		Source      string    `json:"source"`
		Type        string    `json:"type"`
		Timestamp   time.Time `json:"timestamp"`
	} `json:"context"`
	Subject struct {
		ID      string `json:"id"`
		Source  string `json:"source"`
		Type    string `json:"type"` // until 0.4
		Content *struct {
			Repository *reference `json:"repository"`
			Change     *reference `json:"change"`
			User       string     `json:"user"`
			SBOM       *struct {
				URI string `json:"uri"`
			} `json:"sbom"`
		} `json:"content"`
	} `json:"subject"`
	CustomData            json.RawMessage `json:"customData"`
	CustomDataContentType string          `json:"customDataContentType"`
}

type reference struct {
	ID     string `json:"id"`
	Source string `json:"source,omitempty"`
}

// versions are those of the events by the spec that has them: 0.3, 0.4, 0.5.
func versions(kind string) map[string]string {
	if kind == ChangeMerged {
		return map[string]string{"0.1.2": "0.3", "0.2.0": "0.4", "0.3.0": "0.5"}
	}
	return map[string]string{"0.1.1": "0.3", "0.2.0": "0.4", "0.3.0": "0.5"}
}

var typeWords = regexp.MustCompile(`^dev\.cdevents\.([a-z]+\.[a-z]+)\.(.+)$`)

// read checks the CDEvent itself. kind is the type that the CloudEvent has.
func read(kind string, data []byte) (Event, error) {
	words := typeWords.FindStringSubmatch(kind)
	if words == nil {
		return Event{}, invalid("its type %q is none of dev.cdevents", releasepb.Line(kind, maxQuoted))
	}
	e := Event{Type: words[1]}
	if e.Type != ChangeMerged && e.Type != ArtifactPackaged && e.Type != ArtifactPublished {
		return e, nil
	}
	var m message
	if err := json.Unmarshal(data, &m); err != nil {
		return Event{}, invalid("%s: %s", e.Type, strings.TrimPrefix(err.Error(), "json: "))
	}
	if err := m.check(kind, e.Type, words[2]); err != nil {
		return Event{}, err
	}
	if err := json.Unmarshal(data, &e.Body); err != nil {
		return Event{}, invalid("%s: %s", e.Type, err)
	}
	e.ID, e.At, e.Subject, e.user = m.Context.ID, m.Context.Timestamp, m.Subject.ID, m.Subject.Content.User
	if r := m.Subject.Content.Repository; r != nil {
		e.Repository = r.ID
	}
	if c := m.Subject.Content.Change; c != nil {
		e.change = c.ID
	}
	if e.Type == ChangeMerged {
		e.change = m.Subject.ID
	} else {
		e.PURL = parsePURL(m.Subject.ID)
	}
	if m.CustomDataContentType == "" || m.CustomDataContentType == event.ApplicationJSON {
		_ = json.Unmarshal(m.CustomData, &e.custom) // base64 text says nothing to us
	}
	return e, nil
}

// Bounds of what is told of an event that is refused, and of what is repeated of it, in bytes.
const (
	maxProblem = 300
	maxQuoted  = 80
)

// check is what the schema of the event asks for.
func (m message) check(kind, short, version string) error {
	spec, known := versions(short)[version]
	c, s := m.Context, m.Subject
	before := spec == "0.3" || spec == "0.4" // the words that 0.5 has changed
	needed := []struct{ name, value string }{
		{"context.id", c.ID}, {"context.source", c.Source}, {"context.type", c.Type}, {"subject.id", s.ID},
	}
	if before {
		needed = append(needed, struct{ name, value string }{"subject.type", s.Type})
	}
	for _, n := range needed {
		if n.value == "" {
			return invalid("%s: %s is missing", short, n.name)
		}
	}
	content := s.Content
	switch {
	case !known:
		return invalid("%s: its version %q is unknown", short, releasepb.Line(version, maxQuoted))
	case c.Type != kind:
		return invalid("%s: context.type is %q, and the CloudEvent is a %q", short, releasepb.Line(c.Type, maxQuoted), kind)
	case before && (!strings.HasPrefix(c.Version, spec+".") || c.SpecVersion != ""),
		!before && (!strings.HasPrefix(c.SpecVersion, spec+".") || c.Version != ""):
		return invalid("%s: version %s is of spec %s, and the event says %q", short, version, spec,
			releasepb.Line(c.Version+c.SpecVersion, maxQuoted))
	case c.Timestamp.IsZero():
		return invalid("%s: context.timestamp is missing", short)
	case content == nil:
		return invalid("%s: subject.content is missing", short)
	case before && s.Type != strings.SplitN(short, ".", 2)[0], !before && s.Type != "":
		return invalid("%s: subject.type is %q", short, releasepb.Line(s.Type, maxQuoted))
	case short == ArtifactPackaged && content.Change == nil:
		return invalid("%s: subject.content.change is missing", short)
	case content.Change != nil && content.Change.ID == "", content.Repository != nil && content.Repository.ID == "":
		return invalid("%s: subject.content: a reference has no id", short)
	case content.SBOM != nil && content.SBOM.URI == "":
		return invalid("%s: subject.content.sbom.uri is missing", short)
	}
	return m.checkForm(short)
}

// checkForm looks at what is written in a certain way.
func (m message) checkForm(short string) error {
	references := []string{m.Context.Source, m.Subject.Source}
	for _, r := range []*reference{m.Subject.Content.Repository, m.Subject.Content.Change} {
		if r != nil {
			references = append(references, r.Source)
		}
	}
	if s := m.Subject.Content.SBOM; s != nil {
		references = append(references, s.URI)
	}
	for _, r := range references {
		if _, err := url.Parse(r); err != nil {
			return invalid("%s: %q is no URI", short, releasepb.Line(r, maxQuoted))
		}
	}
	if custom := bytes.TrimSpace(m.CustomData); len(custom) > 0 && custom[0] != '{' && custom[0] != '"' {
		return invalid("%s: customData is neither an object nor base64 text", short)
	}
	return nil
}
