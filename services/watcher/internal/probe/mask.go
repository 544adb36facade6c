package probe

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/sluice-gate/sluice/pkg/releasepb"
)

const mask = "***"

var (
	userInfo   = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^/\s"'<>]*@`)
	queryValue = regexp.MustCompile(`([?&][^\s=&#"'<>]+=)[^\s&#"'<>]+`)
)

// Mask hides, in any text, what is most likely a secret in a URL: the user and password, and the values of the query.
func Mask(text string) string {
	return queryValue.ReplaceAllString(userInfo.ReplaceAllString(text, "${1}"+mask+"@"), "${1}"+mask)
}

// maskURL is Mask for one URL; a query that has no values is hidden whole.
func maskURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return mask
	}
	if u.RawQuery != "" && !strings.Contains(u.RawQuery, "=") {
		u.RawQuery = mask
	}
	u.Fragment = ""
	return Mask(u.String())
}

// mostLine bounds what one look says, in bytes.
const mostLine = 400

// line joins what happened and the last line of an output, masked.
func line(what, output string) string {
	output = strings.TrimSpace(output)
	if i := strings.LastIndexByte(output, '\n'); i >= 0 {
		output = output[i+1:]
	}
	if output != "" {
		what += ": " + output
	}
	return Line(what)
}

// Line makes any text one masked line.
func Line(text string) string { return releasepb.Line(Mask(text), mostLine) }
