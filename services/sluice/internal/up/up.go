package up

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/topology/accounts"
	"github.com/sluice-gate/sluice/services/gateway"
)

// Config is what `sluice up` is started with.
type Config struct {
	Data     string         // the data directory; made if it is missing
	Listen   string         // host:port of the broker; port 0 takes a free one
	HTTP     string         // host:port of health and metrics; port 0 takes a free one
	Projects []string       // project files to apply
	Gateway  gateway.Config // without a file no webhooks are taken; without a dashboard's address it is served where it always is
	// EvidenceAge is how long what the watcher measured is kept; 0 keeps what is there.
	EvidenceAge time.Duration
	Log         *zap.Logger
	// Banner is where it is told that all runs, and how to use it; nil: nowhere.
	Banner io.Writer
}

// Run runs everything until ctx ends, and then stops it in order: the services first, then the broker. It returns nil when
// it was told to stop.
func Run(ctx context.Context, cfg Config) error {
	files, err := read(cfg.Projects) // before anything is started: a mistake in a file is the likeliest
	hooks, wrong := readGateway(cfg.gateway())
	if err := errors.Join(err, wrong); err != nil {
		return err
	}
	dir, err := openDir(cfg.Data)
	if err != nil {
		return err
	}
	defer dir.close()
	health, err := service.Listen(ctx, cfg.HTTP)
	if err != nil {
		return stopped(ctx, err)
	}
	defer func() { _ = health.Close() }()
	if err := hooks.listen(ctx); err != nil {
		return stopped(ctx, err)
	}
	defer hooks.close()
	b, err := startBroker(ctx, dir.instance, filepath.Join(dir.path, storeDir), cfg.Listen, cfg.Log)
	if err != nil {
		return stopped(ctx, err)
	}
	defer b.stop()
	projects, err := prepare(ctx, b, files, topology.Options{EvidenceAge: cfg.EvidenceAge})
	if err != nil {
		return stopped(ctx, err)
	}
	metrics := service.NewMetrics()
	all, err := open(ctx, b, dir, hooks, cfg.Log, metrics)
	defer all.close()
	if err != nil {
		return stopped(ctx, err)
	}
	at := Address{PID: os.Getpid(), NATS: b.url(), HTTP: "http://" + health.Addr().String(), Hooks: hooks.url(), Dashboard: hooks.dashboard()}
	if err := dir.tell(at); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return metrics.Serve(ctx, health, all.connected) })
	group.Go(func() error { return b.watch(ctx) })
	group.Go(func() error {
		<-ctx.Done()
		cfg.Log.Info("stopping", zap.Duration("at_most", service.DrainGrace), zap.String("at_once", "with a second signal"))
		return nil
	})
	all.run(ctx, group)
	metrics.Ready(true)
	banner(cfg.Banner, dir, b, at, projects)
	err = group.Wait()
	metrics.Ready(false)
	cfg.Log.Info("stopped", zap.Error(err))
	return err
}

// gateway is how the gateway is made. Where every client needs a user there is no dashboard that asks nobody who they are, unless one is
// asked for: whoever has an account on this machine could act.
func (c Config) gateway() gateway.Config {
	out := c.Gateway
	host, _, err := net.SplitHostPort(c.Listen)
	switch open := err == nil && loopback(host); {
	case out.Dashboard == DashboardOff:
		out.Dashboard = ""
	case out.Dashboard == "" && open:
		out.Dashboard, out.AnyPort = gateway.DashboardListen, true
	}
	return out
}

// DashboardOff in the place of the dashboard's address says that there is to be none.
const DashboardOff = "off"

// stopped hides the error of a start that was interrupted: it did what it was told.
func stopped(ctx context.Context, err error) error {
	select {
	case <-ctx.Done():
		return nil
	default:
		return err
	}
}

// file is a project file that was read and understood.
type file struct {
	path string
	src  []byte
}

// read reads all project files, and tells all that is wrong with all of them.
func read(paths []string) ([]file, error) {
	var out []file
	var wrong []error
	for _, path := range paths {
		src, err := os.ReadFile(path)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("project file: %w", err))
			continue
		}
		if _, err := project.Parse(path, src); err != nil {
			wrong = append(wrong, err)
			continue
		}
		out = append(out, file{path, src})
	}
	return out, errors.Join(wrong...)
}

// prepare makes the streams, applies the project files, and returns the names of all projects.
func prepare(ctx context.Context, b *broker, files []file, o topology.Options) ([]string, error) {
	nc, err := b.connect(accounts.Admin)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	if err := topology.Ensure(ctx, js, o); err != nil {
		return nil, fmt.Errorf("make the streams in %s: %w", b.store, err)
	}
	c, err := catalog.Open(ctx, js)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if _, _, err := c.Apply(ctx, f.path, f.src); err != nil {
			return nil, err
		}
	}
	return c.Names(ctx)
}
