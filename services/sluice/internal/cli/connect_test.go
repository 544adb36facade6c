package cli

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/topology"
)

// What names the broker in an error, and in a command to copy, has no password.
func TestNoPasswordIsTold(t *testing.T) {
	c := connection{server: "nats://ana:secret@one:4222, tls://two:4222,three"}
	if got := c.name(); got != "at nats://ana@one:4222,tls://two:4222,three" {
		t.Errorf("%q", got)
	}
	for _, server := range []string{"nats://secret@one:4222", "secret@one:4222", "ana:secret@one:4222"} {
		if got := (connection{server: server}).name(); strings.Contains(got, "secret") || !strings.Contains(got, "one:4222") {
			t.Errorf("%q", got)
		}
	}
	if got := c.arguments(); strings.Contains(got, "secret") {
		t.Errorf("%q", got)
	}
	c = connection{server: "nats://one:4222", user: "ana", creds: "/etc/ana.creds"}
	if got := c.arguments(); got != " --server nats://one:4222 --user ana --creds /etc/ana.creds" {
		t.Errorf("%q", got)
	}
	c.context = "prod"
	if got := c.name(); got != "of context prod" {
		t.Errorf("%q", got)
	}
}

func TestFlagsBeforeEnvironment(t *testing.T) {
	t.Setenv("NATS_URL", "nats://env:4222")
	t.Setenv("NATS_CONTEXT", "env")
	t.Setenv("NATS_USER", "env")
	t.Setenv("NATS_CREDS", "env")
	if got, want := (connection{}).filled(), (connection{server: "nats://env:4222", context: "env", user: "env", creds: "env"}); got != want {
		t.Errorf("%+v", got)
	}
	given := connection{server: "nats://flag:4222", user: "flag", creds: "flag"}
	if got := given.filled(); got != given {
		t.Errorf("%+v: a server given by flag is not mixed with a context", got)
	}
	if got := (connection{context: "flag"}).filled(); got.context != "flag" {
		t.Errorf("%+v", got)
	}
}

// Whoever uses the machine can ask, whatever their name is there.
func TestActor(t *testing.T) {
	for user, want := range map[string]string{
		"ana": "ana", "ana.lee@corp": "ana-lee-corp", "": "somebody", "Ünal": "-nal", strings.Repeat("x", 100): strings.Repeat("x", 64),
	} {
		t.Setenv("USER", user)
		c := &client{}
		got, err := c.actor("")
		if err != nil || got != want || topology.CheckActor(got) != nil {
			t.Errorf("%q: %q, %v", user, got, err)
		}
		c.user = "operator"
		if got, _ := c.actor(""); got != "operator" {
			t.Errorf("%q: a user of the broker is %q", user, got)
		}
	}
}

// A shell is not blocked by a broker that takes connections and says nothing.
func TestCompletionDoesNotWaitForTheBroker(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	a := &app{connect: connection{server: "nats://" + silent.Addr().String()}}
	if _, err := a.openSoon(ctx); err == nil || time.Since(began) > dialWithin/2 {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
}
