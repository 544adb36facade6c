package oci

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/retry"
)

// credentials are those of one registry, by name. They are read for each request that needs them.
type credentials struct{ username, tokenEnv, tokenFile string }

// named tells whether the project file names any. Otherwise docker's configuration is asked, and then nobody.
func (c credentials) named() bool { return c.tokenEnv != "" || c.tokenFile != "" }

// Authorization is authn.Authenticator's. Without a user name the token is the registry's own, and goes along as it is.
func (c credentials) Authorization() (*authn.AuthConfig, error) {
	token, err := driver.Secret(c.tokenEnv, c.tokenFile)
	if err != nil {
		return nil, err
	}
	if c.username == "" {
		return &authn.AuthConfig{RegistryToken: token}, nil
	}
	return &authn.AuthConfig{Username: c.username, Password: token}, nil
}

// AuthorizationContext is authn.ContextAuthenticator's.
func (c credentials) AuthorizationContext(ctx context.Context) (*authn.AuthConfig, error) {
	auth, err := c.Authorization()
	if err == nil {
		driver.OutputOf(ctx).Hide(auth.RegistryToken, auth.Password)
	}
	return auth, err
}

// where says where the credentials come from.
func (c credentials) where() string {
	switch {
	case c.tokenEnv != "":
		return "the credentials in the environment variable " + driver.Quote(c.tokenEnv)
	case c.tokenFile != "":
		return "the credentials in the file " + driver.Quote(c.tokenFile)
	}
	return "the credentials of docker's configuration, if there are any (the project file names none)"
}

// redact takes the secrets out of what a registry said, and puts it on one line.
func (c credentials) redact(text string) string {
	if token, err := driver.Secret(c.tokenEnv, c.tokenFile); err == nil && token != "" {
		for _, secret := range []string{token, url.QueryEscape(token), base64.StdEncoding.EncodeToString([]byte(c.username + ":" + token))} {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "?"), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
	return fmt.Sprintf("%.200s", text)
}

// failed is the error of a request, fit to be shown: one line, without secrets and without the addresses of redirects, which may be
// signed. It is driver.Refused when asking again does not help.
func (s *session) failed(ctx context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	if ended := ctx.Err(); ended != nil {
		return fmt.Errorf("%s: %w", doing, ended)
	}
	var refused *driver.Refused
	if errors.As(err, &refused) {
		return driver.Refusef("%s: %w", doing, refused)
	}
	var said *transport.Error
	if !errors.As(err, &said) {
		var with *url.Error
		if errors.As(err, &with) {
			err = with.Err
		}
		return fmt.Errorf("%s: the registry can not be reached: %s", doing, s.auth.redact(err.Error()))
	}
	text := fmt.Sprintf("%s: the registry answered with %d: %s", doing, said.StatusCode, s.auth.redact(reason(said)))
	switch {
	case said.StatusCode == http.StatusUnauthorized:
		text += "; it does not accept " + s.auth.where()
	case said.StatusCode == http.StatusForbidden:
		text += "; not allowed with " + s.auth.where()
	case retry.Later(said.StatusCode):
		return &failure{text, said}
	}
	return driver.Refusef("%w", &failure{text, said})
}

// failure is an answer of the registry in words of ours.
type failure struct {
	text string
	said *transport.Error
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.said }

// reason is what the registry says of itself.
func reason(said *transport.Error) string {
	for _, d := range said.Errors {
		if d.Code != "" || d.Message != "" {
			return strings.TrimSpace(string(d.Code) + " " + d.Message)
		}
	}
	return http.StatusText(said.StatusCode)
}
