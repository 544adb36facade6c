package drivers_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/drivers"
	"github.com/sluice-gate/sluice/pkg/project"
)

// asl is what the example's state machine has of the Amazon States Language (https://states-language.net/spec.html); another field is an error.
type asl struct {
	Comment, StartAt string
	States           map[string]*aslState
}

type aslState struct {
	Type, Comment, Next, Default, Resource string
	End                                    bool
	Choices                                []struct{ Variable, StringEquals, Next string }
	Parameters                             map[string]any
	Retry                                  []struct {
		ErrorEquals                               []string
		IntervalSeconds, MaxAttempts, BackoffRate float64
	}
}

func parseASL(t *testing.T, text string) *asl {
	t.Helper()
	var m asl
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&m); err != nil {
		t.Fatal(err)
	}
	return &m
}

// wrong is what is wrong with the machine's shape: names of states that are none, states that nobody comes to, and states without an end.
func (m *asl) wrong() (all []string) {
	seen, next := map[string]bool{}, []string{m.StartAt}
	for len(next) > 0 {
		name := next[0]
		next = next[1:]
		s, ok := m.States[name]
		switch {
		case !ok:
			all = append(all, "there is no state "+name)
		case seen[name]:
		case s.Type == "Choice":
			for _, c := range s.Choices {
				next = append(next, c.Next)
			}
			next = append(next, s.Default)
			if len(s.Choices) == 0 || s.End || s.Next != "" {
				all = append(all, name+" is no choice")
			}
		case s.Type == "Task":
			if s.Resource == "" || s.End == (s.Next != "") {
				all = append(all, name+" has no resource, or no end")
			}
			if !s.End {
				next = append(next, s.Next)
			}
		default:
			all = append(all, name+" is of type "+s.Type)
		}
		seen[name] = true
	}
	for name := range m.States {
		if !seen[name] {
			all = append(all, "nobody comes to "+name)
		}
	}
	return all
}

// invoked is a function that a state invokes, with what it gets.
type invoked struct {
	function string
	payload  map[string]any
}

// run runs an execution to its end. A path that leads to nothing fails it, as States.Runtime does.
func (m *asl) run(input any) (calls []invoked, err error) {
	for name, s := m.StartAt, m.States[m.StartAt]; ; s = m.States[name] {
		if s.Type == "Choice" {
			name = s.Default
			for _, c := range s.Choices {
				value, err := at(input, c.Variable)
				if err != nil {
					return calls, err
				}
				if value == c.StringEquals {
					name = c.Next
					break
				}
			}
			continue
		}
		filled, err := parameters(s.Parameters, input)
		if err != nil {
			return calls, err
		}
		call := invoked{}
		var ok [2]bool
		call.function, ok[0] = filled["FunctionName"].(string)
		call.payload, ok[1] = filled["Payload"].(map[string]any)
		if s.Resource != "arn:aws:states:::lambda:invoke" || !ok[0] || !ok[1] {
			return calls, fmt.Errorf("%s invokes no function: %s, %v", name, s.Resource, filled)
		}
		if calls = append(calls, call); s.End {
			return calls, nil
		}
		name = s.Next
	}
}

// parameters fills in what is named by a path, where the field's name ends in ".$".
func parameters(template map[string]any, input any) (map[string]any, error) {
	filled := map[string]any{}
	for name, value := range template {
		var err error
		if path, ok := value.(string); ok && strings.HasSuffix(name, ".$") {
			value, err = at(input, path)
		} else if inner, ok := value.(map[string]any); ok {
			value, err = parameters(inner, input)
		}
		if err != nil {
			return nil, err
		}
		filled[strings.TrimSuffix(name, ".$")] = value
	}
	return filled, nil
}

// at is the value at a path such as $.release.digest.
func at(input any, path string) (any, error) {
	for _, name := range strings.Split(path, ".")[1:] {
		fields, _ := input.(map[string]any)
		value, ok := fields[name]
		if !ok {
			return nil, fmt.Errorf("States.Runtime: the JSONPath %s leads to nothing", path)
		}
		input = value
	}
	return input, nil
}

// states is Step Functions with the example's machine, after the SDK's service/sfn serializers.go and deserializers.go, as in package aws's tests.
type states struct {
	machine *asl

	mu         sync.Mutex
	executions map[string]map[string]any // what DescribeExecution answers, by ARN
	calls      []invoked
}

