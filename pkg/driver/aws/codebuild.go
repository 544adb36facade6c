package aws

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codebuild"
	"github.com/aws/aws-sdk-go-v2/service/codebuild/types"

	"github.com/sluice-gate/sluice/pkg/amazon"
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/trigger"
	"github.com/sluice-gate/sluice/pkg/expr"
	"github.com/sluice-gate/sluice/pkg/project"
)

const (
	buildKey   = "SLUICE_KEY" // the variable of the build's environment that carries the key
	buildPages = 10           // how many pages of 100 builds are looked through
)

type builder struct {
	*client[*codebuild.Client]
	project   string
	source    *expr.Template
	variables trigger.Templates
}

// CodeBuild makes the driver of a project of CodeBuild. It touches nothing outside. An error is a mistake in c.
func CodeBuild(c project.AWSCodeBuild, role driver.Role, opts ...amazon.Option) (*trigger.Driver, error) {
	const name = "aws-codebuild"
	reach, err := newClient(c.AWS, func(cfg aws.Config) *codebuild.Client { return codebuild.NewFromConfig(cfg) }, opts...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	v := &builder{client: reach, project: c.Project}
	if v.project == "" {
		return nil, fmt.Errorf("%s: the project has no name", name)
	}
	if v.source, err = expr.ParseTemplate(c.Source); err != nil {
		return nil, fmt.Errorf("%s: source: %w", name, err)
	}
	if v.variables, err = trigger.ParseTemplates(c.Variables); err != nil {
		return nil, fmt.Errorf("%s: variables: %w", name, err)
	}
	return trigger.Open(name, role, v, c.Interval, false)
}

// Runs looks through the project's builds for those whose environment has a key of the release.
func (v *builder) Runs(ctx context.Context, j trigger.Job) ([]trigger.Run, error) {
	api, err := v.open(ctx)
	if err != nil {
		return nil, err
	}
	var found []trigger.Run
	in := &codebuild.ListBuildsForProjectInput{ProjectName: &v.project, SortOrder: types.SortOrderTypeDescending}
	for range buildPages {
		page, err := api.ListBuildsForProject(ctx, in)
		if err != nil {
			return nil, v.failed(ctx, "ListBuildsForProject of "+v.project, err)
		}
		if len(page.Ids) == 0 {
			return found, nil
		}
		builds, err := v.builds(ctx, page.Ids...)
		if err != nil {
			return nil, err
		}
		for _, b := range builds {
			if b.StartTime != nil && b.StartTime.Before(j.Since()) {
				return found, nil
			}
			if mark, ok := v.mark(j, b); ok {
				found = append(found, v.run(mark, b))
			}
		}
		if page.NextToken == nil {
			return found, nil
		}
		in.NextToken = page.NextToken
	}
	return j.Beyond(found, fmt.Sprintf("%d pages of builds", buildPages))
}

// builds are those with these ids, in their order.
func (v *builder) builds(ctx context.Context, ids ...string) ([]types.Build, error) {
	api, err := v.open(ctx)
	if err != nil {
		return nil, err
	}
	out, err := api.BatchGetBuilds(ctx, &codebuild.BatchGetBuildsInput{Ids: ids})
	if err != nil {
		return nil, v.failed(ctx, "BatchGetBuilds", err)
	}
	slices.SortFunc(out.Builds, func(a, b types.Build) int {
		return slices.Index(ids, aws.ToString(a.Id)) - slices.Index(ids, aws.ToString(b.Id))
	})
	return out.Builds, nil
}

// mark is what a build's key says; false when it has none of the release.
func (v *builder) mark(j trigger.Job, b types.Build) (trigger.Mark, bool) {
	if b.Environment == nil {
		return trigger.Mark{}, false
	}
	for _, one := range b.Environment.EnvironmentVariables {
		if aws.ToString(one.Name) == buildKey {
			return j.Find(aws.ToString(one.Value))
		}
	}
	return trigger.Mark{}, false
}

// Start starts a build. CodeBuild answers the same token within five minutes with the build that there is
// (https://docs.aws.amazon.com/codebuild/latest/APIReference/API_StartBuild.html).
func (v *builder) Start(ctx context.Context, j trigger.Job) (trigger.Run, error) {
	values, err := v.variables.Texts(ctx, j)
	if err != nil {
		return trigger.Run{}, err
	}
	values[buildKey] = j.Key()
	token := j.Key()
	in := &codebuild.StartBuildInput{ProjectName: &v.project, IdempotencyToken: &token}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		in.EnvironmentVariablesOverride = append(in.EnvironmentVariablesOverride, types.EnvironmentVariable{
			Name: aws.String(name), Value: aws.String(values[name]), Type: types.EnvironmentVariableTypePlaintext,
		})
	}
	source, err := j.Text(ctx, v.source)
	if err != nil {
		return trigger.Run{}, err
	}
	if source != "" {
		in.SourceVersion = &source
	}
	api, err := v.open(ctx)
	if err != nil {
		return trigger.Run{}, err
	}
	out, err := api.StartBuild(ctx, in)
	switch {
	case err != nil:
		return trigger.Run{}, v.notDone(ctx, "StartBuild of "+v.project, err)
	case out.Build == nil || aws.ToString(out.Build.Id) == "":
		return trigger.Run{}, fmt.Errorf("the answer to StartBuild of %s has no build", v.project)
	}
	return v.run(j.Mark(), *out.Build), nil
}

