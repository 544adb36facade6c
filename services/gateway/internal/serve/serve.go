// Package serve answers webhooks over HTTP. What a webhook is, is decided in package hook; here is what goes around it: bounds,
// the broker, and statuses.
//
// An answer of 200 is given only after the broker has acknowledged every release and every alert that it names. Whatever goes
// wrong before is 503, with Retry-After, and nothing is kept here: the source sends it again, and a merge event that was stored
// although nobody heard so is the same release when it comes again.
//
//	200 its merges are stored, or were before: {"delivery":…,"releases":[{"project":…,"release":…,"known":…}]}
//	200 its alerts are stored: {"delivery":…,"alerts":2}
//	202 it makes no merge and tells of no alert: {"ignored":"why"}
//	400 malformed; 401 not signed; 403 too old; 404 no such hook; 405, 413, 415 method, size, type; 422 refused: {"error":"why"}
//	503 the broker does not answer: send it again
package serve

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
	"github.com/sluice-gate/sluice/services/gateway/internal/hook"
)

const (
	// MaxBody bounds a body, in bytes.
	MaxBody = 1 << 20
	// answerWithin bounds the time that the broker has. CircleCI waits for an answer for five seconds, GitHub for ten.
	answerWithin = 4 * time.Second
	// retryAfter is how many seconds a source is asked to wait.
	retryAfter = "5"
)

// Stored is a merge that the broker has.
type Stored struct {
	Project string `json:"project"`
	Release string `json:"release"`
	Known   bool   `json:"known,omitempty"` // the commit was a release before
}

// Handler answers the webhooks of a configuration.
type Handler struct {
	// Store hands a merge to the broker and returns when that has acknowledged it. [catalog.ErrUnknownProject] is final; any
	// other error may pass.
	Store func(ctx context.Context, m hook.Merge) (Stored, error)
	// Alert hands an alert to the broker and returns when that has acknowledged it. An error may pass.
	Alert  func(ctx context.Context, a hook.Alert) error
	Log    *zap.Logger
	Count  func(path string, status int) // for metrics
	Config *config.Config
}

// Mux is the handler of all hooks.
func (h Handler) Mux() http.Handler {
	mux := http.NewServeMux()
	for _, one := range h.Config.Hooks {
		mux.HandleFunc(one.Path, func(w http.ResponseWriter, r *http.Request) {
			a := h.answer(w, r, one)
			h.Count(one.Path, a.status)
			a.write(w)
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		answer{status: http.StatusNotFound, Error: "no hook is configured for this path"}.write(w)
	})
	return mux
}

// answer is the body of an answer.
type answer struct {
	status   int
	asks     bool     // for a user and a password
	Delivery string   `json:"delivery,omitempty"`
	Releases []Stored `json:"releases,omitempty"`
	Alerts   int      `json:"alerts,omitempty"`
	Ignored  string   `json:"ignored,omitempty"`
	Error    string   `json:"error,omitempty"`
}

func (a answer) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	if a.asks { // SNS sends what is in the URL only when it is asked with a realm
		w.Header().Set("WWW-Authenticate", `Basic realm="sluice"`)
	}
	switch a.status {
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", retryAfter)
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodPost)
	}
	body, err := json.Marshal(a)
	if err != nil {
		http.Error(w, "the answer can not be written", http.StatusInternalServerError)
		return
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(append(body, '\n')) // if it fails, whoever asked is gone
}

