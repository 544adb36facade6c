package project_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-gate/sluice/pkg/project"
)

func TestComparisonsOfNumbers(t *testing.T) {
	const path = "testdata/accept/compare.yaml"
	p, err := project.Parse(path, read(t, path))
	if err != nil {
		t.Fatal(err)
	}
	number := func(c project.Compare) project.Compare {
		c.Value, c.Baseline, c.FalseAlarms = "a", "b", 0.01
		return c
	}
	want := []project.Compare{
		number(project.Compare{Method: project.Sequential, Worse: project.LowerIsWorse, Tolerated: 1.1}),
		number(project.Compare{Method: project.MannWhitney, Worse: project.HigherIsWorse, Tolerated: 1, After: 48 * time.Minute}),
		number(project.Compare{Method: project.MannWhitney, Worse: project.HigherIsWorse, Tolerated: 1, After: 5 * time.Minute}),
	}
	var got []project.Compare
	for _, c := range append(p.Stages[0].Watch, p.Bake.Watch...) {
		got = append(got, *c.Metric.Prometheus.Compare)
		if c.Failures != 1 || c.Metric.NoData != project.HoldOnNoData {
			t.Errorf("%+v", c)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
