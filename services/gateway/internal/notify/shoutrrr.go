package notify

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"

	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/services/gateway/internal/notice"
)

// mostLeashed bounds what the library does at the same time, and what it does not come back from.
const mostLeashed = 8

// shoutrrr sends by a service of the library of that name, v0.13.2. That knows no context, puts addresses into errors, and keeps of an
// answer its status at most. So it gets no logger, an error is shown without any part of the address, nobody waits for it longer than ctx,
// and while too many of its sends have not come back it gets no more.
func (o *outside) shoutrrr(ctx context.Context, h project.Hook, m notice.Message) error {
	address, err := o.secret(h.URLEnv, h.URLFile)
	if err != nil {
		return err
	}
	scheme, _, _ := strings.Cut(address, ":")
	scheme, _, _ = strings.Cut(strings.ToLower(scheme), "+")
	switch scheme {
	case "smtp": // which would wait for ever for a server that says nothing
		return errors.New("for mail there is the target email, in the place of shoutrrr")
	case "logger":
		return errors.New("the service logger of shoutrrr tells nobody: name another one")
	}
	service, err := new(router.ServiceRouter).Locate(address)
	if err != nil {
		return fmt.Errorf("the address for shoutrrr: %w", without(err, address))
	}
	select {
	case o.leash <- struct{}{}:
	default:
		return errors.New("shoutrrr has not come back from too many messages")
	}
	done := make(chan error, 1)
	go func() {
		defer func() { <-o.leash }()
		done <- service.Send(notice.Text(m), nil)
	}()
	select {
	case err = <-done:
	case <-ctx.Done():
		err = errors.New("no answer in time")
	}
	if err != nil {
		return fmt.Errorf("send by shoutrrr to %s: %w", scheme, without(err, address))
	}
	return nil
}

// without is an error on one line and without the address, in which the host may be a secret, too.
func without(err error, address string) error {
	secrets := []string{address}
	if u, parsed := url.Parse(address); parsed == nil && u.Host != "" {
		secrets = append(secrets, u.Host, u.Hostname())
	}
	return hidden(errors.New(strings.Join(strings.Fields(err.Error()), " ")), secrets...)
}
