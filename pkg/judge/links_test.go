package judge_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
)

// A verdict says where to look: what the project says of the check, where it reads, and the merge. No secret is told, and nothing that is
// no link.
func TestLinks(t *testing.T) {
	c := project.Check{Link: "https://wiki.example/latency", HTTP: &project.HTTP{URL: "https://staging.example/login?token=hunter2"}}
	s := release.State{Merge: release.Merge{URL: "https://forge.example/pull/7"}}
	v := judge.Verdict{Check: "login", Links: judge.LinksOf(c, s), Baseline: "release 1.3.0 (x)", Tally: judge.Tally{Failed: true, Count: 1}}
	evidence := v.Evidence()
	want := []string{"https://wiki.example/latency", "https://staging.example/login", "https://forge.example/pull/7"}
	if got := judge.LinksIn(evidence); !reflect.DeepEqual(got, want) || strings.Contains(evidence, "hunter2") {
		t.Errorf("%q of %s", got, evidence)
	}
	if !strings.Contains(evidence, `"baseline":"release 1.3.0 (x)"`) || !strings.HasSuffix(v.Reason(), "; see https://wiki.example/latency") {
		t.Errorf("%s\n%s", v.Reason(), evidence)
	}
	for _, bad := range []string{"javascript:alert(1)", "https://a\nb", "https://" + strings.Repeat("a", 300), "see the wiki", ""} {
		if got := judge.LinksOf(project.Check{Link: bad}, release.State{Merge: release.Merge{URL: bad}}); got != (judge.Links{}) {
			t.Errorf("%q: %+v", bad, got)
		}
	}
	for _, evil := range []string{"", "boom", `{"links":7}`, `{"links":{"check":"javascript:alert(1)","merge":"https://a\u001b[2Jb"}}`} {
		if got := judge.LinksIn(evil); got != nil {
			t.Errorf("%q: %q", evil, got)
		}
	}
	if got := judge.Source(c); got != judge.Source(project.Check{HTTP: c.HTTP}) {
		t.Error("a link changes what is measured")
	}
}
