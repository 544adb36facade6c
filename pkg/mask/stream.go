package mask

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

const (
	leastSecret  = 4 // bytes of a secret that is looked for; shorter ones would blot out ordinary text
	leastEncoded = 8 // characters of a piece of Base64 that is looked for
)

// Stream hides secrets in what comes piece by piece, also where one stands across two pieces, in bounded memory. It is not safe for
// concurrent use.
type Stream struct {
	keep    func([]byte)
	secrets [][]byte // longest first
	pending []byte   // may be the beginning of a secret
}

// NewStream passes on to keep what it is given, with *** in place of each secret. What keep gets is its own until it returns.
func NewStream(keep func([]byte)) *Stream { return &Stream{keep: keep} }

// Hide hides these from now on: the secrets as they are, and each line of those that have several.
func (s *Stream) Hide(secrets ...string) {
	for _, secret := range secrets {
		for _, part := range append(strings.Split(secret, "\n"), secret) {
			s.hide(strings.TrimSpace(part), leastSecret)
		}
	}
	s.sort()
}

// HideEncoded hides these from now on as Hide does, and also as they stand in Base64 of more than themselves, in URLs and in JSON.
func (s *Stream) HideEncoded(secrets ...string) {
	s.Hide(secrets...)
	for _, secret := range secrets {
		if secret = strings.TrimSpace(secret); len(secret) < leastSecret {
			continue
		}
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			for before := range 3 {
				s.hide(within(encoding, secret, before), leastEncoded)
			}
		}
		s.hide(url.QueryEscape(secret), leastSecret)
		s.hide(url.PathEscape(secret), leastSecret)
		if quoted, err := json.Marshal(secret); err == nil {
			s.hide(string(quoted[1:len(quoted)-1]), leastSecret)
		}
	}
	s.sort()
}

// within is the part of Base64 that depends on the secret alone, when so many bytes stand before it, modulo three. Each character has six
// bits: those that the neighbours have a part in are left out.
func within(encoding *base64.Encoding, secret string, before int) string {
	text := encoding.EncodeToString([]byte(strings.Repeat("\x00", before) + secret))
	if (before+len(secret))%3 != 0 {
		text = text[:len(text)-1]
	}
	if before > 0 {
		text = text[before+1:]
	}
	return text
}

func (s *Stream) hide(secret string, least int) {
	if len(secret) < least || slices.ContainsFunc(s.secrets, func(known []byte) bool { return string(known) == secret }) {
		return
	}
	s.secrets = append(s.secrets, []byte(secret))
}

func (s *Stream) sort() {
	slices.SortFunc(s.secrets, func(a, b []byte) int { return cmp.Compare(len(b), len(a)) })
}

// Write takes more. It never fails.
func (s *Stream) Write(p []byte) (int, error) {
	s.pending = append(s.pending, p...)
	s.advance(false)
	return len(p), nil
}

// Flush passes on what is left: nothing more comes. The beginning of a secret that was never finished is hidden, too.
func (s *Stream) Flush() { s.advance(true) }

// advance passes pending on, up to where a secret may have begun; to its end when it is the last.
func (s *Stream) advance(last bool) {
	rest := s.pending
	for len(rest) > 0 {
		secret, begun := s.secretAt(rest)
		switch {
		case begun && !last:
			s.pending = append(s.pending[:0], rest...)
			return
		case begun && len(rest) >= leastSecret: // the beginning of a secret that was never finished
			s.keep([]byte(hidden))
			rest = nil
		case secret > 0:
			s.keep([]byte(hidden))
			rest = rest[secret:]
		default:
			n := s.plain(rest)
			s.keep(rest[:n])
			rest = rest[n:]
		}
	}
	s.pending = s.pending[:0]
}

// secretAt tells how many bytes at the beginning of b are a secret, or that b may be the beginning of one.
func (s *Stream) secretAt(b []byte) (n int, begun bool) {
	for _, secret := range s.secrets {
		if len(b) < len(secret) && bytes.HasPrefix(secret, b) {
			return 0, true
		}
		if bytes.HasPrefix(b, secret) {
			return len(secret), false
		}
	}
	return 0, false
}

// plain tells how many bytes of b, at least one, come before the next that could begin a secret.
func (s *Stream) plain(b []byte) int {
	n := len(b)
	for _, secret := range s.secrets {
		if i := bytes.IndexByte(b[1:n], secret[0]); i >= 0 {
			n = i + 1
		}
	}
	return n
}
