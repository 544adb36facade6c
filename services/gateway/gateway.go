// Package gateway is the service through which merges come in from CI systems: it takes their webhooks, looks at who signed
// them, and hands merges to the broker as `sluice merge` does. Where its file says so it tells others of releases, as CDEvents
// (internal/tell), and notifies people (internal/notify). It keeps nothing, so any number of instances may run behind one
// address, and it is the only service that talks to the world: it has the rights of the people it speaks for, not of a service.
//
// Which webhooks are merges is told in internal/config, what is believed of them and which release they are in internal/hook,
// what is answered in internal/serve.
//
// Alerts of other people's monitoring come in the same way, signed like merges, and are stored as evidence (package alert), for the
// checks of alerts of projects. What an alert means for a release is decided by the watcher.
//
// # Deliveries that come again
//
// Deliveries are not known by their ids, which stand in headers that nobody signs, but by their commit: a merge is its project and
// commit, once and for ever. GitHub, GitLab and Bitbucket sign no time, so that a delivery of theirs can be sent again by whoever has
// seen it, at any time: it is the same commit, and therefore the same release, and nothing happens. CircleCI tells in the signed body when
// it happened, and a generic source may stamp what it signs: of these what is too old is refused. To keep the ids as well would tell
// nothing more: the same id is the same commit, and another id with the same commit is what has to be the same release. They are in the
// answer, which says that the release was known, and in the log (package serve's TestRedelivered).
//
// # A merge needs an artifact
//
// What soaks and is promoted are the bytes of an object in the bucket sluice-artifacts; the publisher refuses a merge that
// names none, whatever the project's drivers do with it. A webhook brings no bytes. So every hook says how the object is called
// that the build has put there before it was done (`nats object put sluice-artifacts --name tracer-$SHA.tgz`), and the event to
// listen to is the one that comes after: the successful build, not the push. A project whose commands make everything from the
// commit (exec) names an object that stands for it and was put there once. An object that is not there makes a release that
// fails, says so, and can be retried.
package gateway

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-gate/sluice/pkg/amazon"
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
	"github.com/sluice-gate/sluice/services/gateway/internal/notify"
	"github.com/sluice-gate/sluice/services/gateway/internal/queue"
	"github.com/sluice-gate/sluice/services/gateway/internal/serve"
	"github.com/sluice-gate/sluice/services/gateway/internal/tell"
)

// Config is what a gateway is made with.
type Config struct {
	File   string // the hooks; see deploy/gateway.example.yaml
	Listen string // address that webhooks come in at
	// Dashboard is the loopback address that the dashboard is served at where the file does not speak of one; empty: nowhere. Then
	// there may be no file, and no webhooks.
	Dashboard string
	// AnyPort takes another port for it when that one is taken.
	AnyPort bool
}

// Flags adds the gateway's own flags, each with its environment variable.
func (c *Config) Flags(set *flag.FlagSet) {
	set.StringVar(&c.File, "config", os.Getenv("SLUICE_GATEWAY_CONFIG"), "`file` with the hooks (SLUICE_GATEWAY_CONFIG)")
	set.StringVar(&c.Listen, "listen", cmp.Or(os.Getenv("SLUICE_GATEWAY_LISTEN"), "127.0.0.1:8081"),
		"`address` that webhooks come in at (SLUICE_GATEWAY_LISTEN)")
}

// leastSecret is the fewest characters of a secret: with the body and the signature at hand, shorter ones can be guessed.
const leastSecret = 16

// Gateway is one that has its settings, and is to listen and to be run.
type Gateway struct {
	hooks  *config.Config
	listen string       // empty: no webhooks are taken
	ln     net.Listener // nil: the same
	dash   *dashboard   // nil: there is none
}

// Read reads the file. It refuses a configuration with every error in it, and one whose secrets are not there.
func Read(cfg Config) (*Gateway, error) {
	g := &Gateway{hooks: &config.Config{}, listen: cfg.Listen}
	var err error
	if cfg.File == "" && cfg.Dashboard != "" {
		g.listen = ""
	} else if g.hooks, err = load(cfg.File); err != nil {
		return nil, err
	}
	g.dash, err = readDashboard(cfg, g.hooks.Dashboard)
	return g, err
}

// mostConnections are served at once: each may have a delivery in memory before its signature is looked at.
const mostConnections = 256

// Listen has whoever sends a webhook wait for Run instead of being sent away.
func (g *Gateway) Listen(ctx context.Context) (err error) {
	if err := g.dash.listen(ctx); err != nil {
		return err
	}
	if g.listen == "" {
		return nil
	}
	defer func() {
		if err != nil {
			_ = g.dash.close()
		}
	}()
	g.ln, err = new(net.ListenConfig).Listen(ctx, "tcp", g.listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("webhooks: another program listens on %s: choose another address", g.listen)
	}
	if err != nil {
		return fmt.Errorf("webhooks: listen on %s: %w", g.listen, err)
	}
	g.ln = netutil.LimitListener(g.ln, mostConnections)
	return nil
}

// Addr is where webhooks come in, after Listen; nil when none are taken.
func (g *Gateway) Addr() net.Addr {
	if g.ln == nil {
		return nil
	}
	return g.ln.Addr()
}

// Close ends Listen; a gateway that was run has done so by itself.
func (g *Gateway) Close() error {
	if g.ln == nil {
		return g.dash.close()
	}
	return errors.Join(g.dash.close(), g.ln.Close())
}

// Run is [Read], [Gateway.Listen] and [Gateway.Run].
func Run(ctx context.Context, env service.Env, cfg Config) error {
	g, err := Read(cfg)
	if err == nil {
		err = g.Listen(ctx)
	}
	if err != nil {
		return err
	}
	return g.Run(ctx, env)
}

