package project

import (
	"errors"
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/window"
)

// Notify is somebody who is told what becomes of the project's releases. Exactly one of the pointers is set.
type Notify struct {
	Name     string // as Safe allows, unique: what is on its way is known by it; the kind's own unless set
	Slack    *Hook
	Teams    *Hook
	Discord  *Hook
	Shoutrrr *Hook // any service of https://github.com/nicholas-fedor/shoutrrr, by its URL
	Email    *Email
	Webhook  *Webhook

	On       []Tell          // what is told
	Group    time.Duration   // what comes within is one message; 0: each is one
	Zone     *time.Location  // of the times in messages and of the quiet hours; UTC unless set
	Quiet    window.Schedule // closed in the quiet hours: what happens then is told when they are over, in one message
	Urgent   []Tell          // what is told in quiet hours, too
	Template *Template       // nil: the text that every notification has
}

// Hook is an address that is a secret as a whole: exactly one of the two is set.
type Hook struct {
	URLEnv  string
	URLFile string
}

// Webhook takes JSON. Exactly one of the first three is set.
type Webhook struct {
	URL       string
	URLEnv    string
	URLFile   string
	TokenEnv  string // of a bearer token; at most one of the two
	TokenFile string
}

// Email goes out by SMTP.
type Email struct {
	Host         string
	Port         int // 587 with starttls, 465 with implicit, 25 without TLS unless set
	From         string
	To           []string // at least one
	Username     string   // empty: nobody logs in
	PasswordEnv  string
	PasswordFile string
	TLS          TLS
}

// TLS is how a connection to a mail server is encrypted.
type TLS string

// A connection begins in the open and is encrypted before anything is said, or is encrypted from its beginning, or never is.
const (
	StartTLS    TLS = "starttls"
	ImplicitTLS TLS = "implicit"
	NoTLS       TLS = "none" // for this machine only
)

// Tell is what may be told of a release, in the words of `on`.
type Tell string

// What may be told.
const (
	TellSoaking    Tell = "soaking"         // its soak in a stage has begun
	TellPromoted   Tell = "promoted"        // everybody gets it; a bake may follow
	TellCancelled  Tell = "cancelled"       // somebody, or the watcher, said no
	TellFailed     Tell = "failed"          // something outside was refused or gave up
	TellHeld       Tell = "held"            // its clock stands still
	TellAttention  Tell = "attention"       // somebody should look: Sluice held it, or it failed, or could not be put or rolled back
	TellRolledBack Tell = "rolled-back"     // everybody gets again what was before
	TellSuperseded Tell = "superseded"      // a newer one took its place
	TellRefused    Tell = "refused"         // what somebody asked for was too late, or came to nothing
	TellApproval   Tell = "approval-needed" // its soak is over, and people must approve
	TellPostponed  Tell = "postponed"       // its soak is over, and something else is in its way
)

// Tells lists everything that may be told.
func Tells() []Tell {
	return []Tell{
		TellSoaking, TellPromoted, TellCancelled, TellFailed, TellHeld, TellAttention, TellRolledBack, TellSuperseded, TellRefused,
		TellApproval, TellPostponed,
	}
}

// DefaultOn is what a person must know: how it ended, what waits for people, and what nobody expects.
func DefaultOn() []Tell {
	return []Tell{
		TellPromoted, TellCancelled, TellFailed, TellHeld, TellAttention, TellRolledBack, TellRefused, TellApproval,
	}
}

// DefaultUrgent is what somebody is woken for.
func DefaultUrgent() []Tell { return []Tell{TellAttention, TellRolledBack} }

const (
	maxNotify     = 16
	maxRecipients = 32
	maxMailbox    = 320 // bytes of an address
	minGroup      = time.Second
	maxGroup      = 24 * time.Hour
)

// targets are the kinds of those who are told.
func targets() []string { return []string{"slack", "teams", "discord", "email", "webhook", "shoutrrr"} }

// notify reads who is told. One that can not be read keeps its place.
func (d *decoder) notify(s section) []Notify {
	var all []Notify
	names := map[string]string{}
	for i, item := range s.list("notify", maxNotify) {
		path := index(s.at("notify"), i)
		block, ok := d.section(path, item, ofNotify)
		if !ok {
			all = append(all, Notify{})
			continue
		}
		n := d.oneNotify(block)
		d.unique(names, n.Name, block.at("name"), path)
		all = append(all, n)
	}
	for i := range all { // after all names that stand there
		if n := &all[i]; n.Name == "" && n.kind() != "" {
			n.Name = n.kind()
			for next := 2; names[n.Name] != ""; next++ {
				n.Name = n.kind() + "-" + strconv.Itoa(next)
			}
			names[n.Name] = index(s.at("notify"), i)
		}
	}
	return all
}

func (d *decoder) oneNotify(s section) Notify {
	s.exactlyOne(targets()...)
	n := Notify{
		Name: s.text("name", Safe), On: s.tells("on", DefaultOn()), Urgent: s.tells("urgent", DefaultUrgent()),
		Group: s.duration("group", 0, between(minGroup, maxGroup)), Zone: time.UTC,
		Slack: d.hook(s, "slack"), Teams: d.hook(s, "teams"), Discord: d.hook(s, "discord"), Shoutrrr: d.hook(s, "shoutrrr"),
		Email: d.email(s), Webhook: d.webhook(s),
	}
	s.text("zone", func(name string) error {
		zone, err := window.Zone(name)
		if err == nil {
			n.Zone = zone
		}
		return err
	})
	n.Quiet = window.Schedule{Zone: n.Zone, Freeze: d.ranges(s, "quiet")}
	switch {
	case s.has("urgent") && !s.has("quiet"):
		d.fail(s.at("urgent"), "has no meaning without quiet: everything is told at once")
	case d.clean(s.at("quiet")) && n.Quiet.Never():
		d.fail(s.at("quiet"), "is never over: nobody would be told anything")
	}
	s.text("template", func(text string) (err error) {
		n.Template, err = ParseTemplate(text)
		return err
	})
	return n
}

