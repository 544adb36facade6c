package hook

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

// How old a delivery may be, and how far ahead the sender's clock, where the signed part of it tells the time. It is for
// deliveries that were kept and are sent again by somebody else; the sources' own retries come within minutes.
const (
	maxAge   = 24 * time.Hour
	maxAhead = 5 * time.Minute
)

// The headers of a generic hook. The timestamp, in seconds since 1970, is optional; with it the signature is over the
// timestamp, a dot, and the body.
const (
	HeaderSignature = "X-Sluice-Signature-256"
	HeaderTimestamp = "X-Sluice-Timestamp"
)

// verify looks at who sent a delivery, before anything in it is believed.
func verify(h config.Hook, secret string, d Delivery) error {
	if secret == "" { // HMAC would accept it
		return fmt.Errorf("%w: the hook has no secret", ErrUnsigned)
	}
	switch h.Source { //nolint:exhaustive // the sources of alerts that do not sign are below
	case config.Sentry: // https://docs.sentry.io/organization/integrations/integration-platform/webhooks/#sentry-hook-signature
		return signed(secret, d.Body, d, "Sentry-Hook-Signature", "")
	case config.PagerDuty: // https://developer.pagerduty.com/docs/verifying-webhook-signatures
		return signed(secret, d.Body, d, "X-Pagerduty-Signature", "v1=")
	case config.GitHub:
		return signed(secret, d.Body, d, "X-Hub-Signature-256", "sha256=")
	case config.Bitbucket:
		return signed(secret, d.Body, d, "X-Hub-Signature", "sha256=")
	case config.GitLab:
		return same(secret, d.Header.Get("X-Gitlab-Token"), "X-Gitlab-Token")
	case config.CircleCI:
		if err := signed(secret, d.Body, d, "Circleci-Signature", "v1="); err != nil {
			return err
		}
		return freshBody(d)
	case config.Generic, config.CDEvents:
		return verifyGeneric(h.Generic.Auth, secret, d)
	}
	if h.Alarm != nil {
		return verifyGeneric(h.Alarm.Auth, secret, d)
	}
	return fmt.Errorf("%w: the source %q is unknown", ErrUnsigned, h.Source)
}

func verifyGeneric(auth config.Auth, secret string, d Delivery) error {
	if auth == config.Basic {
		_, password, _ := (&http.Request{Header: d.Header}).BasicAuth()
		return same(secret, password, "the password of Authorization: Basic")
	}
	if auth == config.Bearer {
		token, _ := strings.CutPrefix(d.Header.Get("Authorization"), "Bearer ")
		return same(secret, token, "Authorization: Bearer")
	}
	stamp := d.Header.Get(HeaderTimestamp)
	if stamp == "" {
		return signed(secret, d.Body, d, HeaderSignature, "sha256=")
	}
	if err := signed(secret, []byte(stamp+"."+string(d.Body)), d, HeaderSignature, "sha256="); err != nil {
		return err
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return fmt.Errorf("%w: %s is no number of seconds", ErrStale, HeaderTimestamp)
	}
	return fresh(time.Unix(seconds, 0), d.At)
}

// signed looks for a signature of the text among those that the header lists, separated by commas, each with its scheme before it.
func signed(secret string, text []byte, d Delivery, header, scheme string) error {
	value := d.Header.Get(header)
	if value == "" {
		return fmt.Errorf("%w: the header %s is missing: is the secret set where the webhook is sent?", ErrUnsigned, header)
	}
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write(text) // a hash takes everything
	want := mac.Sum(nil)
	for one := range strings.SplitSeq(value, ",") {
		digits, ok := strings.CutPrefix(strings.TrimSpace(one), scheme)
		if got, err := hex.DecodeString(digits); ok && err == nil && hmac.Equal(got, want) {
			return nil
		}
	}
	return fmt.Errorf("%w: the signature in %s is not of this body under the hook's secret", ErrUnsigned, header)
}

// same compares a token without telling, by the time that it takes, how much of it is right, or how long it should be.
func same(secret, got, what string) error {
	if got == "" {
		return fmt.Errorf("%w: %s is missing: is the secret set where the webhook is sent?", ErrUnsigned, what)
	}
	a, b := sha256.Sum256([]byte(secret)), sha256.Sum256([]byte(got))
	if subtle.ConstantTimeCompare(a[:], b[:]) != 1 {
		return fmt.Errorf("%w: %s is not the hook's secret", ErrUnsigned, what)
	}
	return nil
}

// freshBody is for CircleCI, whose bodies tell when it happened.
func freshBody(d Delivery) error {
	var body struct {
		At json.RawMessage `json:"happened_at"`
	}
	if err := decode(d.Body, &body); err != nil {
		return err
	}
	at := moment(body.At)
	if at.IsZero() {
		return fmt.Errorf("%w: happened_at is missing or no time", ErrStale)
	}
	return fresh(at, d.At)
}

func fresh(at, now time.Time) error {
	switch age := now.Sub(at); {
	case age > maxAge:
		return fmt.Errorf("%w: it is of %s, more than %s ago", ErrStale, at.UTC().Format(time.RFC3339), maxAge)
	case age < -maxAhead:
		return fmt.Errorf("%w: it is of %s, which is in the future", ErrStale, at.UTC().Format(time.RFC3339))
	}
	return nil
}
