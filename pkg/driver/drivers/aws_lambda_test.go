package drivers_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/drivers"
	"github.com/sluice-gate/sluice/pkg/project"
)

// boto3 stands for the one of AWS's SDK, with a table of DynamoDB in a file: get_item and put_item as
// https://boto3.amazonaws.com/v1/documentation/api/latest/reference/services/dynamodb/table/index.html has them.
const boto3 = `
import json, os

class Table:
    def __init__(self, name):
        self.path = os.path.join(os.environ["TABLES"], name)

    def items(self):
        try:
            with open(self.path) as f:
                return json.load(f)
        except FileNotFoundError:
            return {}

    def get_item(self, Key, ConsistentRead=False):
        assert ConsistentRead, "what was written a moment ago may not show"
        item = self.items().get(Key["target"])
        return {"Item": item} if item else {}

    def put_item(self, Item):
        items = {**self.items(), Item["target"]: Item}
        with open(self.path, "w") as f:
            json.dump(items, f)

class resource:
    def __init__(self, service):
        assert service == "dynamodb"
        self.Table = Table
`

// runtime is what Lambda does with a function: the event is JSON, what is printed is its log, and what it raises is its error
// (https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html).
const runtime = `
import json, sys
from deploy_site import handler
try:
    answer, status = handler(json.load(sys.stdin), None), 0
except Exception as e:
    answer, status = {"errorType": type(e).__name__, "errorMessage": str(e)}, 1
json.dump(answer, sys.stderr)
sys.exit(status)
`

// lambda is Lambda with the example's function, after the SDK's snapshots of Invoke, as in package aws's tests. It needs python3.
type lambda struct {
	t   *testing.T
	dir string

	mu     sync.Mutex
	tables string
	said   []string // what each invocation printed, and answered
}

func (l *lambda) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.Method != http.MethodPost || r.URL.Path != "/2015-03-31/functions/deploy-site/invocations" || r.URL.Query().Get("Qualifier") != "live" {
		http.NotFound(w, r)
		return
	}
	event, err := io.ReadAll(r.Body)
	if err != nil {
		l.t.Error(err)
	}
	var printed, answered bytes.Buffer
	run := exec.CommandContext(r.Context(), "python3", "runtime.py")
	run.Dir, run.Stdin, run.Stdout, run.Stderr = l.dir, bytes.NewReader(event), &printed, &answered
	run.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + l.dir, "TABLES=" + l.tables, "PYTHONDONTWRITEBYTECODE=1"}
	if run.Run() != nil {
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
	}
	l.said = append(l.said, strings.TrimSpace(printed.String())+" "+answered.String())
	_, _ = w.Write(answered.Bytes())
}

func function(t *testing.T) (driver.Driver, *lambda) {
	t.Helper()
	peer := &lambda{t: t, dir: t.TempDir(), tables: t.TempDir()}
	for name, text := range map[string]string{"boto3.py": boto3, "runtime.py": runtime, "deploy_site.py": example(t, "aws-lambda/deploy_site.py")} {
		if err := os.WriteFile(filepath.Join(peer.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(peer)
	t.Cleanup(server.Close)
	p, err := project.Parse("aws-lambda", []byte(example(t, "aws-lambda/project.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	a := *p.Stages[0].Action
	t.Setenv("TEST_KEY", "AKIDGOOD")
	t.Setenv("TEST_SECRET", "of-a-test")
	a.AWSLambda.Endpoint, a.AWSLambda.Key, a.AWSLambda.Secret = server.URL, project.Token{Env: "TEST_KEY"}, project.Token{Env: "TEST_SECRET"}
	d, err := drivers.Open(p, a, driver.Deploy)
	if err != nil {
		t.Fatal(err)
	}
	return d, peer
}

// The example's function, with what the driver really sends: it deploys a digest once, however often it is called, puts back what was there
// before, lets alone what somebody else has deployed since, and fails the release with what it raises.
func TestFunction(t *testing.T) {
	d, peer := function(t)
	first, second := deployed(1, "1.4.0"), deployed(2, "1.5.0 $(touch hacked) \"'")
	do := func(f driver.Facts) func() (driver.Done, error) {
		return func() (driver.Done, error) { return d.Do(t.Context(), f) }
	}
	undo := func(f driver.Facts, to *driver.Facts) func() (driver.Done, error) {
		return func() (driver.Done, error) { return d.Undo(t.Context(), f, driver.Back{Release: to}) }
	}
	again := first
	again.Attempt = 2
	const installed, existed, did = `{"install": "`, ` {"existed": true}`, ` {"existed": false}`
	for i, step := range []struct {
		call func() (driver.Done, error)
		said string
		at   driver.Facts // what is there then
	}{
		{do(first), installed + first.Artifact.Digest + `", "on": "staging"}` + did, first},
		{do(again), existed, first},
		{do(second), installed + second.Artifact.Digest + `", "on": "staging"}` + did, second},
		{undo(first, nil), existed, second}, // it is not there any more
		{undo(second, &first), installed + first.Artifact.Digest + `", "on": "staging"}` + did, first},
		{undo(second, &first), existed, first},
		{undo(first, nil), `{"remove": "staging"}` + did, driver.Facts{}},
	} {
		if _, err := step.call(); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		if said := peer.said[len(peer.said)-1]; said != step.said || len(peer.said) != i+1 {
			t.Errorf("%d: it was called %d times, and said %s, want %s", i, len(peer.said), said, step.said)
		}
		var table map[string]struct{ Release, Version, Digest string }
		b, err := os.ReadFile(filepath.Join(peer.tables, "deployed"))
		if err == nil {
			err = json.Unmarshal(b, &table)
		}
		if got := table["staging"]; err != nil || got.Release != step.at.Release || got.Version != step.at.Version || got.Digest != step.at.Artifact.Digest {
			t.Errorf("%d: there is %+v, %v, want %+v", i, got, err, step.at)
		}
	}
	peer.tables = filepath.Join(peer.tables, "gone")
	if _, err := d.Do(t.Context(), first); !driver.IsRefused(err) || !strings.Contains(err.Error(), "FileNotFoundError: ") || strings.Contains(err.Error(), "\n") {
		t.Errorf("a function that raises: %v", err)
	}
}