// kind is the name of the target that is set.
func (n Notify) kind() string {
	for i, set := range []bool{n.Slack != nil, n.Teams != nil, n.Discord != nil, n.Email != nil, n.Webhook != nil, n.Shoutrrr != nil} {
		if set {
			return targets()[i]
		}
	}
	return ""
}

// Wants tells whether the notice is one of those.
func Wants(on []Tell, n Notice) bool {
	return slices.Contains(on, n.Event) || n.Attention && slices.Contains(on, TellAttention)
}

// tells is the field as a list of what is told.
func (s section) tells(name string, unset []Tell) []Tell {
	if !s.has(name) {
		return unset
	}
	items := s.texts(name, oneOf(Tells()...))
	if len(items) == 0 && s.clean(s.at(name)) {
		s.fail(s.at(name), "must not be empty: say what is told, or remove it")
	}
	out := make([]Tell, len(items))
	for i, item := range items {
		out[i] = Tell(item)
	}
	return out
}

func (d *decoder) hook(s section, name string) *Hook {
	block, ok := s.child(name, ofHook)
	if !ok {
		return nil
	}
	block.exactlyOne("url_env", "url_file")
	return &Hook{URLEnv: block.text("url_env", checkTokenEnv), URLFile: block.text("url_file", checkPath)}
}

func (d *decoder) webhook(s section) *Webhook {
	block, ok := s.child("webhook", ofWebhook)
	if !ok {
		return nil
	}
	block.exactlyOne("url", "url_env", "url_file")
	w := &Webhook{
		URL: block.text("url", checkPrivate), URLEnv: block.text("url_env", checkTokenEnv), URLFile: block.text("url_file", checkPath),
		TokenEnv: block.text("token_env", checkTokenEnv), TokenFile: block.text("token_file", checkPath),
	}
	if block.has("token_env") && block.has("token_file") {
		d.fail(block.at("token_file"), "stands beside token_env: allowed is one of the two")
	}
	return w
}

// checkPrivate takes an address that nobody else can listen to: https, or this machine.
func checkPrivate(text string) error {
	u, err := checkAddress(text)
	if err != nil {
		return err
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		return errors.New("must be https, so that what is told stays among us; http is for this machine only")
	}
	return nil
}

func (d *decoder) email(s section) *Email {
	block, ok := s.child("email", ofEmail)
	if !ok {
		return nil
	}
	block.require("host", "the mail server, as in host: smtp.example.com")
	block.require("from", "who sends, as in from: sluice@example.com")
	block.require("to", `who gets it, as in to: ["team@example.com"]`)
	e := &Email{
		Host: block.text("host", checkHost), From: block.text("from", checkMailbox), To: block.texts("to", checkMailbox),
		Username:    block.text("username", checkMailUser),
		PasswordEnv: block.text("password_env", checkTokenEnv), PasswordFile: block.text("password_file", checkPath),
		TLS: TLS(block.text("tls", oneOf(StartTLS, ImplicitTLS, NoTLS))),
	}
	setUnset(&e.TLS, StartTLS)
	e.Port = block.number("port", map[TLS]int{StartTLS: 587, ImplicitTLS: 465, NoTLS: 25}[e.TLS], 1, 65535)
	if n := len(e.To); block.has("to") && d.clean(block.at("to")) && (n == 0 || n > maxRecipients) {
		d.fail(block.at("to"), "has %d addresses; allowed are 1 to %d", n, maxRecipients)
	}
	named := block.has("password_env") || block.has("password_file")
	switch {
	case block.has("password_env") && block.has("password_file"):
		d.fail(block.at("password_file"), "stands beside password_env: allowed is one of the two")
	case block.has("username") && !named:
		d.fail(block.at("username"), "needs a password: name the variable with password_env, or the file with password_file")
	case !block.has("username") && named:
		d.fail(block.path, "has a password and no username")
	}
	if e.TLS == NoTLS && d.clean(block.at("host")) && !loopback(e.Host) {
		d.fail(block.at("tls"),
			"must be starttls or implicit, so that what is told and the password stay secret; none is for this machine only")
	}
	return e
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.:-]{0,253}[A-Za-z0-9])?$`)

func checkHost(host string) error {
	if !hostName.MatchString(host) {
		return fmt.Errorf("%s is not the name or address of a server, such as smtp.example.com", quote(host))
	}
	return nil
}

func checkMailbox(text string) error {
	a, err := mail.ParseAddress(text)
	if err != nil || len(text) > maxMailbox || strings.ContainsAny(text, "\r\n") || a.Address != text {
		return fmt.Errorf("%s is not a plain address, such as team@example.com", quote(text))
	}
	return nil
}

func checkMailUser(name string) error {
	if strings.TrimSpace(name) == "" || strings.ContainsAny(name, "\r\n") || len(name) > 255 {
		return errors.New("must be one line of at most 255 bytes")
	}
	return nil
}