// Run works until ctx ends, then answers what has begun to come in, within [service.DrainGrace].
func (g *Gateway) Run(ctx context.Context, env service.Env) error {
	group, ctx := errgroup.WithContext(ctx)
	if err := queues(ctx, env, g.hooks, group); err != nil {
		return errors.Join(err, g.Close())
	}
	if err := g.dash.run(ctx, env, group); err != nil {
		return errors.Join(err, g.Close())
	}
	if out := g.hooks.CDEvents; out != nil {
		group.Go(func() error { return tell.Run(ctx, env, *out) })
	}
	if out := g.hooks.Notify; out != nil {
		group.Go(func() error { return notify.Run(ctx, env, *out) })
	}
	if g.ln != nil {
		env.Log.Info("taking webhooks", zap.Stringer("address", g.ln.Addr()), zap.Int("hooks", len(g.hooks.Hooks)),
			zap.Int("queues", len(g.hooks.Queues)), zap.Int("sinks", len(g.hooks.Sinks)))
		handler := serve.Handler{
			Store: serve.Broker(env), Alert: serve.Alert(env), Log: env.Log, Count: env.Metrics.Webhook, Config: g.hooks,
		}.Mux()
		if out := g.hooks.Notify; out != nil && out.Slack != nil {
			handler = notify.Actions(env, *out.Slack, handler)
		}
		answer(ctx, group, g.ln, &http.Server{
			Handler:           handler,
			ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 20 * time.Second, WriteTimeout: 40 * time.Second, IdleTimeout: time.Minute,
			MaxHeaderBytes: 64 << 10,
		})
	}
	return group.Wait()
}

// answer serves on a listener until ctx ends, and then what has begun to come in.
func answer(ctx context.Context, group *errgroup.Group, ln net.Listener, server *http.Server) {
	group.Go(func() error {
		if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), service.DrainGrace)
		defer cancel()
		if err := server.Shutdown(grace); err != nil {
			return server.Close() // whoever still sends will send again
		}
		return nil
	})
}

// queues begins to take merges from queues, and to tell sinks.
func queues(ctx context.Context, env service.Env, c *config.Config, group *errgroup.Group) error {
	if len(c.Sinks) > 0 {
		sinks, err := queue.NewSinks(c.Sinks, func(ctx context.Context, release string, letter []byte) error {
			_, err := env.JS.Publish(ctx, topology.Dead("aws", release), letter, jetstream.WithExpectStream(topology.StreamSluice))
			return err
		})
		if err != nil {
			return err
		}
		group.Go(func() error {
			return env.Await(ctx, topology.StreamSluice, topology.ConsumerGatewayAWS, sinks.Handle)
		})
	}
	store := serve.Broker(env)
	for _, one := range c.Queues {
		source := queue.Source{Queue: one, Log: env.Log, Store: store, Bury: serve.Bury(env)}
		group.Go(func() error { return source.Run(ctx) })
	}
	return nil
}

// load reads the file, and looks that every secret is there, so that a gateway that starts can take what comes.
func load(file string) (*config.Config, error) {
	if file == "" {
		return nil, errors.New("which webhooks? name the gateway's file with --config or SLUICE_GATEWAY_CONFIG")
	}
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the gateway's file: %w", err)
	}
	hooks, err := config.Parse(file, src)
	if err != nil {
		return nil, err
	}
	var wrong []error
	for _, h := range hooks.Hooks {
		secret, err := driver.Secret(h.SecretEnv, h.SecretFile)
		if err == nil && len(secret) < leastSecret {
			err = fmt.Errorf("its secret has fewer than %d characters", leastSecret)
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: hook %s: %w", file, h.Path, err))
		}
	}
	for _, q := range hooks.Queues {
		wrong = append(wrong, reachable(file, "queue "+q.Name(), q.AWS)...)
	}
	for _, one := range hooks.Sinks {
		wrong = append(wrong, reachable(file, "sink "+one.Name(), one.AWS)...)
	}
	if out := hooks.CDEvents; out != nil && out.Sink != nil {
		if _, err := driver.Secret(out.Sink.TokenEnv, out.Sink.TokenFile); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: cdevents.sink: %w", file, err))
		}
	}
	wrong = append(wrong, told(file, hooks.Notify)...)
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	return hooks, nil
}

// told looks that the secrets are there by which people are notified.
func told(file string, out *config.NotifyOut) (wrong []error) {
	if out == nil {
		return nil
	}
	look := func(env, file string) error {
		_, err := driver.Secret(env, file)
		return err
	}
	var missing []error
	for _, env := range out.Secrets {
		missing = append(missing, look(env, ""))
	}
	for _, name := range out.SecretFiles {
		missing = append(missing, look("", name))
	}
	if out.Slack != nil {
		missing = append(missing, look(out.Slack.SecretEnv, out.Slack.SecretFile))
	}
	for _, err := range missing {
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: notify: %w", file, err))
		}
	}
	return wrong
}

// reachable looks that a service of AWS can be asked at all: its endpoint, and that the secrets that are named are there.
func reachable(file, what string, at project.AWS) (wrong []error) {
	_, err := amazon.New(at)
	for _, named := range []project.Token{at.Key, at.Secret, at.Session} {
		if _, missing := driver.Secret(named.Env, named.File); err == nil {
			err = missing
		}
	}
	if err != nil {
		wrong = append(wrong, fmt.Errorf("%s: %s: %w", file, what, err))
	}
	return wrong
}
