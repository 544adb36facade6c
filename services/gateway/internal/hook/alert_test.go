package hook_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/alert"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
	"github.com/sluice-gate/sluice/services/gateway/internal/hook"
	"github.com/sluice-gate/sluice/services/gateway/internal/hook/hooktest"
)

// alerting is a hook of alerts of the project tracer, with these fields more.
func alerting(t testing.TB, source config.Source, fields ...string) config.Hook {
	t.Helper()
	src := fmt.Sprintf("hooks:\n  - path: /h\n    source: %s\n    secret_env: S\n", source)
	if !strings.Contains(strings.Join(fields, "\n"), "projects:") {
		src += "    projects: [tracer]\n"
	}
	for _, f := range fields {
		src += "    " + f + "\n"
	}
	c, err := config.Parse("gateway.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return c.Hooks[0]
}

// told is a body as the source sends it, authenticated as that does.
func told(h config.Hook, kind string, body []byte) hook.Delivery {
	header := http.Header{"Content-Type": {"application/json"}}
	switch {
	case h.Source == config.Sentry:
		header.Set("Sentry-Hook-Resource", kind)
		header.Set("Sentry-Hook-Signature", sign("", body))
	case h.Source == config.PagerDuty:
		header.Set("X-PagerDuty-Signature", "v1=00,"+sign("v1=", body))
	case h.Alarm.Auth == config.Basic:
		r := http.Request{Header: header}
		r.SetBasicAuth("sns", secret)
	case h.Alarm.Auth == config.Bearer:
		header.Set("Authorization", "Bearer "+secret)
	default:
		header.Set(hook.HeaderSignature, sign("sha256=", body))
	}
	return hook.Delivery{Header: header, Body: body, At: now}
}

// The bodies are written after the documentation of the vendors, which presets.go names; that of SNS is
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html. Alertmanager's is that of the real one, too, in
// services/e2e.
func TestPresets(t *testing.T) {
	for _, c := range []struct {
		source        config.Source
		kind, example string
		want          alert.Alert
		print         string // empty: a hash
	}{
		{config.Grafana, "", "grafana", alert.Alert{
			Status: alert.Firing, Since: time.Date(2021, 8, 12, 7, 51, 3, 157076000, time.UTC), Name: "High memory usage",
			Labels:  map[string]string{"alertname": "High memory usage", "team": "blue", "zone": "us-1"},
			Summary: "This alert was triggered for zone us-1", URL: "https://grafana.example/alerting/1afz29v7z/edit", Source: "grafana",
		}, "c6eadffa33fcdf37"},
		{config.Sentry, "metric_alert", "sentry_metric_alert", alert.Alert{
			Status: alert.Firing, Since: time.Date(2020, 9, 13, 12, 26, 40, 0, time.UTC), Name: "Too many errors",
			Labels:  map[string]string{"kind": "metric", "severity": "critical"},
			Summary: "Critical: Too many errors: 1000 events in the last 10 minutes\nFilter: level:error",
			URL:     "https://sentry.io/organizations/baz/alerts/1/", Source: "sentry",
		}, ""},
		{config.Sentry, "event_alert", "sentry_event_alert", alert.Alert{
			Status: alert.Firing, Since: time.Date(2020, 8, 19, 21, 6, 17, 677000000, time.UTC), Name: "Very Important Alert Rule!",
			Labels:  map[string]string{"kind": "issue", "level": "error", "browser": "Chrome 75.0.3770", "environment": "staging"},
			Summary: "ReferenceError: heck is not defined",
			URL:     "https://sentry.io/organizations/test-org/issues/1117540176/events/e4874d664c3540c1a32eab185f12c5ab/", Source: "sentry",
		}, ""},
		{config.Sentry, "issue", "sentry_issue", alert.Alert{
			Status: alert.Resolved, Name: "ReferenceError: heck is not defined", Summary: "?(<anonymous>)",
			Labels: map[string]string{"kind": "issue", "level": "error", "project": "front-end"},
			URL:    "https://sentry.io/organizations/test-org/issues/1117540176/", Source: "sentry",
		}, ""},
		{config.Datadog, "", "datadog", alert.Alert{
			Status: alert.Firing, Since: time.Time{}, Name: "[Triggered on {host:ip-012345}] Host is Down",
			Labels: map[string]string{
				"availability-zone": "us-east-1a", "role": "computing-node", "name": "myService", "priority": "P1",
			},
			Summary: "system.load.1 over host:my-host was > 0 at least once during the last 1m",
			URL:     "https://app.datadoghq.com/event/jump_to?event_id=123456", Source: "datadog",
		}, ""},
		{config.PagerDuty, "", "pagerduty", alert.Alert{
			Status: alert.Firing, Since: time.Date(2020, 4, 9, 15, 16, 27, 0, time.UTC), Name: "A little bump in the road",
			Labels:  map[string]string{"service": "API Service", "urgency": "high", "priority": "P1"},
			Summary: "A little bump in the road", URL: "https://acme.pagerduty.com/incidents/PGR0VU2", Source: "pagerduty",
		}, ""},
		{config.CloudWatch, "", "cloudwatch", alert.Alert{
			Status: alert.Firing, Since: time.Date(2021, 8, 12, 16, 30, 42, 236000000, time.UTC), Name: "checkout errors",
			Labels: map[string]string{
				"FunctionName": "checkout", "namespace": "AWS/Lambda", "metric": "Errors", "alarm": "checkout errors", "account": "123456789012",
			},
			Summary: "Threshold Crossed: 1 datapoint (10.0) was greater than or equal to the threshold (1.0).",
			URL:     "https://console.aws.amazon.com/cloudwatch/home?region=eu-central-1#alarmsV2:alarm/checkout+errors", Source: "cloudwatch",
		}, ""},
		{config.Lumigo, "", "lumigo", alert.Alert{
			Status: alert.Firing, Since: time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC), Name: "High Error Rate",
			Labels:  map[string]string{"severity": "high", "service": "my-lambda-function", "region": "us-east-1"},
			Summary: "Error rate exceeded threshold", URL: "https://platform.lumigo.io/", Source: "lumigo",
		}, ""},
	} {
		t.Run(c.example, func(t *testing.T) {
			h := alerting(t, c.source)
			out, err := hook.Read(t.Context(), h, secret, told(h, c.kind, example(t, c.example)))
			if err != nil || len(out.Alerts) != 1 || len(out.Merges) != 0 {
				t.Fatalf("%+v %v", out, err)
			}
			got := out.Alerts[0]
			if got.Project != "tracer" || !same(got.Alert, c.want) || topology.CheckPrint(got.Fingerprint) != nil ||
				c.print != "" && got.Fingerprint != c.print {
				t.Errorf("\n%+v of %s, %s, want\n%+v", got.Alert, got.Project, got.Fingerprint, c.want)
			}
		})
	}
}

