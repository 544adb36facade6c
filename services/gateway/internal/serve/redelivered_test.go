package serve_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/sluice-gate/sluice/pkg/driver/drivers"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
	"github.com/sluice-gate/sluice/services/gateway/internal/hook/hooktest"
	"github.com/sluice-gate/sluice/services/gateway/internal/serve"
	"github.com/sluice-gate/sluice/services/publisher"
)

func TestMain(m *testing.M) { natstest.Main(m) }

// again is a kind of hook: how one delivery of it looks, and the same event under another delivery id, at another time.
type again struct {
	source  config.Source
	kind    string
	setting string
	body    func(id string, at time.Time) []byte
}

// kindsOfHooks has every source of merges, each with the published example of it, if there is one, and a project of its own.
func kindsOfHooks(t *testing.T) map[string]again {
	t.Helper()
	same := func(body []byte) func(string, time.Time) []byte {
		return func(string, time.Time) []byte { return body }
	}
	merges := func(fields string) string {
		return "    merges:\n      - { " + fields + ", artifact: a.bin, version: 1.4.0 }\n"
	}
	circle := published(t, "circleci_workflow_completed")
	cdevent := func(id string, at time.Time) []byte {
		stamp := at.UTC().Format(time.RFC3339)
		return []byte(`{"specversion":"1.0","id":"` + id + `","source":"/ci","type":"dev.cdevents.artifact.published.0.3.0","datacontenttype":"application/json",` +
			`"data":{"context":{"specversion":"0.5.1","id":"` + id + `","source":"/ci","type":"dev.cdevents.artifact.published.0.3.0","timestamp":"` +
			stamp + `"},"subject":{"id":"pkg:npm/of-cdevents@1.4.0","content":{"user":"ana"}},"customData":{"sha":"c0ffee06"}}}`)
	}
	return map[string]again{
		"of-github": {config.GitHub, "push", merges("repository: Codertocat/Hello-World, project: of-github, on: push, branch: master"),
			same(published(t, "github_push"))},
		"of-gitlab": {config.GitLab, "Push Hook", merges("repository: mike/diaspora, project: of-gitlab, on: push, branch: master"),
			same(published(t, "gitlab/push-event"))},
		"of-bitbucket": {config.Bitbucket, "repo:push", merges("repository: team_name/repo_name, project: of-bitbucket, on: push, branch: name-of-branch"),
			same(published(t, "bitbucket/repo-push"))},
		"of-circleci": {config.CircleCI, "workflow-completed",
			merges("repository: gh/circleci/webhook-service, project: of-circleci, on: build, workflow: build-test-deploy"),
			func(id string, at time.Time) []byte {
				return hooktest.Edit(t, circle, map[string]any{"id": id, "happened_at": at.UTC().Format(time.RFC3339Nano)})
			}},
		"of-generic": {config.Generic, "", "    projects: [of-generic]\n    project: '\"of-generic\"'\n    commit: body.sha\n    version: '\"1.4.0\"'\n" +
			"    artifact: '\"a.bin\"'\n    delivery: X-Request-Id\n", same([]byte(`{"sha":"c0ffee05"}`))},
		"of-cdevents": {config.CDEvents, "", "    projects: [of-cdevents]\n    events: [artifact.published]\n    project: '\"of-cdevents\"'\n" +
			"    commit: body.customData.sha\n    artifact: '\"a.bin\"'\n", cdevent},
	}
}

// redelivery is a broker, a publisher and the handler of a hook of every kind, in a bubble.
type redelivery struct {
	*testing.T
	kinds map[string]again
	js    jetstream.JetStream
	mux   http.Handler
	logs  *observer.ObservedLogs
}

// deliver sends a project's event and returns the status, the answer and what was logged of it.
func (r *redelivery) deliver(project, id string, at time.Time) (status int, a answer, log map[string]any) {
	r.Helper()
	kind := r.kinds[project]
	r.logs.TakeAll()
	w := httptest.NewRecorder()
	r.mux.ServeHTTP(w, request(r.T, kind.source, kind.kind, id, kind.body(id, at)))
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		r.Errorf("%s: %v", project, err)
	}
	entries := r.logs.TakeAll()
	if len(entries) != 1 {
		r.Fatalf("%s: it logs %v", project, entries)
	}
	return w.Code, a, entries[0].ContextMap()
}

// count is how many subjects there are, and how many messages on them.
func (r *redelivery) count(subject string) (subjects int, messages uint64) {
	r.Helper()
	stream, err := r.js.Stream(r.Context(), topology.StreamSluice)
	if err != nil {
		r.Fatal(err)
	}
	info, err := stream.Info(r.Context(), jetstream.WithSubjectFilter(subject))
	if err != nil {
		r.Fatal(err)
	}
	for _, n := range info.State.Subjects {
		messages += n
	}
	return len(info.State.Subjects), messages
}

