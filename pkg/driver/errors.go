package driver

import (
	"errors"
	"fmt"
)

// ErrCancelled is the cause ([context.Cause]) of a context that ended because the action's release was cancelled, in distinction to one
// whose time is over or whose service stops: whatever the action has begun elsewhere, and can be stopped, is to be stopped.
var ErrCancelled = errors.New("the release was cancelled")

// Refused marks an error that trying again does not mend: wrong credentials, a version that exists with other contents,
// an artifact that is not what it says. The release fails with it.
type Refused struct{ err error }

// Refusef makes a Refused error.
func Refusef(format string, args ...any) error { return &Refused{fmt.Errorf(format, args...)} }

func (r *Refused) Error() string { return r.err.Error() }
func (r *Refused) Unwrap() error { return r.err }

// IsRefused tells whether trying again is pointless.
func IsRefused(err error) bool {
	var r *Refused
	return errors.As(err, &r)
}
