package line

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"unicode"

	"github.com/sluice-gate/sluice/pkg/driver"
)

// Err is the error for an answer that is no success, on one line: what was asked, the status, and what the peer says of it.
func (a *Answer) Err(what string) error {
	reason := string(a.Body[:min(len(a.Body), mostReason)])
	var parsed struct{ Message, Error any }
	if json.Unmarshal(a.Body, &parsed) == nil {
		for _, field := range []any{parsed.Error, parsed.Message} {
			if field != nil {
				reason = fmt.Sprint(field)
			}
		}
	}
	if reason = OneLine(reason); reason == "" {
		reason = http.StatusText(a.Status)
	}
	return fmt.Errorf("%.200s was answered with %d: %.200s", what, a.Status, reason)
}

// JSON reads the answer into a value. What is no success is refused; what is no JSON is an error to try again.
func (a *Answer) JSON(what string, into any) error {
	if !a.OK() {
		return driver.Refusef("%w", a.Err(what))
	}
	if err := json.Unmarshal(a.Body, into); err != nil {
		return fmt.Errorf("the answer to %s is not the JSON that it should be: %w", what, err)
	}
	return nil
}

// OneLine is what a peer said, fit to be shown: one line, nothing that a terminal obeys, at most 200 bytes.
func OneLine(text string) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "?"), func(c rune) bool {
		return unicode.IsSpace(c) || unicode.IsControl(c)
	}), " ")
	return strings.ToValidUTF8(fmt.Sprintf("%.200s", text), "")
}