// TestRedelivered: one event is one release, for every kind of hook: delivered twice at once, before anybody has admitted it; again under the
// same delivery id, and under another; and again after days, byte for byte and signed, or as told anew. Whoever sends it once more is told
// which release it is, and that it was known; the log has the delivery's id. So delivery ids need not be kept: the commit says it all.
func TestRedelivered(t *testing.T) {
	t.Setenv("TEST_WEBHOOK_SECRET", secret)
	kinds := kindsOfHooks(t)
	var file strings.Builder
	file.WriteString("hooks:\n")
	for _, kind := range kinds {
		file.WriteString("  - path: /hooks/" + string(kind.source) + "\n    source: " + string(kind.source) + "\n    secret_env: TEST_WEBHOOK_SECRET\n" + kind.setting)
	}
	c, err := config.Parse("gateway.yaml", []byte(file.String()))
	if err != nil {
		t.Fatal(err)
	}
	emptyPools()
	defer emptyPools()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 3, 2, 15, 0, 0, 0, time.UTC))) // nothing runs yet: years cost nothing
		redelivered(t, kinds, c)
	})
}

// emptyPools drops what sync.Pools hold: nats.go keeps timers in one, which must not be used in or outside of another bubble.
func emptyPools() {
	runtime.GC()
	runtime.GC()
}

func redelivered(t *testing.T, kinds map[string]again, c *config.Config) {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	server := natstest.One(t)
	r := &redelivery{T: t, kinds: kinds, logs: logs, js: natstest.Topology(t, server.Conn(t))}
	env, err := service.Open(t.Context(), "gateway", "gateway-0", r.js, zap.NewNop(), service.NewMetrics())
	if err != nil {
		t.Fatal(err)
	}
	r.mux = serve.Handler{Config: c, Log: zap.New(core), Count: func(string, int) {}, Store: serve.Broker(env)}.Mux()
	if _, err := env.Catalog.Put(t.Context(), "a.bin", strings.NewReader("built")); err != nil {
		t.Fatal(err)
	}
	begun, releases := time.Now(), map[string]string{}
	for project := range kinds {
		if _, _, err := env.Catalog.Apply(t.Context(), project+".yaml", []byte("project: "+project+"\n")); err != nil {
			t.Fatal(err)
		}
		for range 2 { // before the publisher has admitted anything
			status, a, _ := r.deliver(project, "first-of-"+project, begun)
			if status != http.StatusOK || len(a.Releases) != 1 || a.Releases[0].Known ||
				releases[project] != "" && releases[project] != a.Releases[0].Release {
				t.Fatalf("%s: %d %+v, and before %s", project, status, a, releases[project])
			}
			releases[project] = a.Releases[0].Release
		}
	}
	publishing, err := service.Open(t.Context(), "publisher", "publisher-0", r.js, zap.NewNop(), service.NewMetrics())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- publisher.Run(ctx, publishing, publisher.Config{Open: drivers.Open}) }()
	time.Sleep(time.Minute)
	_, merges := r.count("sluice.merge.>")

	for _, later := range []struct {
		after time.Duration
		id    func(project string) string
		at    time.Time // when it happened, for those that tell
		stale bool      // for those that tell
	}{
		{0, func(project string) string { return "first-of-" + project }, begun, false},
		{0, func(string) string { return uuid.NewString() }, begun, false},
		{72 * time.Hour, func(project string) string { return "first-of-" + project }, begun, true},
		{72 * time.Hour, func(string) string { return uuid.NewString() }, begun.Add(72*time.Hour + time.Minute), false},
	} {
		time.Sleep(time.Until(begun.Add(later.after + 2*time.Minute)))
		for project, kind := range kinds {
			id := later.id(project)
			status, a, log := r.deliver(project, id, later.at)
			if later.stale && kind.source == config.CircleCI { // it signs when it happened
				if status != http.StatusForbidden || len(a.Releases) != 0 {
					t.Errorf("%s, after %s: %d %+v", project, later.after, status, a)
				}
				continue
			}
			if status != http.StatusOK || len(a.Releases) != 1 || a.Releases[0].Release != releases[project] || !a.Releases[0].Known || a.Delivery != id {
				t.Errorf("%s, %s, after %s: %d %+v, want the known release %s", project, id, later.after, status, a, releases[project])
			}
			if known, ok := log["known"].(bool); !ok || !known || log["delivery"] != id || log["release"] != releases[project] {
				t.Errorf("%s, %s: it logs %v", project, id, log)
			}
		}
	}
	for subject, want := range map[string][2]uint64{
		"sluice.merge.>":  {uint64(len(kinds)), merges}, // what was known was not handed in again
		"sluice.commit.>": {uint64(len(kinds)), uint64(len(kinds))},
		"sluice.dead.>":   {0, 0},
	} {
		if subjects, messages := r.count(subject); uint64(subjects) != want[0] || messages != want[1] {
			t.Errorf("%s: %d subjects with %d messages, want %v", subject, subjects, messages, want)
		}
	}
	if journals, _ := r.count("sluice.release.>"); journals != len(kinds) {
		t.Errorf("there are %d releases of %d events", journals, len(kinds))
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
