package e2e_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/alert"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/promtest"
	"github.com/sluice-gate/sluice/pkg/topology"
)

const alertRules = `groups:
  - name: staging
    rules:
      - alert: QueueStuck
        expr: queue_stuck{env="staging"} > 0
        labels: { severity: page, project: tracer }
        annotations: { summary: "{{ $value }} messages are stuck" }
      - alert: Watchdog
        expr: vector(1)
        labels: { severity: none }
`

const alertmanagerConfig = `route:
  receiver: sluice
  group_by: [alertname]
  group_wait: 100ms
  group_interval: 500ms
  repeat_interval: 1s
receivers:
  - name: sluice
    webhook_configs:
      - url: http://%s/hooks/alertmanager
        http_config: { authorization: { credentials: %s } }
`

const alertsGateway = `hooks:
  - { path: /hooks/alertmanager, source: alertmanager, secret_env: SLUICE_E2E_ALERTS, projects: [tracer] }
`

const alertedProject = `project: tracer
publish: { files: { dir: %[1]q } }
promote: { files: { dir: %[1]q } }
watch:
  - { name: alerts, alert: { match: { severity: [page, critical] }, source: alertmanager, heartbeat: 20s } }
`

// TestAlertmanager: a real Prometheus evaluates a rule, a real Alertmanager tells the gateway. An alert that fires since before the
// deployment is not blamed on the release, which is promoted, and that is said; one that fires anew cancels.
func TestAlertmanager(t *testing.T) {
	t.Parallel()
	const secret = "the-secret-of-alertmanager"
	dir := t.TempDir()
	u := newUp(t, map[string]string{"tracer": fmt.Sprintf(alertedProject, filepath.Join(dir, "channels"))})
	hooks := natstest.FreeAddress(t)
	u.env = []string{"SLUICE_E2E_ALERTS=" + secret}
	u.args = append(u.args, "--gateway", writeFile(t, dir, "gateway.yaml", alertsGateway), "--gateway-listen", hooks)
	u.start()
	u.ready("tracer")
	p := promtest.StartWithRules(t, alertRules, promtest.StartAlertmanager(t, fmt.Sprintf(alertmanagerConfig, hooks, secret)))
	n := &npmWorld{up: u, project: "tracer"}
	_, js := u.connect()
	is := func(want alert.Status) {
		t.Helper()
		n.eventually("the alert is "+string(want), func() error { return alertIs(t, js, "QueueStuck", want) })
	}
	artifact := writeFile(t, dir, "tracer.bin", "anything")
	merge := func(version, delay string) string {
		id, code := u.sluice("merge", "tracer", "--commit", "c-"+strings.ReplaceAll(version, ".", "-"), "--version", version,
			"--artifact", artifact, "--delay", delay)
		if code != 0 {
			t.Fatalf("merge exited with %d", code)
		}
		return id
	}

	p.Add(`queue_stuck{env="staging"}`, 7)
	is(alert.Firing)
	id := merge("1.4.0", "6s")
	n.until(id, "promoted")
	if said, _ := u.sluice("status", id); !strings.Contains(said, "check alerts is inconclusive: alert QueueStuck") ||
		!strings.Contains(said, "7 messages are stuck") || !strings.Contains(said, "before the release came") {
		t.Errorf("that it is not blamed is not said:\n%s", said)
	}

	if said, _ := u.sluice("evidence", id); !strings.Contains(said, "inconclusive") || !strings.Contains(said, "before the release came") {
		t.Errorf("the evidence does not have it:\n%s", said)
	}

	p.Add(`queue_stuck{env="staging"}`, -7)
	is(alert.Resolved)
	id = merge("1.5.0", "10m")
	n.until(id, "soaking")
	p.Add(`queue_stuck{env="staging"}`, 9)
	n.until(id, "cancelled")
	if story, _ := u.sluice("log", id); !strings.Contains(story, "check alerts failed: alert QueueStuck of alertmanager: 9 messages are stuck") {
		t.Errorf("why is not told:\n%s", story)
	}
	if said, _ := u.sluice("evidence", id); !strings.Contains(said, "fail at ") || !strings.Contains(said, "9 messages are stuck") {
		t.Errorf("the evidence does not have it:\n%s", said)
	}
}

// alertIs reads what is stored of an alert of the project tracer.
func alertIs(t *testing.T, js jetstream.JetStream, name string, want alert.Status) error {
	stream, err := js.Stream(t.Context(), topology.StreamEvidence)
	if err != nil {
		return err
	}
	info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter(topology.Alerts("tracer")))
	if err != nil {
		return err
	}
	for subject := range info.State.Subjects {
		m, err := stream.GetLastMsgForSubject(t.Context(), subject)
		if err != nil {
			return err
		}
		a, err := alert.Decode(m.Data)
		if err != nil {
			return err
		}
		if a.Name == name && a.Status == want {
			return nil
		}
	}
	return errors.New("it is not")
}
