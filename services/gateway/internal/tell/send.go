package tell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/react"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

// onBroker publishes in binary mode: the data is the body, each attribute is a header.
// https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/nats-protocol-binding.md
func onBroker(js jetstream.JetStream) func(context.Context, string, event.Event) error {
	return func(ctx context.Context, release string, e event.Event) error {
		m := nats.NewMsg(topology.CDEvents(release))
		m.Data = e.Data()
		for name, value := range map[string]string{
			"ce-specversion": e.SpecVersion(), "ce-id": e.ID(), "ce-source": e.Source(), "ce-type": e.Type(),
			"ce-subject": encoded(e.Subject()), "ce-time": e.Time().Format(time.RFC3339Nano), "content-type": e.DataContentType(),
		} {
			m.Header[name] = []string{value}
		}
		if _, err := js.PublishMsg(ctx, m, jetstream.WithExpectStream(topology.StreamEvidence)); err != nil {
			return fmt.Errorf("publish %s on %s: %w", e.Type(), m.Subject, err)
		}
		return nil
	}
}

// encoded is a text as the value of a header: as it is, but for what the binding has encoded.
func encoded(text string) string {
	var out strings.Builder
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c > '~' || c == '"' || c == '%' {
			fmt.Fprintf(&out, "%%%02X", c)
		} else {
			out.WriteByte(c)
		}
	}
	return out.String()
}

const (
	mostAtOnce = 8                // events on their way to a sink
	mostPause  = 10 * time.Minute // that a sink may ask for
	mostAnswer = 64 << 10         // bytes of an answer that are read, so that its connection is used again
)

// overHTTP sends in binary mode: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
func overHTTP(sink config.Sink) func(context.Context, string, event.Event) error {
	client := &http.Client{
		// A redirect would take the token along, and make a GET of it.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: mostAtOnce, IdleConnTimeout: time.Minute},
	}
	slots := make(chan struct{}, mostAtOnce)
	return func(ctx context.Context, _ string, e event.Event) error {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		case <-ctx.Done():
			return react.Later(time.Second, "the sink is busy")
		}
		token, err := driver.Secret(sink.TokenEnv, sink.TokenFile)
		if err != nil {
			return err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, sink.URL, http.NoBody)
		if err != nil {
			return fmt.Errorf("%w: %s is no address", ErrFinal, shown(sink.URL))
		}
		if err := cehttp.WriteRequest(binding.WithForceBinary(ctx), binding.ToMessage(&e), req); err != nil {
			return fmt.Errorf("write %s: %w", e.Type(), err)
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := client.Do(req)
		var full *url.Error // which says the whole address
		if errors.As(err, &full) {
			err = full.Err
		}
		if err != nil {
			return fmt.Errorf("send to %s: %w", shown(sink.URL), err)
		}
		defer func() { _ = res.Body.Close() }() // only read
		_, _ = io.CopyN(io.Discard, res.Body, mostAnswer)
		return Verdict("the sink", res)
	}
}

// shown is an address as people are told it: what stands in its query may be a secret.
func shown(address string) string {
	plain, _, _ := strings.Cut(address, "?")
	return plain
}

// Verdict is nil when whoever was sent something has taken it. Its error wraps [ErrFinal] when they never will, and is a
// [react.LaterError] when they said when to come back.
func Verdict(who string, res *http.Response) error {
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return nil
	}
	err := fmt.Errorf("%s answers %s", who, res.Status)
	if slices.Contains([]int{
		http.StatusBadRequest, http.StatusGone, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
		http.StatusUnprocessableEntity,
	}, res.StatusCode) {
		return fmt.Errorf("%w: %w", ErrFinal, err)
	}
	if pause := asked(res.Header.Get("Retry-After"), time.Now()); pause > 0 {
		return react.Later(pause, err.Error())
	}
	return err
}

// asked is the pause that a Retry-After asks for, in seconds or as a date: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
func asked(value string, now time.Time) time.Duration {
	seconds, err := strconv.ParseUint(value, 10, 31)
	pause := time.Duration(seconds) * time.Second
	if err != nil {
		at, err := http.ParseTime(value)
		if err != nil {
			return 0
		}
		pause = at.Sub(now)
	}
	return min(max(pause, 0), mostPause)
}
