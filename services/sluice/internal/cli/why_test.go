package cli

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// strict is a broker with a project whose file requires reasons.
func strict(t *testing.T) (*bundle, *bytes.Buffer) {
	t.Helper()
	b := setup(t)
	for _, file := range []string{"project: tracer\nreasons: required\n", "project: lax\n"} {
		if _, _, err := b.c.catalog.Apply(t.Context(), "sluice.yaml", []byte(file)); err != nil {
			t.Fatal(err)
		}
	}
	var said bytes.Buffer
	b.app.err = &said
	return b, &said
}

// Who sits at a terminal is told what will happen, and asked why.
func TestSomebodyIsAsked(t *testing.T) {
	for name, c := range map[string]struct {
		verb, project, given, answers string
		reason, said                  string
	}{
		"given":               {"cancel", "tracer", "broken", "", "broken", "it will not be promoted\n"},
		"asked":               {"cancel", "tracer", "", "login is broken \n", "login is broken", "it will not be promoted\nwhy? (Ctrl-C to leave it) "},
		"asked again":         {"pause", "tracer", "", "\n\nan incident\n", "an incident", strings.Repeat("why? (Ctrl-C to leave it) ", 3)},
		"need not":            {"rollback", "lax", "", "\n", "", "why? (Enter for no reason, Ctrl-C to leave it) "},
		"may":                 {"expedite", "lax", "", "hotfix\n", "hotfix", "why? (Enter for no reason, Ctrl-C to leave it) "},
		"hold is accountable": {"hold", "tracer", "", "QA\n", "QA", "why? (Ctrl-C to leave it) "},
		"hold is harmless":    {"hold", "lax", "", "never read\n", "", ""},
		"approve is not":      {"approve", "tracer", "", "never read\n", "", ""},
	} {
		b, said := strict(t)
		b.app.asks, b.app.in = true, strings.NewReader(c.answers)
		got, err := b.app.why(t.Context(), b.c, c.verb, "it will not be promoted", c.given, []string{c.project})
		if err != nil || got != c.reason || !strings.Contains(said.String(), c.said) || c.said == "" && said.Len() > 0 {
			t.Errorf("%s: %q, %v, said %q", name, got, err, said.String())
		}
	}
}

func TestNoReasonNoRequest(t *testing.T) {
	b, _ := strict(t)
	b.app.asks = true
	for name, in := range map[string]io.Reader{"three times": strings.NewReader("\n \n\n\n"), "the end": strings.NewReader(""), "half a line": strings.NewReader(" ")} {
		b.app.in = in
		if got, err := b.app.why(t.Context(), b.c, "cancel", "", "", []string{"tracer"}); err == nil || err.Error() != "no reason was given: nothing is sent" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	b.app.asks = false
	_, err := b.app.why(t.Context(), b.c, topology.StopPause, "", "", []string{"lax", "tracer"})
	want := "the project file of tracer requires a reason for a pause: give one after the name, or with --reason; nothing is sent"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if got, err := b.app.why(t.Context(), b.c, "cancel", "", "", []string{"lax", "", "gone"}); err != nil || got != "" {
		t.Errorf("%q, %v", got, err)
	}
}

// Ctrl-C is an answer, too.
func TestTheQuestionCanBeLeft(t *testing.T) {
	b, _ := strict(t)
	reader, writer := io.Pipe()
	defer func() { _ = writer.Close() }()
	b.app.asks, b.app.in = true, reader
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.app.ask(ctx, true); err == nil {
		t.Error("an answer out of nowhere")
	}
}

func TestWhatIsDangerous(t *testing.T) {
	for _, v := range release.Verbs() {
		want := v == release.Cancel || v == release.Expedite || v == release.Recall
		if weighty(string(v)) != want {
			t.Errorf("%s: %t", v, !want)
		}
	}
	for _, v := range topology.Stops() {
		if want := v == topology.StopPause || v == topology.StopFreeze; weighty(v) != want || project.Accountable(v) != want {
			t.Errorf("%s: %t", v, !want)
		}
	}
}
