package up

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/topology/accounts"
)

const (
	// brokerWithin bounds the broker's start; it reads its store back, which takes long when that is large.
	brokerWithin = 5 * time.Minute
	// storeMost is more than any disk has, in bytes. Left to itself the server allows three quarters of what is free when it
	// starts, and does not bring back a stream whose reservation is more than that: a disk that fills would cost SLUICE_SIGNALS
	// at the next start. That the disk is full is noticed by writing to it.
	storeMost = 1 << 60
	// lookAtStore is how often JetStream is looked at.
	lookAtStore = time.Second
)

// BrokerVersion is the version of the embedded NATS server.
const BrokerVersion = server.VERSION

// broker is the embedded NATS server.
type broker struct {
	srv       *server.Server
	log       *natsLog
	store     string
	passwords map[string]string // by user
	open      bool              // a client without credentials is let in
}

// startBroker starts a server with JetStream on disk that listens on a host and port.
func startBroker(ctx context.Context, name, store, listen string, log *zap.Logger) (*broker, error) {
	host, port, err := address(listen)
	if err != nil {
		return nil, err
	}
	b := &broker{log: newNATSLog(log), store: store, passwords: map[string]string{}, open: loopback(host)}
	if err := b.choosePasswords(); err != nil {
		return nil, err
	}
	if err := free(ctx, listen); err != nil {
		return nil, err
	}
	o := &server.Options{}
	if err := accounts.Embed(o, b.open, func(user string) string { return b.passwords[user] }); err != nil {
		return nil, err
	}
	o.ServerName, o.Host, o.Port = name, host, port
	o.JetStream, o.StoreDir, o.SyncAlways, o.JetStreamMaxStore = true, store, true, storeMost
	o.NoSigs = true
	if b.srv, err = server.NewServer(o); err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	b.srv.SetLogger(b.log, false, false)
	b.srv.Start()
	if err := b.ready(ctx); err != nil {
		b.stop()
		return nil, err
	}
	return b, nil
}

// ready waits until the server takes connections.
func (b *broker) ready(ctx context.Context) error {
	for until := time.Now().Add(brokerWithin); ; {
		if err := b.log.fatal(); err != nil {
			return fmt.Errorf("broker: %w", err)
		}
		if b.srv.ReadyForConnections(time.Second) {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Now().After(until) {
			return fmt.Errorf("broker: not ready after %s", brokerWithin)
		}
	}
}

// choosePasswords takes each user's password from the environment, or makes one up. Where clients have to say who they are,
// one of them must be able to.
func (b *broker) choosePasswords() error {
	given := 0
	for _, user := range accounts.Users() {
		b.passwords[user] = os.Getenv(accounts.PasswordEnv(user))
		if b.passwords[user] == "" {
			b.passwords[user] = rand.Text()
			continue
		}
		given++
	}
	if !b.open && given == 0 {
		return fmt.Errorf("--listen is open to the network, and then every client needs a user: "+
			"set %s (and %s, …), or listen on 127.0.0.1", accounts.PasswordEnv(accounts.Operator), accounts.PasswordEnv(accounts.CI))
	}
	return nil
}

// address takes "host:port" apart.
func address(listen string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(listen)
	if err == nil {
		port, err = strconv.Atoi(text)
	}
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("--listen %q: want host:port, such as 127.0.0.1:4222", listen)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	if host == "" {
		host = "0.0.0.0"
	}
	return host, port, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// free tells whether the address can be listened on. The server would say so too, after it has read its store.
func free(ctx context.Context, listen string) error {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("another program listens on %s (a nats-server, or another sluice up?): "+
			"stop it, or choose another address with --listen", listen)
	}
	if err != nil {
		return fmt.Errorf("--listen %s: %w", listen, err)
	}
	return ln.Close()
}

// url is where clients on this machine connect.
func (b *broker) url() string {
	addr, ok := b.srv.Addr().(*net.TCPAddr)
	if !ok {
		return ""
	}
	host := addr.IP.String()
	if addr.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "nats://" + net.JoinHostPort(host, strconv.Itoa(addr.Port))
}

// connect connects in-process as a user of CORE.
func (b *broker) connect(user string) (*nats.Conn, error) {
	options := []nats.Option{
		nats.InProcessServer(b.srv), nats.Name("sluice-" + user), nats.UserInfo(user, b.passwords[user]), nats.MaxReconnects(-1),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			b.log.log.Warn("the broker refuses", zap.String("user", user), zap.Error(err))
		}),
	}
	if user != accounts.Admin {
		options = append(options, nats.CustomInboxPrefix(topology.InboxPrefix(user)))
	}
	nc, err := nats.Connect("", options...)
	if err != nil {
		return nil, fmt.Errorf("connect %s to the embedded broker: %w", user, err)
	}
	return nc, nil
}

// watch returns nil when ctx ends, and an error when the broker could not write to its store. A stream that failed to write
// takes nothing more until the server is started again, so that is the way on, also when there is room again by then.
func (b *broker) watch(ctx context.Context) error {
	tick := time.NewTicker(lookAtStore)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-b.log.unwritten:
			return b.unwritable()
		case <-tick.C:
		}
		if !b.srv.JetStreamEnabled() {
			return b.unwritable()
		}
	}
}

func (b *broker) unwritable() error {
	free := ""
	if n, err := freeBytes(b.store); err == nil {
		free = fmt.Sprintf(", %d MiB are free", n>>20)
	}
	return fmt.Errorf("the broker can not write to %s any more (is the disk full%s?): make room and start again; "+
		"what was acknowledged is kept", b.store, free)
}

func (b *broker) stop() {
	b.srv.Shutdown()
	b.srv.WaitForShutdown()
}

// natsLog passes the server's warnings and errors on. Its notices tell what the banner tells.
type natsLog struct {
	log *zap.Logger

	mu        sync.Mutex
	died      error
	once      sync.Once
	unwritten chan struct{} // closed when a write to the store has failed
}

func newNATSLog(log *zap.Logger) *natsLog {
	return &natsLog{log: log.With(zap.String("service", "broker")), unwritten: make(chan struct{})}
}

// fatal is the first thing that the server could not go on with.
func (l *natsLog) fatal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.died
}

func (l *natsLog) Fatalf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.died == nil {
		l.died = fmt.Errorf(format, args...)
	}
}

// Errorf looks for what the server says of a failed write; it tells it nowhere else.
func (l *natsLog) Errorf(format string, args ...any) {
	l.log.Error(fmt.Sprintf(format, args...))
	if strings.Contains(strings.ToLower(format), "critical write error") {
		l.once.Do(func() { close(l.unwritten) })
	}
}

// Warnf leaves out what the server says of passwords that this process made up for itself.
func (l *natsLog) Warnf(format string, args ...any) {
	if !strings.HasPrefix(format, "Plaintext passwords") {
		l.log.Warn(fmt.Sprintf(format, args...))
	}
}

func (*natsLog) Noticef(string, ...any) {}
func (*natsLog) Debugf(string, ...any)  {}
func (*natsLog) Tracef(string, ...any)  {}
