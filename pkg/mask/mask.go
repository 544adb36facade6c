// Package mask hides what is most likely a secret in text that somebody else wrote.
package mask

import "regexp"

const hidden = "***"

var (
	userInfo   = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^/\s"'<>]*@`)
	queryValue = regexp.MustCompile(`([?&][^\s=&#"'<>]+=)[^\s&#"'<>]+`)
)

// Text hides, in any text, the user and password of a URL, and the values of its query.
func Text(text string) string {
	return queryValue.ReplaceAllString(userInfo.ReplaceAllString(text, "${1}"+hidden+"@"), "${1}"+hidden)
}
