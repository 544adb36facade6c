package hook

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

// Message is one message of a queue. Who may put one there is decided by the queue's own policy; nothing in it is signed.
type Message struct {
	ID         string
	Body       []byte
	Attributes map[string]string
	Sent       time.Time // the same each time it is delivered
	At         time.Time // now
}

// envelope is what SNS puts around a message unless the subscription asks for raw delivery
// (https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html#http-notification-json).
type envelope struct {
	Type       string
	ID         string `json:"MessageId"`
	Topic      string `json:"TopicArn"`
	Message    *string
	Timestamp  time.Time
	Attributes map[string]struct{ Type, Value string } `json:"MessageAttributes"`
}

// ReadMessage decides what a message is: a merge event, or what the queue's expressions make of it. Its error wraps one of this package's:
// such a message will never be a merge.
func ReadMessage(ctx context.Context, q config.Queue, m Message) (Outcome, error) {
	m = fromTopic(m)
	out := Outcome{Delivery: releasepb.Line(m.ID, maxShort)}
	if q.Mapping != nil {
		header := http.Header{}
		for name, value := range m.Attributes {
			header[name] = []string{value}
		}
		return readGeneric(ctx, *q.Mapping, Delivery{Header: header, Body: m.Body, At: m.At}, out)
	}
	e, err := releasepb.DecodeMergeEvent(m.Body)
	if err != nil {
		return out, fmt.Errorf("%w: %s", ErrMalformed, releasepb.Line(strings.TrimPrefix(err.Error(), "malformed: "), releasepb.MaxReason))
	}
	project, err := projectOf(q, m)
	if err != nil {
		return out, err
	}
	merge, err := checked(project, e, m.Sent, m.At)
	if err != nil {
		return out, err
	}
	if e.ID != "" { // whoever sent it knows it by this one
		merge.Event.ID = e.ID
	} else if e.Again { // delivered twice it would be two attempts
		return out, fmt.Errorf("%w: a second attempt (again) by a queue needs an id, by which it is known when it is delivered twice", ErrRefused)
	}
	out.Merges = []Merge{merge}
	return out, nil
}

// fromTopic is the message that SNS was given.
func fromTopic(m Message) Message {
	var e envelope
	if json.Unmarshal(m.Body, &e) != nil || e.Type != "Notification" || e.Topic == "" || e.Message == nil {
		return m
	}
	m.Body, m.ID, m.Sent = []byte(*e.Message), e.ID, e.Timestamp
	m.Attributes = map[string]string{}
	for name, one := range e.Attributes {
		m.Attributes[name] = one.Value
	}
	return m
}

// projectOf is the project that a merge event is of: its attribute, its field, or the only one of the queue.
func projectOf(q config.Queue, m Message) (string, error) {
	var body struct {
		Project string `json:"project"`
	}
	name := m.Attributes["project"]
	if name == "" && json.Unmarshal(m.Body, &body) == nil {
		name = body.Project
	}
	if name == "" && len(q.Projects) == 1 {
		name = q.Projects[0]
	}
	switch {
	case name == "":
		return "", fmt.Errorf("%w: it names no project: set the attribute project, or the field", ErrRefused)
	case !slices.Contains(q.Projects, name):
		return "", fmt.Errorf("%w: project %s is none of this queue's", ErrRefused, quote(name))
	}
	return name, nil
}
