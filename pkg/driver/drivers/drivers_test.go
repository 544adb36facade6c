package drivers_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/drivers"
	"github.com/sluice-gate/sluice/pkg/project"
)

// Every action that a project file may have is a driver in its role.
func TestEveryActionOpens(t *testing.T) {
	const src = `
project: tracer
publish: { %[1]s }
stage:   { %[2]s }
promote: { %[1]s }
`
	for name, c := range map[string][2]string{
		"npm":   {`npm: { registry: "http://127.0.0.1:1" }`, `exec: { command: ["true"] }`},
		"oci":   {`oci: { image: "127.0.0.1:1/team/app" }`, `exec: { command: ["true"] }`},
		"files": {`files: { dir: site }`, `files: {}`},
		"exec":  {`exec: { command: ["true"] }`, `exec: { command: ["true"] }`},
	} {
		p, err := project.Parse(name, fmt.Appendf(nil, src, c[0], c[1]))
		if err != nil {
			t.Fatal(err)
		}
		for role, a := range map[driver.Role]*project.Action{
			driver.Publish: p.Publish, driver.Deploy: p.Stages[0].Action, driver.Promote: p.Promote,
		} {
			d, err := drivers.Open(p, *a, role)
			if err != nil || d == nil {
				t.Errorf("%s, %s: %v", name, role, err)
			}
			if _, ok := d.(driver.Publisher); role == driver.Publish && !ok {
				t.Errorf("%s does not plan", name)
			}
		}
	}
}

// The examples that are shipped are project files that work.
func TestExamples(t *testing.T) {
	paths, err := filepath.Glob("../../../deploy/examples/*.yaml")
	if err != nil || len(paths) < 2 {
		t.Fatalf("%q, %v", paths, err)
	}
	for _, path := range paths {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		p, err := project.Parse(path, src)
		if err != nil {
			t.Error(err)
			continue
		}
		for role, a := range map[driver.Role]*project.Action{
			driver.Publish: p.Publish, driver.Deploy: p.Stages[0].Action, driver.Promote: p.Promote,
		} {
			if a == nil {
				t.Errorf("%s: no action to %s", path, role)
			} else if _, err := drivers.Open(p, *a, role); err != nil {
				t.Errorf("%s: %s: %v", path, role, err)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	p := &project.Project{Name: "tracer"}
	for name, c := range map[string]struct {
		a    project.Action
		role driver.Role
		want string
	}{
		"no driver":  {project.Action{}, driver.Publish, "names no driver"},
		"npm stages": {project.Action{NPM: &project.NPM{}}, driver.Deploy, "not deploy"},
		"oci stages": {project.Action{OCI: &project.OCI{}}, driver.Deploy, "not deploy"},
		"no image":   {project.Action{OCI: &project.OCI{}}, driver.Promote, "image"},
		"no dir":     {project.Action{Files: &project.Files{}}, driver.Publish, "no directory"},
		"no command": {project.Action{Exec: &project.Exec{}}, driver.Publish, "command"},
	} {
		d, err := drivers.Open(p, c.a, c.role)
		if d != nil || !driver.IsRefused(err) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v", name, d, err)
		}
	}
}
