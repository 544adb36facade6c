package up

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-gate/sluice/pkg/driver/drivers"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology/accounts"
	"github.com/sluice-gate/sluice/services/gateway"
	"github.com/sluice-gate/sluice/services/promoter"
	"github.com/sluice-gate/sluice/services/publisher"
	"github.com/sluice-gate/sluice/services/stager"
	"github.com/sluice-gate/sluice/services/watcher"
)

// drainWithin bounds how long a stopping service's last acknowledgements may take.
const drainWithin = 5 * time.Second

// services is all services of the process, each with a connection of its own.
type services struct {
	log   *zap.Logger
	conns []*nats.Conn
	runs  []func(context.Context) error
}

// member is one service of the process.
type member struct {
	name string // and the user that it connects as
	open func(ctx context.Context, name, instance string, js jetstream.JetStream, log *zap.Logger, m *service.Metrics) (service.Env, error)
	run  func(context.Context, service.Env) error
}

func members(hooks *webhooks, seed string) []member {
	all := []member{
		{accounts.Publisher, service.Open, func(ctx context.Context, env service.Env) error {
			return publisher.Run(ctx, env, publisher.Config{Open: drivers.Open})
		}},
		{accounts.Stager, service.Open, func(ctx context.Context, env service.Env) error {
			return stager.Run(ctx, env, stager.Config{Open: drivers.Open})
		}},
		{accounts.Promoter, service.Open, func(ctx context.Context, env service.Env) error {
			return promoter.Run(ctx, env, promoter.Config{Open: drivers.Open, AuditSeed: seed})
		}},
		{accounts.Watcher, service.Open, func(ctx context.Context, env service.Env) error {
			return watcher.Run(ctx, env, watcher.Config{})
		}},
	}
	if hooks != nil { // as a user of OPS, here too: it talks to the world
		all = append(all, member{accounts.Gateway, service.OpenOutside, hooks.Run})
	}
	return all
}

// open connects and opens every service. What it returns is to be closed also when there is an error.
func open(
	ctx context.Context, b *broker, dir *dataDir, hooks *webhooks, log *zap.Logger, metrics *service.Metrics,
) (*services, error) {
	all := &services{log: log}
	for _, s := range members(hooks, dir.seed) {
		nc, err := b.connect(s.name)
		if err != nil {
			return all, err
		}
		all.conns = append(all.conns, nc)
		js, err := jetstream.New(nc)
		if err != nil {
			return all, err
		}
		env, err := s.open(ctx, s.name, dir.instance, js, log, metrics)
		if err != nil {
			return all, fmt.Errorf("%s: %w", s.name, err)
		}
		all.runs = append(all.runs, func(ctx context.Context) error {
			if err := s.run(ctx, env); err != nil && ctx.Err() == nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			return nil
		})
	}
	return all, nil
}

// run starts the services; each ends with ctx, after it has drained.
func (s *services) run(ctx context.Context, group *errgroup.Group) {
	for _, run := range s.runs {
		group.Go(func() error { return run(ctx) })
	}
}

func (s *services) connected() bool {
	for _, nc := range s.conns {
		if !nc.IsConnected() {
			return false
		}
	}
	return true
}

// close sends what is still to be sent, acknowledgements mostly, and disconnects.
func (s *services) close() {
	for _, nc := range s.conns {
		if err := nc.FlushTimeout(drainWithin); err != nil {
			s.log.Warn("a connection did not drain", zap.String("connection", nc.Opts.Name), zap.Error(err))
		}
		nc.Close()
	}
}

// webhooks is the gateway of this process; nil when it takes no webhooks and serves no dashboard.
type webhooks struct{ *gateway.Gateway }

func readGateway(cfg gateway.Config) (*webhooks, error) {
	if cfg.File == "" && cfg.Dashboard == "" {
		return nil, nil //nolint:nilnil // there is none
	}
	g, err := gateway.Read(cfg)
	if err != nil {
		return nil, err
	}
	return &webhooks{g}, nil
}

func (w *webhooks) listen(ctx context.Context) error {
	if w == nil {
		return nil
	}
	return w.Listen(ctx)
}

func (w *webhooks) url() string {
	if w == nil || w.Addr() == nil {
		return ""
	}
	return "http://" + w.Addr().String()
}

// dashboard is where people reach the dashboard; empty when there is none.
func (w *webhooks) dashboard() string {
	if w == nil {
		return ""
	}
	return w.Dashboard()
}

func (w *webhooks) close() {
	if w != nil {
		_ = w.Close() // is closed already when it ran
	}
}
