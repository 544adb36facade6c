package project

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
)

// The patterns of names; schema.json repeats them, and a test holds the two together.
var (
	safeName    = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	channelName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]{0,63}$`)
	versionLike = regexp.MustCompile(`^([vV]?[0-9xX*]+(\..*)?)$`)
	packageName = regexp.MustCompile(`^(@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~-][a-z0-9._~-]*$`)
	imageName   = regexp.MustCompile(
		`^((localhost|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+)(:[0-9]{1,5})?|[A-Za-z0-9-]+:[0-9]{1,5})(/[a-z0-9]+([._-]+[a-z0-9]+)*)+$`)
	betaTag     = regexp.MustCompile(`^([A-Za-z0-9.-]+\{\{version\}\}[A-Za-z0-9.-]*|\{\{version\}\}[A-Za-z0-9.-]+)$`)
	variable    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)
	userName    = regexp.MustCompile(`^[!-9;-~]{1,255}$`)
	tokenName   = regexp.MustCompile(`^[A-Z_][A-Z0-9_]{0,127}$`)
	webAddress  = regexp.MustCompile(`^https?://[^\s]+$`)
	secretField = regexp.MustCompile(`(?i)(token|secret|passw(or)?d|passphrase|credential|api_?key|private_?key|access_?key)`)
)

const (
	maxPackageName = 214 // npm's own limit
	maxImageName   = 255 // that of the distribution specification
	maxBetaTag     = 64  // of 128, which a version has to fit into too
)

// Safe tells whether name may be the name of a project, a lane or a check: lower-case letters, digits and dashes, no dash
// first, at most 63 characters. Such a name is one token of a subject, one key and one file name.
func Safe(name string) error {
	if !safeName.MatchString(name) {
		return fmt.Errorf("%s is not a name: allowed are a-z, 0-9 and -, no dash first, at most 63 characters", quote(name))
	}
	return nil
}

// Hash is the content address of a project file: the first 16 hexadecimal digits of the SHA-256 of its bytes.
func Hash(src []byte) string {
	sum := sha256.Sum256(src)
	return hex.EncodeToString(sum[:8])
}

// quote repeats a value in an error, cut short. Not for values that could be secrets.
func quote(value string) string {
	const most = 48
	if runes := []rune(value); len(runes) > most {
		value = string(runes[:most]) + "…"
	}
	return fmt.Sprintf("%q", value)
}

func checkTag(tag string) error {
	if err := checkChannel(tag); err != nil {
		return err
	}
	if versionLike.MatchString(tag) {
		return fmt.Errorf("%s reads as a version, which npm refuses as a tag: name it like beta or latest", quote(tag))
	}
	return nil
}

func checkChannel(channel string) error {
	if !channelName.MatchString(channel) {
		return fmt.Errorf("%s is not a channel: allowed are a letter and then letters, digits, dot, dash and underscore, at most 64",
			quote(channel))
	}
	return nil
}

// checkImageTag keeps channels out of the way of the tags of versions, which never move.
func checkImageTag(tag string) error {
	if err := checkChannel(tag); err != nil {
		return err
	}
	if versionLike.MatchString(tag) {
		return fmt.Errorf("%s reads as a version, whose tag never moves: name it like beta or latest", quote(tag))
	}
	return nil
}

func checkImage(image string) error {
	if len(image) > maxImageName || !imageName.MatchString(image) {
		return errors.New("must be a registry and a repository without a tag, lower case, such as registry.example/team/app")
	}
	return nil
}

func checkBetaTag(from string) error {
	if len(from) > maxBetaTag || !betaTag.MatchString(from) {
		return fmt.Errorf("%s is not how a beta is tagged: {{version}} once, and letters, digits, dots or dashes around it, such as %s",
			quote(from), DefaultFrom)
	}
	return nil
}

func checkUser(name string) error {
	if !userName.MatchString(name) {
		return errors.New("must be a user name: printable characters without a space or a colon, at most 255")
	}
	return nil
}

func checkPackage(name string) error {
	if len(name) > maxPackageName || !packageName.MatchString(name) {
		return fmt.Errorf("%s is not an npm package: name or @scope/name, lower case, at most %d characters", quote(name), maxPackageName)
	}
	return nil
}

// checkTokenEnv insists on upper case: a token pasted in the place of its name hardly ever passes.
func checkTokenEnv(name string) error {
	if !tokenName.MatchString(name) {
		return errors.New("must be the name of an environment variable in upper case (A-Z, 0-9, _), such as NPM_TOKEN, never the token itself")
	}
	return nil
}

// checkVariable is for the names of a command's environment.
func checkVariable(name string) error {
	if !variable.MatchString(name) {
		return errors.New("must be the name of an environment variable: letters, digits and _, no digit first")
	}
	if strings.HasPrefix(name, "SLUICE_") {
		return errors.New("names that begin with SLUICE_ are set by Sluice: choose another")
	}
	return nil
}

func checkRegistry(text string) error {
	u, err := checkAddress(text)
	if err != nil {
		return err
	}
	if u.RawQuery != "" || u.ForceQuery {
		return errors.New("must be the registry's base URL, without a query")
	}
	return nil
}

// checkNPMRegistry says what the driver would say when the first release is about to be published.
func checkNPMRegistry(text string) error {
	if err := checkRegistry(text); err != nil {
		return err
	}
	u, err := url.Parse(text)
	if err != nil {
		return err
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		return errors.New("must be https, so that the token stays secret; http is for this machine only")
	}
	return nil
}

// loopback tells whether a host is this machine.
func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func checkURL(text string) error {
	_, err := checkAddress(text)
	return err
}

// checkAddress does not repeat the URL in an error: it may hold a password.
func checkAddress(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || !webAddress.MatchString(text) || u.Hostname() == "" {
		return nil, errors.New("must be a URL: http:// or https://, a host, a path")
	}
	if u.User != nil {
		return nil, errors.New("must not hold a user or password: secrets are named, never written")
	}
	if u.Fragment != "" || strings.HasSuffix(text, "#") {
		return nil, errors.New("must not have a #fragment")
	}
	return u, nil
}

func checkPath(path string) error {
	if strings.TrimSpace(path) == "" {
		return errors.New("must not be empty")
	}
	if strings.ContainsAny(path, "\n\r") {
		return errors.New("must not contain a line break")
	}
	return nil
}
