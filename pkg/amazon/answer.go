package amazon

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
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/sluice-gate/sluice/pkg/driver"
)

// bounded asks the context right before each request, and bounds the time and the answer of each.
type bounded struct {
	inner  aws.HTTPClient
	within time.Duration // 0 for no bound
	most   int64         // bytes; 0 for no bound
}

// silent is the error of a request that had no answer in time; the SDK may repeat it.
type silent struct{ within time.Duration }

func (s *silent) Error() string        { return fmt.Sprintf("no answer within %s", s.within) }
func (s *silent) RetryableError() bool { return true }

// tooLate is the error of an answer that asks to come back when the attempt is over.
type tooLate struct {
	status int
	pause  time.Duration
}

func (t *tooLate) Error() string {
	return fmt.Sprintf("answered with %d, to be tried again in %s", t.status, t.pause.Round(time.Second))
}

func (b bounded) Do(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	cancel := func() {}
	if b.within > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, b.within, &silent{b.within})
		cancel = stop
	}
	res, err := b.inner.Do(req.WithContext(ctx))
	if err != nil {
		cancel()
		var quiet *silent
		if req.Context().Err() == nil && errors.As(context.Cause(ctx), &quiet) {
			return nil, quiet
		}
		return nil, err
	}
	if pause := pauseOf(res); pause > 0 && pause > left(req.Context()) {
		cancel()
		_ = res.Body.Close() // of no use any more
		return nil, &tooLate{res.StatusCode, pause}
	}
	res.Body = &body{inner: res.Body, end: cancel, left: b.most, bounded: b.most > 0}
	return res, nil
}

// body ends with an error where it is larger than allowed.
type body struct {
	inner   io.ReadCloser
	end     func()
	left    int64
	bounded bool
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.inner.Read(p)
	if b.left -= int64(n); b.bounded && b.left < 0 {
		return 0, driver.Refusef("the answer is larger than %d bytes", mostAnswer)
	}
	return n, err
}

func (b *body) Close() error {
	defer b.end()
	return b.inner.Close()
}

// pauseOf is the pause that an answer asks for: Retry-After in seconds, or as a date.
func pauseOf(res *http.Response) time.Duration {
	if res.StatusCode != http.StatusTooManyRequests && res.StatusCode < 500 {
		return 0
	}
	const most = 24 * time.Hour
	after := res.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(after); err == nil {
		return min(time.Duration(max(min(seconds, 86_400), 0))*time.Second, most)
	}
	if at, err := http.ParseTime(after); err == nil {
		return min(max(time.Until(at), 0), most)
	}
	return 0
}

func askedPause(err error) time.Duration {
	var res *smithyhttp.ResponseError
	if errors.As(err, &res) && res.Response != nil && res.Response.Response != nil {
		return pauseOf(res.Response.Response)
	}
	return 0
}

// Pause is how long an answer asked to be left alone, 0 when it did not say.
func Pause(err error) time.Duration {
	var late *tooLate
	if errors.As(err, &late) {
		return late.pause
	}
	return askedPause(err)
}

// left is how long the context lasts.
func left(ctx context.Context) time.Duration {
	if end, ok := ctx.Deadline(); ok {
		return time.Until(end)
	}
	return time.Hour
}

// Code is the name that AWS has for an error, empty when it is none of an answer.
func Code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// Status is that of the answer which an error is about; 0 when there was none.
func Status(err error) int {
	var res *smithyhttp.ResponseError
	if errors.As(err, &res) && res.Response != nil && res.Response.Response != nil {
		return res.Response.StatusCode
	}
	return 0
}

// Throttled tells whether an answer said that this was too often: nothing was done.
func Throttled(err error) bool {
	_, throttle := retry.DefaultThrottleErrorCodes[Code(err)]
	var late *tooLate
	return throttle || Status(err) == http.StatusTooManyRequests || errors.As(err, &late) && late.status == http.StatusTooManyRequests
}

// Error is what a failed request comes to, as an error of a driver on one line without secrets: the context's own, one to try again, or
// a refusal. what is said first; it names the request.
func (l *Line) Error(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	if ended := ctx.Err(); ended != nil {
		return fmt.Errorf("%s: %w", what, ended)
	}
	var refused *driver.Refused
	if errors.As(err, &refused) {
		return fmt.Errorf("%s: %w", what, refused)
	}
	var quiet *silent
	var late *tooLate
	var broken *url.Error
	code, status := Code(err), Status(err)
	switch {
	case errors.As(err, &quiet):
		return fmt.Errorf("%s: %w", what, quiet)
	case errors.As(err, &late):
		return fmt.Errorf("%s: %w", what, late)
	case code == "" && status == 0 && errors.As(err, &broken):
		return fmt.Errorf("%s: it can not be reached: %w", what, broken.Err) // without the URL
	case code == "" && status == 0:
		return fmt.Errorf("%s: %s", what, l.plain(err.Error()))
	}
	said := fmt.Sprintf("%s was answered with %s", what, strings.TrimSpace(l.plain(strconv.Itoa(status)+" "+code+": "+message(err))))
	switch {
	case Throttled(err), status >= 500, retryable(code):
		return errors.New(said)
	case slices.Contains(unknownKeys(), code):
		return driver.Refusef("%s; it does not accept %s", said, l.credentials())
	case status == http.StatusForbidden, status == http.StatusUnauthorized, strings.HasPrefix(code, "AccessDenied"):
		return driver.Refusef("%s; %s may not do this", said, l.credentials())
	case status/100 == 3:
		return driver.Refusef("%s; it redirects: look at the region and the endpoint", said)
	case status/100 == 2: // it was broken on the way
		return errors.New(said)
	}
	return driver.Refusef("%s", said)
}

func retryable(code string) bool {
	_, again := retry.DefaultRetryableErrorCodes[code]
	return again
}

// unknownKeys are the errors about credentials that belong to nobody, do not sign as they should, or are out of date:
// https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html,
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList.
func unknownKeys() []string {
	return []string{
		"UnrecognizedClientException", "InvalidSignatureException", "IncompleteSignature", "IncompleteSignatureException",
		"InvalidClientTokenId", "MissingAuthenticationToken", "MissingAuthenticationTokenException", "ExpiredToken", "ExpiredTokenException",
		"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "TokenRefreshRequired", "AuthFailure", "NotAuthorized",
		"InvalidSecurity",
	}
}

func message(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorMessage() != "" {
		return api.ErrorMessage()
	}
	var made *smithy.DeserializationError
	if errors.As(err, &made) {
		return "the answer is not what it should be"
	}
	return http.StatusText(Status(err))
}

// plain is what an answer said, on one line and without secrets.
func (l *Line) plain(text string) string {
	l.secretsMu.Lock()
	defer l.secretsMu.Unlock()
	for _, secret := range l.secrets {
		text = strings.ReplaceAll(text, secret, "***")
	}
	return oneLine(text)
}

// Plain is a text from outside as it may be shown: on one line, bounded, without secrets.
func (l *Line) Plain(text string) string { return l.plain(text) }

// unreadable is what does not print, also what would turn the direction of the text around it.
func unreadable(c rune) bool { return unicode.IsSpace(c) || !unicode.IsPrint(c) }
