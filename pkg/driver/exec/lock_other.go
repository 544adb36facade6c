//go:build !unix || solaris || illumos || aix

package exec

import (
	"io/fs"
	"os"

	"github.com/sluice-gate/sluice/pkg/driver"
)

// flock refuses: the exec driver stops commands by process group, which this system does not have either.
func flock(*os.File) (bool, error) {
	return false, driver.Refusef("the exec driver does not run on this system")
}

func own(fs.FileInfo) bool { return false }
