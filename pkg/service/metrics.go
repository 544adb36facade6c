package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sluice-gate/sluice/pkg/react"
)

// Metrics is what a process counts. One process has one, whichever services run in it.
type Metrics struct {
	registry *prometheus.Registry
	hints    *prometheus.CounterVec
	took     *prometheus.HistogramVec
	drivers  *prometheus.HistogramVec
	hooks    *prometheus.CounterVec
	ready    atomic.Bool

	mu      sync.Mutex
	waiting map[string]string // by consumer: why nothing of it is read
	absent  *prometheus.GaugeVec
}

// NewMetrics makes an empty set.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(), waiting: map[string]string{},
		absent: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "sluice_consumer_absent", Help: "1 while nothing can be read of a consumer, and the process goes on with everything else.",
		}, []string{"consumer"}),
		hints: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_hints_total", Help: "Messages handled, by service, consumer and outcome (done, later, refused, failed).",
		}, []string{"service", "consumer", "outcome"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sluice_hint_seconds", Help: "How long handling a message took.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 10),
		}, []string{"service", "consumer"}),
		drivers: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sluice_action_seconds", Help: "How long an outside action took, by work and outcome (done, refused, failed).",
			Buckets: prometheus.ExponentialBuckets(0.01, 4, 10),
		}, []string{"work", "outcome"}),
		hooks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_webhooks_total", Help: "Webhooks answered, by the path of their hook and the status of the answer.",
		}, []string{"path", "status"}),
	}
	m.registry.MustRegister(m.hints, m.took, m.drivers, m.hooks, m.absent,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *Metrics) hint(service, consumer string, took time.Duration, err error) {
	outcome := "done"
	var later *react.LaterError
	var refused *react.RefusedError
	switch {
	case errors.As(err, &later):
		outcome = "later"
	case errors.As(err, &refused):
		outcome = "refused"
	case err != nil:
		outcome = "failed"
	}
	m.hints.WithLabelValues(service, consumer, outcome).Inc()
	m.took.WithLabelValues(service, consumer).Observe(took.Seconds())
}

// Action counts an outside action.
func (m *Metrics) Action(work, outcome string, took time.Duration) {
	m.drivers.WithLabelValues(work, outcome).Observe(took.Seconds())
}

// Webhook counts an answered webhook. path is that of a configured hook, never what was asked for: anybody can ask for anything.
func (m *Metrics) Webhook(path string, status int) {
	m.hooks.WithLabelValues(path, strconv.Itoa(status)).Inc()
}

// waits says why nothing of a consumer is read; empty: it is.
func (m *Metrics) waits(consumer, why string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.waiting, consumer)
	m.absent.DeleteLabelValues(consumer)
	if why != "" {
		m.waiting[consumer] = why
		m.absent.WithLabelValues(consumer).Set(1)
	}
}

// lacks are the lines of what the process does without.
func (m *Metrics) lacks() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out strings.Builder
	for _, consumer := range slices.Sorted(maps.Keys(m.waiting)) {
		_, _ = fmt.Fprintf(&out, "without %s: %s\n", consumer, m.waiting[consumer])
	}
	return out.String()
}

// Ready says that the process consumes.
func (m *Metrics) Ready(ready bool) { m.ready.Store(ready) }

// Listen opens the address that [Metrics.Serve] answers on.
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("health and metrics: another program listens on %s: choose another address with --http", addr)
	}
	if err != nil {
		return nil, fmt.Errorf("health and metrics: --http %s: %w", addr, err)
	}
	return ln, nil
}

// Serve answers /healthz and /metrics on ln until ctx ends, and closes it. /healthz is 200 while the process consumes and
// connected says that the broker can be reached, 503 otherwise. What it does without meanwhile is said in lines after the first: what else
// it does would only end, too, if nobody sent it anything any more.
func (m *Metrics) Serve(ctx context.Context, ln net.Listener, connected func() bool) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if !m.ready.Load() || !connected() {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n"+m.lacks())
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// healthcheck asks the process that serves on addr.
func healthcheck(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("healthcheck: --http %q: %w", addr, err)
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	url := "http://" + net.JoinHostPort(host, port) + "/healthz"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("healthcheck: %w", err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("healthcheck: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // only read
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("healthcheck: %s answers %s", url, res.Status)
	}
	return nil
}
