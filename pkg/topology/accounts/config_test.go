package accounts_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/topology/accounts"
)

func TestMain(m *testing.M) { natstest.Main(m) }

const shipped = "../../../deploy/nats"

// TestTheShippedCopyIsEqual: copy pkg/topology/accounts/accounts.conf to deploy/nats/ after a change.
func TestTheShippedCopyIsEqual(t *testing.T) {
	t.Parallel()
	got, err := os.ReadFile(filepath.Join(shipped, "accounts.conf"))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != accounts.Text() {
		t.Error("deploy/nats/accounts.conf differs from pkg/topology/accounts/accounts.conf: copy it")
	}
}

var serviceLine = regexp.MustCompile(`service: "([^"]+)"|account: CORE, subject: "([^"]+)"|stream: "([^"]+)"`)

// TestExportsAndImportsAreTheSame holds the text together, and to what the border depends on: an import that is not a
// wildcard, or that is mapped, would carry an answer on to where it points.
func TestExportsAndImportsAreTheSame(t *testing.T) {
	t.Parallel()
	var exports, imports []string
	for _, m := range serviceLine.FindAllStringSubmatch(accounts.Text(), -1) {
		if m[2] != "" {
			imports = append(imports, m[2])
		} else {
			exports = append(exports, m[1]+m[3])
		}
	}
	if len(exports) < 30 || !slices.Equal(exports, imports) {
		t.Errorf("exports and imports differ:\n%q\n%q", exports, imports)
	}
	for _, v := range slices.Concat(topology.Verbs(), topology.Stops()) {
		for _, want := range []string{"sluice." + v + ".*", "sluice." + v + ".*.*"} {
			if !slices.Contains(imports, want) {
				t.Errorf("the verb %s is not imported: want %s", v, want)
			}
		}
		for _, want := range []string{fmt.Sprintf(`"sluice.%s.*.operator"`, v), fmt.Sprintf(`"sluice.%s.*.*"`, v)} {
			if !strings.Contains(accounts.Text(), want) {
				t.Errorf("nobody may publish %s", want)
			}
		}
	}
	for _, s := range append(exports, imports...) {
		for _, not := range []topology.Kind{topology.KindProject, topology.KindLane, topology.KindCommit, topology.KindVersion, topology.KindDelay} {
			if strings.HasPrefix(s, "sluice."+string(not)+".") {
				t.Errorf("%s crosses the border: only services write it", s)
			}
		}
	}
	for _, s := range imports {
		// What is carried on to the gateway's own consumer has it deliver one message to nobody, which comes again.
		reads := strings.HasPrefix(s, "$JS.API.CONSUMER.MSG.NEXT.SLUICE.gateway-") || strings.HasPrefix(s, "$JS.API.DIRECT.GET.") || strings.HasPrefix(s, "$JS.API.STREAM.MSG.GET.") ||
			strings.HasPrefix(s, "$JS.API.STREAM.INFO.") || slices.Contains([]string{"$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST"}, s)
		if !reads && !strings.HasSuffix(s, "*") && !strings.HasSuffix(s, ">") {
			t.Errorf("import %s stores something and is no wildcard", s)
		}
	}
	if regexp.MustCompile(`(?m)\bto:`).MatchString(accounts.Text()) {
		t.Error("an import is mapped")
	}
}

// environment sets what the shipped files need.
func environment(t *testing.T) {
	t.Helper()
	for _, u := range accounts.Users() {
		t.Setenv(accounts.PasswordEnv(u), password(u))
	}
	t.Setenv("SLUICE_ROUTE_PASSWORD", "secret-route")
	t.Setenv("SLUICE_ROUTES", `["nats://route:secret-route@nats-1:6222","nats://route:secret-route@nats-2:6222","nats://route:secret-route@nats-3:6222"]`)
}

func TestShippedConfigurations(t *testing.T) {
	environment(t)
	for _, name := range []string{"single", "node-1", "node-2", "node-3"} {
		o, err := server.ProcessConfigFile(filepath.Join(shipped, name+".conf"))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !o.JetStream || !o.SyncAlways || o.StoreDir != "/data" || o.Port != 4222 {
			t.Errorf("%s: JetStream %v, write-through %v, in %q, port %d", name, o.JetStream, o.SyncAlways, o.StoreDir, o.Port)
		}
		if o.HTTPHost != "127.0.0.1" {
			t.Errorf("%s: monitoring listens on %q", name, o.HTTPHost)
		}
		if o.NoAuthUser != "" {
			t.Errorf("%s: somebody without credentials is %s", name, o.NoAuthUser)
		}
		var users []string
		for _, u := range o.Users {
			users = append(users, u.Username)
			if u.Password != password(u.Username) {
				t.Errorf("%s: user %s has another password", name, u.Username)
			}
		}
		want := accounts.Users()
		slices.Sort(want)
		if slices.Sort(users); !slices.Equal(users, want) {
			t.Errorf("%s: users %q, want %q", name, users, want)
		}
		if name == "single" {
			continue
		}
		if o.ServerName != strings.Replace(name, "node", "nats", 1) || o.Cluster.Name != "sluice" || o.Cluster.Port != 6222 {
			t.Errorf("%s: named %s in cluster %s:%d", name, o.ServerName, o.Cluster.Name, o.Cluster.Port)
		}
		if len(o.Routes) != 3 || o.Cluster.Username != "route" || o.Cluster.Password != "secret-route" {
			t.Errorf("%s: %d routes, as %q", name, len(o.Routes), o.Cluster.Username)
		}
		for _, r := range o.Routes {
			if r.User.String() != "route:secret-route" {
				t.Errorf("%s: route %s has no credentials", name, r.Redacted())
			}
		}
	}
}