// Look is the build as it is now.
func (v *builder) Look(ctx context.Context, _ trigger.Job, r trigger.Run) (trigger.Run, error) {
	builds, err := v.builds(ctx, r.ID())
	if err != nil || len(builds) == 0 { // which has just begun
		return r, err
	}
	return v.run(r.Mark(), builds[0]), nil
}

// Stop ends the build.
func (v *builder) Stop(ctx context.Context, _ trigger.Job, r trigger.Run, _ string) error {
	api, err := v.open(ctx)
	if err != nil {
		return err
	}
	id := r.ID()
	_, err = api.StopBuild(ctx, &codebuild.StopBuildInput{Id: &id})
	return v.failed(ctx, "StopBuild", err)
}

func (v *builder) run(mark trigger.Mark, b types.Build) trigger.Run {
	id, says := aws.ToString(b.Id), v.line.Plain(string(b.BuildStatus))
	if b.CurrentPhase != nil && b.BuildStatus == types.StatusTypeInProgress {
		says += ", " + v.line.Plain(*b.CurrentPhase)
	}
	switch b.BuildStatus {
	case types.StatusTypeSucceeded:
		return trigger.NewRun(mark, id, v.page(b), trigger.Succeeded, says)
	case types.StatusTypeFailed, types.StatusTypeFault, types.StatusTypeStopped, types.StatusTypeTimedOut:
		return trigger.NewRun(mark, id, v.page(b), trigger.Failed, says+v.why(b))
	case types.StatusTypeInProgress:
	} // and what there will be
	return trigger.NewRun(mark, id, v.page(b), trigger.Running, says)
}

// why is what the first phase that failed says.
func (v *builder) why(b types.Build) string {
	for _, phase := range b.Phases {
		if phase.PhaseStatus == types.StatusTypeSucceeded || phase.PhaseStatus == "" {
			continue
		}
		for _, context := range phase.Contexts {
			if text := aws.ToString(context.Message); text != "" {
				return " in " + v.line.Plain(string(phase.PhaseType)+": "+text[:min(len(text), mostReason)])
			}
		}
	}
	return ""
}

// page is where people look at the build: arn:aws:codebuild:<region>:<account>:build/<project>:<uuid>.
func (v *builder) page(b types.Build) string {
	parts := strings.SplitN(aws.ToString(b.Arn), ":", 6)
	if len(parts) != 6 {
		return ""
	}
	return "https://" + parts[3] + ".console.aws.amazon.com/codesuite/codebuild/" + parts[4] + "/projects/" + v.project + "/build/" +
		strings.ReplaceAll(aws.ToString(b.Id), ":", "%3A") + "/?region=" + parts[3]
}
