package probe

import (
	"bytes"
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
func (t Tools) metric(c project.Check, f driver.Facts, from time.Time) Probe {
	read, err := t.reader(c, f, from)
	if err != nil { // the project file was checked, so this is none that there is
		return func(context.Context) (Seen, error) { return Seen{}, err }
	}
	return withoutData(func(ctx context.Context) (Seen, error) {
		within, cancel := timed(ctx, c)
		defer cancel()
		return read(within)
	})
}

// withoutData is a look that says, in place of an error, that its source has nothing.
func withoutData(look Probe) Probe {
	return func(ctx context.Context) (Seen, error) {
		seen, err := look(ctx)
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

// reading is a number, and what is to be said of it beside; or an error, such as noData.
type reading func(ctx context.Context) (n float64, beside string, err error)

func (t Tools) reader(c project.Check, f driver.Facts, from time.Time) (Probe, error) {
	if c.Metric.Plugin != nil {
		return plugin(c, f), nil
	}
	if p := c.Metric.Prometheus; p != nil && p.Compare != nil && p.Compare.Numbers() {
		return prometheus{t.client(), *p, from}.pair, nil
	}
	if c.Scores() {
		return prometheus{t.client(), *c.Metric.Prometheus, from}.many, nil
	}
	if c.Compares() {
		return prometheus{t.client(), *c.Metric.Prometheus, from}.counters, nil
	}
	read, err := t.source(c, from)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (Seen, error) {
		n, beside, err := read(ctx)
		if err != nil {
			return Seen{}, err
		}
		return Seen{OK: beside == "", Said: Line(beside), Value: &n}, nil
	}, nil
}

// source is where the number of a check comes from, for a soak or a bake that began at a time.
func (t Tools) source(c project.Check, from time.Time) (reading, error) {
	switch m := c.Metric; {
	case m.Prometheus != nil:
		return prometheus{t.client(), *m.Prometheus, from}.number, nil
	case m.JSON != nil:
		value, err := expr.ParseNumber(expr.Reading, m.JSON.Value)
		return jsonNumber{t.client(), *m.JSON, value}.number, err
	case m.CloudWatch != nil:
		return t.cloudMetric(*m.CloudWatch, from)
	case m.Logs != nil:
		return t.cloudLogs(*m.Logs, from)
	}
	return nil, errors.New("a number without a source")
}

// jsonNumber is a number in an answer of JSON.
type jsonNumber struct {
	client *http.Client
	from   project.JSON
	value  *expr.Number
}

func (j jsonNumber) number(ctx context.Context) (number float64, beside string, err error) {
	what := "GET " + maskURL(j.from.URL)
	a, err := fetch(j.client, what, j.from.Token, func() (*http.Request, error) {
		return http.NewRequestWithContext(ctx, http.MethodGet, j.from.URL, nil)
	})
	if err != nil {
		return 0, "", err
	}
	if a.status/100 != 2 {
		return 0, "", &noData{why: fmt.Sprintf("%s answered %d", what, a.status)}
	}
	var body any
	if err := json.Unmarshal(a.body, &body); err != nil {
		return 0, "", &noData{why: what + " did not answer with JSON"}
	}
	n, ok, err := j.value.Of(ctx, expr.Vars{"status": a.status, "header": a.header, "body": body})
	switch {
	case err != nil:
		return 0, "", &noData{why: fmt.Sprintf("%s: value: %v", what, err)}
	case !ok:
		return 0, "", &noData{why: what + ": value is null"}
	}
	return n, "", nil
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
	secret, err := authorize(req, t)
	if err != nil {
		return reply{}, err
	}
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
	case tooOften(what, res) != nil:
		return reply{}, tooOften(what, res)
	case res.StatusCode == http.StatusServiceUnavailable:
		return reply{}, &noData{why: what + " answered 503: it is busy", busy: true}
	case res.StatusCode == http.StatusUnauthorized, res.StatusCode == http.StatusForbidden:
		return reply{}, fmt.Errorf("%s answered %d: look at the token of this check", what, res.StatusCode)
	}
	return reply{status: res.StatusCode, body: hide(body, secret), header: headers(res, secret)}, nil
}

// authorize says who asks, and returns the secret of the token, if there is one.
func authorize(req *http.Request, t project.Token) (secret string, err error) {
	if secret, err = driver.Secret(t.Env, t.File); err != nil {
		return "", err
	}
	if secret != "" {
		req.Header.Set("Authorization", "Bearer "+secret)
	}
	req.Header.Set("User-Agent", "sluice-watcher")
	return secret, nil
}

// leastSecret is how long a secret is that is looked for in answers, in bytes; a shorter one would blot out ordinary text.
const leastSecret = 4

// hide takes out of an answer the secret that it may repeat.
func hide(body []byte, secret string) []byte {
	if len(secret) < leastSecret {
		return body
	}
	return bytes.ReplaceAll(body, []byte(secret), []byte(hidden))
}

// headers are those of an answer, by names in lower case.
func headers(res *http.Response, secret string) map[string]string {
	all := map[string]string{}
	for name, values := range res.Header {
		all[strings.ToLower(name)] = string(hide([]byte(strings.Join(values, ", ")), secret))
	}
	return all
}

// mostPause bounds how long a source is left alone because it asks for it.
const mostPause = 10 * time.Minute
