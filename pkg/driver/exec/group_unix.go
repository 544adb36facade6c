//go:build unix && !linux

package exec

import (
	osexec "os/exec"
	"syscall"
)

// supported tells whether commands can be stopped with their children here.
const supported = true

// setAttributes gives the command a process group of its own.
func setAttributes(cmd *osexec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}

// signal signals the command's process group.
func (p *process) signal(_ string, sig syscall.Signal) {
	_ = syscall.Kill(-p.group, sig) // there may be nobody left
}

// running tells whether anything of the command is alive. A group that has nobody left can not be signalled; one whose only
// members are dead but not waited for can, for a moment.
func (p *process) running(string) bool {
	select {
	case <-p.exited:
		return syscall.Kill(-p.group, 0) == nil
	default:
		return true
	}
}
