package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/service"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
	"github.com/sluice-gate/sluice/services/gateway/internal/notice"
	"github.com/sluice-gate/sluice/services/gateway/internal/serve"
)

// ActionsPath is where Slack sends what people press: the request URL of the app's interactivity.
const ActionsPath = "/slack/actions"

const (
	mostAction   = 256 << 10       // bytes: Slack sends the message along
	freshFor     = 5 * time.Minute // https://docs.slack.dev/authentication/verifying-requests-from-slack
	actWithin    = 2 * time.Second // the broker has; Slack waits for three
	answerWithin = 800 * time.Millisecond
)

// Actions answers what people press in Slack, and leaves everything else to next.
func Actions(env service.Env, cfg config.SlackActions, next http.Handler) http.Handler {
	a := &actions{env: env, cfg: cfg, out: newOutside(config.NotifyOut{}, env.Log)}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != ActionsPath {
			next.ServeHTTP(w, r)
			return
		}
		status, why := a.serve(w, r)
		env.Metrics.Webhook(ActionsPath, status)
		if status != http.StatusOK {
			http.Error(w, why, status)
		}
	})
}

type actions struct {
	env service.Env
	cfg config.SlackActions
	out *outside
}

// press is what Slack says of a button that was pressed, as far as it is looked at:
// https://docs.slack.dev/reference/interaction-payloads/block_actions-payload
type press struct {
	Type string `json:"type"`
	User struct {
		ID string `json:"id"`
	} `json:"user"`
	Actions []struct {
		ID    string `json:"action_id"`
		Value string `json:"value"`
	} `json:"actions"`
	Answer string `json:"response_url"`
}

// serve returns the status for Slack. What a person is told goes to the address that Slack names, for it shows them nothing of an answer.
func (a *actions) serve(w http.ResponseWriter, r *http.Request) (status int, why string) {
	if r.Method != http.MethodPost {
		return http.StatusMethodNotAllowed, "what is pressed is sent by POST"
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostAction))
	if err != nil {
		return http.StatusRequestEntityTooLarge, "the body is too large, or did not come whole"
	}
	secret, err := driver.Secret(a.cfg.SecretEnv, a.cfg.SecretFile)
	if err != nil {
		a.env.Log.Error("the signing secret of Slack can not be read", zap.Error(err))
		return http.StatusServiceUnavailable, "the signing secret can not be read"
	}
	signature, err := verify(secret, r.Header, body, time.Now())
	if err != nil {
		a.env.Log.Warn("refused what was pressed in Slack", zap.Error(err))
		return http.StatusUnauthorized, err.Error()
	}
	var p press
	form, err := url.ParseQuery(string(body))
	if err == nil {
		err = json.Unmarshal([]byte(form.Get("payload")), &p)
	}
	if err != nil {
		return http.StatusBadRequest, "the body has no payload of Slack"
	}
	verb, id := p.asks()
	if verb == "" {
		return http.StatusOK, "" // another button of the same app: a link, for one
	}
	ctx, cancel := context.WithTimeout(r.Context(), actWithin)
	defer cancel()
	text, public, err := a.act(ctx, p.User.ID, verb, id, signature)
	if err != nil {
		a.env.Log.Warn("what was pressed in Slack is not stored", zap.Error(err))
		return http.StatusServiceUnavailable, "the broker does not answer: press again"
	}
	a.say(r.Context(), p.Answer, text, public)
	return http.StatusOK, ""
}

// asks is what a button of ours asks for, and of which release; nothing for another one.
func (p press) asks() (verb release.Verb, id string) {
	for _, one := range p.Actions {
		if word, ours := strings.CutPrefix(one.ID, notice.SlackAction); ours && p.Type == "block_actions" {
			return release.Verb(word), one.Value
		}
	}
	return "", ""
}

