// Package amazon is how services of AWS are reached: region, endpoint, credentials, patience, and what an error says. Drivers (package
// aws) and the gateway make the SDK's clients from it, each only those that it needs.
//
// # Credentials
//
// Those that a file names (environment variables or files) are read by name for each request. Where it names none, the SDK looks where
// it always does: the environment, ~/.aws, web identity, the role of the container or machine
// (https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html). No error tells a secret, also not one that an answer
// repeats.
//
// # Patience
//
// The SDK's standard retryer repeats what may be answered differently soon (throttling, 5xx, a broken line) with growing, jittered
// pauses, five times at most and no longer than the context lasts. A Retry-After is waited out, if there is the time for it; if there
// is not, the error comes at once. Every request but those of a [Streaming] line has a bound of its own, and every answer a size.
package amazon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
)

const (
	tries      = 5                // how often a request is made at most
	longest    = 20 * time.Second // the longest pause between two tries that no answer has asked for
	oneRequest = 30 * time.Second // the bound of one request
	mostAnswer = 8 << 20          // the bound of one answer, in bytes
)

// Line is the way to one service, with one set of credentials. It touches nothing outside before its first use.
type Line struct {
	at        project.AWS
	transport http.RoundTripper
	longest   time.Duration
	within    time.Duration
	most      int64
	tries     int

	mu     sync.Mutex
	config *aws.Config

	secretsMu sync.Mutex
	secrets   []string // those last used, to be cut out of what answers say
}

// Option changes how a line works.
type Option func(*Line)

// WithTransport sends requests through t.
func WithTransport(t http.RoundTripper) Option { return func(l *Line) { l.transport = t } }

// WithPause bounds the pauses between two tries that no answer has asked for.
func WithPause(longest time.Duration) Option { return func(l *Line) { l.longest = longest } }

// WithTries makes a request at most n times instead of five, for those who ask again anyway.
func WithTries(n int) Option { return func(l *Line) { l.tries = n } }

// WithTime bounds one request by d instead of half a minute.
func WithTime(d time.Duration) Option { return func(l *Line) { l.within = d } }

// Streaming takes the bounds of size and time from requests, for artifacts: whoever makes them bounds what is read.
func Streaming() Option { return func(l *Line) { l.within, l.most = 0, 0 } }

// New makes a line. An error is a mistake in the settings.
func New(at project.AWS, opts ...Option) (*Line, error) {
	l := &Line{at: at, longest: longest, within: oneRequest, most: mostAnswer, tries: tries}
	for _, opt := range opts {
		opt(l)
	}
	if at.Endpoint == "" {
		return l, nil
	}
	u, err := url.Parse(at.Endpoint)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("endpoint: it must be a URL such as https://states.example.com, without credentials")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, fmt.Errorf("endpoint %s: it must be https, http is for this machine only", driver.Quote(at.Endpoint))
	}
	return l, nil
}

// Lines makes one line for each way that AWS is reached, for many who ask: they share connections, and the credentials that the SDK finds
// are looked for once. Its zero value is ready. The options are those of the first who asks.
type Lines struct {
	mu    sync.Mutex
	lines map[project.AWS]*Line
}

