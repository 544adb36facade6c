package service

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-gate/sluice/pkg/topology"
)

// Flags are what every service binary understands. Each has an environment variable, so that a container needs no arguments.
type Flags struct {
	Server   string
	User     string
	Creds    string
	Instance string
	HTTP     string
	// healthcheck makes the process ask another one, at HTTP, how it is: for containers without a shell.
	healthcheck bool
	// passwordEnv is only ever named: a password given as an argument would stand in the process list.
	passwordEnv string
}

// startWithin is how long a starting service waits for the broker and the topology before it gives up and exits.
const startWithin = 60 * time.Second

// Option says how a service differs from the others.
type Option func(*settings)

type settings struct {
	flags   func(*flag.FlagSet)
	outside bool
}

// WithFlags lets a service have flags of its own, beside those that all have.
func WithFlags(add func(*flag.FlagSet)) Option { return func(s *settings) { s.flags = add } }

// Outside is for a service that talks to the world and therefore lives with the people, in account OPS: see [OpenOutside].
func Outside() Option { return func(s *settings) { s.outside = true } }

// Main is the whole of a service's main function: flags, logging, connection, health, signals, drain. It exits the process.
func Main(name string, run func(ctx context.Context, env Env) error, options ...Option) {
	ctx, stop := UntilSignal()
	err := Start(ctx, name, os.Args[1:], os.Stderr, run, options...)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(0)
	case err != nil:
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// Start is Main without the exit: it runs until ctx ends.
func Start(
	ctx context.Context, name string, args []string, stderr io.Writer, run func(ctx context.Context, env Env) error, options ...Option,
) error {
	s := settings{flags: func(*flag.FlagSet) {}}
	for _, o := range options {
		o(&s)
	}
	f, err := parse(name, args, stderr, s.flags)
	if err != nil {
		return err
	}
	if f.healthcheck {
		return healthcheck(ctx, f.HTTP)
	}
	log, err := NewLogger()
	if err != nil {
		return err
	}
	defer func() { _ = log.Sync() }() // stderr can not be synced
	nc, err := f.connect(name, log)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	metrics := NewMetrics()
	env, err := openWithin(ctx, func(ctx context.Context) (Env, error) {
		if s.outside {
			return OpenOutside(ctx, name, f.Instance, js, log, metrics)
		}
		return Open(ctx, name, f.Instance, js, log, metrics)
	}, log)
	if err != nil {
		return err
	}
	health, err := Listen(ctx, f.HTTP)
	if err != nil {
		return err
	}
	env.Log.Info("started", zap.String("instance", f.Instance), zap.Stringer("http", health.Addr()))
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return metrics.Serve(ctx, health, nc.IsConnected) })
	group.Go(func() error {
		metrics.Ready(true)
		defer context.AfterFunc(ctx, func() { metrics.Ready(false) })()
		return run(ctx, env)
	})
	err = group.Wait()
	env.Log.Info("stopped", zap.Error(err))
	return err
}

// NewLogger writes JSON lines to stderr, with times that people can read.
func NewLogger() (*zap.Logger, error) {
	cfg := zap.NewProductionConfig()
	cfg.EncoderConfig.EncodeTime = func(t time.Time, enc zapcore.PrimitiveArrayEncoder) {
		enc.AppendString(t.UTC().Format(time.RFC3339Nano))
	}
	cfg.Sampling = nil
	return cfg.Build(zap.AddStacktrace(zap.DPanicLevel))
}

func parse(name string, args []string, stderr io.Writer, more func(*flag.FlagSet)) (Flags, error) {
	host, err := os.Hostname()
	if err != nil {
		return Flags{}, fmt.Errorf("name this instance with --instance: %w", err)
	}
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.SetOutput(stderr)
	var f Flags
	env := func(key, otherwise string) string {
		if v := os.Getenv(key); v != "" {
			return v
		}
		return otherwise
	}
	set.StringVar(&f.Server, "server", env("NATS_URL", nats.DefaultURL), "NATS `URLs`, comma-separated (NATS_URL)")
	set.StringVar(&f.User, "user", env("NATS_USER", ""),
		"NATS `user` (NATS_USER); its password is read from the variable that --password-env names")
	set.StringVar(&f.passwordEnv, "password-env", "NATS_PASSWORD", "`name` of the environment variable with the password")
	set.StringVar(&f.Creds, "creds", env("NATS_CREDS", ""), "NATS credentials `file` (NATS_CREDS)")
	set.StringVar(&f.Instance, "instance", env("SLUICE_INSTANCE", fmt.Sprintf("%s-%d", host, os.Getpid())),
		"`name` of this instance; give it one that no other running instance has and that survives a restart,\n"+
			"and a restarted instance goes on with its own work at once (SLUICE_INSTANCE)")
	set.StringVar(&f.HTTP, "http", env("SLUICE_HTTP", "127.0.0.1:0"), "`address` of /healthz and /metrics (SLUICE_HTTP)")
	set.BoolVar(&f.healthcheck, "healthcheck", false, "ask the instance at --http how it is, and exit 0 if it works")
	more(set)
	if err := set.Parse(args); err != nil {
		return Flags{}, err
	}
	if set.NArg() > 0 {
		return Flags{}, fmt.Errorf("unexpected argument %q: %s takes flags only", set.Arg(0), name)
	}
	return f, nil
}

func (f Flags) connect(name string, log *zap.Logger) (*nats.Conn, error) {
	options := []nats.Option{
		nats.Name("sluice-" + name + " " + f.Instance), nats.CustomInboxPrefix(topology.InboxPrefix(name)),
		nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true), nats.ReconnectWait(500 * time.Millisecond),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { log.Warn("the broker is gone", zap.Error(err)) }),
		nats.ReconnectHandler(func(nc *nats.Conn) { log.Info("the broker is back", zap.String("server", nc.ConnectedServerName())) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { log.Warn("the broker refuses", zap.Error(err)) }),
	}
	if f.User != "" {
		options = append(options, nats.UserInfo(f.User, os.Getenv(f.passwordEnv)))
	}
	if f.Creds != "" {
		options = append(options, nats.UserCredentials(f.Creds))
	}
	nc, err := nats.Connect(f.Server, options...)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return nc, nil
}

// openWithin waits for the broker and for `sluice init`: the parts of a deployment start in any order.
func openWithin(ctx context.Context, open func(context.Context) (Env, error), log *zap.Logger) (Env, error) {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	again := time.NewTicker(time.Second)
	defer again.Stop()
	said := ""
	for {
		env, err := open(ctx)
		if err == nil {
			return env, nil
		}
		if said != err.Error() {
			said = err.Error()
			log.Warn("can not start yet", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return Env{}, fmt.Errorf("gave up after %s: %w", startWithin, err)
		case <-again.C:
		}
	}
}
