package aws

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"

	"github.com/sluice-gate/sluice/pkg/amazon"
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/trigger"
	"github.com/sluice-gate/sluice/pkg/project"
)

const (
	pipelineKey  = "sluice_key" // the pipeline's variable that carries the key
	mostVariable = 1000         // characters: https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_PipelineVariable.html
	mostLooked   = 300          // executions that are looked at for a key
)

type pipeline struct {
	*client[*codepipeline.Client]
	name      string
	variables trigger.Templates
	region    string
}

// CodePipeline makes the driver of a pipeline of type V2. It touches nothing outside. An error is a mistake in c.
func CodePipeline(c project.AWSCodePipeline, role driver.Role, opts ...amazon.Option) (*trigger.Driver, error) {
	const name = "aws-codepipeline"
	v := &pipeline{name: c.Pipeline}
	var err error
	v.client, err = newClient(c.AWS, func(cfg aws.Config) *codepipeline.Client {
		v.region = cfg.Region
		return codepipeline.NewFromConfig(cfg)
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if v.name == "" {
		return nil, fmt.Errorf("%s: the pipeline has no name", name)
	}
	if v.variables, err = trigger.ParseTemplates(c.Variables); err != nil {
		return nil, fmt.Errorf("%s: variables: %w", name, err)
	}
	return trigger.Open(name, role, v, c.Interval, false)
}

// Runs looks through the pipeline's executions for those whose variables have a key of the release. The list does not tell variables,
// so each execution is asked for.
func (v *pipeline) Runs(ctx context.Context, j trigger.Job) ([]trigger.Run, error) {
	api, err := v.open(ctx)
	if err != nil {
		return nil, err
	}
	var found []trigger.Run
	in := &codepipeline.ListPipelineExecutionsInput{PipelineName: &v.name, MaxResults: aws.Int32(100)}
	for looked := 0; looked < mostLooked; {
		page, err := api.ListPipelineExecutions(ctx, in)
		if err != nil {
			return nil, v.failed(ctx, "ListPipelineExecutions of "+v.name, err)
		}
		for _, one := range page.PipelineExecutionSummaries {
			if one.StartTime != nil && one.StartTime.Before(j.Since()) {
				return found, nil
			}
			if one.Trigger != nil && one.Trigger.TriggerType != types.TriggerTypeStartPipelineExecution {
				continue
			}
			looked++
			r, ok, err := v.execution(ctx, j, aws.ToString(one.PipelineExecutionId))
			if err != nil {
				return nil, err
			}
			if ok {
				found = append(found, r)
			}
		}
		if page.NextToken == nil {
			return found, nil
		}
		in.NextToken = page.NextToken
	}
	return j.Beyond(found, fmt.Sprintf("%d executions", mostLooked))
}

// execution is the one with that id as it is now; false when it has no key of the release, or can not be seen yet.
func (v *pipeline) execution(ctx context.Context, j trigger.Job, id string) (trigger.Run, bool, error) {
	api, err := v.open(ctx)
	if err != nil {
		return trigger.Run{}, false, err
	}
	out, err := api.GetPipelineExecution(ctx, &codepipeline.GetPipelineExecutionInput{PipelineName: &v.name, PipelineExecutionId: &id})
	if is[*types.PipelineExecutionNotFoundException](err) {
		return trigger.Run{}, false, nil
	}
	if err != nil {
		return trigger.Run{}, false, v.failed(ctx, "GetPipelineExecution of "+v.name, err)
	}
	if out.PipelineExecution == nil {
		return trigger.Run{}, false, nil
	}
	for _, one := range out.PipelineExecution.Variables {
		if aws.ToString(one.Name) != pipelineKey {
			continue
		}
		if mark, ok := j.Find(aws.ToString(one.ResolvedValue)); ok {
			return v.run(mark, id, out.PipelineExecution), true, nil
		}
	}
	return trigger.Run{}, false, nil
}

// Start starts an execution. CodePipeline knows a request that is made again by its token. A value can not be empty there: the variable
// is left out, and has the default that the pipeline declares.
func (v *pipeline) Start(ctx context.Context, j trigger.Job) (trigger.Run, error) {
	values, err := v.variables.Texts(ctx, j)
	if err != nil {
		return trigger.Run{}, err
	}
	token := j.Key()
	values[pipelineKey] = token
	in := &codepipeline.StartPipelineExecutionInput{Name: &v.name, ClientRequestToken: &token}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		switch value := values[name]; {
		case value == "":
		case len([]rune(value)) > mostVariable:
			return trigger.Run{}, driver.Refusef("the variable %s is longer than the %d characters that CodePipeline takes: %s",
				name, mostVariable, driver.Quote(value))
		default:
			in.Variables = append(in.Variables, types.PipelineVariable{Name: aws.String(name), Value: aws.String(value)})
		}
	}
	api, err := v.open(ctx)
	if err != nil {
		return trigger.Run{}, err
	}
	out, err := api.StartPipelineExecution(ctx, in)
	id := ""
	if err == nil {
		id = aws.ToString(out.PipelineExecutionId)
	}
	switch {
	case err != nil:
		return trigger.Run{}, v.notDone(ctx, "StartPipelineExecution of "+v.name, err)
	case id == "":
		return trigger.Run{}, fmt.Errorf("the answer to StartPipelineExecution of %s names no execution", v.name)
	}
	return trigger.NewRun(j.Mark(), id, v.page(id), trigger.Running, "begun"), nil
}

// Look is the execution as it is now. One that has just begun may not show yet.
func (v *pipeline) Look(ctx context.Context, j trigger.Job, r trigger.Run) (trigger.Run, error) {
	now, ok, err := v.execution(ctx, j, r.ID())
	if err != nil || !ok {
		return r, err
	}
	return now, nil
}

// Stop ends the execution once the actions that are under way have ended: what they have half done would be nobody's.
func (v *pipeline) Stop(ctx context.Context, _ trigger.Job, r trigger.Run, why string) error {
	api, err := v.open(ctx)
	if err != nil {
		return err
	}
	id := r.ID()
	in := &codepipeline.StopPipelineExecutionInput{PipelineName: &v.name, PipelineExecutionId: &id, Reason: &why}
	_, err = api.StopPipelineExecution(ctx, in)
	if is[*types.DuplicatedStopRequestException](err) || is[*types.PipelineExecutionNotStoppableException](err) {
		return nil // it is being stopped, or is over
	}
	return v.failed(ctx, "StopPipelineExecution of "+v.name, err)
}

func (v *pipeline) run(mark trigger.Mark, id string, e *types.PipelineExecution) trigger.Run {
	says := v.line.Plain(string(e.Status))
	if why := aws.ToString(e.StatusSummary); why != "" {
		says += ", " + v.line.Plain(why[:min(len(why), mostReason)])
	}
	switch e.Status {
	case types.PipelineExecutionStatusSucceeded:
		return trigger.NewRun(mark, id, v.page(id), trigger.Succeeded, says)
	case types.PipelineExecutionStatusFailed, types.PipelineExecutionStatusStopped, types.PipelineExecutionStatusCancelled,
		types.PipelineExecutionStatusSuperseded:
		return trigger.NewRun(mark, id, v.page(id), trigger.Failed, says)
	case types.PipelineExecutionStatusInProgress, types.PipelineExecutionStatusStopping:
	} // and what there will be
	return trigger.NewRun(mark, id, v.page(id), trigger.Running, says)
}

// page is where people look at the execution.
func (v *pipeline) page(id string) string {
	return "https://" + v.region + ".console.aws.amazon.com/codesuite/codepipeline/pipelines/" + v.name + "/executions/" + id +
		"/timeline?region=" + v.region
}
