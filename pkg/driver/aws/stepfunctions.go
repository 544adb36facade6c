package aws

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/sluice-gate/sluice/pkg/amazon"
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/trigger"
	"github.com/sluice-gate/sluice/pkg/project"
)

const (
	mostExecutionName = 80  // https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
	mostExecutions    = 200 // of one release on one channel
)

type machine struct {
	*client[*sfn.Client]
	arn   string
	input trigger.Templates
}

// StepFunctions makes the driver of a state machine. It touches nothing outside. An error is a mistake in c.
func StepFunctions(c project.AWSStepFunctions, role driver.Role, opts ...amazon.Option) (*trigger.Driver, error) {
	const name = "aws-stepfunctions"
	if parts := strings.Split(c.Machine, ":"); c.Region == "" && len(parts) == 7 {
		c.Region = parts[3]
	}
	reach, err := newClient(c.AWS, func(cfg aws.Config) *sfn.Client { return sfn.NewFromConfig(cfg) }, opts...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	v := &machine{client: reach, arn: c.Machine}
	if len(strings.Split(c.Machine, ":")) != 7 {
		return nil, fmt.Errorf("%s: %s is not the ARN of a state machine", name, driver.Quote(c.Machine))
	}
	if v.input, err = trigger.ParseTemplates(c.Input); err != nil {
		return nil, fmt.Errorf("%s: input: %w", name, err)
	}
	return trigger.Open(name, role, v, c.Interval, false)
}

// execution is the name of the n-th execution of a release on a channel, counting from 1, and its ARN. A name can be taken once, so the
// executions of a release are a list that two instances can not both append to.
func (v *machine) execution(j trigger.Job, n int) (name, arn string) {
	channel := j.Channel()
	if tail := "-" + strconv.Itoa(n); len(j.Release())+1+len(channel)+len(tail) > mostExecutionName {
		sum := sha256.Sum256([]byte(channel))
		channel = channel[:16] + "-" + hex.EncodeToString(sum[:8])
	}
	name = j.Release() + "-" + channel + "-" + strconv.Itoa(n)
	return name, strings.Replace(v.arn, ":stateMachine:", ":execution:", 1) + ":" + name
}

// Runs describes the executions by their names until one is missing. ListExecutions would tell of executions later than they begin.
func (v *machine) Runs(ctx context.Context, j trigger.Job) ([]trigger.Run, error) {
	var found []trigger.Run
	for n := 1; n <= mostExecutions; n++ {
		_, arn := v.execution(j, n)
		r, there, err := v.describe(ctx, j, arn)
		if err != nil {
			return nil, err
		}
		if !there {
			break
		}
		found = append(found, r)
	}
	slices.Reverse(found)
	return found, nil
}

// describe is the execution as it is now; false when there is none.
func (v *machine) describe(ctx context.Context, j trigger.Job, arn string) (trigger.Run, bool, error) {
	api, err := v.open(ctx)
	if err != nil {
		return trigger.Run{}, false, err
	}
	out, err := api.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &arn})
	if is[*types.ExecutionDoesNotExist](err) {
		return trigger.Run{}, false, nil
	}
	if err != nil {
		return trigger.Run{}, false, v.failed(ctx, "DescribeExecution", err)
	}
	var input struct {
		Key string `json:"key"`
	}
	mark, ok := trigger.Mark{}, false
	if json.Unmarshal([]byte(aws.ToString(out.Input)), &input) == nil {
		mark, ok = j.Find(input.Key)
	}
	if !ok {
		return trigger.Run{}, false, driver.Refusef("the execution %s was not begun by Sluice: its input has no key of this release", arn)
	}
	switch says := string(out.Status); out.Status {
	case types.ExecutionStatusSucceeded:
		return trigger.NewRun(mark, arn, v.page(arn), trigger.Succeeded, says), true, nil
	case types.ExecutionStatusFailed, types.ExecutionStatusTimedOut, types.ExecutionStatusAborted:
		if why := strings.Trim(aws.ToString(out.Error)+": "+aws.ToString(out.Cause), ": "); why != "" {
			says += ", " + v.line.Plain(why[:min(len(why), mostReason)])
		}
		return trigger.NewRun(mark, arn, v.page(arn), trigger.Failed, says), true, nil
	case types.ExecutionStatusRunning, types.ExecutionStatusPendingRedrive:
	} // and what there will be
	return trigger.NewRun(mark, arn, v.page(arn), trigger.Running, v.line.Plain(string(out.Status))), true, nil
}

// Start appends an execution to those of the release. Where another instance has been faster with the same action, its execution is the
// one; StartExecution itself answers with the one that is there as long as it runs and has the same input.
func (v *machine) Start(ctx context.Context, j trigger.Job) (trigger.Run, error) {
	payload, err := j.Payload(ctx, v.input)
	if err != nil {
		return trigger.Run{}, err
	}
	runs, err := v.Runs(ctx, j)
	if err != nil {
		return trigger.Run{}, err
	}
	switch mine, opposite := j.Choose(runs); { // others may have begun one since it was looked for
	case mine != nil:
		return *mine, nil
	case opposite != nil:
		return trigger.Run{}, fmt.Errorf("the execution %s was begun by another instance at the same time", opposite.ID())
	}
	if len(runs) == mostExecutions {
		return trigger.Run{}, driver.Refusef("this release has had %d executions here: that is enough", mostExecutions)
	}
	name, arn := v.execution(j, len(runs)+1)
	api, err := v.open(ctx)
	if err != nil {
		return trigger.Run{}, err
	}
	input := string(payload)
	_, err = api.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &v.arn, Name: &name, Input: &input})
	if is[*types.ExecutionAlreadyExists](err) {
		there, found, descErr := v.describe(ctx, j, arn)
		if descErr != nil {
			return trigger.Run{}, descErr
		}
		if !found || there.Mark().Restores() != j.Mark().Restores() {
			return trigger.Run{}, fmt.Errorf("the execution %s was begun by another instance at the same time", arn)
		}
		return there, nil
	}
	if err != nil {
		return trigger.Run{}, v.notDone(ctx, "StartExecution", err)
	}
	return trigger.NewRun(j.Mark(), arn, v.page(arn), trigger.Running, "begun"), nil
}

// Look describes the execution. One that has just begun may not show yet.
func (v *machine) Look(ctx context.Context, j trigger.Job, r trigger.Run) (trigger.Run, error) {
	now, there, err := v.describe(ctx, j, r.ID())
	if err != nil || !there {
		return r, err
	}
	return now, nil
}

// Stop ends the execution.
func (v *machine) Stop(ctx context.Context, _ trigger.Job, r trigger.Run, why string) error {
	api, err := v.open(ctx)
	if err != nil {
		return err
	}
	arn, name := r.ID(), "sluice"
	_, err = api.StopExecution(ctx, &sfn.StopExecutionInput{ExecutionArn: &arn, Error: &name, Cause: &why})
	return v.failed(ctx, "StopExecution", err)
}

// page is where people look at the execution.
func (v *machine) page(arn string) string {
	region := strings.Split(v.arn, ":")[3]
	return "https://" + region + ".console.aws.amazon.com/states/home?region=" + region + "#/v2/executions/details/" + arn
}
