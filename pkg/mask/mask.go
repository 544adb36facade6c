// Package mask makes text that somebody else wrote fit to be kept and shown: without what is a secret, or most likely one, and without
// what a terminal obeys.
package mask

import "regexp"

const hidden = "***"

var (
	userInfo   = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^/\s"'<>]*@`)
	queryValue = regexp.MustCompile(`([?&][^\s=&#"'<>]+=)[^\s&#"'<>]+`)
)

// Text hides, in any text, the user and password of a URL, and the values of its query.
func Text(text string) string {
	return queryValue.ReplaceAllString(UserInfo(text), "${1}"+hidden)
}
