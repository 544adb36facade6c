package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/retry"
)

// waits says how patient the driver is.
type waits struct {
	retry.Policy

	answer time.Duration // how long a request may take that carries no blob
	settle time.Duration // how long after moving a channel it is read once more, against somebody who moved it at the same time
	jobs   int           // how many blobs are copied at a time
}

func defaultWaits() waits {
	return waits{Policy: retry.Policy{First: 250 * time.Millisecond, Tries: 5}, answer: time.Minute, settle: time.Second, jobs: 4}
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
	series := l.waits.Begin()
	for try := 1; ; try++ {
		// After an attempt's end another instance may be at work.
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		res, err := l.once(req, try)
		asked := time.Duration(0)
		switch {
		case err == nil && !retry.Later(res.StatusCode):
			return res, nil
		case err == nil:
			asked = retry.After(res.Header, time.Now())
		case ctx.Err() != nil || driver.IsRefused(err):
			return nil, err
		case isUpload(req):
			return nil, &interrupted{err}
		}
		pause, again := series.Next(asked, retry.Left(ctx))
		if !again || l.probes(req) {
			return res, err
		}
		if isUpload(req) { // the library repeats it, at once or nearly
			if ended := retry.Sleep(ctx, pause); ended != nil {
				_ = res.Body.Close()
				return nil, ended
			}
			return res, nil
		}
		if res != nil {
			_ = res.Body.Close() // what it says is not the last word
		}
		if ended := retry.Sleep(ctx, pause); ended != nil {
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
	return errors.As(err, &said) && said.Request != nil && isUpload(said.Request) && retry.Later(said.StatusCode)
}
