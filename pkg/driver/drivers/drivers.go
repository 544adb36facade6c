// Package drivers opens the actions of a project file as drivers. It is the one place that knows all of them; services get
// [Open] handed in.
package drivers

import (
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/aws"
	"github.com/sluice-gate/sluice/pkg/driver/exec"
	"github.com/sluice-gate/sluice/pkg/driver/files"
	"github.com/sluice-gate/sluice/pkg/driver/git"
	"github.com/sluice-gate/sluice/pkg/driver/githubrelease"
	"github.com/sluice-gate/sluice/pkg/driver/npm"
	"github.com/sluice-gate/sluice/pkg/driver/oci"
	"github.com/sluice-gate/sluice/pkg/driver/trigger"
	"github.com/sluice-gate/sluice/pkg/project"
)

// Open makes the driver of a project's action for a role. It touches nothing outside, and reads no more than npm's
// settings, where they say which registry it is. An action that no driver can do in that role is refused, with what is wrong.
func Open(p *project.Project, a project.Action, role driver.Role) (driver.Driver, error) {
	var d driver.Driver
	err := driver.Refusef("names no driver: allowed are npm, oci, git, github_release, files, exec, http, circleci, github, gitlab and those of AWS")
	switch {
	case a.NPM != nil:
		d, err = openNPM(p, *a.NPM, role)
	case a.OCI != nil:
		d, err = openOCI(p, *a.OCI, role)
	case a.Git != nil:
		d, err = openGit(p, *a.Git, role)
	case a.Release != nil:
		d, err = openRelease(*a.Release, role)
	case a.Files != nil:
		d, err = files.New(*a.Files, role)
	case a.Exec != nil:
		d, err = exec.New(*a.Exec, role)
	case a.HTTP != nil:
		d, err = trigger.HTTP(*a.HTTP, role)
	case a.CircleCI != nil:
		d, err = trigger.CircleCI(*a.CircleCI, role)
	case a.GitHub != nil:
		d, err = trigger.GitHub(*a.GitHub, role)
	case a.GitLab != nil:
		d, err = trigger.GitLab(*a.GitLab, role)
	case a.AWSLambda != nil:
		d, err = aws.Lambda(*a.AWSLambda, role)
	case a.AWSStepFunctions != nil:
		d, err = aws.StepFunctions(*a.AWSStepFunctions, role)
	case a.AWSCodeBuild != nil:
		d, err = aws.CodeBuild(*a.AWSCodeBuild, role)
	case a.AWSCodePipeline != nil:
		d, err = aws.CodePipeline(*a.AWSCodePipeline, role)
	case a.AWSS3 != nil:
		d, err = aws.S3(*a.AWSS3, role)
	}
	if err != nil {
		return nil, driver.Refusef("%w", err) // a mistake in the project file does not mend itself
	}
	return d, nil
}

func openNPM(p *project.Project, cfg project.NPM, role driver.Role) (driver.Driver, error) {
	switch role {
	case driver.Publish:
		options := []npm.Option{npm.WithVersionRule(p.Version)}
		if p.Promote != nil && p.Promote.NPM != nil {
			options = append(options, npm.WithPromote(*p.Promote.NPM))
		}
		return npm.Publish(cfg, options...)
	case driver.Promote:
		return npm.Promote(cfg)
	case driver.Deploy:
	}
	return nil, driver.Refusef("npm: a registry can publish and promote, not %s", role)
}

func openOCI(p *project.Project, cfg project.OCI, role driver.Role) (driver.Driver, error) {
	switch role {
	case driver.Publish:
		var options []oci.Option
		if p.Promote != nil && p.Promote.OCI != nil {
			options = append(options, oci.WithPromote(*p.Promote.OCI))
		}
		return oci.Publish(cfg, options...)
	case driver.Promote:
		return oci.Promote(cfg)
	case driver.Deploy:
	}
	return nil, driver.Refusef("oci: a registry can publish and promote, not %s", role)
}

func openGit(p *project.Project, cfg project.Git, role driver.Role) (driver.Driver, error) {
	switch role {
	case driver.Publish:
		var options []git.Option
		if p.Promote != nil && p.Promote.Git != nil {
			options = append(options, git.WithPromote(*p.Promote.Git))
		}
		return git.Publish(cfg, options...)
	case driver.Promote:
		return git.Promote(cfg)
	case driver.Deploy:
	}
	return nil, driver.Refusef("git: a repository can publish and promote, not %s", role)
}

func openRelease(cfg project.GitHubRelease, role driver.Role) (driver.Driver, error) {
	switch role {
	case driver.Publish:
		return githubrelease.Publish(cfg)
	case driver.Promote:
		return githubrelease.Promote(cfg)
	case driver.Deploy:
	}
	return nil, driver.Refusef("github_release: GitHub's releases can publish and promote, not %s", role)
}
