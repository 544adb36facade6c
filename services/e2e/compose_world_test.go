package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/topology/accounts"
)

// patience bounds every wait. It is generous: two slow cores may run the race detector.
const patience = time.Minute

// natsServerVersion is the version of the NATS server that everything here is tested with.
func natsServerVersion() string { return server.VERSION }

// composed is docker-compose.yml run as processes: each service's command and environment from the file, with the broker's
// host and the ports replaced.
type composed struct {
	testing.TB
	project *types.Project
	dir     string
	server  string // the nats-server program
	cli     string // the nats command
	broker  string // where the broker listens
	monitor string // where it tells how it is
	http    map[string]string
	hooks   string // where the gateway takes webhooks
	running map[string]*started
	journal *journal.Journal
	admin   jetstream.JetStream
}

// started is a process that is under way.
type started struct {
	*os.Process
	done chan struct{} // closed when it has ended
	err  error         // how; to be read after done
}

func newComposed(t testing.TB) *composed {
	t.Helper()
	env := secrets()
	env["GITHUB_WEBHOOK_SECRET"] = webhookSecret
	p, err := loadCompose(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	c := &composed{
		TB: t, project: p, dir: t.TempDir(), cli: natstest.CLI(t), broker: natstest.FreeAddress(t), monitor: natstest.FreeAddress(t),
		http: map[string]string{}, running: map[string]*started{},
	}
	c.server = filepath.Join(binaries(t), "nats-server")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", c.server, "github.com/nats-io/nats-server/v2")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build nats-server: %v\n%s", err, out)
	}
	for _, name := range append(all(), theGateway) {
		c.http[name] = natstest.FreeAddress(t)
	}
	c.hooks = natstest.FreeAddress(t)
	t.Cleanup(c.end)
	return c
}

// end kills what still runs, and shows the logs of a test that failed.
func (c *composed) end() {
	for _, p := range c.running {
		_ = p.Kill()
		<-p.done
	}
	for name := range c.project.Services {
		if text := c.log(name); c.Failed() && text != "" {
			c.Logf("the end of the log of %s:\n%s", name, text[max(0, len(text)-4<<10):])
		}
	}
}

func (c *composed) log(name string) string {
	text, _ := os.ReadFile(filepath.Join(c.dir, name+".log"))
	return string(text)
}

// command is a service's command as compose has it. Its environment is what compose says and what every container has.
func (c *composed) command(name string, more ...string) *exec.Cmd {
	c.Helper()
	s := c.project.Services[name]
	program, args := c.server, []string{"--config", "", "--addr", "127.0.0.1", "--port", port(c.broker), "--http_port", port(c.monitor)}
	if name == theBroker {
		args[1] = c.mounted(brokerConfig(c, s))
	} else {
		program, args = filepath.Join(binaries(c), path.Base(s.Command[0])), slices.Concat(s.Command[1:], more)
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = c.dir
	for _, inherited := range []string{"PATH", "GORACE"} {
		cmd.Env = append(cmd.Env, inherited+"="+os.Getenv(inherited))
	}
	cmd.Env = append(cmd.Env, "HOME="+c.dir, "TMPDIR="+c.dir)
	for key, value := range s.Environment {
		switch key {
		case "NATS_URL":
			u, err := url.Parse(*value)
			if err != nil || u.Hostname() != theBroker {
				c.Fatalf("%s connects to %s", name, *value)
			}
			u.Host = c.broker
			cmd.Env = append(cmd.Env, key+"="+u.String())
		case "SLUICE_GATEWAY_CONFIG":
			cmd.Env = append(cmd.Env, key+"="+filepath.Join(c.dir, "gateway.yaml"))
		case "SLUICE_GATEWAY_LISTEN":
			cmd.Env = append(cmd.Env, key+"="+c.hooks)
		case "SLUICE_HTTP":
			cmd.Env = append(cmd.Env, key+"="+c.http[name])
		default:
			cmd.Env = append(cmd.Env, key+"="+*value)
		}
	}
	return cmd
}

// mounted puts the broker's configuration where it can be read, as compose mounts it, and returns the file to begin with. The
// directory of its data is the test's; the ports are given on the command line, which goes before the file.
func (c *composed) mounted(config string) string {
	c.Helper()
	dir := filepath.Join(c.dir, "etc")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		c.Fatal(err)
	}
	for _, v := range c.project.Services[theBroker].Volumes {
		if v.Type != types.VolumeTypeBind || path.Dir(v.Target) != path.Dir(config) {
			continue
		}
		text, err := os.ReadFile(v.Source)
		if err != nil {
			c.Fatal(err)
		}
		if v.Target == config {
			const data = `store_dir: "/data"`
			if strings.Count(string(text), data) != 1 {
				c.Fatalf("%s does not keep its data on the volume: want %s", v.Source, data)
			}
			text = []byte(strings.Replace(string(text), data, fmt.Sprintf("store_dir: %q", filepath.Join(c.dir, "nats")), 1))
		}
		write(c, filepath.Join(dir, path.Base(v.Target)), string(text))
	}
	return filepath.Join(dir, path.Base(config))
}

func port(address string) string {
	_, p, _ := net.SplitHostPort(address)
	return p
}