// TestTheShippedClusterWorks runs three nodes from the shipped files, with only addresses and folders changed.
func TestTheShippedClusterWorks(t *testing.T) {
	environment(t)
	c := natstest.Cluster(t, 3, natstest.Configure(func(o *server.Options) error {
		file := map[string]string{"n0": "node-1", "n1": "node-2", "n2": "node-3"}[o.ServerName]
		f, err := server.ProcessConfigFile(filepath.Join(shipped, file+".conf"))
		if err != nil {
			return err
		}
		f.ServerName, f.Host, f.Port, f.StoreDir = o.ServerName, o.Host, o.Port, o.StoreDir
		f.HTTPPort, f.NoSigs, f.NoLog, f.ConfigFile = 0, true, true, ""
		f.Cluster.Host, f.Cluster.Port = o.Cluster.Host, o.Cluster.Port
		for i, r := range f.Routes {
			f.Routes[i] = &url.URL{Scheme: r.Scheme, User: r.User, Host: o.Routes[i].Host}
		}
		*o = *f
		return nil
	}))
	b := bundle(t, c.Node(1).URL(), topology.Options{Replicas: 3})
	if err := topology.Verify(b.ctx, b.as(t, accounts.Promoter).js); err != nil {
		t.Error(err)
	}
	ack, err := b.as(t, accounts.Operator).js.Publish(b.ctx, topology.Request(topology.VerbCancel, release2, ""), []byte("no"))
	if err != nil {
		t.Fatal(err)
	}
	leader := c.Leader(b.ctx, b.admin, topology.StreamSluice)
	c.StopNode(leader)
	c.StartNode(t, leader)
	c.Wait(t)
	s, err := b.js.Stream(b.ctx, topology.StreamSluice)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := s.GetMsg(b.ctx, ack.Sequence); err != nil || string(m.Data) != "no" {
		t.Errorf("%v %v", m, err)
	}
}

func TestAPasswordThatIsMissing(t *testing.T) {
	environment(t)
	if err := os.Unsetenv(accounts.PasswordEnv(accounts.Viewer)); err != nil { // environment puts it back
		t.Fatal(err)
	}
	if _, err := server.ProcessConfigFile(filepath.Join(shipped, "single.conf")); err == nil || !strings.Contains(err.Error(), "SLUICE_VIEWER_PASSWORD") {
		t.Errorf("got %v", err)
	}
	err := accounts.Embed(&server.Options{}, false, func(u string) string {
		if u == accounts.Viewer {
			return ""
		}
		return "secret"
	})
	if err == nil || !strings.Contains(err.Error(), "viewer") || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

func TestOnlyTheLocalServerTakesStrangers(t *testing.T) {
	t.Parallel()
	for _, local := range []bool{false, true} {
		s := natstest.One(t, natstest.Listen(), embed(local))
		for name, o := range map[string][]nats.Option{
			"a stranger":       nil,
			"a wrong password": {nats.UserInfo(accounts.CI, "guess")},
			"an empty one":     {nats.UserInfo(accounts.Admin, "")},
			"nobody":           {nats.UserInfo("eve", "guess")},
		} {
			nc, err := nats.Connect(s.URL(), o...)
			if local && o == nil {
				if err != nil {
					t.Errorf("local: %s: %v", name, err)
				} else {
					nc.Close()
				}
				continue
			}
			if !errors.Is(err, nats.ErrAuthorization) {
				t.Errorf("local %v: %s: %v", local, name, err)
			}
		}
	}
}

// TestTheLocalUser may do in OPS what people and programs may, under any name, and nothing else.
func TestTheLocalUser(t *testing.T) {
	t.Parallel()
	b := setupLocal(t)
	u := b.as(t, accounts.Local)
	may := []string{
		topology.Merge("tracer"), topology.Signal("tracer", ""), "$KV.sluice-projects.tracer",
	}
	for _, v := range topology.Verbs() {
		may = append(may, topology.Request(v, release2, ""), topology.Request(v, release2, "ben"))
	}
	for _, v := range topology.Stops() {
		may = append(may, topology.Stop(v, "tracer", ""), topology.Stop(v, topology.AllProjects, "ben"))
	}
	for _, subject := range may {
		if ok, err := u.stored(attempt{subject: subject, body: "{}"}); !ok {
			t.Errorf("%s: %v", subject, err)
		}
	}
	if err := put(b, u, "tracer.tgz", bytes.Repeat([]byte("x"), 1000)); err != nil {
		t.Error(err)
	}
	var not []attempt
	for _, subject := range []string{
		topology.Release(release), topology.Lane("victim"), topology.Commit("tracer", "f00"), topology.Delay(release), topology.Due(release),
		topology.Project("victim"), topology.Project("tracer"), topology.Judged(release), topology.Heartbeat(release), topology.Measured(release), topology.Evidence(release), topology.Dead("merge", "x"),
		"$JS.API.STREAM.PURGE.SLUICE", "$JS.API.STREAM.DELETE.SLUICE", "$JS.API.CONSUMER.DELETE.SLUICE.promoter",
	} {
		not = append(not, attempt{subject: subject}, attempt{subject: topology.Merge("tracer"), reply: subject})
	}
	b.attack(t, accounts.Local, []string{topology.Merge("tracer")}, not)
}
