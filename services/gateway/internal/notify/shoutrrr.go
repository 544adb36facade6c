package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"

	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/services/gateway/internal/notice"
	"github.com/sluice-gate/sluice/services/gateway/internal/tell"
)

// shoutrrr sends by a service of the library of that name, v0.9.1. It knows no context, puts addresses into errors, and of an answer it
// keeps the status at most. So each message gets a router of its own, without a logger and with a client that ends with ctx and
// remembers what was answered, and an error is shown without any part of the address.
func (o *outside) shoutrrr(ctx context.Context, h project.Hook, m notice.Message) error {
	address, err := o.secret(h.URLEnv, h.URLFile)
	if err != nil {
		return err
	}
	scheme, _, _ := strings.Cut(address, ":")
	switch scheme, _, _ = strings.Cut(scheme, "+"); strings.ToLower(scheme) {
	case "smtp": // which would wait for ever for a server that says nothing
		return errors.New("for mail there is the target email, in the place of shoutrrr")
	case "logger":
		return errors.New("the service logger of shoutrrr tells nobody: name another one")
	}
	left := sendWithin
	if at, ok := ctx.Deadline(); ok {
		left = max(time.Until(at), time.Millisecond)
	}
	answers := &remembering{ctx: ctx, next: o.client.Transport}
	r, err := router.NewWithOptions(nil, types.SenderOptions{
		HTTPClient: &http.Client{Transport: answers, CheckRedirect: o.client.CheckRedirect}, Timeout: left,
	}, address)
	if err != nil {
		return fmt.Errorf("the address for shoutrrr: %w", without(err, address))
	}
	err = errors.Join(r.Send(notice.Text(m), nil)...)
	if err == nil {
		return nil
	}
	if res := answers.last.Load(); res != nil {
		if refused := tell.Verdict(scheme, res); refused != nil {
			return refused
		}
	}
	return fmt.Errorf("send by shoutrrr to %s: %w", scheme, without(err, address))
}

// without is an error without the address, in which the host may be a secret, too.
func without(err error, address string) error {
	secrets := []string{address}
	if u, parsed := url.Parse(address); parsed == nil && u.Host != "" {
		secrets = append(secrets, u.Host, u.Hostname())
	}
	return hidden(errors.New(strings.Join(strings.Fields(err.Error()), " ")), secrets...)
}

// remembering ends every request with ctx, and remembers the last answer.
type remembering struct {
	ctx  context.Context //nolint:containedctx // the library makes the requests, and knows no context
	next http.RoundTripper
	last atomic.Pointer[http.Response]
}

func (r *remembering) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(req.Context())
	stop := context.AfterFunc(r.ctx, cancel)
	res, err := r.next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		stop()
		cancel()
		return nil, err
	}
	r.last.Store(&http.Response{Status: res.Status, StatusCode: res.StatusCode, Header: res.Header})
	res.Body = endsWith{Reader: io.LimitReader(res.Body, mostAnswer), body: res.Body, end: func() { stop(); cancel() }}
	return res, nil
}

// endsWith is a body of bounded length, whose request ends when it is closed.
type endsWith struct {
	io.Reader
	body io.Closer
	end  func()
}

func (b endsWith) Close() error {
	defer b.end()
	return b.body.Close()
}
