package probe

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver/retry"
	"github.com/sluice-gate/sluice/pkg/expr"
	"github.com/sluice-gate/sluice/pkg/project"
)

// transport makes a new connection for every request: what is asked is whether staging can be reached, not whether a
// connection from before the deployment still lives. It heeds the proxy of the service's environment, never for loopback.
func transport() http.RoundTripper {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{KeepAlive: -1}).DialContext, // the probe's own time bounds it
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

func (t Tools) client() *http.Client {
	through := t.Transport
	if through == nil {
		through = transport()
	}
	return &http.Client{
		Transport:     through,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// http asks once, with GET. Without a condition only the status counts, and the body is not read: it may be endless. A redirect is not
// followed, it is the answer: a health check that is sent to a login page, or to another host, says nothing good about staging.
//
// Staging that wants to be left alone (429, or 503 with Retry-After) has said nothing about itself, unless the project wants that status.
func (t Tools) http(c project.Check) Probe {
	client := t.client()
	what := "GET " + maskURL(c.HTTP.URL)
	var condition *expr.Condition
	if c.HTTP.Condition != "" {
		var err error
		if condition, err = expr.ParseCondition(expr.Response, c.HTTP.Condition); err != nil { // the project file was checked
			return func(context.Context) (Seen, error) { return Seen{}, err }
		}
	}
	return withoutData(func(ctx context.Context) (Seen, error) {
		within, cancel := timed(ctx, c)
		defer cancel()
		req, err := http.NewRequestWithContext(within, http.MethodGet, c.HTTP.URL, nil)
		if err != nil {
			return Seen{}, fmt.Errorf("%s: not a URL", what) // the error may hold it
		}
		secret, err := authorize(req, c.HTTP.Token)
		if err != nil {
			return Seen{}, err
		}
		began := time.Now()
		res, err := client.Do(req)
		took := time.Since(began)
		if err != nil {
			return noAnswer(ctx, within, what, c.Timeout, err)
		}
		defer func() { _ = res.Body.Close() }() // only read
		if busy := tooOften(what, res); busy != nil && !c.HTTP.Wants(res.StatusCode) {
			return Seen{}, busy
		}
		seen := Seen{OK: c.HTTP.Passes(res.StatusCode), Said: fmt.Sprintf("%s answered %d", what, res.StatusCode)}
		if !seen.OK || condition == nil {
			return seen, nil
		}
		ms := float64(took) / float64(time.Millisecond)
		seen.Value, seen.Said = &ms, fmt.Sprintf("%s in %.3g ms", seen.Said, ms)
		vars := expr.Vars{"status": res.StatusCode, "header": headers(res, secret), "latency_ms": ms}
		if res.TLS != nil {
			vars["tls_days_left"] = daysLeft(res.TLS.PeerCertificates, began)
		}
		if strings.Contains(c.HTTP.Condition, "body") {
			body, err := io.ReadAll(io.LimitReader(res.Body, mostAnswer+1))
			switch {
			case err != nil:
				return noAnswer(ctx, within, what, c.Timeout, err)
			case len(body) > mostAnswer:
				return Seen{Said: fmt.Sprintf("%s, with more than %d bytes, which are not looked at", seen.Said, mostAnswer)}, nil
			}
			vars["body"] = parsed(hide(body, secret))
		}
		seen.OK, err = condition.Holds(within, vars)
		switch {
		case ctx.Err() != nil:
			return Seen{}, ctx.Err()
		case err != nil: // what the condition asks for is not in the answer
			seen.OK, seen.Said = false, Line(fmt.Sprintf("%s, not %s: %v", seen.Said, c.HTTP.Condition, err))
		case seen.OK:
			seen.Said = Line(seen.Said + ", and " + c.HTTP.Condition)
		default:
			seen.Said = Line(seen.Said + ", not " + c.HTTP.Condition)
		}
		return seen, nil
	})
}

// parsed is a body as a condition sees it: what its JSON says, or else its text.
func parsed(body []byte) any {
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return strings.ToValidUTF8(string(body), "\uFFFD")
	}
	return value
}

// daysLeft is how long all the certificates that were shown are still valid.
func daysLeft(shown []*x509.Certificate, now time.Time) float64 {
	const day = 24 * time.Hour
	least := math.Inf(1)
	for _, c := range shown {
		least = min(least, float64(c.NotAfter.Sub(now))/float64(day))
	}
	return least
}

// tooOften is the error of an answer that asks to be left alone, nil for any other: 429, and 503 that says for how long
// (https://www.rfc-editor.org/rfc/rfc6585#section-4, https://www.rfc-editor.org/rfc/rfc9110#field.retry-after).
func tooOften(what string, res *http.Response) error {
	after := retry.After(res.Header, time.Now())
	if res.StatusCode != http.StatusTooManyRequests && (res.StatusCode != http.StatusServiceUnavailable || after == 0) {
		return nil
	}
	why := &noData{why: fmt.Sprintf("%s answered %d: it is asked too often, or busy", what, res.StatusCode), busy: true}
	return &PauseError{For: min(after, mostPause), Err: why}
}

// noAnswer tells whose fault it is that there is no answer.
func noAnswer(ctx, within context.Context, what string, timeout time.Duration, err error) (Seen, error) {
	if inner := new(url.Error); errors.As(err, &inner) {
		err = inner.Err // without the URL, whose query may hold a secret
	}
	switch {
	case ctx.Err() != nil:
		return Seen{}, ctx.Err()
	case ours(err):
		return Seen{}, fmt.Errorf("%s: %w", what, err)
	case errors.Is(context.Cause(within), errTimeout):
		return Seen{Said: fmt.Sprintf("%s did not answer within %s", what, timeout)}, nil
	}
	return Seen{Said: line(what+": "+err.Error(), "")}, nil
}
