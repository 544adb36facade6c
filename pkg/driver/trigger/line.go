package trigger

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
	"strings"
	"time"
	"unicode"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/retry"
	"github.com/sluice-gate/sluice/pkg/project"
)

// Bounds of an answer, in bytes, and of the time that one request may take.
const (
	mostAnswer = 8 << 20
	mostReason = 4 << 10
	oneRequest = 30 * time.Second
)

// line is the way to one peer, with one token.
type line struct {
	base   *url.URL // no slash at the end of its path
	token  project.Token
	header string // that the token goes in
	scheme string // before the token: "Bearer "
	extra  http.Header
	client *http.Client
	waits  waits
}

// answer is what the peer said: never a failure of the line.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a *answer) ok() bool { return a.status/100 == 2 }

// newLine checks where the token would go. An error is a mistake in the settings.
func newLine(base string, token project.Token, o options) (*line, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("url: it must be a URL such as https://ci.example.com, without credentials") // not the error, which has the URL
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, fmt.Errorf("url %s: it must be https, so that the token stays secret; http is for this machine only", driver.Quote(base))
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return &line{
		base: u, token: token, header: "Authorization", scheme: "Bearer ", extra: http.Header{}, waits: o.waits,
		client: &http.Client{Transport: o.transport, CheckRedirect: stay},
	}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// stay follows reads within their origin. A write is not followed, it would turn into a read; another origin gets neither token nor
// question.
func stay(req *http.Request, via []*http.Request) error {
	const most = 5
	if via[0].Method != http.MethodGet || len(via) > most || !sameOrigin(req.URL, via[0].URL) {
		return http.ErrUseLastResponse
	}
	return nil
}

func sameOrigin(a, b *url.URL) bool { return a.Scheme == b.Scheme && a.Host == b.Host }

// address is the URL of a path below the peer, with its elements escaped.
func (l *line) address(query url.Values, elements ...string) string {
	to := l.base.String()
	for _, e := range elements {
		to += "/" + url.PathEscape(e)
	}
	if len(query) > 0 {
		to += "?" + query.Encode()
	}
	return to
}

// get reads a URL, repeatedly where that may help. Any answer but one that says later, or no, is returned.
func (l *line) get(ctx context.Context, to string) (*answer, error) {
	return retry.Do(ctx, l.waits.Policy, func() (*answer, error) { return l.send(ctx, http.MethodGet, to, nil, nil) })
}

// getJSON reads what a URL has into a value. An answer that is no success is an error.
func (l *line) getJSON(ctx context.Context, to string, into any) error {
	a, err := l.get(ctx, to)
	if err != nil {
		return err
	}
	return decode(a, "GET "+plain(to), into)
}

// post sends a value as JSON, once. An error after which nothing has happened is errNotDone.
func (l *line) post(ctx context.Context, method, to string, header http.Header, value any) (*answer, error) {
	var body []byte
	if value != nil {
		var err error
		if body, err = json.Marshal(value); err != nil {
			return nil, driver.Refusef("the body is no JSON: %w", err)
		}
	}
	return l.send(ctx, method, to, header, body)
}

func decode(a *answer, what string, into any) error {
	if !a.ok() {
		return driver.Refusef("%w", said(a, what))
	}
	if err := json.Unmarshal(a.body, into); err != nil {
		return fmt.Errorf("the answer to %s is not the JSON that it should be: %w", what, err)
	}
	return nil
}

// send makes one request. The token is read for it now, and goes along only to the peer's own origin.
func (l *line) send(ctx context.Context, method, to string, header http.Header, body []byte) (*answer, error) {
	within, cancel := context.WithTimeoutCause(ctx, oneRequest, fmt.Errorf("no answer within %s", oneRequest))
	defer cancel()
	req, err := http.NewRequestWithContext(within, method, to, bytes.NewReader(body))
	if err != nil || !sameOrigin(req.URL, l.base) {
		return nil, driver.Refusef("the address %s is not one on %s", driver.Quote(to), l.base.Host)
	}
	for _, fields := range []http.Header{l.extra, header} {
		for name, values := range fields {
			req.Header[name] = values
		}
	}
	req.Header.Set("User-Agent", "sluice")
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	token, err := driver.Secret(l.token.Env, l.token.File)
	if err != nil {
		return nil, err
	}
	if token != "" {
		req.Header.Set(l.header, l.scheme+token)
	}
	res, err := l.client.Do(req)
	if err != nil {
		return nil, lineError(ctx, within, err)
	}
	defer func() { _ = res.Body.Close() }() // only read
	a := &answer{status: res.StatusCode, header: res.Header}
	if a.body, err = io.ReadAll(io.LimitReader(res.Body, mostAnswer+1)); err != nil {
		return nil, fmt.Errorf("the answer broke off: %w", lineError(ctx, within, err))
	}
	if len(a.body) > mostAnswer {
		return nil, driver.Refusef("the answer to %s %s is larger than %d bytes", method, plain(to), mostAnswer)
	}
	if token != "" {
		a.body = bytes.ReplaceAll(a.body, []byte(token), []byte("***"))
	}
	return a, l.judge(a, method+" "+plain(to))
}

// plain is a URL as it may be shown: without its query, which may hold more than people should see.
func plain(to string) string {
	before, _, _ := strings.Cut(to, "?")
	return before
}

// lineError is what stopped a request, without the URL.
func lineError(ctx, within context.Context, err error) error {
	var with *url.Error
	inner := err
	if errors.As(err, &with) {
		inner = with.Err
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case within.Err() != nil:
		return context.Cause(within) // the bound of one request, which is no end of the attempt
	}
	return fmt.Errorf("it can not be reached: %w", inner)
}

// judge tells the answers that are nobody's but the line's: try later, and no.
func (l *line) judge(a *answer, what string) error {
	err := said(a, what)
	after := retry.After(a.header, time.Now())
	switch {
	case a.status == http.StatusTooManyRequests, a.status == http.StatusForbidden && after > 0:
		return retry.Pause(fmt.Errorf("%w (%w)", err, errNotDone), after)
	case a.status == http.StatusUnauthorized:
		return driver.Refusef("%w; it does not accept the token in %s", err, l.tokenName())
	case a.status == http.StatusForbidden:
		return driver.Refusef("%w; the token in %s may not do this", err, l.tokenName())
	case a.status/100 == 3:
		return driver.Refusef("%w; it redirects: name the address that it redirects to in the project file", err)
	case retry.Later(a.status):
		return retry.Pause(err, after)
	}
	return nil
}

func (l *line) tokenName() string {
	switch {
	case l.token.Env != "":
		return "the environment variable " + driver.Quote(l.token.Env)
	case l.token.File != "":
		return "the file " + driver.Quote(l.token.File)
	}
	return "token_env or token_file (the project file names neither)"
}

// said is the error for an answer that is no success, on one line.
func said(a *answer, what string) error {
	reason := string(a.body[:min(len(a.body), mostReason)])
	var parsed struct{ Message, Error any }
	if json.Unmarshal(a.body, &parsed) == nil {
		for _, field := range []any{parsed.Error, parsed.Message} {
			if field != nil {
				reason = fmt.Sprint(field)
			}
		}
	}
	reason = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(reason, "?"), func(c rune) bool {
		return unicode.IsSpace(c) || unicode.IsControl(c)
	}), " ")
	if reason == "" {
		reason = http.StatusText(a.status)
	}
	return fmt.Errorf("%.200s was answered with %d: %.200s", what, a.status, reason)
}
