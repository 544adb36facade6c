package rig

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// restartAfter is how soon a process that ended is started again, as whatever runs services does.
const restartAfter = 300 * time.Millisecond

// Process is a program that is started again whenever it ends, until it is told to stay down. Its methods are safe for
// concurrent use.
type Process struct {
	Name    string
	command func() *exec.Cmd // a new one for each start
	log     *os.File

	mu     sync.Mutex
	cmd    *exec.Cmd
	gone   chan struct{} // closed when cmd is gone
	wanted bool
	killed bool // by us
	exits  int
}

func newProcess(name, log string, command func() *exec.Cmd) (*Process, error) {
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return &Process{Name: name, command: command, log: file}, nil
}

// Log is the file with all that the process ever said.
func (p *Process) Log() string { return p.log.Name() }

// Exits is how often it ended by itself.
func (p *Process) Exits() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.exits
}

// Up starts it, if it does not run.
func (p *Process) Up() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = true
	return p.start()
}

func (p *Process) start() error {
	if p.cmd != nil {
		return nil
	}
	cmd := p.command()
	cmd.Stdout, cmd.Stderr = p.log, p.log
	mortal(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	p.cmd, p.gone, p.killed = cmd, make(chan struct{}), false
	go p.wait(cmd, p.gone)
	return nil
}

func (p *Process) wait(cmd *exec.Cmd, gone chan struct{}) {
	_ = cmd.Wait() // how it ended stands in its log
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.killed {
		p.exits++
	}
	p.cmd = nil
	close(gone)
	if !p.wanted {
		return
	}
	time.AfterFunc(restartAfter, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.wanted {
			_ = p.start() // what can not be started again shows in what becomes of the releases
		}
	})
}

// Kill is kill -9. The process is started again soon, unless it is to stay down.
func (p *Process) Kill() {
	p.mu.Lock()
	cmd, gone := p.cmd, p.gone
	if cmd != nil {
		p.killed = true
		_ = cmd.Process.Signal(syscall.SIGKILL) // it may be gone already
	}
	p.mu.Unlock()
	if cmd != nil {
		<-gone
	}
}

// Down is kill -9 for good, until Up.
func (p *Process) Down() {
	p.mu.Lock()
	p.wanted = false
	p.mu.Unlock()
	p.Kill()
}

// Pause stops the process where it is.
func (p *Process) Pause() error { return p.signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (p *Process) Resume() error { return p.signal(syscall.SIGCONT) }

func (p *Process) signal(s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return fmt.Errorf("%s does not run", p.Name)
	}
	return p.cmd.Process.Signal(s)
}

// pid is 0 while it does not run.
func (p *Process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

func (p *Process) close() {
	p.Down()
	_ = p.log.Close()
}
