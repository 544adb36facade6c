package up

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/driver/drivers"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/topology/accounts"
	"github.com/sluice-gate/sluice/services/promoter"
	"github.com/sluice-gate/sluice/services/publisher"
	"github.com/sluice-gate/sluice/services/stager"
	"github.com/sluice-gate/sluice/services/watcher"
)

// Config is what `sluice up` is started with.
type Config struct {
	Data     string   // the data directory; made if it is missing
	Listen   string   // host:port of the broker; port 0 takes a free one
	HTTP     string   // host:port of health and metrics; port 0 takes a free one
	Projects []string // project files to apply
	Log      *zap.Logger
	// Banner is where it is told that all runs, and how to use it; nil: nowhere.
	Banner io.Writer
}

// Run runs everything until ctx ends, and then stops it in order: the services first, then the broker. It returns nil when
// it was told to stop.
func Run(ctx context.Context, cfg Config) error {
	files, err := read(cfg.Projects) // before anything is started: a mistake in a file is the likeliest
	if err != nil {
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
	b, err := startBroker(ctx, dir.instance, filepath.Join(dir.path, storeDir), cfg.Listen, cfg.Log)
	if err != nil {
		return stopped(ctx, err)
	}
	defer b.stop()
	projects, err := prepare(ctx, b, files)
	if err != nil {
		return stopped(ctx, err)
	}
	metrics := service.NewMetrics()
	all, err := open(ctx, b, dir.instance, cfg.Log, metrics)
	defer all.close()
	if err != nil {
		return stopped(ctx, err)
	}
	at := Address{PID: os.Getpid(), NATS: b.url(), HTTP: "http://" + health.Addr().String()}
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
func prepare(ctx context.Context, b *broker, files []file) ([]string, error) {
	nc, err := b.connect(accounts.Admin)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	if err := topology.Ensure(ctx, js, topology.Options{}); err != nil {
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

// drainWithin bounds how long a stopping service's last acknowledgements may take.
const drainWithin = 5 * time.Second

// services is all services of the process, each with a connection of its own.
type services struct {
	log   *zap.Logger
	conns []*nats.Conn
	runs  []func(context.Context) error
}

// open connects and opens every service. What it returns is to be closed also when there is an error.
func open(ctx context.Context, b *broker, instance string, log *zap.Logger, metrics *service.Metrics) (*services, error) {
	all := &services{log: log}
	for _, s := range []struct {
		name string
		run  func(context.Context, service.Env) error
	}{
		{accounts.Publisher, func(ctx context.Context, env service.Env) error {
			return publisher.Run(ctx, env, publisher.Config{Open: drivers.Open})
		}},
		{accounts.Stager, func(ctx context.Context, env service.Env) error {
			return stager.Run(ctx, env, stager.Config{Open: drivers.Open})
		}},
		{accounts.Promoter, func(ctx context.Context, env service.Env) error {
			return promoter.Run(ctx, env, promoter.Config{Open: drivers.Open})
		}},
		{accounts.Watcher, func(ctx context.Context, env service.Env) error {
			return watcher.Run(ctx, env, watcher.Config{})
		}},
	} {
		nc, err := b.connect(s.name)
		if err != nil {
			return all, err
		}
		all.conns = append(all.conns, nc)
		js, err := jetstream.New(nc)
		if err != nil {
			return all, err
		}
		env, err := service.Open(ctx, s.name, instance, js, log, metrics)
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
