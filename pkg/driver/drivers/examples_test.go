package drivers_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/drivers"
	"github.com/sluice-gate/sluice/pkg/project"
)

const examples = "../../../deploy/examples"

// every action of a project, with its role.
func actions(p *project.Project) map[project.Action]driver.Role {
	all := map[project.Action]driver.Role{}
	for _, stage := range p.Stages {
		if stage.Action != nil {
			all[*stage.Action] = driver.Deploy
		}
	}
	if p.Publish != nil {
		all[*p.Publish] = driver.Publish
	}
	if p.Promote != nil {
		all[*p.Promote] = driver.Promote
	}
	return all
}

func example(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(examples, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Every project file that is shipped as an example is one, and each of its actions is a driver.
func TestExamples(t *testing.T) {
	found := 0
	err := filepath.WalkDir(examples, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Base(path) != "project.yaml" {
			return err
		}
		found++
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		p, err := project.Parse(path, src)
		if err != nil {
			t.Errorf("%v", err)
			return nil
		}
		for a, role := range actions(p) {
			if _, err := drivers.Open(p, a, role); err != nil {
				t.Errorf("%s, %s: %v", path, role, err)
			}
		}
		return nil
	})
	if err != nil || found < 9 {
		t.Errorf("%v, %d files", err, found)
	}
}

// What the project files send is what the CI files take, and the key is where the drivers look for it.
func TestExamplesAgreeWithTheirCI(t *testing.T) {
	for dir, ci := range map[string]string{
		"circleci": ".circleci/config.yml", "lumigo-style": ".circleci/config.yml", "github": ".github/workflows/deploy.yml", "gitlab": ".gitlab-ci.yml",
		"npm-trusted": ".github/workflows/release.yml",
	} {
		p, err := project.Parse(dir, []byte(example(t, dir+"/project.yaml")))
		if err != nil {
			t.Fatal(err)
		}
		config := example(t, dir+"/"+ci)
		var parsed struct {
			Parameters map[string]any `yaml:"parameters"`
			RunName    string         `yaml:"run-name"`
			On         struct {
				Dispatch struct {
					Inputs map[string]any `yaml:"inputs"`
				} `yaml:"workflow_dispatch"`
			} `yaml:"on"`
			Workflows map[string]struct{ Jobs []string } `yaml:"workflows"`
			Jobs      map[string]any                     `yaml:"jobs"`
		}
		if err := yaml.Unmarshal([]byte(config), &parsed); err != nil {
			t.Fatalf("%s: %v", dir, err)
		}
		sent := map[string]string{}
		for a := range actions(p) {
			switch {
			case a.CircleCI != nil:
				for name := range a.CircleCI.Parameters {
					sent[name] = "<< pipeline.parameters." + name + " >>"
				}
				sent["sluice_key"] = "SLUICE_KEY: << pipeline.parameters.sluice_key >>"
			case a.GitHub != nil:
				for name := range a.GitHub.Inputs {
					sent[name] = "${{ inputs." + name + " }}"
				}
				sent["sluice_key"] = "${{ inputs.sluice_key }}"
				if !strings.Contains(parsed.RunName, sent["sluice_key"]) {
					t.Errorf("%s: the run's name lacks the key: %s", dir, parsed.RunName)
				}
			case a.GitLab != nil:
				for name := range a.GitLab.Variables {
					sent[name] = name
				}
			}
		}
		for name, used := range sent {
			_, parameter := parsed.Parameters[name]
			_, input := parsed.On.Dispatch.Inputs[name]
			if !parameter && !input && dir != "gitlab" {
				t.Errorf("%s: %s is sent and not declared", dir, name)
			}
			if !strings.Contains(config, used) {
				t.Errorf("%s: %s is sent and not used", dir, name)
			}
		}
		for name, flow := range parsed.Workflows {
			if len(flow.Jobs) == 0 || slices.ContainsFunc(flow.Jobs, func(job string) bool { return parsed.Jobs[job] == nil }) {
				t.Errorf("%s: workflow %s has no such jobs: %v", dir, name, flow.Jobs)
			}
		}
		if len(sent) < 4 {
			t.Errorf("%s: it sends %v", dir, sent)
		}
	}
}
