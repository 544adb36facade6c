package project_test

import (
	"testing"

	"github.com/sluice-gate/sluice/pkg/project"
)

func TestSignals(t *testing.T) {
	want := defaults()
	want.Name, want.Lane = "tracer", "tracer"
	want.Stages[0].Watch = []project.Check{
		{Name: "errors", Failures: 1, Signal: &project.Signal{}},
		{Name: "log", Failures: 1, Signal: &project.Signal{
			Max: 5, Level: project.LevelWarn, Match: "(?i)payment", Ignore: []string{"^deprecated", "card declined$"},
		}},
		{Name: "news", Failures: 1, Signal: &project.Signal{Level: project.LevelError, NewOnly: true, Tolerated: 2, FalseAlarms: 0.01}},
		{Name: "both", Failures: 1, Signal: &project.Signal{NewOnly: true, Baseline: "tracer-production", Tolerated: 1.5, FalseAlarms: 0.05}},
	}
	accept(t, "testdata/accept/signals.yaml", want)
}
