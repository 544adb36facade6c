package aws

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/drivertest"
)

const machineARN = "arn:aws:states:" + region + ":123456789012:stateMachine:deploy"

// lambda is Invoke after the SDK's own snapshots, service/lambda@v1.114.2/request_snapshot/Invoke.request.snap and
// response_snapshot/Invoke.response.snap: the path, the header fields, and a payload as it is.
func (c *cloud) lambda(w http.ResponseWriter, r *http.Request, body []byte) {
	if r.Method != http.MethodPost || r.URL.Path != "/2015-03-31/functions/deploy/invocations" || r.URL.Query().Get("Qualifier") != "live" ||
		r.Header.Get("X-Amz-Invocation-Type") != "RequestResponse" {
		sorry(w, http.StatusNotFound, "ResourceNotFoundException", "Function not found: "+r.URL.Path)
		return
	}
	p := payload(body)
	var e *execution
	for _, one := range c.runs { // the function knows a repetition by its key
		if one.name == p["key"] {
			e = one
		}
	}
	if e == nil {
		e = c.begin(p["key"], p["key"], string(body), nil, p)
	}
	if !e.ok { // https://docs.aws.amazon.com/lambda/latest/dg/nodejs-exceptions.html
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		_, _ = w.Write([]byte(`{"errorType":"Error","errorMessage":"the job says no\u001b[2J to ` + goodSecret + `","trace":["x"]}`))
		return
	}
	_, _ = w.Write([]byte(`"done"`))
}

// states is Step Functions after service/sfn@v1.41.2/serializers.go and deserializers.go, and
// https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html: a name is taken once; the same name with the same
// input is answered with the execution that runs.
func (c *cloud) states(w http.ResponseWriter, operation string, body []byte) {
	in := read[struct{ StateMachineArn, Name, Input, ExecutionArn, Error, Cause string }](body)
	arn := strings.Replace(machineARN, ":stateMachine:", ":execution:", 1) + ":" + in.Name
	switch operation {
	case "StartExecution":
		if len(in.Name) > 80 || in.StateMachineArn != machineARN || strings.Trim(in.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			sorry(w, http.StatusBadRequest, "InvalidName", "Invalid Name: '"+in.Name+"'")
			return
		}
		for _, e := range c.runs {
			if e.name == in.Name && (e.input != in.Input || e.looks > c.hold || e.stopped) {
				sorry(w, http.StatusBadRequest, "ExecutionAlreadyExists", "Execution Already Exists: '"+arn+"'")
				return
			} else if e.name == in.Name {
				reply(w, map[string]any{"executionArn": arn, "startDate": e.begun.Unix()})
				return
			}
		}
		e := c.begin(in.Name, arn, in.Input, nil, payload([]byte(in.Input)))
		reply(w, map[string]any{"executionArn": arn, "startDate": e.begun.Unix()})
	case "DescribeExecution":
		e := c.find(in.ExecutionArn)
		if e == nil {
			sorry(w, http.StatusBadRequest, "ExecutionDoesNotExist", "Execution Does Not Exist: '"+in.ExecutionArn+"'")
			return
		}
		out := map[string]any{"executionArn": e.id, "stateMachineArn": machineARN, "name": e.name, "input": e.input, "startDate": e.begun.Unix()}
		out["status"] = map[string]string{"": "RUNNING", "succeeded": "SUCCEEDED", "failed": "FAILED", "stopped": "ABORTED"}[c.over(e)]
		if out["status"] == "FAILED" {
			out["error"], out["cause"] = "States.TaskFailed", "the job says no"
		}
		reply(w, out)
	case "StopExecution":
		c.stop(in.ExecutionArn)
		reply(w, map[string]any{"stopDate": 1})
	}
}

func (c *cloud) stop(id string) {
	if e := c.find(id); e != nil && e.looks <= c.hold {
		e.stopped = true
	}
}

