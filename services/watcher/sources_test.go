package watcher_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/awstest"
	"github.com/sluice-gate/sluice/pkg/topology"
)

func TestThreeFailuresOfFiveCancel(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", time.Hour, `watch: [ { name: up, http: { url: "http://staging.test/up" }, interval: 10s, failures: 3, of: 5 } ]`)
		sleep(5 * time.Second) // between two looks
		pattern := func(looks string) {
			for _, look := range looks {
				w.staging.set("/up", map[rune]int{'x': http.StatusBadGateway, '.': http.StatusOK}[look])
				sleep(10 * time.Second)
			}
		}
		pattern("x..x.x..x..x.x..x....")
		if all := s.tombstones(); len(all) != 0 {
			t.Fatalf("never three of five: %+v", all)
		}
		pattern("x.x.x")
		contains(t, s.tombstone().Reason, "check up failed 3 times in 5 looks", "answered 502")
		contains(t, s.tombstone().Evidence, `"window":5`, `"limit":3`)
	})
}

// Staging that asks to be left alone is, and nobody watches meanwhile.
func TestRetryAfterIsHeeded(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", time.Hour, healthCheck)
		sleep(time.Minute + 5*time.Second)
		w.staging.set("/healthz", http.StatusTooManyRequests)
		w.staging.wait("/healthz", "300")
		before := w.staging.of("/healthz")
		sleep(5 * time.Minute)
		if n := w.staging.of("/healthz") - before; n != 1 {
			t.Errorf("asked %d times", n)
		}
		w.staging.set("/healthz", http.StatusOK)
		w.staging.wait("/healthz", "")
		sleep(54 * time.Minute)
		if all := s.tombstones(); len(all) != 0 {
			t.Errorf("tombstones: %+v", all)
		}
		if p := s.watched(time.Hour); p > 95 || p < 85 {
			t.Errorf("watched for %.1f%%", p)
		}
	})
}

// Where the project lets that pass, the release is watched meanwhile, by its other checks.
func TestRetryAfterIsHeededWhereItIsIgnored(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		s := w.soak("tracer", time.Hour, `
watch:
  - { name: n, json: { url: "http://staging.test/n", value: double(status) }, condition: value == 200.0, no_data: ignore }
  - { name: up, http: { url: "http://staging.test/up" } }`)
		sleep(time.Minute + 5*time.Second)
		w.staging.set("/n", http.StatusTooManyRequests)
		w.staging.wait("/n", "500")
		before := w.staging.of("/n")
		sleep(500 * time.Second)
		if n := w.staging.of("/n") - before; n != 1 {
			t.Errorf("asked %d times", n)
		}
		if p := s.watched(time.Minute + 500*time.Second); p < 99 {
			t.Errorf("watched for %.1f%%", p)
		}
	})
}

// A source that has nothing is asked less and less often, and goes on when it has something.
func TestBackoffOfASourceThatIsNotThere(t *testing.T) {
	bubble(t, func(w *world) {
		w.start("w")
		w.staging.set("/n", http.StatusBadGateway)
		s := w.soak("tracer", time.Hour,
			`watch: [ { name: n, json: { url: "http://staging.test/n", value: "double(status)" }, condition: value == 200.0, interval: 2s } ]`)
		sleep(10 * time.Minute)
		if n := w.staging.of("/n"); n < 30 || n > 60 { // every 16 seconds, more or less
			t.Errorf("asked %d times in ten minutes", n)
		}
		if n := len(s.beats()); n != 0 {
			t.Errorf("%d heartbeats", n)
		}
		if said := s.judgements(topology.Evidence(s.id)); len(said) != 1 || !strings.Contains(said[0].Detail, "answered 502") {
			t.Errorf("evidence: %+v", said)
		}
	})
}

// inTheCloud is bubble with Amazon's CloudWatch as it is in tests.
func inTheCloud(t *testing.T, f func(w *world, c *awstest.CloudWatch)) {
	t.Helper()
	t.Setenv("CLOUD_KEY", awstest.CloudWatchKey)
	t.Setenv("CLOUD_SECRET", awstest.CloudWatchSecret)
	for _, name := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		t.Setenv(name, "/nonexistent")
	}
	bubble(t, func(w *world) {
		c := &awstest.CloudWatch{}
		w.staging.cloud = c
		w.start("w")
		f(w, c)
	})
}

const lambdaErrors = `
watch:
  - name: lambda
    cloudwatch:
      { region: eu-central-1, namespace: AWS/Lambda, metric: Errors, dimensions: { FunctionName: tracer }, stat: Sum, over: soak,
        key_env: CLOUD_KEY, secret_env: CLOUD_SECRET }
    condition: value < 3
    failures: 1`

