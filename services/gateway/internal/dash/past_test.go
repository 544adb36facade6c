package dash_test

import (
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// watched is a project whose latency is compared with production's.
func watched(name, more string) string {
	return `soak: { delay: 2h }
watch:
  - { name: errors, signal: { max: 0 } }
  - name: latency
    interval: 30s
    prometheus:
      url: "http://127.0.0.1:9090"
      compare: { value: 'latency{env="staging",job="` + name + `"}', baseline: 'latency{env="production",job="` + name + `"}', tolerated: 1.2 }
` + more
}

// releases are the ids of the past's releases, by what happens to them.
type releases struct{ soaking, fresh, cancelled, failed, held, expedited, queued, frozen string }

// past is an afternoon in a company: what the pages show afterwards.
func past(ids *releases) func(w *world, now time.Time) {
	return func(w *world, now time.Time) {
		at := func(before time.Duration) { time.Sleep(time.Until(now.Add(-before))) } // in the bubble of synctest that the caller is in
		ask := func(verb, id, actor, why string) { w.publish(topology.Request(verb, id, actor), []byte(why)) }
		for _, name := range []string{"shop", "checkout", "api", "search", "payments"} {
			w.apply(name, watched(name, ""))
		}
		w.apply("docs", watched("docs", "bake: { for: 45m, watch: [ { name: health, http: { url: \"http://127.0.0.1:9000/\" }, interval: 1m } ] }\n"))
		w.apply("mobile", "soak: { delay: 2h }\n")
		w.apply("site", "stage: { exec: { command: [\"./deploy-staging\"], timeout: 20m } }\nsoak: { delay: 1h }\n")

		at(200 * time.Minute)
		for name, version := range map[string]string{
			"shop": "1.8.0", "checkout": "3.2.0", "api": "2.39.0", "search": "0.14.2", "docs": "5.0.0", "mobile": "7.0.0", "payments": "4.3.0",
		} {
			w.merge(name, version, "ana", "20m")
		}
		at(120 * time.Minute)
		ids.cancelled = w.merge("checkout", "3.3.0", "ben", "")
		at(100 * time.Minute)
		ids.frozen = w.merge("payments", "4.4.0", "caro", "")
		at(85 * time.Minute)
		w.outside.slows("checkout", 0.16)
		at(74 * time.Minute)
		ids.soaking = w.merge("shop", "1.9.0", "ana", "")
		at(62 * time.Minute)
		ids.failed = w.merge("mobile", "7.1.0", "emil", "10m")
		at(50 * time.Minute)
		ids.held = w.merge("search", "0.15.0", "dora", "")
		at(45 * time.Minute)
		ids.expedited = w.merge("api", "2.40.0", "caro", "")
		at(30 * time.Minute)
		ask("expedite", ids.expedited, "ben", "fixes the login")
		at(27 * time.Minute)
		w.merge("docs", "5.1.0", "ana", "10m")
		at(21 * time.Minute)
		w.outside.slows("checkout", 0)
		ask("hold", ids.held, "dora", "wait for QA")
		at(12 * time.Minute)
		ids.queued = w.merge("shop", "1.9.1", "ben", "")
		at(8 * time.Minute)
		ids.fresh = w.merge("api", "2.41.0", "emil", "")
		at(3 * time.Minute)
		w.merge("site", "26.11.2", "dora", "")
		at(2 * time.Minute)
		w.publish(topology.Stop("freeze", "payments", "ana"), []byte("48h the fair"))
		at(0)
		for id, want := range map[string]release.Phase{
			ids.soaking: release.Soaking, ids.fresh: release.Soaking, ids.cancelled: release.Cancelled, ids.failed: release.Failed,
			ids.held: release.Held, ids.expedited: release.Promoted, ids.queued: release.Queued, ids.frozen: release.Soaking,
		} {
			w.becomes(id, want)
		}
	}
}
