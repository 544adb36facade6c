package probe

import (
	"net/url"
	"strings"

	"github.com/sluice-gate/sluice/pkg/mask"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

const hidden = "***"

// Mask hides, in any text, what is most likely a secret.
func Mask(text string) string { return mask.Text(text) }

// maskURL is Mask for one URL; a query that has no values is hidden whole.
func maskURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return hidden
	}
	if u.RawQuery != "" && !strings.Contains(u.RawQuery, "=") {
		u.RawQuery = hidden
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
