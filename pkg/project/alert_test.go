package project_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-gate/sluice/pkg/project"
)

func TestAlerts(t *testing.T) {
	const path = "testdata/accept/alerts.yaml"
	p, err := project.Parse(path, read(t, path))
	if err != nil {
		t.Fatal(err)
	}
	want := []project.Check{
		{Name: "any", Alert: &project.Alert{}, Failures: 1},
		{Name: "pages", Failures: 1, Grace: time.Minute, Alert: &project.Alert{
			Match:  map[string][]string{"severity": {"page", "critical"}, "team": {"web"}},
			Source: "alertmanager", For: 2 * time.Minute, Heartbeat: 5 * time.Minute,
		}},
	}
	if diff := cmp.Diff(want, p.Stages[0].Watch); diff != "" {
		t.Error(diff)
	}
}