func TestErrorsOfAFunctionCancel(t *testing.T) {
	inTheCloud(t, func(w *world, c *awstest.CloudWatch) {
		s := w.soak("tracer", time.Hour, lambdaErrors)
		call := func(errors float64) { c.Put(time.Now(), errors, "AWS/Lambda", "Errors", "FunctionName", "tracer") }
		c.Put(time.Now().Add(-time.Minute), 100, "AWS/Lambda", "Errors", "FunctionName", "tracer") // of the release before
		for range 20 {
			sleep(time.Minute)
			call(0)
		}
		call(2)
		sleep(5 * time.Minute)
		if all := s.tombstones(); len(all) != 0 {
			t.Fatalf("tombstones: %+v", all)
		}
		if p := s.watched(25 * time.Minute); p < 90 {
			t.Errorf("watched for %.1f%%", p)
		}
		call(1)
		sleep(time.Minute + time.Second)
		contains(t, s.tombstone().Reason, "check lambda failed: 3, not value < 3")
	})
}

// A metric that nobody has measured holds the release, and so does one that may not be asked for: neither is staging's fault.
func TestThrottlingHoldsTheRelease(t *testing.T) {
	inTheCloud(t, func(w *world, c *awstest.CloudWatch) {
		c.Break(func(string, int) *awstest.Fault {
			return &awstest.Fault{Status: http.StatusBadRequest, Code: "ThrottlingException"}
		})
		s := w.soak("tracer", 30*time.Minute, lambdaErrors)
		silent := w.soak("silent", 30*time.Minute, strings.Replace(lambdaErrors, "FunctionName: tracer", "FunctionName: silent", 1))
		sleep(10 * time.Minute)
		c.Break(nil)
		sleep(20 * time.Minute)
		for _, one := range []*soaking{s, silent} {
			if all := one.tombstones(); len(all) != 0 || len(one.beats()) != 0 {
				t.Errorf("%s: %d heartbeats, tombstones: %+v", one.project, len(one.beats()), all)
			}
		}
		contains(t, s.judgements(topology.Evidence(s.id))[0].Detail, "can not look", "ThrottlingException")
	})
}

func TestAnEventInTheLogsCancels(t *testing.T) {
	inTheCloud(t, func(w *world, c *awstest.CloudWatch) {
		const logs = `
watch:
  - name: exceptions
    cloudwatch_logs: { region: eu-central-1, group: /aws/lambda/tracer, %s, key_env: CLOUD_KEY, secret_env: CLOUD_SECRET }`
		c.Log("/aws/lambda/tracer", time.Now(), 0, "ERROR of the release before")
		sleep(time.Second)
		filtered := w.soak("tracer", time.Hour, strings.Replace(logs, "%s", `filter: "?ERROR ?Exception"`, 1))
		queried := w.soak("other", time.Hour, strings.Replace(logs, "%s", `query: "filter @message like /ERROR/"`, 1))
		sleep(20 * time.Minute)
		c.Log("/aws/lambda/tracer", time.Now(), 20*time.Second, "INFO all is well")
		c.Log("/aws/lambda/tracer", time.Now(), 20*time.Second, "ERROR login is broken:\n  at https://ana:pw@db.test/?password=hunter2")
		sleep(10 * time.Second)
		for _, s := range []*soaking{filtered, queried} {
			if all := s.tombstones(); len(all) != 0 {
				t.Fatalf("%s: tombstones: %+v", s.project, all)
			}
			if p := s.watched(20 * time.Minute); p < 80 {
				t.Errorf("%s: watched for %.1f%%", s.project, p)
			}
		}
		sleep(time.Minute)
		const said = "check exceptions failed: 1, not value == 0.0: the newest: ERROR login is broken: at https://***@db.test/?password=***"
		contains(t, filtered.tombstone().Reason, said)
		sleep(3 * time.Minute)
		contains(t, queried.tombstone().Reason, said)
	})
}

// Who is throttled makes no more requests for that: at most two for each look.
func TestThrottlingIsNotAnsweredWithMoreRequests(t *testing.T) {
	inTheCloud(t, func(w *world, c *awstest.CloudWatch) {
		c.Break(func(string, int) *awstest.Fault {
			return &awstest.Fault{Status: http.StatusBadRequest, Code: "ThrottlingException"}
		})
		w.soak("tracer", time.Hour, lambdaErrors+"\n    interval: 1m")
		sleep(30 * time.Minute)
		if n := c.Asked("GetMetricData"); n > 64 || n < 8 {
			t.Errorf("asked %d times in half an hour", n)
		}
	})
}
