package dash_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/drivers"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/topology/accounts"
	"github.com/sluice-gate/sluice/services/gateway/internal/auth"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
	"github.com/sluice-gate/sluice/services/gateway/internal/dash"
	"github.com/sluice-gate/sluice/services/promoter"
	"github.com/sluice-gate/sluice/services/publisher"
	"github.com/sluice-gate/sluice/services/stager"
	"github.com/sluice-gate/sluice/services/watcher"
)

func TestMain(m *testing.M) { natstest.Main(m) }

// world is a broker with the accounts that are deployed, and all services, each as its own user.
type world struct {
	testing.TB
	broker  *natstest.Server
	js      jetstream.JetStream // the admin's
	journal *journal.Journal
	catalog *catalog.Catalog
	outside *outside
	dir     string // where the drivers write
	running []func()
	quit    chan struct{} // closed: no deployment hangs any more
}

func password(user string) string { return "of" + user + "0123" }

func newWorld(t testing.TB, o *outside, store, dir string) *world {
	t.Helper()
	w := &world{TB: t, outside: o, dir: dir, quit: make(chan struct{}), broker: natstest.One(t, natstest.Dir(store), natstest.Configure(func(o *server.Options) error {
		return accounts.Embed(o, false, password)
	}))}
	w.js = natstest.Topology(t, w.broker.Conn(t, nats.UserInfo(accounts.Admin, password(accounts.Admin))))
	var err error
	if w.journal, err = journal.Open(t.Context(), w.js, "test"); err != nil {
		t.Fatal(err)
	}
	if w.catalog, err = catalog.Open(t.Context(), w.js); err != nil {
		t.Fatal(err)
	}
	return w
}

// connect connects as a service does.
func (w *world) connect(user string) (*nats.Conn, jetstream.JetStream) {
	w.Helper()
	nc, err := w.broker.Connect(nats.UserInfo(user, password(user)), nats.CustomInboxPrefix(topology.InboxPrefix(user)))
	if err != nil {
		w.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		w.Fatal(err)
	}
	return nc, js
}

// start starts the services.
func (w *world) start() {
	w.Helper()
	for name, run := range map[string]func(context.Context, service.Env) error{
		accounts.Publisher: func(ctx context.Context, e service.Env) error {
			return publisher.Run(ctx, e, publisher.Config{Open: w.open})
		},
		accounts.Stager: func(ctx context.Context, e service.Env) error { return stager.Run(ctx, e, stager.Config{Open: w.open}) },
		accounts.Promoter: func(ctx context.Context, e service.Env) error {
			return promoter.Run(ctx, e, promoter.Config{Open: w.open})
		},
		accounts.Watcher: func(ctx context.Context, e service.Env) error {
			return watcher.Run(ctx, e, watcher.Config{Transport: w.outside})
		},
	} {
		nc, js := w.connect(name)
		env, err := service.Open(w.Context(), name, name+"-0", js, zap.NewNop(), service.NewMetrics())
		if err != nil {
			w.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := run(ctx, env); err != nil && ctx.Err() == nil {
				w.Errorf("%s: %v", name, err)
			}
		}()
		w.running = append(w.running, func() {
			stop()
			<-done
			nc.Close()
		})
	}
}

// stop stops the services.
func (w *world) stop() {
	for _, stop := range w.running {
		stop()
	}
	w.running = nil
}

// dashboard serves one as the gateway does, and returns its URL.
func (w *world) dashboard(cfg config.Dashboard) (*dash.Dash, string) {
	w.Helper()
	nc, js := w.connect(accounts.Gateway)
	env, err := service.OpenOutside(w.Context(), accounts.Gateway, "gateway-0", js, zap.NewNop(), service.NewMetrics())
	if err != nil {
		w.Fatal(err)
	}
	guard, err := auth.New(cfg)
	if err != nil {
		w.Fatal(err)
	}
	d, err := dash.New(env, guard)
	if err != nil {
		w.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	web := httptest.NewServer(d.Handler())
	w.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			w.Errorf("the dashboard: %v", err)
		}
		web.CloseClientConnections()
		web.Close()
		nc.Close()
	})
	return d, web.URL
}

// apply stores a project file: its artifacts are files, and nothing is deployed, unless more says otherwise.
func (w *world) apply(name, more string) {
	w.Helper()
	src := fmt.Sprintf("project: %s\npublish: { files: { dir: %q } }\npromote: { files: { dir: %q } }\n%s", name, "./channels", "./channels", more)
	src = strings.ReplaceAll(src, "./channels", w.dir)
	if _, _, err := w.catalog.Apply(w.Context(), name+".yaml", []byte(src)); err != nil {
		w.Fatal(err)
	}
}

