package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
	"github.com/sluice-gate/sluice/services/gateway/internal/notice"
	"github.com/sluice-gate/sluice/services/gateway/internal/tell"
)

// mostAnswer is how many bytes of an answer are read, so that its connection is used again.
const mostAnswer = 64 << 10

// outside sends to the world.
type outside struct {
	cfg    config.NotifyOut
	log    *zap.Logger
	client *http.Client
	leash  chan struct{} // what shoutrrr does
}

func newOutside(cfg config.NotifyOut, log *zap.Logger) *outside {
	return &outside{cfg: cfg, log: log, leash: make(chan struct{}, mostLeashed), client: &http.Client{
		// A redirect would take the token along, and make a GET of it.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: slotsEach, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
		},
	}}
}

// Send sends a message to whatever the target is.
func (o *outside) Send(ctx context.Context, to project.Notify, m notice.Message) error {
	switch {
	case to.Slack != nil:
		body, err := notice.Slack(m, o.cfg.Slack != nil)
		return o.hook(ctx, "Slack", *to.Slack, body, err)
	case to.Teams != nil:
		body, err := notice.Teams(m)
		return o.hook(ctx, "Teams", *to.Teams, body, err)
	case to.Discord != nil:
		body, err := notice.Discord(m)
		return o.hook(ctx, "Discord", *to.Discord, body, err)
	case to.Webhook != nil:
		return o.webhook(ctx, *to.Webhook, m)
	case to.Email != nil:
		return o.mail(ctx, *to.Email, m)
	case to.Shoutrrr != nil:
		return o.shoutrrr(ctx, *to.Shoutrrr, m)
	}
	return fmt.Errorf("%w: the target is of a kind that this version does not know", tell.ErrFinal)
}

// secret reads a secret that project files may name.
func (o *outside) secret(env, file string) (string, error) {
	if err := o.cfg.May(env, file); err != nil {
		return "", err
	}
	return driver.Secret(env, file)
}

// hook posts to an address that is a secret.
func (o *outside) hook(ctx context.Context, who string, h project.Hook, body []byte, err error) error {
	if err != nil {
		return err
	}
	address, err := o.secret(h.URLEnv, h.URLFile)
	if err != nil {
		return err
	}
	return o.post(ctx, who, address, "", "", body)
}

func (o *outside) webhook(ctx context.Context, w project.Webhook, m notice.Message) error {
	body, err := notice.JSON(m)
	if err != nil {
		return err
	}
	address := w.URL
	if address == "" {
		if address, err = o.secret(w.URLEnv, w.URLFile); err != nil {
			return err
		}
	}
	token, err := o.secret(w.TokenEnv, w.TokenFile)
	if err != nil {
		return err
	}
	return o.post(ctx, "the webhook", address, token, m.Key, body)
}

// post sends JSON. No error of it has the address, which may be a secret.
func (o *outside) post(ctx context.Context, who, address, token, key string, body []byte) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !config.Here(u.Hostname())) {
		return fmt.Errorf("the address of %s must be a URL with https, or http on this machine", who)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("the address of %s can not be asked", who)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "sluice")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if key != "" { // https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
		req.Header.Set("Idempotency-Key", `"`+key+`"`)
	}
	res, err := o.client.Do(req)
	if err != nil {
		return fmt.Errorf("send to %s: %w", who, hidden(err, address, token))
	}
	defer func() { _ = res.Body.Close() }() // only read
	_, _ = io.CopyN(io.Discard, res.Body, mostAnswer)
	return tell.Verdict(who, res)
}

// hidden is an error without the secrets that were used, nor any part of an address that may be one.
func hidden(err error, secrets ...string) error {
	if full := new(url.Error); errors.As(err, &full) { // which says the whole address
		err = full.Err
	}
	text, changed := err.Error(), false
	for _, secret := range secrets {
		for _, part := range parts(secret) {
			if strings.Contains(text, part) {
				text, changed = strings.ReplaceAll(text, part, "…"), true
			}
		}
	}
	if !changed {
		return err
	}
	return errors.New(text)
}

// parts are a secret, and what of it may be one by itself: everything of an address but its scheme and its host.
func parts(secret string) []string {
	if secret == "" {
		return nil
	}
	out := []string{secret}
	u, err := url.Parse(secret)
	if err != nil {
		return out
	}
	more := strings.FieldsFunc(u.EscapedPath()+"/"+u.Path, func(r rune) bool { return r == '/' })
	if u.User != nil {
		password, _ := u.User.Password()
		more = append(more, u.User.String(), u.User.Username(), password)
	}
	more = append(more, u.RawQuery)
	for _, values := range u.Query() {
		more = append(more, values...)
	}
	const least = 6 // shorter ones are words
	for _, one := range more {
		if len(one) >= least {
			out = append(out, one)
		}
	}
	return out
}
