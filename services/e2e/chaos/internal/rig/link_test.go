package rig_test

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/services/e2e/chaos/internal/rig"
)

// TestLink: what is sent over a stalled link arrives when it passes again, and a cut link is at its end.
func TestLink(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	link, err := rig.NewLink(server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer link.Close()
	client, err := net.Dial("tcp", link.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	far, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = far.Close() }()

	send := func() {
		t.Helper()
		if _, err := io.WriteString(client, "x"); err != nil {
			t.Fatal(err)
		}
	}
	receive := func(within time.Duration) error {
		if err := far.SetReadDeadline(time.Now().Add(within)); err != nil {
			t.Fatal(err)
		}
		_, err := far.Read(make([]byte, 1))
		return err
	}
	send()
	if err := receive(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	link.Stall()
	send()
	if err := receive(50 * time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("over a stalled link: %v", err)
	}
	link.Pass()
	if err := receive(10 * time.Second); err != nil {
		t.Errorf("after the stall: %v", err)
	}
	link.Cut()
	if err := receive(10 * time.Second); !errors.Is(err, io.EOF) {
		t.Errorf("over a cut link: %v", err)
	}
}
