// Package hook decides what a webhook is: merges, alerts, nothing of interest, or refused. It is pure: [Read] gets the delivery, the
// hook's settings and the secret, and does no I/O.
//
// # What is authoritative
//
// The body, once its signature is verified over its raw bytes. Headers are not signed by any source: they say how to read a
// body (which event it is) and are logged (the delivery's id), and nothing is decided by them that a lie could turn into a
// merge that the signed body does not tell of.
//
// # Which release a delivery is
//
// A merge is its project and commit, and the publisher admits it once, for ever (package admit). So a delivery that comes
// again, after days or to another instance, and a replay under another delivery id, is the release that it was. Its id is
// made of project, commit and the time that the body tells, so that all who take the same delivery name the same release
// without asking each other. A table of delivery ids would forget, and delivery ids are in headers that are not signed. Only if
// two different webhooks tell of one commit, and the second comes before the publisher has admitted the first, is the second one
// answered with an id that comes to nothing: the release is the first one's.
//
// # What may be forged
//
// Whoever may open a pull request from a fork chooses the name of its branch, "main" too. So builds of forks and of pull requests
// are never merges, whatever their branch is called.
package hook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/cdevents"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

var (
	// ErrUnsigned: the signature or the token is missing or wrong.
	ErrUnsigned = errors.New("not signed")
	// ErrStale: it is signed, and too old, or of the future.
	ErrStale = errors.New("out of time")
	// ErrMalformed: the body is not what the source sends.
	ErrMalformed = errors.New("malformed")
	// ErrRefused: it tells of a merge that can not be one; the reason names the field.
	ErrRefused = errors.New("refused")
)

// Delivery is one webhook as it came in.
type Delivery struct {
	Header http.Header
	Body   []byte // as it was signed
	At     time.Time
}

// Outcome is what a delivery comes to.
type Outcome struct {
	Delivery string  // its id, as the source calls it: for the log
	Merges   []Merge // in the order of the hook's settings
	Alerts   []Alert // of a hook of alerts, in the order of the body
	Ignored  string  // why there are none
}

// Merge is a merge event and where it belongs. It passes every check of names that the publisher makes.
type Merge struct {
	Project string
	Event   releasepb.MergeEvent
}

// event is what happened, in the words that all sources share.
type event struct {
	on         config.On
	repository string
	branch     string
	tag        string
	commit     string
	workflow   []string // what the build is called: name, path, file
	number     string
	url        string
	actor      string
	at         time.Time // when, by the source's clock; zero when it does not say
}

// told is what a source's reader makes of a body: events, or why there are none.
type told struct {
	events  []event
	ignored string
}

func ignore(format string, args ...any) (told, error) {
	return told{ignored: fmt.Sprintf(format, args...)}, nil
}

// Read decides what a delivery is. Its error wraps one of this package's, and is one line that repeats no secret.
func Read(ctx context.Context, h config.Hook, secret string, d Delivery) (Outcome, error) {
	if err := verify(h, secret, d); err != nil {
		return Outcome{}, err
	}
	d, err := unwrapped(d)
	if err != nil {
		return Outcome{}, err
	}
	out := Outcome{Delivery: deliveryID(h, d)}
	if h.Alarm != nil {
		return readAlerts(ctx, h, d, out)
	}
	switch h.Source { //nolint:exhaustive // the others tell of events that a list of merges is compared with
	case config.Generic:
		return readGeneric(ctx, h.Generic, d, out)
	case config.CDEvents:
		return readCDEvent(ctx, h.Generic, d, out)
	}
	t, err := read(h.Source, d)
	if err != nil {
		return out, err
	}
	if len(t.events) == 0 {
		out.Ignored = t.ignored
		return out, nil
	}
	return reading{hook: h, delivery: d, out: out}.merges(t.events)
}

// The media types of bodies.
const (
	mediaJSON = "application/json"
	mediaForm = "application/x-www-form-urlencoded"
)

// MediaTypes is what a source's bodies may be. GitHub sends a form unless told otherwise, with the JSON as its field payload:
// https://docs.github.com/en/webhooks/using-webhooks/creating-webhooks
func MediaTypes(source config.Source) []string {
	switch source { //nolint:exhaustive // all others send JSON and nothing else
	case config.GitHub:
		return []string{mediaJSON, mediaForm}
	case config.CDEvents:
		return []string{mediaJSON, cdevents.Structured}
	case config.CloudWatch: // https://docs.aws.amazon.com/sns/latest/dg/sns-http-https-endpoint-as-subscriber.html
		return []string{mediaJSON, "text/plain"}
	}
	return []string{mediaJSON}
}

