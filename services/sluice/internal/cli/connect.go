package cli

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/pflag"
	"github.com/synadia-io/orbit.go/natscontext"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/find"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// connection is how the broker is reached.
type connection struct {
	server, user, passwordEnv, creds, context string
	cert, key, ca                             string // files, in PEM
	tlsFirst                                  bool
}

func connectionFlags(c *connection, set *pflag.FlagSet) {
	set.StringVar(&c.server, "server", "", "NATS `URLs`, comma-separated (NATS_URL; "+nats.DefaultURL+")")
	set.StringVar(&c.user, "user", "", "NATS `user` (NATS_USER)")
	set.StringVar(&c.passwordEnv, "password-env", "NATS_PASSWORD", "`name` of the environment variable with its password")
	set.StringVar(&c.creds, "creds", "", "NATS credentials `file` (NATS_CREDS)")
	set.StringVar(&c.context, "context", "", "a `context` of the nats command (NATS_CONTEXT)")
	set.StringVar(&c.cert, "tlscert", "", "TLS certificate of this client, a `file` (NATS_CERT)")
	set.StringVar(&c.key, "tlskey", "", "its private key, a `file` (NATS_KEY)")
	set.StringVar(&c.ca, "tlsca", "", "certificates that the server's is to be signed by, a `file` (NATS_CA)")
	set.BoolVar(&c.tlsFirst, "tlsfirst", false, "shake hands before the server says anything")
	set.SortFlags = false
}

// filled takes from the environment what no flag says. A server given by flag is not mixed with a context of the environment.
func (c connection) filled() connection {
	if c.server == "" {
		c.context = cmp.Or(c.context, os.Getenv("NATS_CONTEXT"))
	}
	c.server = cmp.Or(c.server, os.Getenv("NATS_URL"), nats.DefaultURL)
	c.user = cmp.Or(c.user, os.Getenv("NATS_USER"))
	c.creds = cmp.Or(c.creds, os.Getenv("NATS_CREDS"))
	c.cert, c.key, c.ca = cmp.Or(c.cert, os.Getenv("NATS_CERT")), cmp.Or(c.key, os.Getenv("NATS_KEY")), cmp.Or(c.ca, os.Getenv("NATS_CA"))
	return c
}

// name is what errors call the broker. It never has a password.
func (c connection) name() string {
	if c.context != "" {
		return "of context " + c.context
	}
	var out []string
	for one := range strings.SplitSeq(c.server, ",") {
		one = strings.TrimSpace(one)
		if strings.Contains(one, "@") && !strings.Contains(one, "://") {
			one = "nats://" + one // as nats.go reads it
		}
		if u, err := url.Parse(one); err == nil && u.User != nil {
			if _, ok := u.User.Password(); ok {
				u.User = url.User(u.User.Username())
			} else { // a token
				u.User = nil
			}
			one = u.String()
		}
		out = append(out, one)
	}
	return "at " + strings.Join(out, ",")
}

// arguments are what the nats command needs to reach the same broker, when the same environment is set.
func (c connection) arguments() string {
	var out strings.Builder
	for _, flag := range []struct{ name, value string }{
		{"server", c.server}, {"user", c.user}, {"creds", c.creds}, {"context", c.context},
		{"tlscert", c.cert}, {"tlskey", c.key}, {"tlsca", c.ca},
	} {
		if flag.value != "" && !strings.Contains(flag.value, "@") { // a URL with a password is not repeated
			fmt.Fprintf(&out, " --%s %s", flag.name, flag.value)
		}
	}
	if c.tlsFirst {
		out.WriteString(" --tlsfirst")
	}
	return out.String()
}

// secured are the options of a connection with TLS; none when nothing is said of it, and the server's URL or the context decides.
func (c connection) secured() ([]nats.Option, error) {
	var out []nats.Option
	switch {
	case c.cert != "" && c.key != "":
		out = append(out, nats.ClientCert(c.cert, c.key))
	case c.cert+c.key != "":
		return nil, errors.New("--tlscert and --tlskey: a certificate and its key go together, and one of them is missing")
	}
	if c.ca != "" {
		out = append(out, nats.RootCAs(c.ca))
	}
	if c.tlsFirst {
		out = append(out, nats.TLSHandshakeFirst())
	}
	return out, nil
}

// client is a connection, with what is read through it.
type client struct {
	connection
	js      jetstream.JetStream
	journal *journal.Journal
	catalog *catalog.Catalog
	find    *find.Finder
	denied  chan error // the broker's refusals
}

// dialWithin bounds a connection attempt.
const dialWithin = 5 * time.Second

