package probe_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/services/watcher/internal/probe"
)

func TestAsks(t *testing.T) {
	lambda := project.CloudWatchMetric{Namespace: "AWS/Lambda", Name: "Errors", Stat: "Sum"}
	for want, c := range map[string]project.Check{
		"hears the project's alerts; wants none that fires, and did not before the release came": {Alert: &project.Alert{}},
		`Prometheus at http://p: the query "a" and the query "b"; wants the first not to be lower than the second, by the test sequential`: {
			Metric: &project.Metric{Prometheus: &project.Prometheus{URL: "http://p", Compare: &project.Compare{
				Value: "a", Baseline: "b", Worse: project.LowerIsWorse, Method: project.Sequential,
			}}},
		},
		"counts the signals of the project and of the release; wants at most 3": {Signal: &project.Signal{Max: 3}},
		"counts the signals of the project and of the release, if they are news, of level error and worse, that match login; wants at most 0": {
			Signal: &project.Signal{NewOnly: true, Level: project.LevelError, Match: "login"},
		},
		"hears the project's alerts from alertmanager, severity page or critical; wants none that fires for 2m0s, and did not before the release came": {Alert: &project.Alert{
			Match: map[string][]string{"severity": {"page", "critical"}}, Source: "alertmanager", For: 2 * time.Minute,
		}},
		"GET https://h/p?key=***; wants status 2xx": {HTTP: &project.HTTP{URL: "https://h/p?key=hunter2"}},
		"GET https://h/; wants status 200, 300-399 and body.ok": {HTTP: &project.HTTP{
			URL: "https://h/", Status: []project.Statuses{{From: 200, To: 200}, {From: 300, To: 399}}, Condition: "body.ok",
		}},
		"runs ./smoke --url https://***@h/; wants exit status 0": {Exec: &project.Exec{Command: []string{"./smoke", "--url", "https://u:hunter2@h/"}}},
		"runs the plugin check_disk; wants less than critical": {Metric: &project.Metric{
			Plugin: &project.Plugin{Exec: project.Exec{Command: []string{"check_disk"}}, Fails: project.FailsOnCritical},
		}},
		`Prometheus at https://p: the query "up", its max of 5m0s; wants value > 0`: {Metric: &project.Metric{
			Prometheus: &project.Prometheus{URL: "https://p", Query: "up", Range: 5 * time.Minute, Take: project.TakeMax}, Condition: "value > 0",
		}},
		`Prometheus at https://p: the query "a" and three more; wants no more than 1.5 times the errors of the baseline`: {Metric: &project.Metric{
			Prometheus: &project.Prometheus{URL: "https://p", Compare: &project.Compare{Errors: "a", Tolerated: 1.5}},
		}},
		"GET https://h/?k=***: body.n; wants value < 1": {Metric: &project.Metric{
			JSON: &project.JSON{URL: "https://h/?k=hunter2", Value: "body.n"}, Condition: "value < 1",
		}},
		"CloudWatch: Sum Errors of AWS/Lambda, soak; wants value < 1": {Metric: &project.Metric{
			CloudWatch: &project.CloudWatch{Metric: &lambda, Over: project.OverSoak}, Condition: "value < 1",
		}},
		"CloudWatch: 100 * e / n, newest; wants value < 1": {Metric: &project.Metric{
			CloudWatch: &project.CloudWatch{Expression: "100 * e / n", Over: project.OverNewest}, Condition: "value < 1",
		}},
		"events in CloudWatch's /app: ?ERROR; wants value == 0.0": {Metric: &project.Metric{
			Logs: &project.CloudWatchLogs{Group: "/app", Filter: "?ERROR"}, Condition: "value == 0.0",
		}},
	} {
		if got := probe.Asks(c); got != want || strings.Contains(got, "hunter2") {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