// unwrapped takes the JSON out of a form. What is signed is the form, and not that it is one:
// https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries. So the body itself has to begin as GitHub's form does,
// which no JSON can: texts in a signed JSON body may hold what looks like a form's field.
func unwrapped(d Delivery) (Delivery, error) {
	if kind, _, _ := strings.Cut(d.Header.Get("Content-Type"), ";"); !strings.EqualFold(strings.TrimSpace(kind), mediaForm) {
		return d, nil
	}
	form, err := url.ParseQuery(string(d.Body))
	if err != nil || !bytes.HasPrefix(d.Body, []byte("payload=")) || len(form["payload"]) != 1 {
		return d, fmt.Errorf("%w: the form is not the one field payload", ErrMalformed)
	}
	d.Body = []byte(form.Get("payload"))
	return d, nil
}

// reading is a delivery under the settings that it is read with.
type reading struct {
	hook     config.Hook
	delivery Delivery
	out      Outcome
}

func read(source config.Source, d Delivery) (told, error) {
	switch source { //nolint:exhaustive // the others are read otherwise
	case config.GitHub:
		return readGitHub(d)
	case config.GitLab:
		return readGitLab(d)
	case config.CircleCI:
		return readCircleCI(d)
	case config.Bitbucket:
		return readBitbucket(d)
	}
	return told{}, fmt.Errorf("%w: the source %q is unknown", ErrMalformed, source)
}

// deliveryID is what the source calls the delivery. It is for people who compare logs.
func deliveryID(h config.Hook, d Delivery) string {
	var names []string
	if h.Alarm != nil {
		names = []string{h.Alarm.Delivery, "Request-Id", "X-Webhook-Id", "X-Amz-Sns-Message-Id"}
	}
	switch h.Source { //nolint:exhaustive // of the sources of alerts each calls it otherwise
	case config.GitHub:
		names = []string{"X-Github-Delivery"}
	case config.GitLab:
		names = []string{"Idempotency-Key", "X-Gitlab-Webhook-Uuid", "X-Gitlab-Event-Uuid"}
	case config.CircleCI:
		var body struct {
			ID string `json:"id"`
		}
		if json.Unmarshal(d.Body, &body) == nil {
			return releasepb.Line(body.ID, maxShort)
		}
	case config.Bitbucket:
		names = []string{"X-Request-Uuid"}
	case config.Generic:
		names = []string{h.Generic.Delivery}
	case config.CDEvents: // its id is in the body
	}
	for _, name := range names {
		if id := d.Header.Get(name); name != "" && id != "" {
			return releasepb.Line(id, maxShort)
		}
	}
	return ""
}

// maxShort bounds what is repeated in a log or an answer, in bytes.
const maxShort = 80

// decode reads a body into what a source sends.
func decode(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%w: the body is not the JSON that is expected: %s", ErrMalformed, releasepb.Line(err.Error(), maxShort))
	}
	return nil
}

// quote repeats what was sent, on one line and cut short.
func quote(text string) string { return fmt.Sprintf("%q", releasepb.Line(text, maxShort)) }

func one(e event) (told, error) { return told{events: []event{e}}, nil }

// pushed is the push of a Git ref, if that is a branch and still there.
func pushed(ref string, e event) (told, error) {
	e.on, e.branch = config.Push, branchOf(ref)
	switch {
	case e.branch == "":
		return ignore("a push of %s, which is no branch", quote(ref))
	case gone(e.commit):
		return ignore("the branch %s was deleted", quote(e.branch))
	}
	return one(e)
}

// branchOf is the branch of a Git ref, or "" when it is none.
func branchOf(ref string) string {
	branch, ok := strings.CutPrefix(ref, "refs/heads/")
	if !ok {
		return ""
	}
	return branch
}

// gone tells that a hash stands for "no commit", as in the push that deletes a branch.
func gone(hash string) bool { return strings.Trim(hash, "0") == "" }

// moment reads a time as the sources write it: RFC 3339, GitLab's own, or seconds since 1970. Zero when it is none.
func moment(raw json.RawMessage) time.Time {
	var text string
	var seconds int64
	if json.Unmarshal(raw, &seconds) == nil && seconds > 0 {
		return time.Unix(seconds, 0).UTC()
	}
	if json.Unmarshal(raw, &text) != nil {
		return time.Time{}
	}
	return momentOf(text)
}

// momentOf is moment for text.
func momentOf(text string) time.Time {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05 MST", "2006-01-02 15:04:05 -0700"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC()
		}
	}
	return time.Time{}
}