func same(a, b alert.Alert) bool {
	la, lb := a.Labels, b.Labels
	a.Labels, b.Labels = nil, nil
	return maps.Equal(la, lb) && fmt.Sprintf("%+v", a) == fmt.Sprintf("%+v", b)
}

// TestAlertmanager: one delivery tells of alerts of several projects, of others that are nobody's here, and that the source lives.
func TestAlertmanager(t *testing.T) {
	h := alerting(t, config.Alertmanager, "projects: [tracer, api]")
	out, err := hook.Read(t.Context(), h, secret, told(h, "", example(t, "alertmanager")))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range out.Alerts {
		got = append(got, fmt.Sprint(a.Project, " ", a.Status, " ", a.Name))
	}
	want := "tracer firing HighErrorRate, api resolved HighErrorRate, tracer alive , api alive "
	if strings.Join(got, ", ") != want {
		t.Errorf("%q, want %q", strings.Join(got, ", "), want)
	}
	first := out.Alerts[0]
	if first.Fingerprint != "1a30ba71cca2921f" || first.Summary != "a tenth of all requests fail" || first.Labels["severity"] != "page" ||
		!first.Since.Equal(time.Date(2021, 9, 1, 21, 40, 12, 739266876, time.UTC)) ||
		first.URL != "http://prometheus.example:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1" {
		t.Errorf("%+v", first)
	}
	only := alerting(t, config.Alertmanager, "projects: [web]", `project: '"web"'`, `heartbeat: "false"`)
	if out, err := hook.Read(t.Context(), only, secret, told(only, "", example(t, "alertmanager"))); err != nil || len(out.Alerts) != 4 {
		t.Errorf("with other expressions: %+v %v", out, err)
	}
	none := alerting(t, config.Alertmanager, "projects: [web, docs]", `heartbeat: "false"`)
	if out, err := hook.Read(t.Context(), none, secret, told(none, "", example(t, "alertmanager"))); err != nil || out.Ignored == "" {
		t.Errorf("of other projects: %+v %v", out, err)
	}
}

