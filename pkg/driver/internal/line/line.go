// Package line is the way to one peer that speaks HTTP, with one token. It sends, bounds and judges; repeating is for its callers, who
// look before they write again: package retry.
package line

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/retry"
	"github.com/sluice-gate/sluice/pkg/project"
)

// MostAnswer bounds an answer, in bytes.
const MostAnswer = 64 << 20

// Bounds of what is shown of an answer, in bytes, and of the time that one request may take; a body that is sent has a second more for
// each 64 KiB.
const (
	mostReason = 4 << 10
	oneRequest = 30 * time.Second
	slowest    = 64 << 10
)

// Settings say where a line leads, and what it needs.
type Settings struct {
	Base      string // an https URL, or http to this machine
	Token     project.Token
	User      string      // of whom the token is the password; empty: the token goes along as a bearer's
	Header    string      // in which the token goes by itself, in place of Authorization
	Extra     http.Header // of every request
	Redirects bool        // follow a read within the peer; otherwise nothing is redirected
	Transport http.RoundTripper
	// Limited is the pause that an answer of 403 means which has no header for it; nil for none.
	Limited func(a *Answer) time.Duration
}

// Line is the way to one peer.
type Line struct {
	Settings

	base   *url.URL // no slash at the end of its path
	client *http.Client
}

// Request is one request. Sending Body or File makes it one with contents.
type Request struct {
	Method string
	URL    string
	Type   string // of the contents
	Header http.Header
	Accept string // what the answer shall be; empty: what Extra says
	Body   []byte
	File   func() (io.ReadCloser, error) // in place of Body
	Size   int64                         // of File
}

// ErrNotDone marks the error of a write that surely was none.
var ErrNotDone = errors.New("nothing was done")

// Answer is what the peer said: never a failure of the line.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// OK tells whether the answer is a success.
func (a *Answer) OK() bool { return a.Status/100 == 2 }

// New checks where the token would go. An error is a mistake in the settings.
func New(s Settings) (*Line, error) {
	u, err := url.Parse(s.Base)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("it must be a URL such as https://git.example.com/acme, without credentials") // not the error, which has the URL
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, fmt.Errorf("%s must be https, so that the token stays secret; http is for this machine only", driver.Quote(s.Base))
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return &Line{Settings: s, base: u, client: &http.Client{Transport: driver.Said(s.Transport), CheckRedirect: s.stay}}, nil
}

// stay keeps what is asked where it is asked: another place gets neither token nor question, and a write would turn into a read.
func (s Settings) stay(req *http.Request, via []*http.Request) error {
	const most = 5
	if !s.Redirects || via[0].Method != http.MethodGet || len(via) > most || !SameOrigin(req.URL, via[0].URL) {
		return http.ErrUseLastResponse
	}
	return nil
}

// SameOrigin tells whether what is for the one may go to the other.
func SameOrigin(a, b *url.URL) bool { return a.Scheme == b.Scheme && a.Host == b.Host }

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Address is the URL of a path below the peer, with its elements escaped.
func (l *Line) Address(query url.Values, elements ...string) string {
	to := l.base.String()
	for _, e := range elements {
		to += "/" + url.PathEscape(e)
	}
	if len(query) > 0 {
		to += "?" + query.Encode()
	}
	return to
}

// own tells whether the token may go to an address: one of the peer's own, or, where the peer is api.example.com, its place for
// uploads, uploads.example.com.
func (l *Line) own(to *url.URL) bool {
	rest, api := strings.CutPrefix(l.base.Host, "api.")
	return to.Scheme == l.base.Scheme && to.User == nil && (to.Host == l.base.Host || api && to.Host == "uploads."+rest)
}