// dial connects, without asking the broker for anything.
func (a *app) dial(more ...nats.Option) (*client, error) {
	c := &client{connection: a.connect.filled(), denied: make(chan error, 1)}
	options := append([]nats.Option{
		nats.Name("sluice command line"), nats.Timeout(dialWithin), nats.MaxReconnects(-1), nats.ReconnectWait(500 * time.Millisecond),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if !errors.Is(err, nats.ErrPermissionViolation) {
				return
			}
			select {
			case c.denied <- err:
			default:
			}
		}),
	}, more...)
	secured, err := c.secured()
	if err != nil {
		return nil, err
	}
	options = append(options, secured...)
	var nc *nats.Conn
	if c.context != "" {
		nc, _, err = natscontext.Connect(c.context, options...)
	} else {
		if c.user != "" {
			options = append(options, nats.UserInfo(c.user, os.Getenv(c.passwordEnv)))
		}
		if c.creds != "" {
			options = append(options, nats.UserCredentials(c.creds))
		}
		nc, err = nats.Connect(c.server, options...)
	}
	if err != nil {
		return nil, c.unreachable(err)
	}
	if c.js, err = jetstream.New(nc); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *client) unreachable(err error) error {
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	switch {
	case errors.As(err, &cert):
		return fmt.Errorf("the certificate of the NATS server %s is not to be trusted (%w): name who signed it with --tlsca", c.name(), cert.Err)
	case errors.Is(err, nats.ErrSecureConnRequired), errors.Is(err, nats.ErrSecureConnWanted):
		return fmt.Errorf("the NATS server %s and this client do not agree on TLS (%w): see --tlsca and --tlsfirst", c.name(), err)
	case errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired):
		who := "a client without a user"
		if c.user != "" {
			who = fmt.Sprintf("user %q with the password in %s", c.user, c.passwordEnv)
		}
		return fmt.Errorf("the NATS server %s does not let %s in: use --user and --password-env, --creds or --context", c.name(), who)
	case errors.Is(err, nats.ErrNoServers) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, nats.ErrTimeout) || errors.As(err, &dns):
		return fmt.Errorf("no NATS server answers %s: start one with `sluice up`, or name it with --server or NATS_URL", c.name())
	}
	return fmt.Errorf("connect to the NATS server %s: %w", c.name(), err)
}

// open connects and binds to the streams.
func (a *app) open(ctx context.Context) (*client, error) {
	c, err := a.dial()
	if err != nil {
		return nil, err
	}
	if c.journal, err = journal.Open(ctx, c.js, "sluice"); err == nil {
		c.catalog, err = catalog.Open(ctx, c.js)
	}
	if err != nil {
		c.close()
		return nil, c.unprepared(err)
	}
	c.find = &find.Finder{Journal: c.journal, Catalog: c.catalog}
	return c, nil
}

func (c *client) unprepared(err error) error {
	if why := c.refusal(); why != nil {
		return why
	}
	for _, missing := range []error{
		jetstream.ErrStreamNotFound, jetstream.ErrBucketNotFound, jetstream.ErrJetStreamNotEnabled,
		jetstream.ErrJetStreamNotEnabledForAccount, nats.ErrNoResponders,
	} {
		if errors.Is(err, missing) {
			return fmt.Errorf("the NATS server %s has no streams of Sluice for this user (%w): run `sluice init` there, or `sluice up`",
				c.name(), err)
		}
	}
	return err
}

func (c *client) close() { c.js.Conn().Close() }

// refusal is what the broker does not allow, if it has said so.
func (c *client) refusal() error {
	select {
	case err := <-c.denied:
		return c.notAllowed(err)
	default:
		return nil
	}
}

func (c *client) notAllowed(err error) error {
	_, what, _ := strings.Cut(err.Error(), "Permissions Violation for ") // Publish to "…", or Subscription to "…"
	verb, rest, _ := strings.Cut(what, " ")
	return fmt.Errorf("the NATS server %s does not allow this user a %s %s", c.name(), strings.ToLower(verb), rest)
}

// guard ends a context, with the reason as its cause, when the broker says that it does not allow something. It would not
// answer otherwise.
func (c *client) guard(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case err := <-c.denied:
			cancel(c.notAllowed(err))
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// denial is why a guarded context ended, if the broker did not allow something.
func denial(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, ctx.Err()) {
		return cause
	}
	return nil
}

// publish stores a message on SLUICE and returns its sequence. When it returns an error but the last, nothing is stored.
func (c *client) publish(ctx context.Context, subject string, body []byte) (uint64, error) {
	return c.publishTo(ctx, topology.StreamSluice, subject, body)
}

// publishTo is publish on a stream.
func (c *client) publishTo(ctx context.Context, stream, subject string, body []byte) (uint64, error) {
	ctx, cancel := c.guard(ctx)
	defer cancel()
	ack, err := c.js.Publish(ctx, subject, body, jetstream.WithExpectStream(stream))
	switch why := denial(ctx); {
	case err == nil && ack.Stream == stream && ack.Sequence != 0 && !ack.Duplicate:
		return ack.Sequence, nil
	case err == nil:
		return 0, fmt.Errorf("%s is not stored: the acknowledgement is of stream %q, sequence %d, duplicate %t",
			subject, ack.Stream, ack.Sequence, ack.Duplicate)
	case why != nil:
		return 0, why
	case errors.Is(err, jetstream.ErrNoStreamResponse):
		return 0, c.unprepared(jetstream.ErrStreamNotFound)
	}
	if s, perr := topology.ParseSubject(subject); perr == nil && s.Verb == topology.VerbExtend {
		return 0, fmt.Errorf("no acknowledgement for %s (%w): it may be stored or not; doing it again may extend it twice: look at `sluice show` first",
			subject, err)
	}
	return 0, fmt.Errorf("no acknowledgement for %s (%w): it may be stored or not; doing it again is harmless", subject, err)
}