// builds is CodeBuild after service/codebuild@v1.69.0/serializers.go and deserializers.go, and
// https://docs.aws.amazon.com/codebuild/latest/APIReference/API_StartBuild.html: the same token is the same build, and a parameter mismatch
// when anything else differs.
func (c *cloud) builds(w http.ResponseWriter, operation string, body []byte) {
	type variable struct{ Name, Value, Type string }
	in := read[struct {
		ProjectName, IdempotencyToken, SourceVersion, SortOrder, NextToken, ID string
		EnvironmentVariablesOverride                                           []variable
		IDs                                                                    []string
	}](body)
	show := func(e *execution) map[string]any {
		vars := []map[string]any{{"name": "OTHER", "value": "x", "type": "PLAINTEXT"}}
		for name, value := range e.vars {
			vars = append(vars, map[string]any{"name": name, "value": value, "type": "PLAINTEXT"})
		}
		out := map[string]any{
			"id": e.id, "arn": "arn:aws:codebuild:" + region + ":123456789012:build/" + e.id, "startTime": float64(e.begun.UnixMilli()) / 1000,
			"environment": map[string]any{"environmentVariables": vars}, "currentPhase": "BUILD",
			"buildStatus": map[string]string{"": "IN_PROGRESS", "succeeded": "SUCCEEDED", "failed": "FAILED", "stopped": "STOPPED"}[c.over(e)],
		}
		if out["buildStatus"] == "FAILED" {
			out["phases"] = []any{map[string]any{"phaseType": "BUILD", "phaseStatus": "FAILED", "contexts": []any{map[string]any{"message": "the job says no"}}}}
		}
		return out
	}
	switch operation {
	case "StartBuild":
		vars := map[string]string{}
		for _, v := range in.EnvironmentVariablesOverride {
			vars[v.Name] = v.Value
		}
		if in.ProjectName != "deploy" {
			sorry(w, http.StatusBadRequest, "ResourceNotFoundException", "Project cannot be found")
			return
		}
		for _, e := range c.runs {
			if e.name == in.IdempotencyToken {
				reply(w, map[string]any{"build": show(e)})
				return
			}
		}
		id := "deploy:" + strconv.Itoa(len(c.runs)+1)
		reply(w, map[string]any{"build": show(c.begin(in.IdempotencyToken, id, "", vars, vars))})
	case "ListBuildsForProject":
		ids := []string{}
		for _, e := range slices.Backward(c.runs) {
			ids = append(ids, e.id)
		}
		c.page(w, "ids", ids, in.NextToken)
	case "BatchGetBuilds":
		found, missing := []any{}, []string{}
		for _, id := range slices.Backward(in.IDs) { // in whatever order
			if e := c.find(id); e != nil {
				found = append(found, show(e))
			} else {
				missing = append(missing, id)
			}
		}
		reply(w, map[string]any{"builds": found, "buildsNotFound": missing})
	case "StopBuild":
		c.stop(in.ID)
		reply(w, map[string]any{})
	}
}

// page is a page of two.
func (c *cloud) page(w http.ResponseWriter, name string, all []string, token string) {
	const size = 2
	from, _ := strconv.Atoi(token)
	page := all[min(from, len(all)):min(from+size, len(all))]
	out := map[string]any{name: page}
	if name != "ids" {
		var summaries []any
		for _, id := range page {
			e := c.runs[slices.IndexFunc(c.runs, func(e *execution) bool { return e.id == id })]
			summaries = append(summaries, map[string]any{
				"pipelineExecutionId": id, "startTime": float64(e.begun.UnixMilli()) / 1000, "trigger": map[string]any{"triggerType": "StartPipelineExecution"},
			})
		}
		out[name] = append(summaries, map[string]any{"pipelineExecutionId": "of-a-push", "trigger": map[string]any{"triggerType": "Webhook"}})
	}
	if from+size < len(all) {
		out["nextToken"] = strconv.Itoa(from + size)
	}
	reply(w, out)
}

