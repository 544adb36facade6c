package up

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/audit"
	"github.com/sluice-gate/sluice/pkg/topology/accounts"
	"github.com/sluice-gate/sluice/services/gateway"
)

func TestDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "data")
	d, err := openDir(path)
	if err != nil {
		t.Fatal(err)
	}
	want := "is in use by another sluice up (pid " + strconv.Itoa(os.Getpid()) + "): stop that one"
	if _, err := openDir(path); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("opened twice: %v", err)
	}
	if err := d.tell(Address{PID: 1, NATS: "nats://here"}); err != nil {
		t.Fatal(err)
	}
	var at Address
	if data, err := os.ReadFile(filepath.Join(path, addressFile)); err != nil || json.Unmarshal(data, &at) != nil || at.NATS != "nats://here" {
		t.Errorf("%s, %v", data, err)
	}
	d.close()
	if _, err := os.Stat(filepath.Join(path, addressFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the address of a process that has stopped is still there: %v", err)
	}
	again, err := openDir(path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.close()
	if again.instance != d.instance || d.instance == "" {
		t.Errorf("the instance was %q and is %q", d.instance, again.instance)
	}
	if info, err := os.Stat(again.seed); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the seed of the audit chains: %v, %v", info, err)
	}
	one, err := audit.ReadSigner(d.seed)
	if err != nil || one.Key() == "" {
		t.Errorf("the seed of the audit chains: %v", err)
	}
	if other, err := audit.ReadSigner(again.seed); err != nil || other.Key() != one.Key() {
		t.Errorf("the seed of the audit chains is another one now: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(path, ".tmp-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := enoughRoom(dir, 1); err != nil {
		t.Error(err)
	}
	err := enoughRoom(dir, 1<<62)
	if err == nil || !strings.Contains(err.Error(), "the disk of "+dir+" is full: ") {
		t.Errorf("%v", err)
	}
}

func TestAddress(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:4222": "127.0.0.1 4222", ":0": "0.0.0.0 -1", "[::1]:1": "::1 1", "localhost:5": "localhost 5",
		"4222": "", "host": "", "host:port": "", "host:70000": "", "host:-1": "",
	} {
		host, port, err := address(listen)
		if got := host + " " + strconv.Itoa(port); (err == nil) != (want != "") || err == nil && got != want {
			t.Errorf("%q: %q, %v", listen, got, err)
		}
	}
	for host, want := range map[string]bool{"127.0.0.1": true, "::1": true, "localhost": true, "127.9.9.9": true, "0.0.0.0": false, "10.0.0.1": false, "example.com": false} {
		if got := loopback(host); got != want {
			t.Errorf("loopback of %s is %t", host, got)
		}
	}
}

func embedded(t *testing.T, listen string) *broker {
	t.Helper()
	b, err := startBroker(t.Context(), "test", t.TempDir(), listen, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.stop)
	return b
}

// The broker switches JetStream off when it can not write; half a gate must not look like a whole one.
func TestStoreThatFails(t *testing.T) {
	b := embedded(t, "127.0.0.1:0")
	done := make(chan error)
	go func() { done <- b.watch(t.Context()) }()
	if err := b.srv.DisableJetStream(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil || !strings.Contains(err.Error(), "can not write to "+b.store) || !strings.Contains(err.Error(), "MiB are free") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.watch(ctx); err != nil {
		t.Errorf("told to stop: %v", err)
	}
}

// On an address that others can reach nobody is let in without a user.
func TestOpenToTheNetwork(t *testing.T) {
	if _, err := startBroker(t.Context(), "test", t.TempDir(), "0.0.0.0:0", zap.NewNop()); err == nil {
		t.Fatal("started without a password for anybody")
	}
	t.Setenv(accounts.PasswordEnv(accounts.Operator), "let-me-in")
	b := embedded(t, "0.0.0.0:0")
	if !strings.HasPrefix(b.url(), "nats://127.0.0.1:") {
		t.Errorf("clients here connect to %s", b.url())
	}
	if nc, err := nats.Connect(b.url()); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("a client without a user: %v", err)
		if err == nil {
			nc.Close()
		}
	}
	nc, err := nats.Connect(b.url(), nats.UserInfo(accounts.Operator, "let-me-in"))
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	if nc, err := nats.Connect(b.url(), nats.UserInfo(accounts.Admin, "")); err == nil {
		t.Error("an empty password is one")
		nc.Close()
	}
}

func TestPortTaken(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	_, err = startBroker(t.Context(), "test", t.TempDir(), ln.Addr().String(), zap.NewNop())
	if err == nil || !strings.HasPrefix(err.Error(), "another program listens on "+ln.Addr().String()) {
		t.Errorf("%v", err)
	}
}

// What the server can not go on with is the error, not a line in a log.
func TestServerDies(t *testing.T) {
	l := newNATSLog(zap.NewNop())
	l.Fatalf("no %s", "room")
	l.Fatalf("and more")
	if err := l.fatal(); err == nil || err.Error() != "no room" {
		t.Errorf("%v", err)
	}
}

// An interrupt while it starts is no error.
func TestInterruptedStart(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := Run(ctx, Config{Data: t.TempDir(), Listen: "127.0.0.1:0", HTTP: "127.0.0.1:0", Log: zap.NewNop()})
	if err != nil {
		t.Errorf("%v", err)
	}
}

// TestDashboard: it is there unless it is not wanted, or every client needs a user.
func TestDashboard(t *testing.T) {
	for _, c := range []struct{ listen, asked, want string }{
		{"127.0.0.1:4222", "", gateway.DashboardListen}, {"127.0.0.1:4222", DashboardOff, ""}, {"127.0.0.1:4222", "127.0.0.1:1", "127.0.0.1:1"},
		{"0.0.0.0:4222", "", ""}, {":4222", "", ""}, {"0.0.0.0:4222", "127.0.0.1:1", "127.0.0.1:1"},
	} {
		got := Config{Listen: c.listen, Gateway: gateway.Config{Dashboard: c.asked}}.gateway()
		if got.Dashboard != c.want || got.AnyPort != (c.asked == "" && c.want != "") {
			t.Errorf("%+v: %+v", c, got)
		}
	}
}