func (s *states) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	var in struct{ StateMachineArn, Name, Input, ExecutionArn string }
	if err != nil || json.Unmarshal(body, &in) != nil {
		panic("the request is no JSON")
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	switch operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AWSStepFunctions."); operation {
	case "DescribeExecution":
		if e, ok := s.executions[in.ExecutionArn]; ok {
			_ = json.NewEncoder(w).Encode(e)
			return
		}
		w.Header().Set("X-Amzn-ErrorType", "ExecutionDoesNotExist")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"__type":"ExecutionDoesNotExist","message":"Execution Does Not Exist"}`))
	case "StartExecution":
		arn := strings.Replace(in.StateMachineArn, ":stateMachine:", ":execution:", 1) + ":" + in.Name
		var input any
		e := map[string]any{"executionArn": arn, "name": in.Name, "input": in.Input, "startDate": time.Now().Unix(), "status": "SUCCEEDED"}
		err := json.Unmarshal([]byte(in.Input), &input)
		if err == nil {
			var calls []invoked
			calls, err = s.machine.run(input)
			s.calls = append(s.calls, calls...)
		}
		if err != nil {
			e["status"], e["error"], e["cause"] = "FAILED", "States.Runtime", err.Error()
		}
		s.executions[arn] = e
		_ = json.NewEncoder(w).Encode(map[string]any{"executionArn": arn, "startDate": e["startDate"]})
	default:
		w.WriteHeader(http.StatusBadRequest)
	}
}

// told is what the machine has invoked since it was asked last.
func (s *states) told() []invoked {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = nil
	return calls
}

func stateMachine(t *testing.T, machine *asl) (driver.Driver, *states) {
	t.Helper()
	peer := &states{machine: machine, executions: map[string]map[string]any{}}
	server := httptest.NewServer(peer)
	t.Cleanup(server.Close)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDGOOD")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "of-a-test")
	p, err := project.Parse("aws", []byte(example(t, "aws/project.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	a := *p.Stages[0].Action
	a.AWSStepFunctions.Endpoint, a.AWSStepFunctions.Interval = server.URL, time.Millisecond
	d, err := drivers.Open(p, a, driver.Deploy)
	if err != nil {
		t.Fatal(err)
	}
	return d, peer
}

// deployed is a release that is at a stage.
func deployed(n int, version string) driver.Facts {
	return driver.Facts{
		Release: fmt.Sprintf("01970000-0000-7000-8000-%012d", n), Project: "tracer", Attempt: 1, Try: 1, Stage: "staging", Version: version,
		Beta: version + "-beta.0", Artifact: driver.Artifact{Name: "tracer-" + version + ".tgz", Digest: driver.Digest([]byte(version))},
	}
}

// The example's state machine is sound, and with what the driver really sends it installs what the digest names, puts back what was there
// before, and removes when there was nothing; each of them once, however often it is asked for.
func TestStateMachine(t *testing.T) {
	machine := parseASL(t, example(t, "aws/deploy-staging.asl.json"))
	if wrong := machine.wrong(); len(wrong) > 0 {
		t.Fatal(wrong)
	}
	d, peer := stateMachine(t, machine)
	first, second := deployed(1, "1.4.0"), deployed(2, "1.5.0 $(touch hacked) {}")
	facts := func(f driver.Facts) map[string]any {
		return map[string]any{"digest": f.Artifact.Digest, "id": f.Release, "version": f.Version}
	}
	nothing := map[string]any{"digest": "", "id": "", "version": ""}
	do := func(f driver.Facts) func() (driver.Done, error) {
		return func() (driver.Done, error) { return d.Do(t.Context(), f) }
	}
	undo := func(f driver.Facts, to *driver.Facts) func() (driver.Done, error) {
		return func() (driver.Done, error) { return d.Undo(t.Context(), f, driver.Back{Release: to}) }
	}
	again := first
	again.Attempt = 2
	for i, step := range []struct {
		call     func() (driver.Done, error)
		function string
		action   string
		release  map[string]any
		undo     map[string]any
	}{
		{do(first), "install-on-staging", "deploy", facts(first), nothing},
		{do(again), "", "", nil, nil},
		{do(second), "install-on-staging", "deploy", facts(second), nothing},
		{undo(second, &first), "install-on-staging", "restore", facts(first), facts(second)},
		{undo(first, nil), "remove-from-staging", "", nil, facts(first)},
	} {
		if _, err := step.call(); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		calls := peer.told()
		if step.function == "" {
			if len(calls) > 0 {
				t.Errorf("%d: it invoked %v", i, calls)
			}
			continue
		}
		if len(calls) != 1 || calls[0].function != step.function {
			t.Fatalf("%d: it invoked %v, want %s", i, calls, step.function)
		}
		got := calls[0].payload
		if step.action != "" && got["action"] != step.action {
			t.Errorf("%d: the action is %v", i, got["action"])
		}
		for name, want := range map[string]map[string]any{"release": step.release, "undo": step.undo} {
			sent, _ := got[name].(map[string]any)
			maps.DeleteFunc(sent, func(field string, _ any) bool { return !slices.Contains([]string{"digest", "id", "version"}, field) })
			if want != nil && !reflect.DeepEqual(sent, want) {
				t.Errorf("%d: %s is %v, want %v", i, name, sent, want)
			}
		}
	}
	for _, e := range peer.executions {
		var sent struct{ Input map[string]string }
		if err := json.Unmarshal([]byte(fmt.Sprint(e["input"])), &sent); err != nil || sent.Input["bucket"] != "acme-downloads" {
			t.Errorf("the project's own input is %v, %v", sent.Input, err)
		}
	}
}

// What is wrong with a machine is found by the tests above, and an execution that fails fails the deployment with what it says.
func TestStateMachineThatIsWrong(t *testing.T) {
	for change, want := range map[[2]string]string{
		{`"Next": "Remove"`, `"Next": "Remove it"`}:                                              "there is no state Remove it",
		{`"Default": "Install"`, `"Default": "Remove"`}:                                          "nobody comes to Install",
		{`"Payload": { "undo.$": "$.undo" } },` + "\n" + `      "End": true`, `"Payload": {} }`}: "Remove has no resource, or no end",
	} {
		text := example(t, "aws/deploy-staging.asl.json")
		if !strings.Contains(text, change[0]) {
			t.Fatalf("the example has no %s", change[0])
		}
		wrong := parseASL(t, strings.Replace(text, change[0], change[1], 1)).wrong()
		if !slices.Contains(wrong, want) {
			t.Errorf("%s: %v, want %s", change[1], wrong, want)
		}
	}
	d, _ := stateMachine(t, parseASL(t, strings.ReplaceAll(example(t, "aws/deploy-staging.asl.json"), "$.release.digest", "$.release.sum")))
	if _, err := d.Do(t.Context(), deployed(1, "1.4.0")); !driver.IsRefused(err) || !strings.Contains(err.Error(), "$.release.sum leads to nothing") {
		t.Errorf("a machine that reads what is not sent: %v", err)
	}
}
