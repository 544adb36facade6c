package npm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/retry"
	"github.com/sluice-gate/sluice/pkg/project"
)

// Bounds of the registry's answers, in bytes, and of the time that one request may take.
const (
	maxPackument = 64 << 20
	maxReason    = 4 << 10
	readTimeout  = time.Minute
	writeTimeout = 5 * time.Minute
)

// registry is one npm registry, as seen with one token.
type registry struct {
	base      string // no slash at the end
	tokenEnv  string
	tokenFile string
	npmrc     string // npm's settings have the credentials
	client    *http.Client
	waits     waits
}

// answer is what the registry said: never a failure of the line.
type answer struct {
	status  int
	body    []byte
	pause   time.Duration // that it asks for
	oneTime bool          // it wants a one-time password
}

func (a *answer) ok() bool { return a.status/100 == 2 }

func newRegistry(cfg project.NPM, transport http.RoundTripper, w waits) (*registry, error) {
	if cfg.Registry == "" && cfg.NPMRC != "" {
		s, err := readSettings(cfg.NPMRC)
		if err == nil {
			cfg.Registry, err = s.registry(cfg.Package, os.LookupEnv)
		}
		if err != nil {
			return nil, fmt.Errorf("npmrc %s: %w", driver.Quote(cfg.NPMRC), err)
		}
	}
	if cfg.Registry == "" {
		return nil, errors.New("registry: say which one, by its URL")
	}
	base, err := url.Parse(cfg.Registry)
	if err != nil || base.Host == "" || base.RawQuery != "" || base.Fragment != "" {
		return nil, errors.New("registry: it must be a URL such as https://npm.example.com") // not the error, which has the URL
	}
	if base.User != nil {
		return nil, errors.New("registry: the URL has credentials in it; name the token with token_env or token_file instead")
	}
	if base.Scheme != "https" && (base.Scheme != "http" || !loopback(base.Hostname())) {
		return nil, fmt.Errorf("registry %s: it must be https, so that the token stays secret; http is for this machine only", driver.Quote(cfg.Registry))
	}
	return &registry{
		base: strings.TrimRight(base.String(), "/"), tokenEnv: cfg.TokenEnv, tokenFile: cfg.TokenFile, npmrc: cfg.NPMRC, waits: w,
		client: &http.Client{Transport: driver.Said(transport), CheckRedirect: redirect},
	}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// redirect follows reads, without the token when they lead to another origin. A write is not followed: it would turn into a read, or
// take the package elsewhere.
func redirect(req *http.Request, via []*http.Request) error {
	const most = 5
	if via[0].Method != http.MethodGet {
		return http.ErrUseLastResponse
	}
	if len(via) > most {
		return fmt.Errorf("more than %d redirects", most)
	}
	if !sameOrigin(req.URL, via[0].URL) {
		req.Header.Del("Authorization")
	}
	return nil
}

func sameOrigin(a, b *url.URL) bool { return a.Scheme == b.Scheme && a.Host == b.Host }

// address is the URL of a path below the registry, whose elements are escaped. A package's name is one element, slash and all, which
// npm writes as "@scope%2fname".
func (r *registry) address(elements ...string) string {
	to := r.base
	for _, e := range elements {
		to += "/" + strings.ReplaceAll(url.PathEscape(e), "%2F", "%2f")
	}
	return to
}

// send makes one request, and reads at most most bytes of what a GET brings. The token is read for it now, and only goes along
// when to is on the registry's own origin.
func (r *registry) send(ctx context.Context, method, to string, body []byte, accept string, most int64) (*answer, error) {
	timeout := readTimeout
	if method != http.MethodGet {
		timeout = writeTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no answer within %s", timeout))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(body))
	if err != nil {
		return nil, driver.Refusef("the registry %s: %w", r.base, err)
	}
	req.Header.Set("User-Agent", "sluice")
	req.Header.Set("Accept", accept)
	if method == http.MethodGet {
		req.Header.Set("Cache-Control", "no-cache")
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	authorization, secrets, err := r.authorization()
	if err != nil {
		return nil, err
	}
	driver.OutputOf(ctx).Hide(secrets...)
	if base, err := url.Parse(r.base); err == nil && sameOrigin(req.URL, base) && authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	res, err := r.client.Do(req)
	if err != nil {
		return nil, lineError(ctx, err)
	}
	defer func() { _ = res.Body.Close() }() // only read
	a := &answer{status: res.StatusCode, pause: retry.After(res.Header, time.Now())}
	a.oneTime = strings.Contains(strings.ToLower(res.Header.Get("Www-Authenticate")), "otp")
	if !a.ok() {
		a.body, _ = io.ReadAll(io.LimitReader(res.Body, maxReason)) // the status is what counts
		for _, secret := range secrets {
			if secret != "" {
				a.body = bytes.ReplaceAll(a.body, []byte(secret), []byte("***"))
			}
		}
		return a, nil
	}
	if method == http.MethodGet {
		a.body, err = readAll(res.Body, most)
	}
	return a, err // of a write the status says all
}

// lineError is what stopped a request, without the URL: that may be one of a redirect, and signed.
func lineError(ctx context.Context, err error) error {
	var with *url.Error
	if errors.As(err, &with) {
		err = with.Err
	}
	if errors.Is(err, context.DeadlineExceeded) && context.Cause(ctx) != nil && !errors.Is(context.Cause(ctx), err) {
		return context.Cause(ctx) // the bound of one request, which is no end of the attempt
	}
	return err
}

// read gets a URL, repeatedly where that may help. Statuses other than success and 404 are errors.
func (r *registry) read(ctx context.Context, to, accept string, most int64) (*answer, error) {
	return retry.Do(ctx, r.waits.Policy, func() (*answer, error) {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("read from the registry %s: %w", r.base, err)
		}
		a, err := r.send(ctx, http.MethodGet, to, nil, accept, most)
		switch {
		case driver.IsRefused(err):
			return nil, err
		case err != nil:
			return nil, fmt.Errorf("the registry can not be reached: %w", err)
		case a.ok(), a.status == http.StatusNotFound:
			return a, nil
		case retry.Later(a.status):
			return nil, retry.Pause(r.said(a, "GET "+to), a.pause)
		}
		return nil, r.refusal(a, "GET "+to)
	})
}

// readJSON reads a URL into a value, and leaves that as it is when there is nothing.
func (r *registry) readJSON(ctx context.Context, to, accept string, into any) error {
	a, err := r.read(ctx, to, accept, maxPackument)
	if err != nil || !a.ok() {
		return err
	}
	if err := json.Unmarshal(a.body, into); err != nil {
		return fmt.Errorf("the registry's answer to GET %s is not what it should be: %w", to, err)
	}
	return nil
}

// said is the error for an answer that is no success.
func (r *registry) said(a *answer, what string) error {
	reason := strings.TrimSpace(string(a.body))
	var parsed struct{ Error, Reason, Message string }
	if json.Unmarshal(a.body, &parsed) == nil {
		for _, said := range []string{parsed.Reason, parsed.Error, parsed.Message} {
			if said != "" {
				reason = said
				break
			}
		}
	}
	reason = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(reason, "?"), func(c rune) bool {
		return unicode.IsSpace(c) || unicode.IsControl(c)
	}), " ")
	if reason == "" {
		reason = http.StatusText(a.status)
	}
	return fmt.Errorf("the registry answered %s with %d: %.200s", what, a.status, reason)
}