// pipelines is CodePipeline after service/codepipeline@v1.47.0/serializers.go and deserializers.go, and
// https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_StartPipelineExecution.html (variables of 1 to 1000 characters).
func (c *cloud) pipelines(w http.ResponseWriter, operation string, body []byte) {
	in := read[struct {
		Name, PipelineName, ClientRequestToken, NextToken, PipelineExecutionID string
		Variables                                                              []struct{ Name, Value string }
	}](body)
	switch operation {
	case "StartPipelineExecution":
		vars := map[string]string{}
		for _, v := range in.Variables {
			if vars[v.Name] = v.Value; v.Value == "" || len([]rune(v.Value)) > 1000 || in.Name != "deploy" {
				sorry(w, http.StatusBadRequest, "ValidationException", "1 validation error detected: "+v.Name)
				return
			}
		}
		for _, e := range c.runs {
			if e.name == in.ClientRequestToken {
				reply(w, map[string]any{"pipelineExecutionId": e.id})
				return
			}
		}
		reply(w, map[string]any{"pipelineExecutionId": c.begin(in.ClientRequestToken, "exec-"+strconv.Itoa(len(c.runs)+1), "", vars, vars).id})
	case "ListPipelineExecutions":
		ids := []string{}
		for _, e := range slices.Backward(c.runs) {
			ids = append(ids, e.id)
		}
		c.page(w, "pipelineExecutionSummaries", ids, in.NextToken)
	case "GetPipelineExecution":
		e := c.find(in.PipelineExecutionID)
		if e == nil {
			sorry(w, http.StatusBadRequest, "PipelineExecutionNotFoundException", "no such execution")
			return
		}
		var vars []any
		for name, value := range e.vars {
			vars = append(vars, map[string]any{"name": name, "resolvedValue": value})
		}
		reply(w, map[string]any{"pipelineExecution": map[string]any{
			"pipelineExecutionId": e.id, "variables": vars, "statusSummary": "it is as it is",
			"status": map[string]string{"": "InProgress", "succeeded": "Succeeded", "failed": "Failed", "stopped": "Stopped"}[c.over(e)],
		}})
	case "StopPipelineExecution":
		if e := c.find(in.PipelineExecutionID); e != nil && e.stopped {
			sorry(w, http.StatusBadRequest, "DuplicatedStopRequestException", "it is being stopped")
			return
		}
		c.stop(in.PipelineExecutionID)
		reply(w, map[string]any{"pipelineExecutionId": in.PipelineExecutionID})
	}
}

// TestConformance runs without the race detector, by make test: it takes five times as long with it, most of that in the SDK. What happens
// at once has tests of its own.
func TestConformance(t *testing.T) {
	if raceDetector {
		t.Log("run without the race detector, by make test")
		return
	}
	alone(t)
	for name, open := range makers() {
		roles := []driver.Role{driver.Deploy}
		if name == "stepfunctions" || name == "lambda" {
			roles = append(roles, driver.Promote, driver.Publish)
		}
		for _, role := range roles {
			lacks := map[drivertest.Check]string{
				drivertest.Look:        "what a job has deployed can not be asked",
				drivertest.WrongDigest: "the artifact's bytes do not go through the trigger: the job gets the digest and checks them",
			}
			if role != driver.Deploy {
				lacks[drivertest.Hostile] = "a job gets its values in the same way in every role: it is shown for deploy"
			}
			t.Run(name+"/"+string(role), func(t *testing.T) {
				drivertest.Run(t, drivertest.Subject{
					Role: role, Lacks: lacks, New: func(*testing.T) drivertest.Peer { return peer(name, role, newCloud(), open) },
				})
			})
		}
	}
}

func peer(name string, role driver.Role, c *cloud, open maker) drivertest.Peer {
	write := func(r *http.Request) bool {
		operation := operationOf(r)
		if name == "lambda" { // what is asked again and changes nothing is no write
			return c.job.Changes(payload(sent(r)))
		}
		return strings.HasPrefix(operation, "Start") || strings.HasPrefix(operation, "Stop")
	}
	through := func(t *testing.T, rt *drivertest.Transport) driver.Driver {
		t.Helper()
		rt.Base = c
		if rt.Writes == nil {
			rt.Writes = write
		}
		return open.good(t, role, rt)
	}
	return c.job.Peer(through, c.count, func(t *testing.T) (driver.Driver, string) {
		t.Helper()
		return wrong(t, role, c, open), "the-wrong-one"
	})
}
