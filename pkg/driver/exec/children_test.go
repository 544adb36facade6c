package exec

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// watched is a socket that the children connect to.
type watched struct {
	*testing.T
	path  string
	conns chan net.Conn
}

func watch(t *testing.T) *watched {
	t.Helper()
	w := &watched{T: t, path: filepath.Join(t.TempDir(), "s"), conns: make(chan net.Conn)}
	l, err := net.Listen("unix", w.path)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(w.conns)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			w.conns <- conn
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		for conn := range w.conns { // until the listener has gone
			_ = conn.Close()
		}
	})
	return w
}

// connected waits for a child. The connection is closed with the test, which ends a server.
func (w *watched) connected() net.Conn {
	w.Helper()
	select {
	case conn := <-w.conns:
		w.Cleanup(func() { _ = conn.Close() })
		return conn
	case <-w.Context().Done():
		w.Fatal("no child has connected")
		return nil
	}
}

// wantAlive asks a server whether it lives; 'w' lets it write to its output first.
func (w *watched) wantAlive(conn net.Conn, question byte) {
	w.Helper()
	answer := []byte{0}
	_, err := conn.Write([]byte{question})
	if err == nil {
		_, err = io.ReadFull(conn, answer)
	}
	if err != nil || answer[0] != question {
		w.Errorf("the server does not answer: %v", err)
	}
}

// wantDead waits until a server is dead.
func (w *watched) wantDead(conn net.Conn) {
	w.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		w.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		w.Errorf("the server lives: %d bytes, %v", n, err)
	}
}

func (w *watched) command(name string, args ...string) []string {
	w.Helper()
	return program(w.T, append([]string{name, w.path}, args...)...)
}
