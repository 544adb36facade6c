package tail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	sig "github.com/sluice-gate/sluice/pkg/signal"
)

// Config is what is read, and where it goes.
type Config struct {
	Command []string // the program and its arguments; none: In is read
	In      io.Reader
	Out     io.Writer
	Err     io.Writer
	Least   sig.Level // what is at least that bad becomes a signal
	Plain   sig.Level // of what names no level, on a program's standard error and in a log; on its standard output that is sig.Info
	// Store stores a message. When it fails it is called again with the same one, until it does not, or the time is up.
	Store func(ctx context.Context, message []byte) error
	Say   func(format string, args ...any) // tells a person
	Flush time.Duration                    // how long the last signals may take to be stored
}

// mostMessage is how large a batch may be, in bytes: below what the broker takes as a signal, with a signal of the largest size.
const mostMessage = 12 << 10

// Run runs the program, or reads the log, to its end, and returns the exit code: of a program its own, 128 and the signal's number if it
// died of one. ctx ends when somebody wants it to end: a log is not read on then; a program is told so by the same signal.
func Run(ctx context.Context, c Config) (code int, err error) {
	b := newBuffer()
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		c.send(sending, b)
	}()
	if len(c.Command) == 0 {
		err = c.log(ctx, b)
	} else {
		code, err = c.run(ctx, b)
	}
	b.close()
	timer := time.AfterFunc(c.Flush, stop)
	defer timer.Stop()
	<-sent
	if n := b.waiting(); n > 0 {
		c.Say("%d signals were not stored within %s of the end", n, c.Flush)
	}
	return code, err
}

// log reads a log to its end.
func (c Config) log(ctx context.Context, b *buffer) error {
	s := &stream{out: c.Out, least: c.Least, plain: c.Plain, to: b}
	read := make(chan error, 1)
	go func() {
		_, err := io.Copy(s, c.In)
		read <- err
	}()
	var err error
	select {
	case err = <-read:
	case <-ctx.Done():
	}
	s.end()
	return err
}

// run runs the program.
func (c Config) run(ctx context.Context, b *buffer) (code int, err error) {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), c.Command[0], c.Command[1:]...)
	out := &stream{out: c.Out, least: c.Least, plain: sig.Info, to: b}
	errs := &stream{out: c.Err, least: c.Least, plain: c.Plain, to: b}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.In, out, errs
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 1, fmt.Errorf("start %s: %w", c.Command[0], err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	asked := false
	for {
		select {
		case s := <-signals:
			asked = true
			if s != syscall.SIGINT || !onTerminal(c.In) { // a terminal tells the program itself
				_ = cmd.Process.Signal(s) // it may have ended
			}
			continue
		case err = <-ended:
		}
		break
	}
	last := max(out.end(), errs.end())
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 1, fmt.Errorf("%s: %w", c.Command[0], err)
	}
	code, how := exitOf(cmd.ProcessState)
	if code != 0 && !asked && last < sig.Error { // it has not said itself what is wrong
		b.put(encode(sig.Fatal, c.Command[0]+" "+how))
	}
	return code, nil
}

func onTerminal(in io.Reader) bool {
	f, ok := in.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// exitOf is the exit code, as a shell has it, and how it came to that.
func exitOf(s *os.ProcessState) (code int, how string) {
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal()), "was killed by signal " + w.Signal().String()
	}
	return s.ExitCode(), fmt.Sprintf("exited with status %d", s.ExitCode())
}

// How long it is until a message that could not be stored is tried again.
const (
	againFirst = 50 * time.Millisecond
	againMost  = 2 * time.Second
)

// send stores what is in the buffer, message by message in their order, until there is no more or ctx ends.
func (c Config) send(ctx context.Context, b *buffer) {
	told := false
	for {
		message, n, over := b.take(mostMessage)
		if over {
			return
		}
		if len(message) == 0 {
			select {
			case <-b.filled:
				continue
			case <-ctx.Done():
				return
			}
		}
		for again := againFirst; ; again = min(2*again, againMost) {
			err := c.Store(ctx, message)
			if err == nil {
				break
			}
			if !told && ctx.Err() == nil {
				told = true
				c.Say("can not store signals for now: %v", err)
			}
			select {
			case <-time.After(again):
			case <-ctx.Done():
				c.Say("%d signals were not stored: %v", n, err)
				return
			}
		}
		told = false
	}
}
