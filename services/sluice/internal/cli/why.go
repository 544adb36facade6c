package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// Who stops, hastens or undoes something is told what that will do, and asked why. A project file may require an answer
// (reasons: required). That is a rule for people who use this command: the broker stores a request without a reason all the same, because a
// cancel must never be lost for want of words.

// weighty tells whether somebody is told what a verb will do, and asked why.
func weighty(verb string) bool {
	switch verb {
	case string(release.Cancel), string(release.Expedite), string(release.Recall), topology.StopPause, topology.StopFreeze:
		return true
	}
	return false
}

// why is the reason: what was given or, on a terminal, what somebody answers. will is what the verb will do.
func (a *app) why(ctx context.Context, c *client, verb, will, given string, projects []string) (string, error) {
	if weighty(verb) {
		a.say("%s", will)
	}
	if given != "" || !project.Accountable(verb) {
		return given, nil
	}
	reading, cancel := within(ctx)
	by, err := c.requiring(reading, projects)
	cancel() // the answer may take long
	if err != nil {
		return "", err
	}
	if a.asks && (by != "" || weighty(verb)) {
		return a.ask(ctx, by != "")
	}
	if by != "" {
		return "", fmt.Errorf("the project file of %s requires a reason for a %s: give one after the name, or with --reason; nothing is sent", by, verb)
	}
	return "", nil
}

// requiring is the first of these projects whose file requires reasons; "" when none does. One that can not be read requires none: its
// releases must be stopped without it, too.
func (c *client) requiring(ctx context.Context, projects []string) (string, error) {
	for _, name := range projects {
		if name == "" { // of a release that nobody knows
			continue
		}
		p, _, err := c.catalog.Current(ctx, name)
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if err == nil && p.Reasons {
			return name, nil
		}
	}
	return "", nil
}

// askMost is how often somebody is asked for a reason that is required.
const askMost = 3

// ask asks whoever sits at the terminal for a reason.
func (a *app) ask(ctx context.Context, required bool) (string, error) {
	question := "why? (Enter for no reason, Ctrl-C to leave it) "
	if required {
		question = "why? (Ctrl-C to leave it) "
	}
	in := bufio.NewReader(io.LimitReader(a.in, maxReason))
	for range askMost {
		_, _ = fmt.Fprint(a.err, question)
		line, err := readLine(ctx, in)
		if ctx.Err() != nil {
			a.say("")
			return "", ctx.Err()
		}
		reason := strings.TrimSpace(line)
		if reason != "" || !required && err == nil {
			return reason, nil
		}
		if err != nil {
			break
		}
	}
	return "", errors.New("no reason was given: nothing is sent")
}

// maxReason bounds what is read as a reason, in bytes.
const maxReason = 64 << 10

// readLine reads a line, unless ctx ends before.
func readLine(ctx context.Context, in *bufio.Reader) (string, error) {
	type answer struct {
		line string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		line, err := in.ReadString('\n')
		got <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case read := <-got:
		return read.line, read.err
	}
}
