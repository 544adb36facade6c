// Package accounts is who may do what on the broker: the accounts CORE and OPS, their users and their permissions, as the
// text of a NATS server configuration, and what `sluice up` needs to use it in its embedded server.
//
// accounts.conf is the single source and says the reasons; deploy/nats/accounts.conf is a copy. What it promises is tried
// in this package's tests, under the real users over TCP, on one node and on a cluster of three: each user can do its
// work, and each attack that we know is made and shown to change nothing.
//
// # Facts about nats-server 2.15.2 that the text depends on
//
// A message that crosses into CORE through a service import gets a reply subject of the server's own (client.go,
// processServiceImport); the answer comes back to the sender's reply subject inside OPS. If that subject is itself an
// import, "sluice.cancel.<id>.ben" say, the answer does not travel on: a wildcard import uses the subject of the message,
// which is by then the server's. An import with a literal subject or with a mapping ("to") would travel on. So all imports
// that store anything are wildcards without a mapping; a test holds the text to that.
//
// Reply subjects that begin with "$JS.ACK." are not replaced on the way. They would let anybody in OPS acknowledge a
// service's message unseen; the server refuses them from clients (client.go, isReservedReply). A leaf node's connection
// is not a client: do not give one an account of ours.
//
// An account without JetStream gets an import of the whole of $JS.API.> from the server, which answers "JetStream not
// enabled for account" before CORE can answer, unless the account imports $JS.API.INFO (jetstream.go,
// enableJetStreamInfoServiceImportOnly). OPS imports it.
//
// The destination of a message trace (Nats-Trace-Dest) is checked against the sender's permissions (msgtrace.go).
//
// A user whose password is empty is let in with an empty password (auth.go, comparePasswords). [Embed] refuses one.
//
// # What the border does not give
//
// Whoever may hand in artifacts may also take them away: the object store's roll-ups need Nats-Rollup, and one on the
// bucket's subjects wipes it. What a merge pinned is checked by digest when it is used, so this stops a release and never
// changes one.
//
// What is heard on sluice.release.* in OPS is a hint. A member of OPS can point the answer to a direct read there, and so
// show others a record that is not in the journal. Who decides something by a journal reads it.
//
// Inside CORE permissions keep a service to its work and a mistake to its service. They are no border: a user in CORE may
// choose the reply subject of what it publishes, and the broker answers there. That is why the gateway, which talks to
// the world, lives in OPS.
package accounts

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
)

//go:embed accounts.conf
var text string

// Text is the server configuration: accounts, users, permissions. It needs a variable for each user's password.
func Text() string { return text }

// The users.
const (
	Admin     = "admin" // sluice init; all rights in CORE
	Publisher = "publisher"
	Stager    = "stager"
	Promoter  = "promoter"
	Watcher   = "watcher"
	CI        = "ci"
	Operator  = "operator"
	Viewer    = "viewer"
	Gateway   = "gateway"
	App       = "app"

	// Local exists in `sluice up` only: whoever connects to it without credentials.
	Local = "local"
)

// Users returns the users of [Text].
func Users() []string {
	return []string{Admin, Publisher, Stager, Promoter, Watcher, CI, Operator, Viewer, Gateway, App}
}

// PasswordEnv is the environment variable, and the variable of [Text], that holds a user's password: SLUICE_CI_PASSWORD.
func PasswordEnv(user string) string { return "SLUICE_" + strings.ToUpper(user) + "_PASSWORD" }

// Embed puts the accounts into the options of an embedded server, with these passwords. With local set, a client without
// credentials becomes the user [Local] in OPS, who may do there what operators, CI and applications may, under any actor's
// name: for a server that listens on loopback only. It refuses an empty password, naming the user.
func Embed(o *server.Options, local bool, password func(user string) string) error {
	var config strings.Builder
	for _, u := range Users() { // placeholders: the text is parsed with them, and no password has to be quoted
		fmt.Fprintf(&config, "%s: %q\n", PasswordEnv(u), u)
	}
	config.WriteString(text)
	if err := o.ProcessConfigString(config.String()); err != nil {
		return fmt.Errorf("accounts: %w", err)
	}
	for _, u := range o.Users {
		if u.Password = password(u.Username); u.Password == "" {
			return fmt.Errorf("accounts: user %s has no password: set %s", u.Username, PasswordEnv(u.Username))
		}
	}
	if local {
		o.Users = append(o.Users, localUser(o.Users))
		o.NoAuthUser = Local
	}
	return nil
}

// localUser may what the people and programs of OPS may.
func localUser(users []*server.User) *server.User {
	var publish, subscribe []string
	var account *server.Account
	for _, u := range users {
		if !slices.Contains([]string{CI, Operator, Viewer, App}, u.Username) {
			continue
		}
		account = u.Account
		publish = append(publish, u.Permissions.Publish.Allow...)
		subscribe = append(subscribe, u.Permissions.Subscribe.Allow...)
	}
	for i, subject := range publish {
		if s, ok := strings.CutSuffix(subject, "."+Operator); ok {
			publish[i] = s + ".*"
		}
	}
	for _, subject := range publish { // without a name, too, whatever the verb
		if s, ok := strings.CutSuffix(subject, ".*.*"); ok && strings.HasPrefix(s, "sluice.") {
			publish = append(publish, s+".*")
		}
	}
	slices.Sort(publish)
	slices.Sort(subscribe)
	return &server.User{Username: Local, Account: account, Permissions: &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: slices.Compact(publish)},
		Subscribe: &server.SubjectPermission{Allow: slices.Compact(subscribe)},
	}}
}
