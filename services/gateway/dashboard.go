package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"go.uber.org/zap"
	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/services/gateway/internal/auth"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
	"github.com/sluice-gate/sluice/services/gateway/internal/dash"
)

// DashboardListen is where the dashboard is served unless something else is said.
const DashboardListen = config.DashboardListen

// mostLookers bounds connections to the dashboard; each open page has one.
const mostLookers = 1024

// dashboard is the dashboard's settings and its listener. Its methods do nothing on a nil one.
type dashboard struct {
	cfg   config.Dashboard
	guard *auth.Guard
	any   bool
	ln    net.Listener
}

// readDashboard reads the secrets of the dashboard that the file speaks of, or else takes the one of the command line, on which nobody is
// asked who they are.
func readDashboard(cfg Config, section *config.Dashboard) (*dashboard, error) {
	out := &dashboard{}
	switch {
	case section != nil:
		out.cfg = *section
	case cfg.Dashboard == "":
		return nil, nil //nolint:nilnil // there is none
	case !config.Loopback(cfg.Dashboard):
		return nil, fmt.Errorf("dashboard: everybody who reaches %s could act: choose an address on 127.0.0.1, "+
			"or say who people are in the section dashboard of the gateway's file", cfg.Dashboard)
	default:
		out.cfg, out.any = config.Dashboard{Listen: cfg.Dashboard}, cfg.AnyPort
	}
	var err error
	if out.guard, err = auth.New(out.cfg); err != nil {
		return nil, fmt.Errorf("dashboard: %w", err)
	}
	return out, nil
}

func (d *dashboard) listen(ctx context.Context) (err error) {
	if d == nil {
		return nil
	}
	d.ln, err = new(net.ListenConfig).Listen(ctx, "tcp", d.cfg.Listen)
	if taken := errors.Is(err, syscall.EADDRINUSE); taken && d.any {
		d.ln, err = new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	} else if taken {
		return fmt.Errorf("dashboard: another program listens on %s: choose another address", d.cfg.Listen)
	}
	if err != nil {
		return fmt.Errorf("dashboard: listen on %s: %w", d.cfg.Listen, err)
	}
	d.ln = netutil.LimitListener(d.ln, mostLookers)
	return nil
}

func (d *dashboard) close() error {
	if d == nil || d.ln == nil {
		return nil
	}
	return d.ln.Close()
}

// Dashboard is where people reach the dashboard, after Listen; empty when there is none.
func (g *Gateway) Dashboard() string {
	if g.dash == nil || g.dash.ln == nil {
		return ""
	}
	return cmp.Or(g.dash.cfg.URL, "http://"+g.dash.ln.Addr().String())
}

// run serves the dashboard until ctx ends.
func (d *dashboard) run(ctx context.Context, env service.Env, group *errgroup.Group) error {
	if d == nil {
		return nil
	}
	shown, err := dash.New(env, d.guard)
	if err != nil {
		return fmt.Errorf("dashboard: %w", err)
	}
	env.Log.Info("serving the dashboard", zap.Stringer("address", d.ln.Addr()), zap.Bool("asks_nobody", d.guard.Open()))
	group.Go(func() error { return shown.Run(ctx) })
	answer(ctx, group, d.ln, &http.Server{
		Handler:           shown.Handler(),                                   //nolint:contextcheck // each request has its own
		BaseContext:       func(net.Listener) context.Context { return ctx }, // open pages end with it
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 20 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10,
	})
	return nil
}
