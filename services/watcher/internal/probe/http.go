package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

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

// http asks once, with GET. Only the status counts. The body is not read: it may be endless. A redirect is not followed, it
// is the answer: a health check that is sent to a login page, or to another host, says nothing good about staging.
func (t Tools) http(c project.Check) Probe {
	client := t.client()
	what := "GET " + maskURL(c.HTTP.URL)
	return func(ctx context.Context) (Seen, error) {
		within, cancel := timed(ctx, c)
		defer cancel()
		req, err := http.NewRequestWithContext(within, http.MethodGet, c.HTTP.URL, nil)
		if err != nil {
			return Seen{}, fmt.Errorf("%s: not a URL", what) // the error may hold it
		}
		req.Header.Set("User-Agent", "sluice-watcher")
		res, err := client.Do(req)
		if err != nil {
			return noAnswer(ctx, within, what, c.Timeout, err)
		}
		_ = res.Body.Close() // not read
		ok := res.StatusCode == c.HTTP.Status || c.HTTP.Status == 0 && res.StatusCode/100 == 2
		return Seen{OK: ok, Said: fmt.Sprintf("%s answered %d", what, res.StatusCode)}, nil
	}
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
