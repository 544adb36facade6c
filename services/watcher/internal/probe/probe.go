// Package probe looks once at staging, or at production while a release bakes: by an HTTP request, by a command, or by reading a number
// that somebody else measures.
//
// What a probe comes to is one of four things. Staging is well; staging is not well, and that is a failure, also when it
// does not answer at all; there was nothing to see, as the source of a number has none; or the probe could not look, and that says
// nothing about staging. The last is an error: a command that is not there, a variable that is not set, this host out of file
// descriptors. A watcher that can not look does not cancel. It sends no heartbeats, and so the release is held for a person.
//
// A source that has nothing is asked less and less often (internal/watch), and one that says for how long it wants to be left alone is left
// alone for so long: 429, and 503 with Retry-After, of whatever is asked by HTTP, and throttling of AWS. Staging that says so has said
// nothing about itself. Every look has its time, every answer that is read a size; a redirect is not followed, since it could take a token
// elsewhere; and what an answer repeats of a token is masked. The conformance tests hold every source to that.
//
// A probe says what it saw as raw as it can: what a number means, or that there is none, package judge decides.
package probe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"syscall"
	"time"

	"github.com/sluice-gate/sluice/pkg/amazon"
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/exec"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/project"
)

// Seen is what a probe saw of staging.
type Seen struct {
	OK       bool
	Said     string          // one line, no secret
	None     bool            // there was nothing to see: what that means is the check's policy to say
	Busy     bool            // and that is because the source was asked too often, which says nothing about staging
	Value    *float64        // that the judge asks the check's condition about; of http, whose condition is about more, the latency in ms
	Counters *judge.Counters // of a comparison, which the judge decides on
	Baseline *float64        // of a comparison of numbers: what the value is compared with
	Many     []float64       // of a score: of each metric the number, and what it is compared with; NaN for none
}

// Probe looks once, within its check's timeout. Its error says that it could not look; it is the context's when that ended.
type Probe func(ctx context.Context) (Seen, error)

// Look is what was seen as it is judged. err is why the watcher could not look.
func (s Seen) Look(at time.Time, err error) judge.Measurement {
	out := judge.Measurement{At: at, OK: s.OK, Said: s.Said, Value: s.Value, Baseline: s.Baseline, Counters: s.Counters, Many: s.Many}
	switch {
	case s.None && s.Busy:
		out.Lack = judge.Busy
	case s.None:
		out.Lack = judge.NoData
	case err != nil:
		out.Lack, out.Said = judge.Blind, Line(err.Error())
	}
	return out
}

// Tools is how probes reach the outside. The zero value is the real thing.
type Tools struct {
	Transport http.RoundTripper // nil: a new connection for every request
	Amazon    *amazon.Lines     // to AWS, shared; nil: each probe has its own
}

// Open makes the probe of a check, for a release whose soak or bake began at from. It is nil for a check that is not a probe.
func (t Tools) Open(c project.Check, f driver.Facts, from time.Time) Probe {
	switch {
	case c.HTTP != nil:
		return t.http(c)
	case c.Exec != nil:
		return command(*c.Exec, c, f)
	case c.Metric != nil:
		return t.metric(c, f, from)
	}
	return nil
}

// errTimeout is the cause with which a probe's own time ends.
var errTimeout = errors.New("the probe's time is up")

// timed gives a probe its time.
func timed(ctx context.Context, c project.Check) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, c.Timeout, errTimeout)
}

// ours tells whether an error is this host's: it says nothing about what was looked at.
func ours(err error) bool {
	for _, no := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS, syscall.EADDRNOTAVAIL} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}

// command is the probe of a command: exit status 0 is well, any other, death by a signal and a timeout are not.
func command(e project.Exec, c project.Check, f driver.Facts) Probe {
	vars := commandVars(c, f)
	return func(ctx context.Context) (Seen, error) {
		within, cancel := timed(ctx, c)
		defer cancel()
		err := exec.Run(within, e, vars)
		var failed *exec.Failure
		switch {
		case err == nil:
			return Seen{OK: true}, nil
		case ctx.Err() != nil:
			return Seen{}, ctx.Err()
		case !errors.As(err, &failed):
			return Seen{}, err
		case errors.Is(failed.Cause, errTimeout):
			return Seen{Said: line(fmt.Sprintf("%s did not end within %s", e.Command[0], c.Timeout), failed.Output)}, nil
		case failed.Cause != nil:
			return Seen{}, fmt.Errorf("%s %s", e.Command[0], failed.What)
		}
		return Seen{Said: line(e.Command[0]+" "+failed.What, failed.Output)}, nil
	}
}

// commandVars is what a check's command is told.
func commandVars(c project.Check, f driver.Facts) []exec.Var {
	return append(exec.Vars("watch", f), exec.Var{Name: "SLUICE_CHECK", Value: c.Name})
}
