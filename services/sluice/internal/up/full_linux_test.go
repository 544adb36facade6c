package up

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/topology/accounts"
)

// A full disk, for a stream that begins a new file: what the server does then is noticed, and what was stored before stays.
func TestDiskFull(t *testing.T) {
	b := embedded(t, "127.0.0.1:0")
	nc, err := b.connect(accounts.Admin)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "FULL", Subjects: []string{"full"}}); err != nil {
		t.Fatal(err)
	}
	second := filepath.Join(b.store, "jetstream", "CORE", "streams", "FULL", "msgs", "2.blk")
	if err := os.Symlink("/dev/full", second); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- b.watch(t.Context()) }()
	message := make([]byte, 512<<10)
	for range 100 { // a file takes a few MiB
		if _, err = js.PublishAsync("full", message); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; err == nil || !strings.Contains(err.Error(), "can not write to "+b.store) {
		t.Errorf("%v", err)
	}
}
