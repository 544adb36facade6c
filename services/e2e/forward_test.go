package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/release"
)

// TestOlderAfterNewer: a release that was held for long comes due after a newer one, which took another lane, was promoted. It
// ends superseded, also where the driver can not look at what is there, and by whichever order the project has.
func TestOlderAfterNewer(t *testing.T) {
	bubble(t, func(w *world) {
		const blind = `promote: { exec: { command: [/bin/sh, -c, 'echo "$SLUICE_VERSION" >> DIR/NAME'] } }
`
		type project struct{ more, older, newer string }
		projects := map[string]project{
			"files":  {"publish: { files: { dir: DIR } }\npromote: { files: { dir: DIR } }\n", "1.9.0", "1.10.0"},
			"exec":   {blind, "1.9.0", "1.10.0"},
			"merges": {"order: merge\n" + blind, "2.0.0", "1.0.0"},
			"builds": {"order: merge\n" + blind, "build-42", "build-7"},
			"lower":  {"order: merge\npublish: { files: { dir: DIR } }\npromote: { files: { dir: DIR } }\n", "2.0.0", "1.0.0"},
		}
		apply := func(name, lane string) {
			w.applies(name, "lane: "+lane+"\n"+strings.ReplaceAll(projects[name].more, "NAME", name)+tenMinutes)
		}
		w.start(all()...)
		for name, p := range projects {
			apply(name, name+"-a")
			older, _ := w.soaks(name, p.older)
			w.ask("hold", older, "ana", "not yet")
			w.untilPhase(older, release.Held)
			apply(name, name+"-b")
			w.promotes(name, p.newer)
			w.ask("resume", older, "ana", "now")
			s := w.untilPhase(older, release.Superseded)
			w.contains("why "+name, s.End.Reason, "superseded by "+p.newer)
			w.equal("claims of "+name, len(w.claims(older)), 0)
			w.laneIsFree(name + "-a")
			promoted := w.channel(name, "latest")
			if name != "files" && name != "lower" {
				data, err := os.ReadFile(filepath.Join(w.dir, name))
				if err != nil {
					w.Fatal(err)
				}
				promoted = strings.TrimSpace(string(data))
			}
			w.equal("what everybody gets of "+name, promoted, p.newer)
		}
	})
}
