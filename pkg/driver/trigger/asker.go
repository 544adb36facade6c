package trigger

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/internal/line"
	"github.com/sluice-gate/sluice/pkg/driver/retry"
	"github.com/sluice-gate/sluice/pkg/project"
)

// asker is the way to one CI, with one token.
type asker struct {
	*line.Line
	waits waits
}

// newAsker checks where the token would go. An error is a mistake in the settings.
func newAsker(base string, token project.Token, o options) (*asker, error) {
	l, err := line.New(line.Settings{Base: base, Token: token, Extra: http.Header{}, Redirects: true, Transport: o.transport})
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	return &asker{l, o.waits}, nil
}

// get reads a URL, repeatedly where that may help. Any answer but one that says later, or no, is returned.
func (l *asker) get(ctx context.Context, to string) (*line.Answer, error) {
	return retry.Do(ctx, l.waits.Policy, func() (*line.Answer, error) {
		return l.Send(ctx, line.Request{Method: http.MethodGet, URL: to})
	})
}

// getJSON reads what a URL has into a value. An answer that is no success is an error.
func (l *asker) getJSON(ctx context.Context, to string, into any) error {
	a, err := l.get(ctx, to)
	if err != nil {
		return err
	}
	return a.JSON("GET "+line.Plain(to), into)
}

// post sends a value as JSON, once. An error after which nothing has happened is errNotDone.
func (l *asker) post(ctx context.Context, method, to string, header http.Header, value any) (*line.Answer, error) {
	r := line.Request{Method: method, URL: to, Header: header}
	if value != nil {
		var err error
		if r.Body, err = json.Marshal(value); err != nil {
			return nil, driver.Refusef("the body is no JSON: %w", err)
		}
		r.Type = "application/json"
	}
	return l.Send(ctx, r)
}
