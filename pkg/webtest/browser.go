package webtest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every single thing that is waited for.
const patience = 30 * time.Second

// Browser is a running browser.
type Browser struct {
	t  testing.TB
	in io.Writer

	mu      sync.Mutex
	last    int
	waiting map[int]chan message
	pages   map[string]*Page // by session
	gone    error
}

// message is one of the protocol: a call, its answer, or an event.
type message struct {
	ID      int             `json:"id,omitempty"`
	Session string          `json:"sessionId,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  any             `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`

	event json.RawMessage
}

// Start runs a browser until the test ends. It takes about half a second.
func Start(t testing.TB) *Browser {
	t.Helper()
	path, err := program(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	commands, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, events, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), path, "--headless", "--no-sandbox", "--disable-gpu",
		"--disable-background-networking", "--disable-extensions", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
		"--force-color-profile=srgb", "--font-render-hinting=none", "--no-proxy-server",
		"--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "--remote-debugging-pipe", "--user-data-dir="+t.TempDir(), "about:blank")
	cmd.ExtraFiles = []*os.File{commands, events} // its 3 and 4; it ends when they are closed, however this process ends
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = commands.Close(), events.Close()
	b := &Browser{t: t, in: in, waiting: map[int]chan message{}, pages: map[string]*Page{}}
	read := make(chan struct{})
	go func() {
		defer close(read)
		b.read(out)
	}()
	t.Cleanup(func() {
		_ = in.Close()
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // its helpers, too
		_ = cmd.Wait()
		<-read
		_ = out.Close()
	})
	return b
}

// read sorts what the browser says.
func (b *Browser) read(from io.Reader) {
	in := bufio.NewReaderSize(from, 1<<20)
	for {
		text, err := in.ReadBytes(0)
		if err != nil {
			b.mu.Lock()
			b.gone = fmt.Errorf("the browser is gone: %w", err)
			for id, c := range b.waiting {
				delete(b.waiting, id)
				close(c)
			}
			b.mu.Unlock()
			return
		}
		var m message
		var raw struct {
			Params json.RawMessage `json:"params"`
		}
		if json.Unmarshal(text[:len(text)-1], &m) != nil || json.Unmarshal(text[:len(text)-1], &raw) != nil {
			continue
		}
		m.event = raw.Params
		b.mu.Lock()
		if c, ok := b.waiting[m.ID]; ok && m.ID != 0 {
			delete(b.waiting, m.ID)
			c <- m
		}
		page := b.pages[m.Session]
		b.mu.Unlock()
		if page != nil && m.Method != "" {
			page.hear(m)
		}
	}
}

// call asks the browser, and fails the test when it refuses.
func (b *Browser) call(session, method string, params, into any) {
	b.t.Helper()
	if err := b.try(session, method, params, into); err != nil {
		b.t.Fatal(err)
	}
}

func (b *Browser) try(session, method string, params, into any) error {
	if params == nil {
		params = struct{}{}
	}
	answer := make(chan message, 1)
	b.mu.Lock()
	if b.gone != nil {
		defer b.mu.Unlock()
		return b.gone
	}
	b.last++
	id := b.last
	b.waiting[id] = answer
	text, err := json.Marshal(message{ID: id, Session: session, Method: method, Params: params})
	if err == nil {
		_, err = b.in.Write(append(text, 0))
	}
	b.mu.Unlock()
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	wait := time.NewTimer(patience)
	defer wait.Stop()
	select {
	case m, ok := <-answer:
		switch {
		case !ok:
			return fmt.Errorf("%s: %w", method, b.gone)
		case m.Error != nil:
			return fmt.Errorf("%s: %s", method, m.Error.Message)
		case into == nil:
			return nil
		}
		return json.Unmarshal(m.Result, into)
	case <-wait.C:
		return fmt.Errorf("%s: no answer within %s", method, patience)
	}
}
