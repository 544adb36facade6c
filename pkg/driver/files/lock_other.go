//go:build !unix || solaris || illumos || aix

package files

import (
	"context"
	"os"

	"github.com/sluice-gate/sluice/pkg/driver"
)

// lock refuses: without a lock that goes with its process, two writers could not be kept apart.
func lock(context.Context, *os.File) error {
	return driver.Refusef("the files driver does not run on this system: it has no flock")
}
