package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/sluice-gate/sluice/pkg/driver"
)

// waits says how patient the driver is.
type waits struct {
	first  time.Duration // the pause before the first repetition; each further one is about twice as long
	tries  int           // how often a request is made at most
	answer time.Duration // how long a request may take that carries no blob
	settle time.Duration // how long after moving a channel it is read once more, against somebody who moved it at the same time
	jobs   int           // how many blobs are copied at a time
}

func defaultWaits() waits {
	return waits{first: 250 * time.Millisecond, tries: 5, answer: time.Minute, settle: time.Second, jobs: 4}
}

// line is the way to a registry, below the library that speaks its protocol. It asks the context right before each request,
// sends nothing over plain HTTP that is not to go there, and repeats what may be answered differently soon.
//
// Requests of an upload are not repeated here, since a registry may have taken a part; the library begins the upload anew, by the
// predicate uploadAgain.
type line struct {
	inner http.RoundTripper
	plain bool // plain HTTP is allowed to other machines too
	waits waits
}

// RoundTrip is http.RoundTripper's.
func (l *line) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := l.repeat(req)
	if err != nil && req.Body != nil {
		_ = req.Body.Close() // as a RoundTripper must
	}
	return res, err
}

func (l *line) repeat(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" && !l.plain && !loopback(req.URL.Hostname()) {
		return nil, errPlain
	}
	ctx := req.Context()
	growing := &backoff.ExponentialBackOff{
		InitialInterval: l.waits.first, RandomizationFactor: 0.3, Multiplier: 2, MaxInterval: 10 * time.Second,
	}
	growing.Reset()
	for try := 1; ; try++ {
		// After an attempt's end another instance may be at work.
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		res, err := l.once(req, try)
		pause := growing.NextBackOff()
		switch {
		case err == nil && !later(res.StatusCode):
			return res, nil
		case err == nil:
			pause = max(pause, retryAfter(res.Header.Get("Retry-After")))
		case ctx.Err() != nil || driver.IsRefused(err):
			return nil, err
		case isUpload(req):
			return nil, &interrupted{err}
		}
		if try >= l.waits.tries || pause >= left(ctx) || l.probes(req) {
			return res, err
		}
		if isUpload(req) { // the library repeats it, at once or nearly
			if ended := sleep(ctx, pause); ended != nil {
				_ = res.Body.Close()
				return nil, ended
			}
			return res, nil
		}
		if res != nil {
			_ = res.Body.Close() // what it says is not the last word
		}
		if ended := sleep(ctx, pause); ended != nil {
			return nil, errors.Join(err, ended)
		}
	}
}

// once sends the request, its body from the beginning.
func (l *line) once(req *http.Request, try int) (*http.Response, error) {
	ctx, cancel := req.Context(), context.CancelFunc(func() {})
	if !strings.Contains(req.URL.Path, "/blobs/") && !isUpload(req) {
		ctx, cancel = context.WithTimeoutCause(ctx, l.waits.answer, fmt.Errorf("no answer within %s", l.waits.answer))
	}
	sent := req.Clone(ctx)
	if try > 1 && req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			cancel()
			return nil, err
		}
		sent.Body = body
	}
	res, err := l.inner.RoundTrip(sent)
	if err != nil {
		cancel()
		if req.Context().Err() == nil && ctx.Err() != nil {
			err = context.Cause(ctx) // the bound of one request, which is no end of the attempt
		}
		return nil, err
	}
	res.Body = &answer{res.Body, cancel}
	return res, nil
}

// answer ends its request's time when it is closed.
type answer struct {
	io.ReadCloser
	done context.CancelFunc
}

func (a *answer) Close() error {
	defer a.done()
	return a.ReadCloser.Close()
}

// probes tells whether the request only finds out whether a registry that may speak plain HTTP speaks TLS.
func (l *line) probes(req *http.Request) bool {
	return req.URL.Scheme == "https" && strings.TrimRight(req.URL.Path, "/") == "/v2" && (l.plain || loopback(req.URL.Hostname()))
}

// errPlain is about the credentials, which everybody on the way could read, and about the answers, which they could change.
var errPlain = driver.Refusef("plain http leads to another machine: the registry needs https, or insecure: true in the project file")

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// later tells whether the same request may be answered differently soon.
func later(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusTooEarly:
		return true
	}
	return status >= 500 && status != http.StatusNotImplemented
}

// isUpload tells whether the request carries a blob, or is about one that is being carried.
func isUpload(req *http.Request) bool {
	switch req.Method {
	case http.MethodPost, http.MethodPatch, http.MethodPut:
		return !strings.Contains(req.URL.Path, "/manifests/")
	}
	return false
}

// interrupted is an upload that the line broke off.
type interrupted struct{ err error }

func (i *interrupted) Error() string { return i.err.Error() }
func (i *interrupted) Unwrap() error { return i.err }

// uploadAgain tells the library whether an upload is to be begun anew.
func uploadAgain(err error) bool {
	var broken *interrupted
	if errors.As(err, &broken) {
		return true
	}
	var said *transport.Error
	return errors.As(err, &said) && said.Request != nil && isUpload(said.Request) && later(said.StatusCode)
}

// retryAfter reads the header of that name: seconds, or a date. Zero when it says nothing.
func retryAfter(value string) time.Duration {
	if seconds, err := strconv.Atoi(value); err == nil && seconds > 0 {
		return time.Duration(min(seconds, 86_400)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}

// left is how long the context lasts.
func left(ctx context.Context) time.Duration {
	if end, ok := ctx.Deadline(); ok {
		return time.Until(end)
	}
	return time.Hour
}

// sleep waits, or returns the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
