package e2e_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/promtest"
)

const comparedProject = `project: tracer
publish: { files: { dir: %[1]q } }
promote: { files: { dir: %[1]q } }
soak: { delay: %[3]s }
watch:
  - name: errors
    interval: 200ms
    prometheus:
      url: %[2]q
      compare:
        errors: sum(errors_total{env="staging"})
        requests: sum(requests_total{env="staging"})
        baseline_errors: sum(errors_total{env="production"})
        baseline_requests: sum(requests_total{env="production"})
  - name: latency
    interval: 500ms
    prometheus: { url: %[2]q, compare: { value: 'sum(latency{env="staging"})', baseline: 'sum(latency{env="production"})', tolerated: 1.2 } }
`

// TestComparedWithProduction: a real Prometheus counts what staging and production do. Staging that fails as often as production is
// promoted, staging that fails more often is cancelled, with the numbers; and what nobody could measure is held.
func TestComparedWithProduction(t *testing.T) {
	t.Parallel()
	p := promtest.Start(t)
	stop := make(chan struct{})
	done := make(chan struct{})
	worse := make(chan struct{})
	go func() {
		defer close(done)
		staging := 1.0
		for {
			p.Add(`requests_total{env="staging"}`, 100)
			p.Add(`requests_total{env="production"}`, 100)
			p.Add(`errors_total{env="staging"}`, staging)
			p.Add(`errors_total{env="production"}`, 1)
			select {
			case <-stop:
				return
			case <-worse:
				worse, staging = nil, 20
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	defer func() { close(stop); <-done }()

	p.Add(`latency{env="staging"}`, 0.2)
	p.Add(`latency{env="production"}`, 0.2)
	p.Scraped(t, `sum(latency{env="production"}) + sum(errors_total{env="staging"}) + sum(requests_total{env="production"})`)

	dir := t.TempDir()
	u := newUp(t, map[string]string{"tracer": fmt.Sprintf(comparedProject, filepath.Join(dir, "channels"), p.URL, "8s")})
	u.start()
	u.ready("tracer")
	n := &npmWorld{up: u, project: "tracer"}

	artifact := writeFile(t, dir, "tracer.bin", "anything")
	merge := func(version string, more ...string) string {
		id, code := u.sluice(append([]string{
			"merge", "tracer", "--commit", "c-" + strings.ReplaceAll(version, ".", "-"), "--version", version, "--artifact", artifact,
		}, more...)...)
		if code != 0 {
			t.Fatalf("merge exited with %d", code)
		}
		return id
	}
	n.until(merge("1.4.0"), "promoted")

	p.Add(`latency{env="staging"}`, 0.2)
	p.Scraped(t, `sum(latency{env="staging"}) > 0.3`)
	id := merge("1.4.1", "--delay", "10m")
	n.until(id, "cancelled")
	if story, _ := u.sluice("log", id); !strings.Contains(story, "check latency failed: 0.4 on average") || !strings.Contains(story, "where the baseline has 0.2") {
		t.Errorf("the numbers are not told:\n%s", story)
	}
	p.Add(`latency{env="staging"}`, -0.2)

	close(worse)
	id = merge("1.5.0")
	n.until(id, "cancelled")
	story, _ := u.sluice("log", id)
	if !strings.Contains(story, "times as often: the baseline has") {
		t.Errorf("the numbers are not told:\n%s", story)
	}

	nowhere := writeFile(t, dir, "tracer.yaml", fmt.Sprintf(comparedProject, filepath.Join(dir, "channels"), "http://127.0.0.1:1", "4s"))
	if _, code := u.sluice("apply", "-f", nowhere); code != 0 {
		t.Fatalf("apply exited with %d", code)
	}
	n.until(merge("1.6.0"), "held")
}
