package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/retry"
	"github.com/sluice-gate/sluice/pkg/expr"
	"github.com/sluice-gate/sluice/pkg/project"
)

// mostAnswer bounds what is read of an answer, in bytes.
const mostAnswer = 1 << 20

// noData says that there is no number, and why: the source has none, can not be reached, or wants to be left alone.
type noData struct {
	why   string
	busy  bool // it was asked too often, which says nothing about staging
	empty bool // it was asked, and has none
}

func (e *noData) Error() string { return e.why }

// PauseError says that a source wants to be left alone for that long.
type PauseError struct {
	For time.Duration
	Err error
}

func (e *PauseError) Error() string { return e.Err.Error() }
func (e *PauseError) Unwrap() error { return e.Err }

// metric reads a number, or the counters of a comparison.
func (t Tools) metric(c project.Check) Probe {
	read, err := t.reader(c)
	if err != nil { // the project file was checked, so this is none that there is
		return func(context.Context) (Seen, error) { return Seen{}, err }
	}
	return func(ctx context.Context) (Seen, error) {
		within, cancel := timed(ctx, c)
		defer cancel()
		seen, err := read(within)
		if ctx.Err() != nil {
			return Seen{}, ctx.Err()
		}
		none := new(noData)
		if err == nil || !errors.As(err, &none) {
			return seen, err
		}
		return Seen{None: true, Busy: none.busy, Said: Line(none.why)}, pause(err)
	}
}

// pause keeps of an error only that a source wants to be left alone.
func pause(err error) error {
	if wait := new(PauseError); errors.As(err, &wait) {
		return wait
	}
	return nil
}

func (t Tools) reader(c project.Check) (func(ctx context.Context) (Seen, error), error) {
	var number func(ctx context.Context) (float64, error)
	client := t.client()
	switch m := c.Metric; {
	case m.Prometheus != nil && m.Prometheus.Compare != nil && m.Prometheus.Compare.Numbers():
		return prometheus{client, *m.Prometheus}.pair, nil
	case m.Prometheus != nil && m.Prometheus.Compare != nil:
		return prometheus{client, *m.Prometheus}.counters, nil
	case m.Prometheus != nil:
		number = prometheus{client, *m.Prometheus}.number
	case m.JSON != nil:
		value, err := expr.ParseNumber(expr.Reading, m.JSON.Value)
		if err != nil {
			return nil, err
		}
		number = jsonNumber{client, *m.JSON, value}.number
	default:
		return nil, errors.New("a number without a source")
	}
	return func(ctx context.Context) (Seen, error) {
		n, err := number(ctx)
		if err != nil {
			return Seen{}, err
		}
		return Seen{OK: true, Value: &n}, nil
	}, nil
}

// jsonNumber is a number in an answer of JSON.
type jsonNumber struct {
	client *http.Client
	from   project.JSON
	value  *expr.Number
}

func (j jsonNumber) number(ctx context.Context) (float64, error) {
	what := "GET " + maskURL(j.from.URL)
	a, err := fetch(j.client, what, j.from.Token, func() (*http.Request, error) {
		return http.NewRequestWithContext(ctx, http.MethodGet, j.from.URL, nil)
	})
	if err != nil {
		return 0, err
	}
	if a.status/100 != 2 {
		return 0, &noData{why: fmt.Sprintf("%s answered %d", what, a.status)}
	}
	var body any
	if err := json.Unmarshal(a.body, &body); err != nil {
		return 0, &noData{why: what + " did not answer with JSON"}
	}
	n, ok, err := j.value.Of(ctx, expr.Vars{"status": a.status, "header": a.header, "body": body})
	switch {
	case err != nil:
		return 0, &noData{why: fmt.Sprintf("%s: value: %v", what, err)}
	case !ok:
		return 0, &noData{why: what + ": value is null"}
	}
	return n, nil
}

// reply is an answer that was read.
type reply struct {
	status int
	header map[string]string // by names in lower case
	body   []byte
}

// fetch makes one request. That there is no answer, or that the source was asked too often, is no data.
func fetch(client *http.Client, what string, t project.Token, request func() (*http.Request, error)) (reply, error) {
	req, err := request()
	if err != nil {
		return reply{}, fmt.Errorf("%s: not a URL", what) // the error may hold it
	}
	secret, err := driver.Secret(t.Env, t.File)
	if err != nil {
		return reply{}, err
	}
	if secret != "" {
		req.Header.Set("Authorization", "Bearer "+secret)
	}
	req.Header.Set("User-Agent", "sluice-watcher")
	req.Header.Set("Accept", "application/json")
	res, err := client.Do(req)
	if err != nil {
		if inner := new(url.Error); errors.As(err, &inner) {
			err = inner.Err // without the URL, whose query may hold a secret
		}
		if ours(err) {
			return reply{}, fmt.Errorf("%s: %w", what, err)
		}
		return reply{}, &noData{why: Line(what + ": " + err.Error())}
	}
	defer func() { _ = res.Body.Close() }() // only read
	body, err := io.ReadAll(io.LimitReader(res.Body, mostAnswer+1))
	switch {
	case err != nil:
		return reply{}, &noData{why: Line(what + ": " + err.Error())}
	case len(body) > mostAnswer:
		return reply{}, &noData{why: fmt.Sprintf("%s answered with more than %d bytes", what, mostAnswer)}
	case res.StatusCode == http.StatusTooManyRequests, res.StatusCode == http.StatusServiceUnavailable:
		why := &noData{why: fmt.Sprintf("%s answered %d: it is asked too often, or busy", what, res.StatusCode), busy: true}
		return reply{}, &PauseError{For: min(retry.After(res.Header, time.Now()), mostPause), Err: why}
	case res.StatusCode == http.StatusUnauthorized, res.StatusCode == http.StatusForbidden:
		return reply{}, fmt.Errorf("%s answered %d: look at the token of this check", what, res.StatusCode)
	}
	a := reply{status: res.StatusCode, body: body, header: map[string]string{}}
	for name, values := range res.Header {
		a.header[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	return a, nil
}

// mostPause bounds how long a source is left alone because it asks for it.
const mostPause = 10 * time.Minute