// refusal is the error for an answer that does not change by asking again.
func (r *registry) refusal(a *answer, what string) error {
	said := r.said(a, what)
	switch {
	case a.oneTime:
		return driver.Refusef("%w; it wants a one-time password: use an automation token in %s", said, r.tokenName())
	case a.status == http.StatusUnauthorized:
		return driver.Refusef("%w; it does not accept the token in %s", said, r.tokenName())
	case a.status == http.StatusForbidden:
		return driver.Refusef("%w; the token in %s may not do this", said, r.tokenName())
	case a.status == http.StatusPaymentRequired:
		return driver.Refusef("%w; a new package with a scope is private unless the project file says access: public", said)
	case a.status == http.StatusNotFound && strings.HasPrefix(what, http.MethodPost): // only what is staged is posted
		return driver.Refusef("%w; a registry without staged publishing needs the mode %s", said, project.Republish)
	case a.status/100 == 3:
		return driver.Refusef("%w; it redirects: name the registry in the project file that it redirects to", said)
	}
	return driver.Refusef("%w", said)
}

func (r *registry) tokenName() string {
	switch {
	case r.tokenEnv != "":
		return "the environment variable " + driver.Quote(r.tokenEnv)
	case r.tokenFile != "":
		return "the file " + driver.Quote(r.tokenFile)
	case r.npmrc != "":
		return "the settings " + driver.Quote(r.npmrc) + ", if they have one for " + r.base
	}
	return "token_env or token_file (the project file names neither)"
}
