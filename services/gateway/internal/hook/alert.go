package hook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/sluice-gate/sluice/pkg/alert"
	"github.com/sluice-gate/sluice/pkg/expr"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

// MaxAlerts bounds the alerts of one delivery.
const MaxAlerts = 500

// Alert is an alert of a project.
type Alert struct {
	Project     string
	Fingerprint string
	alert.Alert
}

// readAlerts asks the hook's expressions for the alerts of a delivery. One that fails refuses the delivery, naming itself. An alert of
// no project of the hook is left out: a monitoring system tells of more than what is released here.
func readAlerts(ctx context.Context, h config.Hook, d Delivery, out Outcome) (Outcome, error) {
	if h.Source == config.CloudWatch {
		var why string
		if d.Body, why = fromSNS(d.Body); why != "" {
			out.Ignored = why
			return out, nil
		}
	}
	var body any
	if err := decode(d.Body, &body); err != nil {
		return out, err
	}
	vars := expr.Vars{"body": body, "header": headers(d.Header), "purl": map[string]string{}}
	yes, err := h.Alarm.When.Holds(ctx, vars)
	if err != nil {
		return out, fmt.Errorf("%w: when: %w", ErrRefused, err)
	}
	if !yes {
		out.Ignored = "the hook's condition does not hold for it"
		return out, nil
	}
	each, err := h.Alarm.Each.Of(ctx, vars, MaxAlerts)
	if err != nil {
		return out, fmt.Errorf("%w: each: %w", ErrRefused, err)
	}
	others := 0
	for _, one := range each {
		alerts, err := readAlert(ctx, h, expr.Vars{"body": body, "header": vars["header"], "alert": one}, d.At)
		if err != nil {
			return out, err
		}
		if len(alerts) == 0 {
			others++
		}
		out.Alerts = append(out.Alerts, alerts...)
	}
	if len(out.Alerts) == 0 {
		out.Ignored = fmt.Sprintf("of %d alerts none is of a project of this hook, and fires or is resolved", others)
	}
	return out, nil
}

// readAlert is one alert, or none; a sign of life is one for each project of the hook.
func readAlert(ctx context.Context, h config.Hook, vars expr.Vars, now time.Time) ([]Alert, error) {
	m := h.Alarm
	if m.Heartbeat != nil {
		alive, err := m.Heartbeat.Holds(ctx, vars)
		if err != nil {
			return nil, fmt.Errorf("%w: heartbeat: %w", ErrRefused, err)
		}
		if alive {
			return signsOfLife(h), nil
		}
	}
	var project, status, fingerprint, since string
	a := alert.Alert{Source: string(h.Source)}
	for _, field := range []struct {
		name  string
		value *string
		from  *expr.Text
	}{
		{"project", &project, m.Project},
		{"status", &status, m.Status},
		{"fingerprint", &fingerprint, m.Fingerprint},
		{"since", &since, m.Since},
		{"name", &a.Name, m.Name},
		{"summary", &a.Summary, m.Summary},
		{"url", &a.URL, m.URL},
	} {
		var err error
		if *field.value, err = field.from.Of(ctx, vars); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrRefused, field.name, err)
		}
	}
	var err error
	if a.Labels, err = m.Labels.Of(ctx, vars); err != nil {
		return nil, fmt.Errorf("%w: labels: %w", ErrRefused, err)
	}
	if project == "" && len(m.Projects) == 1 {
		project = m.Projects[0]
	}
	if a.Status = alert.Status(status); status == "" || !slices.Contains(m.Projects, project) {
		return nil, nil
	}
	switch {
	case a.Status != alert.Firing && a.Status != alert.Resolved:
		return nil, fmt.Errorf("%w: status: it is %s, not firing or resolved", ErrRefused, quote(status))
	case fingerprint == "":
		return nil, fmt.Errorf("%w: fingerprint: it is empty, so the alert would not be known again", ErrRefused)
	}
	if a.Since = began(since); a.Since.After(now.Add(maxAhead)) || a.Since.Before(noTime()) {
		a.Since = time.Time{} // a time that can not be is not believed
	}
	a.URL = webAddress(a.URL)
	return []Alert{{Project: project, Fingerprint: printOf(h, fingerprint), Alert: a}}, nil
}

// signsOfLife says for every project that the source lives.
func signsOfLife(h config.Hook) []Alert {
	var out []Alert
	for _, project := range h.Alarm.Projects {
		out = append(out, Alert{
			Project: project, Fingerprint: printOf(h, "alive "+h.Path), Alert: alert.Alert{Status: alert.Alive, Source: string(h.Source)},
		})
	}
	return out
}

// printOf is a fingerprint as it may stand in a subject: the source's own if that is one, as Alertmanager's is, or else a hash. So two
// instances of a source, or of the gateway, say the same.
func printOf(h config.Hook, text string) string {
	if topology.CheckPrint(text) == nil {
		return text
	}
	sum := sha256.Sum256([]byte("sluice alert\x00" + string(h.Source) + "\x00" + text))
	return hex.EncodeToString(sum[:8])
}

// began reads the time since when an alert fires, as the sources write it: beside those of momentOf, with an offset without a colon
// (CloudWatch), and in seconds or milliseconds since 1970 (Datadog). Zero when it is none.
func began(text string) time.Time {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 {
		const milliseconds = 1e11 // as seconds that is in the year 5138
		if n < milliseconds {
			return time.Unix(n, 0).UTC()
		}
		return time.UnixMilli(n).UTC()
	}
	if at, err := time.Parse("2006-01-02T15:04:05.999999999-0700", text); err == nil {
		return at.UTC()
	}
	return momentOf(text)
}

// fromSNS is the message that SNS was given, or why there is nothing to read. Raw delivery is taken as it is.
func fromSNS(body []byte) (message []byte, ignored string) {
	var e struct {
		envelope
		Token string
	}
	if json.Unmarshal(body, &e) != nil || e.Topic == "" {
		return body, ""
	}
	switch {
	case e.Type == "Notification" && e.Message != nil:
		return []byte(*e.Message), ""
	case e.Type == "SubscriptionConfirmation" && snsToken.MatchString(e.Token) && snsTopic.MatchString(e.Topic):
		return nil, "the topic asks whether it may send, which a person says: aws sns confirm-subscription --topic-arn " + e.Topic +
			" --token " + e.Token
	}
	return nil, "a message of SNS that is no notification: " + quote(e.Type)
}

var (
	snsToken = regexp.MustCompile(`^[0-9a-fA-F]{1,1000}$`)
	snsTopic = regexp.MustCompile(`^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]{1,256}$`)
)
