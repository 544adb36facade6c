package catalog_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/topology/accounts"
)

// people opens the catalog as people have it: in the account OPS, without consumers.
func people(t *testing.T) *catalog.Catalog {
	t.Helper()
	s := natstest.One(t, natstest.Listen(), natstest.Configure(func(o *server.Options) error {
		return accounts.Embed(o, true, func(user string) string { return user })
	}))
	natstest.Topology(t, s.Conn(t, nats.UserInfo(accounts.Admin, accounts.Admin)))
	js, err := jetstream.New(s.Conn(t))
	if err != nil {
		t.Fatal(err)
	}
	c, err := catalog.Open(t.Context(), js)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNamesFromOutside(t *testing.T) {
	c := people(t)
	if names, err := c.Names(t.Context()); err != nil || len(names) != 0 {
		t.Errorf("%v, %v", names, err)
	}
	for _, src := range []string{"project: zebra", "project: tracer", "project: tracer\nsoak: { delay: 1h }"} {
		if _, _, err := c.Apply(t.Context(), "x.yaml", []byte(src)); err != nil {
			t.Fatal(err)
		}
	}
	if names, err := c.Names(t.Context()); err != nil || !slices.Equal(names, []string{"tracer", "zebra"}) {
		t.Errorf("%v, %v: want each project once", names, err)
	}
}

// Two builds may call their artifact the same; handed in under unique names, none takes the other's place.
func TestUnique(t *testing.T) {
	c := people(t)
	if _, err := c.Digest(t.Context(), "tracer.bin"); !errors.Is(err, catalog.ErrNoArtifact) {
		t.Errorf("%v", err)
	}
	names := map[string]string{}
	for _, content := range []string{"one", "two"} {
		name := catalog.Unique("build/tracer.bin", driver.Digest([]byte(content)))
		digest, err := c.Put(t.Context(), name, strings.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		if there, err := c.Digest(t.Context(), name); err != nil || there != digest || digest != driver.Digest([]byte(content)) {
			t.Errorf("%s, want %s: %v", there, digest, err)
		}
		names[name] = content
	}
	if len(names) != 2 {
		t.Errorf("%v: one name for two contents", names)
	}
	for name := range names {
		if a := c.Artifact(name, driver.Digest(nil)); a.Name != "tracer.bin" {
			t.Errorf("a driver sees %q", a.Name)
		}
	}
	if same := catalog.Unique("tracer.bin", driver.Digest([]byte("one"))); names[same] != "one" {
		t.Errorf("the same bytes have another name: %s", same)
	}
	_, err := c.Artifact("tracer.bin", driver.Digest([]byte("x"))).Open(t.Context())
	if !driver.IsRefused(err) {
		t.Errorf("%v", err)
	}
}
