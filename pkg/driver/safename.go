package driver

import (
	"fmt"
	"strings"
)

// MaxName is the most bytes that [SafeName] accepts: a file name of 255 bytes less what a driver adds for temporary files.
const MaxName = 200

// SafeName returns s when it is fit to be one element of a path, a file name, or an argument of a command: ASCII letters,
// digits and "._+@~=-", beginning with a letter, a digit or "_", at most [MaxName] bytes. Anything else is [Refused], with what
// named in the message ("artifact name"). It does not mend a name: two names that differ stay different.
func SafeName(what, s string) (string, error) {
	switch {
	case s == "":
		return "", Refusef("%s is empty", what)
	case len(s) > MaxName:
		return "", Refusef("%s %s is %d bytes long, at most %d are allowed", what, Quote(s), len(s), MaxName)
	case !alphanumeric(s[0]) && s[0] != '_':
		return "", Refusef("%s %s must begin with a letter, a digit or \"_\"", what, Quote(s))
	}
	for i := range len(s) {
		if !alphanumeric(s[i]) && !strings.ContainsRune("._+@~=-", rune(s[i])) {
			return "", Refusef("%s %s may only have letters, digits and \"._+@~=-\"", what, Quote(s))
		}
	}
	return s, nil
}

func alphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// Quote makes a string from outside fit for an error or a log line: quoted, on one line, cut after 80 bytes.
func Quote(s string) string {
	const most = 80
	if len(s) > most {
		return fmt.Sprintf("%q…", s[:most])
	}
	return fmt.Sprintf("%q", s)
}