// TestWhatBecomesOfAnAlert: the same alert is known again by its fingerprint, and what says neither is left out.
func TestWhatBecomesOfAnAlert(t *testing.T) {
	for _, c := range []struct {
		source        config.Source
		kind, example string
		fields        map[string]any
		want          alert.Status
		since         string
	}{
		{config.Sentry, "metric_alert", "sentry_metric_alert", map[string]any{"action": "resolved"}, alert.Resolved, "2020-09-13T12:26:40Z"},
		{config.Sentry, "issue", "sentry_issue", map[string]any{"action": "created"}, alert.Firing, "2020-08-19T21:06:17Z"},
		{config.Sentry, "issue", "sentry_issue", map[string]any{"action": "unresolved"}, alert.Firing, ""},
		{config.Sentry, "issue", "sentry_issue", map[string]any{"action": "assigned"}, "", ""},
		{config.Sentry, "comment", "sentry_issue", nil, "", ""},
		{config.Datadog, "", "datadog", map[string]any{"transition": "Recovered"}, alert.Resolved, ""},
		{config.Datadog, "", "datadog", map[string]any{"transition": "Renotify", "date": "1630532944000"}, alert.Firing, ""},
		{config.Datadog, "", "datadog", map[string]any{"transition": "Triggered", "date": "1630532944000"}, alert.Firing, "2021-09-01T21:49:04Z"},
		{config.PagerDuty, "", "pagerduty", map[string]any{"event.event_type": "incident.resolved"}, alert.Resolved, "2020-10-02T18:45:22Z"},
		{config.PagerDuty, "", "pagerduty", map[string]any{"event.event_type": "incident.acknowledged"}, "", ""},
		{config.PagerDuty, "", "pagerduty", map[string]any{"event.resource_type": "service"}, "", ""},
		{config.Lumigo, "", "lumigo", map[string]any{"status": "RESOLVED"}, alert.Resolved, "2021-01-01T00:00:00Z"},
		{config.Grafana, "", "grafana", map[string]any{"alerts": []any{}}, "", ""},
	} {
		h := alerting(t, c.source)
		out, err := hook.Read(t.Context(), h, secret, told(h, c.kind, hooktest.Edit(t, example(t, c.example), c.fields)))
		switch {
		case err != nil:
			t.Errorf("%s %v: %v", c.example, c.fields, err)
		case c.want == "" && (out.Ignored == "" || len(out.Alerts) != 0):
			t.Errorf("%s %v: %+v", c.example, c.fields, out)
		case c.want != "" && (len(out.Alerts) != 1 || out.Alerts[0].Status != c.want):
			t.Errorf("%s %v: %+v", c.example, c.fields, out)
		case c.want != "":
			got := ""
			if since := out.Alerts[0].Since; !since.IsZero() {
				got = since.Format("2006-01-02T15:04:05Z")
			}
			if got != c.since {
				t.Errorf("%s %v: since %s, want %s", c.example, c.fields, got, c.since)
			}
		}
	}
	h := alerting(t, config.Sentry)
	printed := func(kind, name string) string {
		out, err := hook.Read(t.Context(), h, secret, told(h, kind, example(t, name)))
		if err != nil || len(out.Alerts) != 1 {
			t.Fatalf("%+v %v", out, err)
		}
		return out.Alerts[0].Fingerprint
	}
	if printed("event_alert", "sentry_event_alert") != printed("issue", "sentry_issue") {
		t.Error("an issue's alert is not resolved by its issue")
	}
}

// TestCloudWatchOverSNS: with its envelope and without, and the question of a topic that a person answers.
func TestCloudWatchOverSNS(t *testing.T) {
	h := alerting(t, config.CloudWatch)
	var e struct{ Message string }
	if err := json.Unmarshal(example(t, "cloudwatch"), &e); err != nil {
		t.Fatal(err)
	}
	for state, want := range map[string]alert.Status{"ALARM": alert.Firing, "OK": alert.Resolved, "INSUFFICIENT_DATA": ""} {
		old := strings.Replace(e.Message, `"AlarmArn"`, `"Unknown"`, 1) // it came later
		out, err := hook.Read(t.Context(), h, secret, told(h, "", hooktest.Edit(t, []byte(old), map[string]any{"NewStateValue": state})))
		if err != nil || (want == "") != (len(out.Alerts) == 0) || want != "" && out.Alerts[0].Status != want {
			t.Errorf("%s: %+v %v", state, out, err)
		}
	}
	out, err := hook.Read(t.Context(), h, secret, told(h, "", example(t, "cloudwatch_confirmation")))
	if err != nil || !strings.Contains(out.Ignored, "aws sns confirm-subscription --topic-arn arn:aws:sns:eu-central-1:123456789012:alarms --token 2336") {
		t.Errorf("%+v %v", out, err)
	}
	bad := hooktest.Edit(t, example(t, "cloudwatch_confirmation"), map[string]any{"Token": "$(reboot)"})
	if out, err := hook.Read(t.Context(), h, secret, told(h, "", bad)); err != nil || strings.Contains(out.Ignored, "reboot") {
		t.Errorf("%+v %v", out, err)
	}
}