// Send makes one request. The token is read for it now. The error is driver.Refused where asking again does not help, and has the pause
// that was asked for where it may. After any other error than a refusal a write may have happened.
func (l *Line) Send(ctx context.Context, r Request) (*Answer, error) {
	if r.File == nil {
		r.Size = int64(len(r.Body))
		r.File = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(r.Body)), nil }
	}
	limit := oneRequest + time.Duration(r.Size/slowest)*time.Second
	within, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s", limit))
	defer cancel()
	token, err := driver.Secret(l.Token.Env, l.Token.File)
	if err != nil {
		return nil, err
	}
	driver.OutputOf(ctx).Hide(token)
	req, err := l.request(within, r, token)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil { // asked right before each request
		_ = req.Body.Close()
		return nil, err
	}
	res, err := l.client.Do(req)
	if err != nil {
		return nil, l.failed(ctx, within, token, err)
	}
	defer func() { _ = res.Body.Close() }() // only read
	a := &Answer{Status: res.StatusCode, Header: res.Header}
	if a.Body, err = io.ReadAll(io.LimitReader(res.Body, MostAnswer+1)); err != nil {
		return nil, fmt.Errorf("the answer broke off: %w", l.failed(ctx, within, token, err))
	}
	what := r.Method + " " + Plain(r.URL)
	if len(a.Body) > MostAnswer {
		return nil, driver.Refusef("the answer to %s is larger than %d bytes", what, MostAnswer)
	}
	a.Body = l.redact(a.Body, token)
	return a, l.judge(a, what)
}

func (l *Line) request(ctx context.Context, r Request, token string) (*http.Request, error) {
	body, err := r.File()
	if err != nil {
		return nil, fmt.Errorf("read what is to be sent: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, body)
	if err != nil || !l.own(req.URL) {
		_ = body.Close()
		return nil, driver.Refusef("the address %s is not one on %s", driver.Quote(Plain(r.URL)), l.base.Host)
	}
	req.GetBody = r.File // a connection that was lost before anything was sent is no failure
	if req.ContentLength = r.Size; r.Size == 0 {
		req.Body = http.NoBody
		req.GetBody = nil
	}
	for _, fields := range []http.Header{l.Extra, r.Header} {
		for name, values := range fields {
			req.Header[name] = values
		}
	}
	req.Header.Set("User-Agent", "sluice")
	for name, value := range map[string]string{"Content-Type": r.Type, "Accept": r.Accept} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	switch {
	case token == "":
	case l.Header != "":
		req.Header.Set(l.Header, token)
	case l.User != "":
		req.SetBasicAuth(l.User, token)
	default:
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req, nil
}

// redact takes the token out of what the peer said.
func (l *Line) redact(body []byte, token string) []byte {
	if token == "" {
		return body
	}
	for _, secret := range []string{token, url.QueryEscape(token), base64.StdEncoding.EncodeToString([]byte(l.User + ":" + token))} {
		body = bytes.ReplaceAll(body, []byte(secret), []byte("***"))
	}
	return body
}

// Plain is a URL as it may be shown: without its query, which may hold more than people should see.
func Plain(to string) string {
	before, _, _ := strings.Cut(to, "?")
	return before
}

// failed is what stopped a request, without the URL.
func (l *Line) failed(ctx, within context.Context, token string, err error) error {
	var with *url.Error
	if errors.As(err, &with) {
		err = with.Err
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case within.Err() != nil:
		return context.Cause(within) // the bound of one request, which is no end of the attempt
	case driver.IsRefused(err):
		return err // what was to be sent could not be read
	}
	return fmt.Errorf("%s can not be reached: %s", l.base.Host, OneLine(string(l.redact([]byte(err.Error()), token))))
}

// judge tells the answers that are nobody's but the line's: try later, and no.
func (l *Line) judge(a *Answer, what string) error {
	err := a.Err(what)
	after := retry.After(a.Header, time.Now())
	if a.Status == http.StatusForbidden && after == 0 && l.Limited != nil {
		after = l.Limited(a)
	}
	switch {
	case a.Status == http.StatusTooManyRequests, a.Status == http.StatusForbidden && after > 0:
		return retry.Pause(fmt.Errorf("%w (%w)", err, ErrNotDone), after)
	case a.Status == http.StatusUnauthorized:
		return driver.Refusef("%w; it does not accept the token in %s", err, l.tokenName())
	case a.Status == http.StatusForbidden:
		return driver.Refusef("%w; the token in %s may not do this", err, l.tokenName())
	case a.Status/100 == 3:
		return driver.Refusef("%w; it redirects: name the address that it redirects to in the project file", err)
	case retry.Later(a.Status):
		return retry.Pause(err, after)
	}
	return nil
}

func (l *Line) tokenName() string {
	switch {
	case l.Token.Env != "":
		return "the environment variable " + driver.Quote(l.Token.Env)
	case l.Token.File != "":
		return "the file " + driver.Quote(l.Token.File)
	}
	return "token_env or token_file (the project file names neither)"
}
