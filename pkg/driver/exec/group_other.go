//go:build !unix

package exec

import (
	osexec "os/exec"
	"syscall"
)

// supported tells whether commands can be stopped with their children here.
const supported = false

// There are no process groups here, and no such signals: New and Run refuse on these systems.

func setAttributes(*osexec.Cmd) {}

func (p *process) signal(string, syscall.Signal) {}

func (p *process) running(string) bool { return false }
