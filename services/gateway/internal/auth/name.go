package auth

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

// nameOf is the name under which a person's requests are published: what the file says of that claim, or the claim itself. A claim makes
// nobody one who comes by a token, or from Slack, or whom the file names: that is said in the file, or it is refused, because a person
// could choose the name, and be taken for another, or count as two who approve.
func nameOf(cfg config.OIDC, taken []string, claims map[string]any) (string, error) {
	text, _ := claims[cfg.Name].(string)
	// https://openid.net/specs/openid-connect-core-1_0.html#StandardClaims; some providers write it as a text.
	if v := claims["email_verified"]; cfg.Name == "email" && text != "" && fmt.Sprint(v) != "true" {
		return "", errors.New("the provider does not say that it is verified (email_verified), and it may be somebody else's; " +
			"with a provider that never does, name another claim that nobody can choose, such as sub, in dashboard.oidc.name")
	}
	if name, known := cfg.People[text]; known && text != "" {
		return name, nil
	}
	name, err := Name(text)
	if err != nil {
		return "", err
	}
	if slices.Contains(taken, name) {
		return "", fmt.Errorf("%s is the name of somebody who is known otherwise: if that is you, whoever runs this gateway says so in "+
			"dashboard.oidc.people", name)
	}
	return name, nil
}

// taken are the names that no claim makes anybody's.
func taken(cfg config.Dashboard) []string {
	out := slices.Clone(cfg.Others)
	for _, t := range cfg.Tokens {
		out = append(out, t.Name)
	}
	if cfg.OIDC != nil {
		for _, name := range cfg.OIDC.People {
			out = append(out, name)
		}
	}
	return out
}

// Name is a provider's name of a person as it can stand in a subject. What can not stand there becomes a dash, and then the name ends
// with digits of its hash. So does one that only looks like that, and nobody can choose a name that becomes another's.
func Name(text string) (string, error) {
	if text == "" {
		return "", errors.New("it is empty")
	}
	if err := config.NotOurs(text); err != nil {
		return "", err
	}
	if topology.CheckActor(text) == nil && !hashed.MatchString(text) {
		return text, nil
	}
	sum := sha256.Sum256([]byte(text))
	name := strings.Map(func(r rune) rune {
		if topology.CheckActor(string(r)) == nil {
			return r
		}
		return '-'
	}, text)
	return name[:min(len(name), 47)] + "-" + hex.EncodeToString(sum[:8]), nil
}

// hashed is a name that [Name] may have made.
var hashed = regexp.MustCompile(`-[0-9a-f]{16}$`)