// Line is the line for the settings. An error is a mistake in them. Lines are kept for good: settings are from project files, and few.
func (l *Lines) Line(at project.AWS, opts ...Option) (*Line, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known := l.lines[at]; known != nil {
		return known, nil
	}
	line, err := New(at, opts...)
	if err != nil {
		return nil, err
	}
	if l.lines == nil {
		l.lines = map[project.AWS]*Line{}
	}
	l.lines[at] = line
	return line, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Config is what the SDK's clients are made from.
func (l *Line) Config(ctx context.Context) (aws.Config, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.config != nil {
		return l.config.Copy(), nil
	}
	options := []func(*config.LoadOptions) error{
		config.WithRetryer(func() aws.Retryer { return l.retryer() }), config.WithAppID("sluice"),
		config.WithLogger(logging.Nop{}), // it would write beside the service's own log
	}
	if l.at.Region != "" {
		options = append(options, config.WithRegion(l.at.Region))
	}
	if l.at.Endpoint != "" {
		options = append(options, config.WithBaseEndpoint(l.at.Endpoint))
	}
	if l.named() {
		options = append(options, config.WithCredentialsProvider(aws.CredentialsProviderFunc(l.read)))
	}
	c, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Config{}, driver.Refusef("the settings of AWS can not be read: %s", oneLine(err.Error()))
	}
	if c.Region == "" {
		return aws.Config{}, driver.Refusef("no region is set: name it in the file (region), or in AWS_REGION")
	}
	if l.named() {
		c.Credentials = aws.CredentialsProviderFunc(l.read) // without the SDK's cache: a file may hold another key tomorrow
	} else if chain := c.Credentials; chain != nil {
		c.Credentials = aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
			found, err := chain.Retrieve(ctx)
			driver.OutputOf(ctx).Hide(found.SecretAccessKey, found.SessionToken)
			l.remember(found)
			return found, err
		})
	}
	through := l.transport
	if usual, ok := c.HTTPClient.(*awshttp.BuildableClient); ok && through == nil {
		through = usual.GetTransport() // with the proxy and the certificates of the settings
	}
	c.HTTPClient = bounded{&http.Client{Transport: driver.Said(through), CheckRedirect: stay}, l.within, l.most}
	l.config = &c
	return c.Copy(), nil
}

// stay follows nothing: a redirect would take the request where it was not signed for.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// named tells whether the settings name credentials.
func (l *Line) named() bool { return l.at.Key != project.Token{} }

// read is the named credentials as they are now.
func (l *Line) read(ctx context.Context) (aws.Credentials, error) {
	c := aws.Credentials{Source: "sluice"}
	var err error
	for _, one := range []struct {
		into *string
		from project.Token
	}{{&c.AccessKeyID, l.at.Key}, {&c.SecretAccessKey, l.at.Secret}, {&c.SessionToken, l.at.Session}} {
		if *one.into, err = driver.Secret(one.from.Env, one.from.File); err != nil {
			return aws.Credentials{}, err
		}
	}
	driver.OutputOf(ctx).Hide(c.SecretAccessKey, c.SessionToken)
	l.remember(c)
	return c, nil
}

func (l *Line) remember(c aws.Credentials) {
	secrets := slices.DeleteFunc([]string{c.SecretAccessKey, c.SessionToken, c.AccessKeyID}, func(s string) bool { return s == "" })
	l.secretsMu.Lock()
	defer l.secretsMu.Unlock()
	l.secrets = secrets
}

// credentials says where they come from, for an error.
func (l *Line) credentials() string {
	name := func(t project.Token) string {
		if t.Env != "" {
			return "the environment variable " + driver.Quote(t.Env)
		}
		return "the file " + driver.Quote(t.File)
	}
	if !l.named() {
		return "the credentials that the SDK has found (none are named in the file)"
	}
	return "the credentials in " + name(l.at.Key) + " and " + name(l.at.Secret)
}

// retryer is the SDK's, and waits for as long as answers ask.
func (l *Line) retryer() aws.Retryer {
	return patient{retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.MaxBackoff = l.tries, l.longest
		o.Retryables = append(o.Retryables, retry.RetryableHTTPStatusCode{Codes: map[int]struct{}{http.StatusTooManyRequests: {}}})
	})}
}

type patient struct{ *retry.Standard }

func (p patient) IsErrorRetryable(err error) bool {
	var late *tooLate
	return !driver.IsRefused(err) && !errors.As(err, &late) && p.Standard.IsErrorRetryable(err)
}

func (p patient) RetryDelay(attempt int, err error) (time.Duration, error) {
	pause, failed := p.Standard.RetryDelay(attempt, err)
	return max(pause, askedPause(err)), failed
}

// oneLine is a text from outside as it may be shown.
func oneLine(text string) string {
	const most = 300
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "?"), unreadable), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
