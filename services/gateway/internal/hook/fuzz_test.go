package hook_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
	"github.com/sluice-gate/sluice/services/gateway/internal/hook"
)

// FuzzRead sends any body, signed: what comes out is a merge that the publisher takes, or nothing, or one line.
func FuzzRead(f *testing.F) {
	sources := []config.Source{config.GitHub, config.GitLab, config.CircleCI, config.Bitbucket, config.Generic}
	for _, s := range senders(f) {
		for i, source := range sources {
			f.Add(i, kindOf(s.d.Header), s.d.Body)
			_ = source
		}
	}
	for i, name := range map[int]string{0: "github_workflow_run", 1: "gitlab_pipeline", 3: "bitbucket_fulfilled"} {
		f.Add(i, map[int]string{0: "workflow_run", 1: "Pipeline Hook", 3: "pullrequest:fulfilled"}[i], example(f, name))
	}
	hooks := map[config.Source]config.Hook{config.Generic: generic(f)}
	for name, s := range senders(f) {
		if !strings.HasPrefix(name, "generic") {
			hooks[s.hook.Source] = s.hook
		}
	}
	f.Fuzz(func(t *testing.T, i int, kind string, body []byte) {
		source := sources[uint(i)%uint(len(sources))]
		out, err := hook.Read(t.Context(), hooks[source], secret, delivered(source, kind, body))
		switch {
		case errors.Is(err, hook.ErrUnsigned):
			t.Errorf("it is signed: %v", err)
		case err != nil && (len(out.Merges) != 0 || strings.ContainsAny(err.Error(), "\n\r") || len(err.Error()) > 3000):
			t.Errorf("%+v %v", out, err)
		case err == nil && (out.Ignored == "") == (len(out.Merges) == 0):
			t.Errorf("%+v", out)
		}
		for _, m := range out.Merges {
			data, err := releasepb.EncodeMergeEvent(m.Event)
			if err != nil {
				t.Fatal(err)
			}
			back, err := releasepb.DecodeMergeEvent(data)
			if err != nil || back.ID != m.Event.ID || back.Commit != m.Event.Commit || uuid.MustParse(back.ID).Version() != 7 {
				t.Errorf("%+v becomes %+v, %v", m.Event, back, err)
			}
			if err := errors.Join(topology.CheckProject(m.Project), topology.CheckCommit(back.Commit)); err != nil || len(data) > 16<<10 {
				t.Errorf("%d bytes, %v", len(data), err)
			}
		}
	})
}
