package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/topology/accounts"
)

// TestAsksUnderTheNameThatTheBrokerKnows: wherever the user of the connection comes from, it is the actor, and what is asked under that
// name is stored. Under another name it is refused: the broker knows who asks.
func TestAsksUnderTheNameThatTheBrokerKnows(t *testing.T) {
	embed := natstest.Configure(func(o *server.Options) error {
		return accounts.Embed(o, false, func(user string) string { return "secret-of-" + user })
	})
	s := natstest.One(t, natstest.Listen(), embed)
	admin, err := nats.Connect(s.URL(), nats.UserInfo(accounts.Admin, "secret-of-admin"))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	natstest.Topology(t, admin)
	home := t.TempDir()
	contexts := filepath.Join(home, "nats", "context")
	if err := os.MkdirAll(contexts, 0o700); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`{"url":%q,"user":"operator","password":"secret-of-operator"}`, s.URL())
	if err := os.WriteFile(filepath.Join(contexts, "ops.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"NATS_URL", "NATS_USER", "NATS_CREDS", "NATS_CONTEXT"} {
		t.Setenv(name, "")
	}
	t.Setenv("XDG_CONFIG_HOME", home)
	t.Setenv("HOME", home)
	t.Setenv("USER", "ana")
	t.Setenv("SECRET", "secret-of-operator")
	for name, c := range map[string]connection{
		"flag":    {server: s.URL(), user: "operator", passwordEnv: "SECRET"},
		"URL":     {server: strings.Replace(s.URL(), "nats://", "nats://operator:secret-of-operator@", 1)},
		"context": {context: "ops"},
	} {
		a := &app{connect: c}
		c, err := a.dial()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		actor, err := c.actor("")
		if err != nil || actor != "operator" {
			t.Errorf("%s: the actor is %q, %v", name, actor, err)
		}
		if _, err := c.publish(t.Context(), topology.Request(topology.VerbExpedite, sampleID, actor), []byte("x")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := c.publish(t.Context(), topology.Request(topology.VerbExpedite, sampleID, "ana"), []byte("x")); err == nil ||
			!strings.Contains(err.Error(), "does not allow this user") {
			t.Errorf("%s: under another name: %v", name, err)
		}
		c.close()
	}
	c := &client{}
	if c.js, err = jetstream.New(s.Conn(t, nats.UserInfo(accounts.Viewer, "secret-of-viewer"))); err != nil {
		t.Fatal(err)
	}
	if got := c.known(); got != "viewer" {
		t.Errorf("%q", got)
	}
}

// TestTheNameInCredentials is the actor of a connection with credentials.
func TestTheNameInCredentials(t *testing.T) {
	account, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	key, err := user.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	claims := jwt.NewUserClaims(key)
	claims.Name = "ben"
	token, err := claims.Encode(account)
	if err != nil {
		t.Fatal(err)
	}
	told := func(token string, err error) string {
		nc := &nats.Conn{}
		nc.Opts.User, nc.Opts.UserJWT = "ana", func() (string, error) { return token, err }
		return userOf(nc)
	}
	if got := told(token, nil); got != "ben" {
		t.Errorf("%q", got)
	}
	for _, got := range []string{told("x.y.z", nil), told("", os.ErrNotExist)} {
		if got != "" {
			t.Errorf("%q", got)
		}
	}
}

// TestATokenIsNoName: a token in the server's URL is a secret, and does not get into the subjects of requests.
func TestATokenIsNoName(t *testing.T) {
	s := natstest.One(t, natstest.Listen())
	t.Setenv("NATS_USER", "")
	t.Setenv("USER", "ana")
	a := &app{connect: connection{server: strings.Replace(s.URL(), "nats://", "nats://s3cr3t@", 1)}}
	c, err := a.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if got, err := c.actor(""); got != "ana" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
