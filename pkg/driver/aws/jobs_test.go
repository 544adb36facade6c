package aws

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/amazon"
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/drivertest"
	"github.com/sluice-gate/sluice/pkg/driver/trigger"
	"github.com/sluice-gate/sluice/pkg/project"
)

const (
	goodKey    = "AKIDGOOD"
	goodSecret = "the-good-secret"
	region     = "eu-central-1"
)

// cloud is the services of AWS with one function, one state machine, one build project and one pipeline, each of which runs the same job. It
// speaks to a test without a socket: it is an http.RoundTripper. Its answers are those that the SDK's modules read.
type cloud struct {
	job *drivertest.Job

	mu     sync.Mutex
	runs   []*execution                         // oldest first
	hold   int                                  // how many looks a run is under way for
	lag    int                                  // how many looks a run is not to be seen for
	answer func(r *http.Request) *http.Response // before all else; nil: none
	asked  []string                             // the operations
	lose   int                                  // the request, counting from 1, that is served, and the answer to which is lost
}

// execution is one run of the job.
type execution struct {
	id      string
	name    string // or token
	input   string
	vars    map[string]string // of a build or a pipeline
	params  map[string]string
	begun   time.Time
	ok      bool
	looks   int
	hidden  int
	stopped bool
}

func newCloud() *cloud { return &cloud{job: drivertest.NewJob(), hold: 1} }

// RoundTrip answers a request in this process.
func (c *cloud) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	operation := operationOf(r)
	c.asked = append(c.asked, operation)
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		_ = r.Body.Close()
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	if c.answer != nil {
		if res := c.answer(r); res != nil {
			res.Request = r
			return res, nil
		}
	}
	w := httptest.NewRecorder()
	// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html: Credential=<key id>/<date>/…
	if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential="+goodKey+"/") {
		sorry(w, http.StatusBadRequest, "UnrecognizedClientException",
			"The security token "+r.Header.Get("X-Amz-Security-Token")+"\x1b[2J included in the request is invalid.")
	} else {
		c.serve(w, r, operation, body)
	}
	res := w.Result()
	if len(c.asked) == c.lose {
		res = status(http.StatusBadGateway, "", "")
	}
	res.Request = r
	return res, nil
}

// operationOf is the request's operation: in X-Amz-Target for the protocols awsJson1_0 and 1_1
// (https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html), in the path for Lambda.
func operationOf(r *http.Request) string {
	if _, operation, ok := strings.Cut(r.Header.Get("X-Amz-Target"), "."); ok {
		return operation
	}
	return "Invoke"
}

func (c *cloud) serve(w http.ResponseWriter, r *http.Request, operation string, body []byte) {
	switch service, _, _ := strings.Cut(r.Header.Get("X-Amz-Target"), "."); service {
	case "AWSStepFunctions":
		c.states(w, operation, body)
	case "CodeBuild_20161006":
		c.builds(w, operation, body)
	case "CodePipeline_20150709":
		c.pipelines(w, operation, body)
	default:
		c.lambda(w, r, body)
	}
}

// sorry is an error: https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html#operation-error-serialization.
func sorry(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("X-Amzn-ErrorType", code)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"__type": code, "message": message})
}

func reply(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_ = json.NewEncoder(w).Encode(value)
}

func read[T any](body []byte) T {
	var into T
	if err := json.Unmarshal(body, &into); err != nil {
		panic(err)
	}
	return into
}

// begin runs the job at once; how it went shows a few looks later.
func (c *cloud) begin(name, id, input string, vars, params map[string]string) *execution {
	e := &execution{id: id, name: name, input: input, vars: vars, params: params, begun: time.Now(), hidden: c.lag}
	e.ok = c.job.Run(params)
	c.runs = append(c.runs, e)
	return e
}

// over is one look at a run: "" while it is under way.
func (c *cloud) over(e *execution) string {
	if e.stopped {
		return "stopped"
	}
	if e.looks++; e.looks <= c.hold {
		return ""
	}
	if e.ok {
		return "succeeded"
	}
	return "failed"
}

