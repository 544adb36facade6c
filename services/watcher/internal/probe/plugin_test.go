package probe_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/project"
)

func pluginCheck(script string, fails project.Severity, condition string, timeout time.Duration) project.Check {
	p := &project.Plugin{Exec: project.Exec{Command: []string{"sh", "-c", script}}, Fails: fails}
	return project.Check{Name: "disk", Timeout: timeout, Metric: &project.Metric{Plugin: p, Condition: condition, NoData: project.HoldOnNoData}}
}

// The outputs are those of the guidelines and of plugins: https://www.monitoring-plugins.org/doc/guidelines.html.
func TestPlugins(t *testing.T) {
	const disk = `DISK OK - free space: / 3326 MB (56%);| /=2643MB;5948;5958;0;5968`
	for name, c := range map[string]struct {
		output    string
		exit      string
		fails     project.Severity
		condition string
		ok, none  bool
		said      string
		value     float64
	}{
		"ok":                      {disk, "0", project.FailsOnWarning, "", true, false, "sh: DISK OK - free space: / 3326 MB (56%);", 0},
		"a warning fails":         {"DISK WARNING", "1", project.FailsOnWarning, "", false, false, "sh: DISK WARNING", 0},
		"a warning is let pass":   {"DISK WARNING", "1", project.FailsOnCritical, "", true, false, "sh: DISK WARNING", 0},
		"critical":                {"DISK CRITICAL", "2", project.FailsOnCritical, "", false, false, "sh: DISK CRITICAL", 0},
		"unknown":                 {"DISK UNKNOWN", "3", project.FailsOnWarning, "", false, true, "sh knows nothing (exit status 3): DISK UNKNOWN", 0},
		"none of Nagios'":         {"", "127", project.FailsOnWarning, "", false, true, "exit status 127", 0},
		"killed":                  {"", "$(kill -9 $$)", project.FailsOnWarning, "", false, true, "signal: killed", 0},
		"a number":                {disk, "0", project.FailsOnWarning, "value < 3000", true, false, "2643, and value < 3000: sh: DISK OK", 2643},
		"a number, too large":     {disk, "0", project.FailsOnWarning, "value < 2000", false, false, "2643, not value < 2000", 2643},
		"the number decides":      {disk, "2", project.FailsOnWarning, "value < 3000", true, false, "2643", 2643},
		"nobody knows the number": {disk, "3", project.FailsOnWarning, "value < 3000", false, true, "knows nothing", 0},
		"no number":               {"OK", "0", project.FailsOnWarning, "value < 3000", false, true, "no number in its performance data: OK", 0},
		"undetermined":            {"OK | a=U", "0", project.FailsOnWarning, "value < 3000", false, true, "no number", 0},
		"a label in quotes":       {`OK | 'free space = it''s'=-1.5e3%;10:20;@5`, "0", project.FailsOnWarning, "value < 0", true, false, "-1500", -1500},
		"only the first":          {"OK | a=0.5s;1;2 b=7", "0", project.FailsOnWarning, "value < 1", true, false, "0.5", 0.5},
		"no number after all":     {"OK | a=12abc-", "0", project.FailsOnWarning, "value < 1", false, true, "no number", 0},
		"too large a number":      {"OK | a=1e999", "0", project.FailsOnWarning, "value < 1", false, true, "no number", 0},
	} {
		t.Run(name, func(t *testing.T) {
			check := pluginCheck(`printf '%s\n' "$OUT"; exit `+c.exit, c.fails, c.condition, 20*time.Second)
			check.Metric.Plugin.Env = map[string]string{"OUT": c.output}
			seen, err := open(check)(t.Context())
			seen = weighed(check, seen, err)
			if c.none {
				if !seen.None || err != nil || seen.OK || !strings.Contains(seen.Said, c.said) {
					t.Errorf("%+v, %v", seen, err)
				}
				return
			}
			if err != nil || seen.OK != c.ok || !strings.Contains(seen.Said, c.said) {
				t.Errorf("%+v, %v", seen, err)
			}
			if c.condition != "" && (seen.Value == nil || *seen.Value != c.value) {
				t.Errorf("the number is %v", seen.Value)
			}
		})
	}
}

func TestPluginsThatDoNotEnd(t *testing.T) {
	seen, err := open(pluginCheck("sleep 60", project.FailsOnWarning, "", 100*time.Millisecond))(t.Context())
	if err != nil || seen.OK || !strings.Contains(seen.Said, "sh did not end within 100ms") {
		t.Errorf("%+v, %v", seen, err)
	}
	missing := pluginCheck("", project.FailsOnWarning, "", time.Second)
	missing.Metric.Plugin.Command = []string{"./not-there"}
	if seen, err := open(missing)(t.Context()); err == nil || seen.None || seen.OK {
		t.Errorf("%+v, %v", seen, err)
	}
}
