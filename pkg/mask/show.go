package mask

import (
	"regexp"
	"strings"
	"unicode"
)

// escapes are the control sequences of terminals: colours, cursor movements, titles.
var escapes = regexp.MustCompile("\x1b(?:\\[[0-9;:?<=>]*[ -/]*[@-~]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\)?|[@-Z\\\\^_])")

// Show is what a program wrote as text that can be shown anywhere: valid UTF-8, its lines ended by "\n", and without what a terminal obeys
// or what turns the direction of text.
func Show(text string) string {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(strings.ToValidUTF8(text, "\uFFFD"))
	return strings.Map(func(r rune) rune {
		if (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, escapes.ReplaceAllString(text, ""))
}

// UserInfo hides the user and password of a URL, in any text.
func UserInfo(text string) string { return userInfo.ReplaceAllString(text, "${1}"+hidden+"@") }