// TestHostileAlerts: what a stranger may choose is data, or refused in one line that names the field.
func TestHostileAlerts(t *testing.T) {
	h := alerting(t, config.Alerts, "auth: bearer", "each: body.alerts", "status: alert.status", "fingerprint: alert.id",
		"since: string(alert.since)", "labels: alert.labels", "name: alert.name", "url: alert.url", "projects: [tracer, api]", "project: alert.project")
	one := func(fields map[string]any) []byte {
		all := map[string]any{
			"status": "firing", "id": "x", "since": "2021-09-01T22:00:00Z", "labels": map[string]any{}, "name": "n", "url": "https://x/", "project": "tracer",
		}
		maps.Copy(all, fields)
		body, err := json.Marshal(map[string]any{"alerts": []any{all}})
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	huge := strings.Repeat("$(reboot)\n../", 100_000)
	for name, c := range map[string]struct {
		body []byte
		want string // of the error; empty: it is data
	}{
		"a command as fingerprint":   {one(map[string]any{"id": "$(reboot)\n.>*"}), ""},
		"a megabyte of everything":   {one(map[string]any{"id": huge, "name": huge, "labels": map[string]any{huge: huge, "a": huge}}), ""},
		"a script as the link":       {one(map[string]any{"url": "javascript:alert(1)"}), ""},
		"a password in the link":     {one(map[string]any{"url": "https://me:hunter2@x/"}), ""},
		"labels that are none":       {one(map[string]any{"labels": []any{1, nil, []any{"a"}, map[string]any{"b": map[string]any{}}}}), ""},
		"of the future":              {one(map[string]any{"since": "2999-01-01T00:00:00Z"}), ""},
		"a number as a time":         {one(map[string]any{"since": 1e300}), ""},
		"another project":            {one(map[string]any{"project": "../../victim.>"}), ""},
		"alight":                     {one(map[string]any{"status": "alight"}), "status"},
		"alive, which is not theirs": {one(map[string]any{"status": "alive"}), "status"},
		"no fingerprint":             {one(map[string]any{"id": ""}), "fingerprint"},
		"a list as name":             {one(map[string]any{"name": []any{1}}), "name"},
		"text as labels":             {one(map[string]any{"labels": "x"}), "labels"},
		"no list":                    {[]byte(`{"alerts": 1}`), "each"},
		"too many":                   {[]byte(`{"alerts": [` + strings.Repeat("1,", hook.MaxAlerts) + `1]}`), "each"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := hook.Read(t.Context(), h, secret, told(h, "", c.body))
			if c.want != "" {
				if !errors.Is(err, hook.ErrRefused) || !strings.Contains(err.Error(), c.want) || strings.ContainsAny(err.Error(), "\n") || len(err.Error()) > 500 {
					t.Errorf("%+v %v", out, err)
				}
				return
			}
			if err != nil || (len(out.Alerts) == 0) == (out.Ignored == "") {
				t.Fatalf("%+v %v", out, err)
			}
			for _, a := range out.Alerts {
				data, err := alert.Encode(a.Alert)
				if err != nil || len(data) > 32<<10 || topology.Alert(a.Project, a.Fingerprint) == "" || a.Since.Year() > 2021 ||
					strings.Contains(a.URL, "javascript") || strings.Contains(a.URL, "hunter2") {
					t.Errorf("%s %.300s %v", topology.Alert(a.Project, a.Fingerprint), data, err)
				}
			}
		})
	}
}

// TestAlertsAreSigned: nothing unsigned is read, in each source's own way.
func TestAlertsAreSigned(t *testing.T) {
	for source, name := range map[config.Source]string{
		config.Alertmanager: "alertmanager", config.Grafana: "grafana", config.Sentry: "sentry_metric_alert", config.Datadog: "datadog",
		config.PagerDuty: "pagerduty", config.CloudWatch: "cloudwatch", config.Lumigo: "lumigo",
	} {
		h := alerting(t, source)
		d := told(h, "metric_alert", example(t, name))
		if out, err := hook.Read(t.Context(), h, secret, d); err != nil || len(out.Alerts) == 0 {
			t.Errorf("%s: %+v %v", source, out, err)
		}
		for what, try := range map[string]func() (hook.Outcome, error){
			"another secret": func() (hook.Outcome, error) { return hook.Read(t.Context(), h, secret+"!", d) },
			"no secret":      func() (hook.Outcome, error) { return hook.Read(t.Context(), h, "", d) },
			"unsigned": func() (hook.Outcome, error) {
				return hook.Read(t.Context(), h, secret, hook.Delivery{Header: http.Header{}, Body: d.Body, At: d.At})
			},
		} {
			if out, err := try(); !errors.Is(err, hook.ErrUnsigned) || len(out.Alerts) != 0 || strings.Contains(err.Error(), "Everybody") {
				t.Errorf("%s, %s: %+v %v", source, what, out, err)
			}
		}
	}
}