// find is the run with that id or name; nil when there is none that can be seen.
func (c *cloud) find(id string) *execution {
	for _, e := range c.runs {
		if e.id != id && e.name != id {
			continue
		}
		if e.hidden--; e.hidden >= 0 {
			return nil
		}
		return e
	}
	return nil
}

func (c *cloud) count() int { c.mu.Lock(); defer c.mu.Unlock(); return len(c.runs) }

// payload is what a job gets from the facts that it is handed.
func payload(body []byte) map[string]string {
	in := read[struct {
		Key, Action   string
		Release, Undo struct{ ID, Version, Digest string }
	}](body)
	return map[string]string{
		"key": in.Key, "action": in.Action, "release": in.Release.ID, "version": in.Release.Version, "digest": in.Release.Digest,
		"undo": in.Undo.ID, "undo_digest": in.Undo.Digest,
	}
}

// reach is how the tests' drivers come to the cloud.
func reach(key, secret string) project.AWS {
	return project.AWS{Region: region, Key: project.Token{Env: key}, Secret: project.Token{Env: secret}}
}

// maker makes the driver of a service through a transport.
type maker func(t *testing.T, role driver.Role, at project.AWS, opts ...amazon.Option) (*trigger.Driver, error)

func makers() map[string]maker {
	return map[string]maker{
		"lambda": func(_ *testing.T, role driver.Role, at project.AWS, opts ...amazon.Option) (*trigger.Driver, error) {
			return Lambda(project.AWSLambda{AWS: at, Function: "deploy", Version: "live"}, role, opts...)
		},
		"stepfunctions": func(_ *testing.T, role driver.Role, at project.AWS, opts ...amazon.Option) (*trigger.Driver, error) {
			return StepFunctions(project.AWSStepFunctions{AWS: at, Machine: machineARN, Interval: time.Millisecond}, role, opts...)
		},
		"codebuild": func(_ *testing.T, role driver.Role, at project.AWS, opts ...amazon.Option) (*trigger.Driver, error) {
			return CodeBuild(project.AWSCodeBuild{
				AWS: at, Project: "deploy", Source: "${release.commit}", Variables: drivertest.JobParams(), Interval: time.Millisecond,
			}, role, opts...)
		},
		"codepipeline": func(_ *testing.T, role driver.Role, at project.AWS, opts ...amazon.Option) (*trigger.Driver, error) {
			return CodePipeline(project.AWSCodePipeline{AWS: at, Pipeline: "deploy", Variables: drivertest.JobParams(), Interval: time.Millisecond}, role, opts...)
		},
	}
}

// alone keeps the machine's own settings of AWS out of a test.
func alone(t *testing.T) {
	t.Helper()
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("TEST_AWS_KEY", goodKey)
	t.Setenv("TEST_AWS_SECRET", goodSecret)
}

// open makes a driver with good credentials and short pauses.
func (open maker) good(t *testing.T, role driver.Role, through http.RoundTripper) *trigger.Driver {
	t.Helper()
	d, err := open(t, role, reach("TEST_AWS_KEY", "TEST_AWS_SECRET"), amazon.WithTransport(through), amazon.WithPause(time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// status is an answer that a test makes up.
func status(code int, kind, message string, header ...string) *http.Response {
	w := httptest.NewRecorder()
	for i := 0; i < len(header); i += 2 {
		w.Header().Set(header[i], header[i+1])
	}
	sorry(w, code, kind, message)
	return w.Result()
}

// sent is the body of a request that has not been sent yet.
func sent(r *http.Request) []byte {
	if r.GetBody != nil {
		again, err := r.GetBody()
		if err != nil {
			panic(err)
		}
		b, err := io.ReadAll(again)
		if err != nil {
			panic(err)
		}
		return b
	}
	b, err := io.ReadAll(r.Body)
	if err = errors.Join(err, r.Body.Close()); err != nil {
		panic(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(b))
	return b
}

// facts are those of a release whose artifact the job knows.
func (c *cloud) facts(version string) driver.Facts { return c.job.Facts(version) }

// next is the next attempt, of an instance that takes over; retried is the first one after a failure.
func next(f driver.Facts) driver.Facts    { f.Attempt++; return f }
func retried(f driver.Facts) driver.Facts { f.Attempt, f.Try = 1, f.Try+1; return f }