// merge hands in a merge and returns the release's id.
func (w *world) merge(name, version, actor, delay string) string {
	w.Helper()
	artifact := name + "-" + version + ".tgz"
	if _, err := w.catalog.Put(w.Context(), artifact, strings.NewReader(name+" "+version)); err != nil {
		w.Fatal(err)
	}
	commit := strings.ReplaceAll(uuid.NewString(), "-", "") + "4f2c1a97"
	m := releasepb.MergeEvent{
		ID: uuid.Must(uuid.NewV7()).String(), Commit: commit, Ref: "main", Version: version, Artifact: artifact, Actor: actor,
		URL: "https://git.example.com/acme/" + name + "/commit/" + commit,
	}
	if delay != "" {
		d, err := time.ParseDuration(delay)
		if err != nil {
			w.Fatal(err)
		}
		m.Delay = &d
	}
	data, err := releasepb.EncodeMergeEvent(m)
	if err != nil {
		w.Fatal(err)
	}
	w.publish(topology.Merge(name), data)
	return m.ID
}

func (w *world) publish(subject string, data []byte) {
	w.Helper()
	if _, err := w.js.Publish(w.Context(), subject, data); err != nil {
		w.Fatal(err)
	}
}

// becomes waits until a release is in a phase.
func (w *world) becomes(id string, p release.Phase) release.State {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), time.Minute)
	defer cancel()
	var last release.State
	err := w.journal.Follow(ctx, id, 0, func(r journal.Record) bool {
		last = r.State
		return last.Phase != p
	}, func(error) error { return nil })
	if err != nil {
		w.Fatalf("release %s of %s never became %s, it is %s (%s): %v", id, last.Project, p, last.Phase, last.End.Reason, err)
	}
	return last
}

// open opens a driver; those of some projects are as the outside has them.
func (w *world) open(p *project.Project, a project.Action, role driver.Role) (driver.Driver, error) {
	if a.Exec != nil {
		return slow{w.quit}, nil
	}
	d, err := drivers.Open(p, a, role)
	if role == driver.Promote && p.Name == "mobile" && err == nil {
		return refusing{d}, nil
	}
	return d, err
}

// slow is a deployment that does not end.
type slow struct{ quit <-chan struct{} }

func (slow) Look(context.Context, driver.Facts) (driver.Seen, error) { return driver.Seen{}, nil }

func (s slow) Do(ctx context.Context, _ driver.Facts) (driver.Done, error) {
	select {
	case <-ctx.Done():
	case <-s.quit:
	}
	return driver.Done{}, driver.Refusef("interrupted")
}

func (slow) Undo(context.Context, driver.Facts, driver.Back) (driver.Done, error) {
	return driver.Done{}, nil
}

// refusing promotes everything but 7.1.0.
type refusing struct{ driver.Driver }

func (r refusing) Do(ctx context.Context, f driver.Facts) (driver.Done, error) {
	if f.Version == "7.1.0" {
		prints(driver.OutputOf(ctx))
		return driver.Done{}, driver.Refusef("the store answers 403 Forbidden: the signing certificate has expired")
	}
	return r.Driver.Do(ctx, f)
}

// outside is what checks see: a Prometheus with the latency of staging and production, and health checks.
type outside struct {
	mu      sync.Mutex
	latency map[string]float64 // of staging, by project, in seconds
	turn    int
}

func (o *outside) slows(name string, seconds float64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.latency[name] = seconds
}

// RoundTrip answers. Latencies are never quite the same.
func (o *outside) RoundTrip(r *http.Request) (*http.Response, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	body := ""
	if r.Body != nil {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		form, err := url.ParseQuery(string(raw))
		if err != nil {
			return nil, err
		}
		o.turn++
		value := 0.182 + 0.012*float64(o.turn*7919%11-5)/5
		if query := form.Get("query"); strings.Contains(query, "staging") {
			for name, now := range o.latency {
				if strings.Contains(query, name) {
					value += now
				}
			}
		}
		body = fmt.Sprintf(`{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[%d,"%.4f"]}]}}`, time.Now().Unix(), value)
	}
	return &http.Response{
		StatusCode: http.StatusOK, Request: r, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)),
	}, nil
}

// emptyPools drops what sync.Pools hold: nats.go keeps timers in one, and a timer of a bubble must not be used outside.
func emptyPools() {
	runtime.GC()
	runtime.GC()
}

// inThePast runs f in a world of simulated time that is over now, and returns what it left: real services made it, in a few seconds.
func inThePast(t *testing.T, o *outside, f func(w *world, now time.Time)) (store, dir string) {
	t.Helper()
	store, dir = t.TempDir(), t.TempDir()
	emptyPools()
	defer emptyPools()
	now := time.Now()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(now.Add(-4 * time.Hour))) // a bubble begins in the year 2000
		w := newWorld(t, o, store, dir)
		w.start()
		f(w, now)
		w.stop()
		w.js.Conn().Close()
		w.broker.Stop()
	})
	return store, dir
}