// start starts services in the order that depends_on asks for, and waits until each is healthy.
func (c *composed) start(names ...string) {
	c.Helper()
	for _, name := range names {
		log, err := os.OpenFile(filepath.Join(c.dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			c.Fatal(err)
		}
		cmd := c.command(name)
		cmd.Stdout, cmd.Stderr = log, log
		err = cmd.Start()
		_ = log.Close()
		if err != nil {
			c.Fatal(err)
		}
		p := &started{Process: cmd.Process, done: make(chan struct{})}
		c.running[name] = p
		go func() {
			defer close(p.done)
			p.err = cmd.Wait()
		}()
	}
	for _, name := range names {
		eventually(c, name+" is healthy", func() error {
			select {
			case <-c.running[name].done:
				c.Fatalf("%s ended: %v", name, c.running[name].err)
			default:
			}
			return c.healthy(name)
		})
	}
}

// healthy runs a service's healthcheck.
func (c *composed) healthy(name string) error {
	if name == theBroker {
		u, err := url.Parse(c.project.Services[name].HealthCheck.Test[len(c.project.Services[name].HealthCheck.Test)-1])
		if err != nil {
			return err
		}
		u.Host = c.monitor
		return get(c.Context(), u.String())
	}
	check := c.project.Services[name].HealthCheck.Test
	cmd := c.command(name, check[2:]...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// get is what wget does in the broker's container.
func get(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return nil
}

// stop stops services as compose does: SIGTERM, and the end must come within the grace, without an error.
func (c *composed) stop(names ...string) {
	c.Helper()
	for _, name := range names {
		if err := c.running[name].Signal(syscall.SIGTERM); err != nil {
			c.Fatal(err)
		}
	}
	for _, name := range names {
		p, grace := c.running[name], 10*time.Second // what compose gives where nothing is said
		if g := c.project.Services[name].StopGracePeriod; g != nil {
			grace = time.Duration(*g)
		}
		select {
		case <-p.done:
			delete(c.running, name)
			if p.err != nil {
				c.Errorf("%s, told to stop, ended with %v", name, p.err)
			}
		case <-time.After(grace):
			c.Fatalf("%s did not stop within %s", name, grace)
		}
	}
}

// initialize runs `sluice init` as compose does, and opens the tester's own connection.
func (c *composed) initialize() {
	c.Helper()
	cmd := c.command(theInit)
	if out, err := cmd.CombinedOutput(); err != nil {
		c.Fatalf("init: %v\n%s", err, out)
	}
	c.admin = c.connect(accounts.Admin)
	var err error
	if c.journal, err = journal.Open(c.Context(), c.admin, "test"); err != nil {
		c.Fatal(err)
	}
}

// connect is a client as one of the accounts' users.
func (c *composed) connect(user string, more ...nats.Option) jetstream.JetStream {
	c.Helper()
	options := []nats.Option{
		nats.UserInfo(user, secrets()[accounts.PasswordEnv(user)]), nats.MaxReconnects(-1), nats.ReconnectWait(20 * time.Millisecond),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
	}
	nc, err := nats.Connect("nats://"+c.broker, append(options, more...)...)
	if err != nil {
		c.Fatalf("%s: %v", user, err)
	}
	c.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		c.Fatal(err)
	}
	return js
}

// as runs the sluice command as a user, and returns what it prints.
func (c *composed) as(user string, args ...string) string {
	c.Helper()
	return c.run(user, exec.CommandContext(c.Context(), filepath.Join(binaries(c), "sluice"), args...))
}

// nats runs the real nats command as a user, and returns what it prints.
func (c *composed) nats(user string, args ...string) string {
	c.Helper()
	return c.run(user, exec.CommandContext(c.Context(), c.cli, args...))
}

func (c *composed) run(user string, cmd *exec.Cmd) string {
	c.Helper()
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + c.dir, "NATS_URL=nats://" + c.broker, "NATS_USER=" + user,
		"NATS_PASSWORD=" + secrets()[accounts.PasswordEnv(user)], "USER=" + user,
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	c.Logf("%s $ %s %s\n%s%s", user, filepath.Base(cmd.Path), strings.Join(cmd.Args[1:], " "), out, stderr.String())
	if err != nil {
		c.Fatalf("%s: %v", filepath.Base(cmd.Path), err)
	}
	return strings.TrimSpace(string(out))
}

// until waits for a release to be in a phase.
func (c *composed) until(id string, p release.Phase) release.State {
	c.Helper()
	return c.untilState(id, string(p), func(s release.State) bool { return s.Phase == p })
}

func (c *composed) untilState(id, what string, ok func(release.State) bool) release.State {
	c.Helper()
	return follow(c, c.journal, id, what, ok)
}

// follow waits for a release to be in a state for which ok is true.
func follow(t testing.TB, j *journal.Journal, id, what string, ok func(release.State) bool) release.State {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var last release.State
	err := j.Follow(ctx, id, 0, func(r journal.Record) bool {
		last = r.State
		return !ok(last)
	}, func(error) error { return nil })
	if err != nil {
		t.Fatalf("release %s never became %s: it is %s (%s): %v", id, what, last.Phase, last.End.Reason, err)
	}
	return last
}

// eventually waits for what nothing announces.
func eventually(t testing.TB, what string, ok func() error) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(patience)
	for {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s: %v", what, err)
		}
		<-tick.C
	}
}

// handled waits until nobody has anything of a stream's consumers in hand, or waiting.
func handled(t testing.TB, js jetstream.JetStream) {
	t.Helper()
	for _, c := range topology.Consumers() {
		if c.Config.Durable == topology.ConsumerPromoterDue || c.Optional {
			continue
		}
		eventually(t, c.Config.Durable+" has handled everything", func() error {
			consumer, err := js.Consumer(t.Context(), c.Stream, c.Config.Durable)
			if err != nil {
				return err
			}
			if i := consumer.CachedInfo(); i.NumAckPending != 0 || i.NumPending != 0 {
				return fmt.Errorf("%d in hand, %d waiting: delivered %+v, acknowledged %+v", i.NumAckPending, i.NumPending, i.Delivered, i.AckFloor)
			}
			return nil
		})
	}
}
