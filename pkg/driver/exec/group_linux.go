package exec

import (
	"bytes"
	"os"
	osexec "os/exec"
	"strconv"
	"syscall"
)

// supported tells whether commands can be stopped with their children here.
const supported = true

// setAttributes gives the command a process group of its own, and its death when the service dies.
func setAttributes(cmd *osexec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// signal signals the command's process group, and what bears its mark outside of that.
func (p *process) signal(mark string, sig syscall.Signal) {
	_ = syscall.Kill(-p.group, sig) // there may be nobody left
	for _, pid := range p.members(mark) {
		member, err := os.FindProcess(pid) // by descriptor: from here on it is this process or none
		if err != nil {
			continue
		}
		if group, ok := living(pid); ok && group != p.group && marked(pid, mark) {
			_ = member.Signal(sig) // it may be gone by now
		}
		_ = member.Release()
	}
}

// running tells whether anything of the command is alive.
func (p *process) running(mark string) bool {
	select {
	case <-p.exited:
		return len(p.members(mark)) > 0
	default:
		return true
	}
}

// members lists the living processes that are in the command's group or bear its mark.
func (p *process) members(mark string) []int {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer func() { _ = proc.Close() }() // only read
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return nil
	}
	var pids []int
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if group, ok := living(pid); ok && (group == p.group || marked(pid, mark)) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// living tells the process group of a process that is there and not dead already.
func living(pid int) (group int, ok bool) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, false
	}
	// pid (name) state ppid pgrp …, and the name may hold anything.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 3 || bytes.ContainsAny(fields[0], "ZXx") {
		return 0, false
	}
	group, err = strconv.Atoi(string(fields[2]))
	return group, err == nil
}

// marked tells whether the mark is in the environment that a process was started with. Another user's can not be read.
func marked(pid int, mark string) bool {
	environ, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	return err == nil && bytes.Contains(append([]byte{0}, environ...), []byte("\x00"+mark+"\x00"))
}
