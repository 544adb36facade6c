// Package promtest gives tests a real Prometheus and a real Alertmanager: Debian's, on free ports of the loopback. Prometheus scrapes
// what the test counts twice a second. Where the machine has them not, their packages are downloaded with apt-get and unpacked into
// .tmp at the root of the repository.
package promtest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/internal/fetched"
	"github.com/sluice-gate/sluice/pkg/natstest"
)

// Server is a running Prometheus.
type Server struct {
	URL string

	mu     sync.Mutex
	values map[string]float64 // by series: requests_total{env="staging"}
}

const config = `
global: { scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms }
scrape_configs: [{ job_name: test, static_configs: [{ targets: [%q] }] }]
`

// alerting is added for rules, which tell an Alertmanager.
const alerting = `
rule_files: [rules.yml]
alerting: { alertmanagers: [{ static_configs: [{ targets: [%q] }] }] }
`

// guard runs the server for as long as somebody holds the guard's standard input open. So it ends with the test's process, however
// that ends.
const guard = `"$@" & server=$!; read -r _; kill "$server"; wait "$server"`

// Start runs a server until the test ends. It takes about half a second.
func Start(t testing.TB) *Server {
	t.Helper()
	return start(t, "", "")
}

// StartWithRules runs a server that tells an Alertmanager of the alerts of these rules, which are those of a rule file.
func StartWithRules(t testing.TB, rules, alertmanager string) *Server {
	t.Helper()
	return start(t, rules, alertmanager)
}

func start(t testing.TB, rules, alertmanager string) *Server {
	t.Helper()
	program, err := fetched.Deb(t.Context(), "prometheus", "prometheus")
	if err != nil {
		t.Fatalf("get Prometheus: %v", err)
	}
	s := &Server{values: map[string]float64{}}
	target := httptest.NewServer(s)
	t.Cleanup(target.Close)
	dir := t.TempDir()
	text := fmt.Appendf(nil, config, target.Listener.Addr())
	if rules != "" {
		text = fmt.Appendf(text, alerting, strings.TrimPrefix(alertmanager, "http://"))
		if err := os.WriteFile(filepath.Join(dir, "rules.yml"), []byte(rules), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 5 { // somebody else may have taken the port by then
		address := natstest.FreeAddress(t)
		s.URL = "http://" + address
		if serve(t, dir, address, program, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"),
			"--rules.alert.resend-delay=1s", "--log.level=error") {
			return s
		}
	}
	t.Fatal("Prometheus does not start")
	return nil
}

// Add adds to a counter that is scraped, such as requests_total{env="staging"}, and makes it if it is not there.
func (s *Server) Add(series string, n float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[series] += n
}

// Scraped waits until a query has a result.
func (s *Server) Scraped(t testing.TB, query string) {
	t.Helper()
	said := ""
	for end := time.Now().Add(time.Minute); time.Now().Before(end); <-time.After(50 * time.Millisecond) {
		res, err := http.PostForm(s.URL+"/api/v1/query", url.Values{"query": {query}})
		if err != nil {
			continue
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if said = string(body); strings.Contains(said, `"value"`) {
			return
		}
	}
	t.Fatalf("%s has no result: %s", query, said)
}

// ServeHTTP is what is scraped.
func (s *Server) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for series, value := range s.values {
		_, _ = fmt.Fprintf(w, "%s %v\n", series, value)
	}
}

// serve starts the program at an address and tells whether it became ready.
func serve(t testing.TB, dir, address string, argv ...string) bool {
	t.Helper()
	argv = append(argv, "--web.listen-address="+address)
	cmd := exec.Command("sh", append([]string{"-c", guard, "sh"}, argv...)...)
	cmd.Dir = dir
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop := sync.OnceFunc(func() {
		_ = stdin.Close() // it ends by itself; Kill is for one that hangs
		hung := time.AfterFunc(5*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		hung.Stop()
	})
	t.Cleanup(stop)
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); <-time.After(50 * time.Millisecond) {
		res, err := http.Get("http://" + address + "/-/ready")
		if err != nil {
			continue
		}
		_ = res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return true
		}
	}
	stop()
	t.Logf("%s at %s:\n%s", argv[0], address, &said)
	return false
}
