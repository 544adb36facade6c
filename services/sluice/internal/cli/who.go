package cli

import (
	"net/url"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
)

// known is the name of the user that the connection is of, wherever it comes from: a flag, a context of the nats command, the server's
// URL, or credentials. It is empty for a connection without a user, or with a token or a bare nkey, which have no name.
//
// The permissions of a user tie the last token of the subjects that it may publish requests on to its name (accounts.conf, in
// package accounts), so another name would be refused; and what the journal says of who asked is what that token says.
func (c *client) known() string {
	if c.js == nil {
		return c.user
	}
	return userOf(c.js.Conn())
}

// userOf is the name under which the client has let the broker know it, in the order in which nats.go does that.
func userOf(nc *nats.Conn) string {
	if nc.Opts.UserJWT != nil {
		token, err := nc.Opts.UserJWT()
		if err != nil {
			return ""
		}
		claims, err := jwt.DecodeUserClaims(token)
		if err != nil {
			return ""
		}
		return claims.Name
	}
	if u, err := url.Parse(nc.ConnectedUrl()); err == nil && u.User != nil {
		if _, ok := u.User.Password(); !ok { // nats.go takes it for a token, which is a secret, and no name
			return ""
		}
		return u.User.Username()
	}
	return nc.Opts.User
}
