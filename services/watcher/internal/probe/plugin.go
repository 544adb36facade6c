package probe

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/exec"
	"github.com/sluice-gate/sluice/pkg/project"
)

// What a plugin of Nagios says by its exit status (https://www.monitoring-plugins.org/doc/guidelines.html#AEN78).
const (
	pluginWarning  = 1
	pluginCritical = 2
)

// plugin is the probe of a command that answers as a plugin of Nagios. Its exit status is the verdict, or its first number is what the
// condition is about; 3, and whatever else no plugin says, is no data. Like any command it fails when it does not end in time.
func plugin(c project.Check, f driver.Facts) Probe {
	p := *c.Metric.Plugin
	name := p.Command[0]
	vars := commandVars(c, f)
	least := pluginWarning
	if p.Fails == project.FailsOnCritical {
		least = pluginCritical
	}
	return func(ctx context.Context) (Seen, error) {
		ended, err := exec.Read(ctx, p.Exec, vars)
		var failed *exec.Failure
		switch {
		case errors.As(err, &failed) && errors.Is(failed.Cause, errTimeout):
			return Seen{Said: line(fmt.Sprintf("%s did not end within %s", name, c.Timeout), failed.Output)}, nil
		case failed != nil:
			return Seen{}, fmt.Errorf("%s %s", name, failed.What)
		case err != nil:
			return Seen{}, err
		}
		text, perfdata := pluginOutput(ended.Output)
		said := Line(name + ": " + text)
		if ended.Status < 0 || ended.Status > pluginCritical {
			return Seen{}, &noData{why: Line(fmt.Sprintf("%s knows nothing (%s): %s", name, ended.How, text))}
		}
		if c.Metric.Condition == "" {
			return Seen{OK: ended.Status < least, Said: said}, nil
		}
		n, ok := firstNumber(perfdata)
		if !ok || math.IsInf(n, 0) {
			return Seen{}, &noData{why: Line(fmt.Sprintf("%s has no number in its performance data: %s", name, text))}
		}
		return Seen{Said: said, Value: &n}, nil
	}
}

// pluginOutput is the first line of what a plugin says, and its performance data. The line with a bar is meant, where one has it: the
// output of both streams is read as one.
func pluginOutput(output string) (text, perfdata string) {
	for line := range strings.Lines(output) {
		if before, after, bar := strings.Cut(line, "|"); bar {
			return strings.TrimSpace(before), strings.TrimSpace(after)
		}
	}
	text, _, _ = strings.Cut(strings.TrimSpace(output), "\n")
	return strings.TrimSpace(text), ""
}

// perfValue is the first of a plugin's performance data: 'label'=value[UOM];[warn];[crit];[min];[max], where a label without spaces needs
// no quotes, and a quote in a label is written twice.
var perfValue = regexp.MustCompile(
	`^(?:'(?:[^']|'')+'|[^\s='|]+)=([-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)[a-zA-Z%]*(?:;|\s|$)`)

// firstNumber is the first value of performance data, in its own unit; U is none.
func firstNumber(perfdata string) (float64, bool) {
	match := perfValue.FindStringSubmatch(perfdata)
	if match == nil {
		return 0, false
	}
	n, err := strconv.ParseFloat(match[1], 64)
	return n, err == nil
}