// answer makes the answer. It ends when the source hangs up, except that what is on its way to the broker is waited for.
func (h Handler) answer(w http.ResponseWriter, r *http.Request, one config.Hook) answer {
	body, refused := take(w, r, one.Source)
	if refused.status != 0 {
		return refused
	}
	log := h.Log.With(zap.String("path", one.Path), zap.String("source", string(one.Source)))
	secret, err := driver.Secret(one.SecretEnv, one.SecretFile)
	if err != nil {
		log.Error("the hook's secret can not be read", zap.Error(err))
		return answer{status: http.StatusServiceUnavailable, Error: "the hook's secret can not be read"}
	}
	out, err := hook.Read(r.Context(), one, secret, hook.Delivery{Header: r.Header, Body: body, At: time.Now()})
	log = log.With(zap.String("delivery", out.Delivery))
	if err != nil {
		log.Warn("webhook refused", zap.Error(err))
		status := statusOf(err)
		asks := status == http.StatusUnauthorized && one.Alarm != nil && one.Alarm.Auth == config.Basic
		return answer{status: status, asks: asks, Delivery: out.Delivery, Error: releasepb.Line(err.Error(), releasepb.MaxReason)}
	}
	if out.Ignored != "" {
		log.Info("webhook ignored", zap.String("why", out.Ignored))
		return answer{status: http.StatusAccepted, Delivery: out.Delivery, Ignored: out.Ignored}
	}
	if len(out.Alerts) > 0 {
		return h.alerts(r.Context(), out, log)
	}
	return h.store(r.Context(), out, log)
}

// alerts hands all alerts of a delivery over. If one fails all are sent again, and are then the same states once more.
func (h Handler) alerts(ctx context.Context, out hook.Outcome, log *zap.Logger) answer {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerWithin)
	defer cancel()
	for _, a := range out.Alerts {
		if err := h.Alert(ctx, a); err != nil {
			log.Warn("an alert is not stored", zap.String("project", a.Project), zap.String("fingerprint", a.Fingerprint), zap.Error(err))
			return answer{status: http.StatusServiceUnavailable, Delivery: out.Delivery, Error: "the broker does not answer: send it again"}
		}
		log.Debug("alert taken", zap.String("project", a.Project), zap.String("fingerprint", a.Fingerprint),
			zap.String("status", string(a.Status)), zap.Stringer("alert", a))
	}
	log.Info("alerts taken", zap.Int("alerts", len(out.Alerts)))
	return answer{status: http.StatusOK, Delivery: out.Delivery, Alerts: len(out.Alerts)}
}

// store hands all merges of a delivery over. One that fails fails the delivery; those before it are found to be known the next time.
func (h Handler) store(ctx context.Context, out hook.Outcome, log *zap.Logger) answer {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerWithin)
	defer cancel()
	a := answer{status: http.StatusOK, Delivery: out.Delivery}
	for _, m := range out.Merges {
		stored, err := h.Store(ctx, m)
		switch {
		case errors.Is(err, catalog.ErrUnknownProject):
			log.Warn("webhook refused", zap.Error(err))
			return answer{status: http.StatusUnprocessableEntity, Delivery: out.Delivery, Error: err.Error()}
		case err != nil:
			log.Warn("a merge is not stored", zap.String("project", m.Project), zap.String("commit", m.Event.Commit), zap.Error(err))
			return answer{status: http.StatusServiceUnavailable, Delivery: out.Delivery, Error: "the broker does not answer: send it again"}
		}
		log.Info("merge taken", zap.String("project", m.Project), zap.String("commit", m.Event.Commit),
			zap.String("release", stored.Release), zap.Bool("known", stored.Known))
		a.Releases = append(a.Releases, stored)
	}
	return a
}

// take reads the body of a request that can be a webhook; otherwise it is the answer why not.
func take(w http.ResponseWriter, r *http.Request, source config.Source) ([]byte, answer) {
	if r.Method != http.MethodPost {
		return nil, answer{status: http.StatusMethodNotAllowed, Error: "a webhook is a POST"}
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if allowed := hook.MediaTypes(source); err != nil || !slices.Contains(allowed, kind) {
		return nil, answer{
			status: http.StatusUnsupportedMediaType,
			Error:  "want Content-Type " + strings.Join(allowed, " or ") + ": choose it where the webhook is set up",
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, answer{status: http.StatusRequestEntityTooLarge, Error: "the body is larger than 1 MiB"}
	case err != nil:
		return nil, answer{status: http.StatusBadRequest, Error: "the body did not come whole"}
	}
	return body, answer{}
}

func statusOf(err error) int {
	switch {
	case errors.Is(err, hook.ErrUnsigned):
		return http.StatusUnauthorized
	case errors.Is(err, hook.ErrStale):
		return http.StatusForbidden
	case errors.Is(err, hook.ErrMalformed):
		return http.StatusBadRequest
	}
	return http.StatusUnprocessableEntity
}
