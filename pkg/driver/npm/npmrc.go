package npm

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/sluice-gate/sluice/pkg/driver"
)

// settings is what a file of npm's settings says (https://docs.npmjs.com/cli/v11/configuring-npm/npmrc), with variables still in the
// values.
type settings map[string]string

// parseSettings reads the form that npm writes and reads: key = value, a comment after ; or #, quotes. What stands below a [section] is
// none of npm's.
func parseSettings(text string) settings {
	s := settings{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == ';' || line[0] == '#':
			continue
		case line[0] == '[':
			return s
		}
		key, value, _ := strings.Cut(line, "=")
		s[unquote(key)] = unquote(value)
	}
	return s
}

// unquote takes quotes off a value, or the comment after it.
func unquote(value string) string {
	value = strings.TrimSpace(value)
	var plain string
	if strings.HasPrefix(value, `"`) && json.Unmarshal([]byte(value), &plain) == nil {
		return plain
	}
	if n := len(value); n > 1 && value[0] == '\'' && value[n-1] == '\'' {
		return value[1 : n-1]
	}
	var out strings.Builder
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == ';' || c == '#':
			return strings.TrimSpace(out.String())
		case c == '\\' && i+1 < len(value) && strings.IndexByte(`\;#`, value[i+1]) >= 0:
			i++
			out.WriteByte(value[i])
		default:
			out.WriteByte(c)
		}
	}
	return strings.TrimSpace(out.String())
}

// variable is ${NAME}, or ${NAME?} for one that may be unset; a backslash before it makes it plain text.
// https://docs.npmjs.com/cli/v11/configuring-npm/npmrc#environment-variables
var variable = regexp.MustCompile(`(\\*)\$\{([^${}?]+)(\?)?\}`)

// value is a setting with its variables replaced; empty when it is not there. Npm takes a variable that is not set literally, which could
// only be a mistake here.
func (s settings) value(key string, lookup func(string) (string, bool)) (string, error) {
	unset := ""
	out := variable.ReplaceAllStringFunc(s[key], func(all string) string {
		m := variable.FindStringSubmatch(all)
		if len(m[1])%2 == 1 {
			return all[(len(m[1])+1)/2:]
		}
		value, ok := lookup(m[2])
		if !ok && m[3] == "" {
			unset = m[2]
		}
		return m[1][len(m[1])/2:] + value
	})
	if unset != "" {
		return "", driver.Refusef("%s names the environment variable %s, which is not set for this service", key, driver.Quote(unset))
	}
	if strings.ContainsAny(out, "\r\n\x00") {
		return "", driver.Refusef("%s has several lines or a NUL", key)
	}
	return out, nil
}

// registry is where a package is; without a scope of its own, or a name, where everything is that has no scope of its own.
func (s settings) registry(name string, lookup func(string) (string, bool)) (string, error) {
	if scope, _, ok := strings.Cut(name, "/"); ok {
		if to, err := s.value(scope+":registry", lookup); to != "" || err != nil {
			return to, err
		}
	}
	return s.value("registry", lookup)
}

// credentials are the value of an Authorization header, empty for none, and what of it must not be told. They are those of the longest
// part of the registry's address that has any (https://docs.npmjs.com/cli/v11/configuring-npm/npmrc#auth-related-configuration).
func (s settings) credentials(registry string, lookup func(string) (string, bool)) (header string, secrets []string, err error) {
	u, err := url.Parse(registry)
	if err != nil {
		return "", nil, err
	}
	for at := "//" + u.Host + strings.TrimRight(u.Path, "/") + "/"; len(at) > len("//"); at = shorter(at) {
		of := map[string]string{}
		for _, key := range []string{"_authToken", "_auth", "username", "_password"} {
			if of[key], err = s.value(at+":"+key, lookup); err != nil {
				return "", nil, err
			}
		}
		switch {
		case of["_authToken"] != "":
			return "Bearer " + of["_authToken"], []string{of["_authToken"]}, nil
		case of["_auth"] != "":
			pair, err := decoded(at+":_auth", of["_auth"])
			_, password, _ := strings.Cut(pair, ":")
			return "Basic " + of["_auth"], []string{of["_auth"], password}, err
		case of["username"] != "" && of["_password"] != "":
			password, err := decoded(at+":_password", of["_password"])
			pair := base64.StdEncoding.EncodeToString([]byte(of["username"] + ":" + password))
			return "Basic " + pair, []string{pair, of["_password"], password}, err
		}
	}
	return "", nil, nil
}

// shorter is an address without what is after its last slash, or without that slash.
func shorter(at string) string {
	if cut := strings.TrimRight(at, "/"); cut != at {
		return cut
	}
	return at[:strings.LastIndexByte(at, '/')+1]
}

func decoded(key, value string) (string, error) {
	text, err := base64.StdEncoding.DecodeString(value)
	if err != nil || strings.ContainsAny(string(text), "\r\n\x00") {
		return "", driver.Refusef("%s is not Base64, as it should be", key)
	}
	return string(text), nil
}

// readSettings reads a file of npm's settings.
func readSettings(file string) (settings, error) {
	text, err := driver.SecretFile(file)
	return parseSettings(text), err
}

// authorization is what a request to the registry has in its header of that name, and what must not be told of it. It is read now.
func (r *registry) authorization() (header string, secrets []string, err error) {
	if r.npmrc == "" {
		token, err := driver.Secret(r.tokenEnv, r.tokenFile)
		if token == "" || err != nil {
			return "", nil, err
		}
		return "Bearer " + token, []string{token}, nil
	}
	s, err := readSettings(r.npmrc)
	if err == nil {
		header, secrets, err = s.credentials(r.base, os.LookupEnv)
	}
	if err != nil {
		return "", nil, fmt.Errorf("npmrc %s: %w", driver.Quote(r.npmrc), err)
	}
	return header, secrets, nil
}