// verify looks that Slack sent the body, not long ago, and returns the signature, by which it is known again:
// https://docs.slack.dev/authentication/verifying-requests-from-slack
func verify(secret string, header http.Header, body []byte, now time.Time) ([]byte, error) {
	stamp := header.Get("X-Slack-Request-Timestamp")
	got, err := hex.DecodeString(strings.TrimPrefix(header.Get("X-Slack-Signature"), "v0="))
	if stamp == "" || err != nil || len(got) == 0 || !strings.HasPrefix(header.Get("X-Slack-Signature"), "v0=") {
		return nil, errors.New("it is not signed by Slack")
	}
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write([]byte("v0:" + stamp + ":")) // a hash takes everything
	_, _ = mac.Write(body)
	if !hmac.Equal(got, mac.Sum(nil)) {
		return nil, errors.New("the signature is not of this body under the signing secret")
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > freshFor {
		return nil, fmt.Errorf("it was signed more than %s ago, or in the future", freshFor)
	}
	return got, nil
}

// act stores the request, once for each time that a button was pressed, and returns what its person, or all, are told.
func (a *actions) act(
	ctx context.Context, user string, verb release.Verb, id string, signature []byte,
) (text string, public bool, err error) {
	person, known := a.cfg.Users[user]
	actor := person.Name
	switch {
	case !known:
		a.env.Log.Warn("somebody unknown pressed a button in Slack", zap.String("user", releasepb.Line(user, 32)))
		return fmt.Sprintf("You may not do that: %s is not in the table of users of Sluice's gateway.", releasepb.Line(user, 32)), false, nil
	case person.Role != config.Operator && person.Role != config.Admin:
		a.env.Log.Warn("somebody who only looks pressed a button in Slack", zap.String("actor", actor), zap.String("role", string(person.Role)))
		return fmt.Sprintf("You may not do that: the role of %s is %s, and this needs operator.", actor, person.Role), false, nil
	case !slices.Contains(release.Verbs(), verb) || verb == release.Extend || topology.Release(id) == "":
		return "Nothing is done: this button is of another version of Sluice.", false, nil
	}
	e, err := a.env.Journal.Load(ctx, id)
	if errors.Is(err, journal.ErrNone) {
		return "Nothing is done: there is no such release any more.", false, nil
	}
	if err != nil {
		return "", false, err
	}
	if why, err := a.unreasoned(ctx, e.State.Project, verb, id); err != nil || why != "" {
		return why, false, err
	}
	// What is sent again, by whoever has seen it, is not done again.
	once := topology.Notify(e.State.Project, fingerprint(string(signature)))
	err = a.env.Journal.Keep(ctx, once, fmt.Appendf(nil, `{"pressed":%q,"release":%q,"by":%q}`, verb, id, actor), 0)
	if errors.Is(err, journal.ErrConflict) {
		a.env.Log.Warn("a press of a button came again", zap.String("release", id), zap.String("actor", actor))
		return "That was pressed, and done, before.", false, nil
	}
	if err != nil {
		return "", false, err
	}
	if err := serve.Ask(ctx, a.env, verb, id, actor, ""); err != nil {
		return "", false, err
	}
	a.env.Log.Info("a button was pressed in Slack", zap.String("release", id), zap.String("verb", string(verb)), zap.String("actor", actor))
	return fmt.Sprintf("%s asked to %s %s %s. What comes of it: sluice show %s", actor, verb, e.State.Project, e.State.Version, id), true, nil
}

// unreasoned tells how it is done where a project wants to know why: a button can not say that. A project file that can not be read wants
// nothing, as everywhere: its releases must be stopped, too.
func (a *actions) unreasoned(ctx context.Context, name string, verb release.Verb, id string) (string, error) {
	if !project.Accountable(string(verb)) {
		return "", nil
	}
	if p, _, err := a.env.Catalog.Current(ctx, name); err != nil || !p.Reasons {
		return "", ctx.Err()
	}
	how := notice.Act(verb, id)
	return fmt.Sprintf("Nothing is done: project %s wants a reason for this, which a button does not have. Say it with\n%s\nor\n%s",
		name, how.Sluice, how.NATS), nil
}

// say tells it where Slack says that it is to be told. If that fails the request is stored all the same.
func (a *actions) say(ctx context.Context, address, text string, public bool) {
	u, err := url.Parse(address)
	if err != nil || !slacks(u) {
		return
	}
	where := "ephemeral" // for whom pressed the button alone
	if public {
		where = "in_channel"
	}
	body, err := json.Marshal(map[string]any{"text": notice.SlackText(text), "response_type": where, "replace_original": false})
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if err := a.out.post(ctx, "Slack", address, "", "", body); err != nil {
		a.env.Log.Warn("nobody was told what became of a button in Slack", zap.Error(err))
	}
}

// slacks tells whether an address is one of Slack, or of this machine.
func slacks(u *url.URL) bool {
	host := u.Hostname()
	return config.Here(host) || u.Scheme == "https" &&
		(host == "slack.com" || strings.HasSuffix(host, ".slack.com") || strings.HasSuffix(host, ".slack-gov.com"))
}
