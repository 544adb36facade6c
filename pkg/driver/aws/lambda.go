package aws

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/sluice-gate/sluice/pkg/amazon"
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/trigger"
	"github.com/sluice-gate/sluice/pkg/project"
)

type function struct {
	*client[*lambda.Client]
	name, version string
	input         trigger.Templates
}

// Lambda makes the driver of a function. It touches nothing outside. An error is a mistake in c.
func Lambda(c project.AWSLambda, role driver.Role, opts ...amazon.Option) (*trigger.Driver, error) {
	const name = "aws-lambda"
	reach, err := newClient(c.AWS, func(cfg aws.Config) *lambda.Client { return lambda.NewFromConfig(cfg) },
		append([]amazon.Option{amazon.WithTime(longestFunction)}, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	v := &function{client: reach, name: c.Function, version: c.Version}
	if v.name == "" {
		return nil, fmt.Errorf("%s: the function has no name", name)
	}
	if v.input, err = trigger.ParseTemplates(c.Input); err != nil {
		return nil, fmt.Errorf("%s: input: %w", name, err)
	}
	return trigger.Open(name, role, v, 0, true)
}

// Runs is empty: nothing tells which invocations there were. The function has the key.
func (v *function) Runs(context.Context, trigger.Job) ([]trigger.Run, error) { return nil, nil }

// Start invokes the function; when it has answered, that is the end of it.
func (v *function) Start(ctx context.Context, j trigger.Job) (trigger.Run, error) {
	payload, err := j.Payload(ctx, v.input)
	if err != nil {
		return trigger.Run{}, err
	}
	api, err := v.open(ctx)
	if err != nil {
		return trigger.Run{}, err
	}
	in := &lambda.InvokeInput{FunctionName: &v.name, InvocationType: types.InvocationTypeRequestResponse, Payload: payload}
	if v.version != "" {
		in.Qualifier = &v.version
	}
	out, err := api.Invoke(ctx, in)
	if err != nil {
		return trigger.Run{}, v.notDone(ctx, "Invoke "+v.name, err)
	}
	if out.FunctionError != nil {
		return trigger.NewRun(j.Mark(), j.Key(), "", trigger.Failed, v.line.Plain(failure(*out.FunctionError, out.Payload))), nil
	}
	return trigger.NewRun(j.Mark(), j.Key(), "", trigger.Succeeded, "it answered"), nil
}

// Look is never asked: Start has the end.
func (v *function) Look(_ context.Context, _ trigger.Job, r trigger.Run) (trigger.Run, error) {
	return r, nil
}

// failure is what a function's error says: Lambda answers with errorType and errorMessage
// (https://docs.aws.amazon.com/lambda/latest/dg/nodejs-exceptions.html).
func failure(kind string, payload []byte) string {
	var said struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}
	if json.Unmarshal(payload, &said) != nil || said.Message == "" && said.Type == "" {
		return "the function failed (" + kind + "): " + string(payload[:min(len(payload), mostReason)])
	}
	return strings.TrimSuffix("the function failed ("+kind+"): "+said.Type+": "+said.Message, ": ")
}
