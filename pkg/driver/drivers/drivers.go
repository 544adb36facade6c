// Package drivers opens the actions of a project file as drivers. It is the one place that knows all of them; services get
// [Open] handed in.
package drivers

import (
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/exec"
	"github.com/sluice-gate/sluice/pkg/driver/files"
	"github.com/sluice-gate/sluice/pkg/project"
)

// Open makes the driver of a project's action for a role. It touches nothing outside. An action that no driver can do in
// that role is refused, with what is wrong.
func Open(_ *project.Project, a project.Action, role driver.Role) (driver.Driver, error) {
	var d driver.Driver
	err := driver.Refusef("names no driver: allowed are npm, files and exec")
	switch {
	case a.Files != nil:
		d, err = files.New(*a.Files, role)
	case a.Exec != nil:
		d, err = exec.New(*a.Exec, role)
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}
