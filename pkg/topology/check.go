package topology

import (
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// What names may be made of.

// CheckRelease returns nil for a canonical UUID: lowercase, with hyphens.
func CheckRelease(id string) error {
	if !validRelease(id) {
		return fmt.Errorf("release %q: want a UUID in lowercase with hyphens", clip(id))
	}
	return nil
}

// CheckActor returns nil for 1 to 64 of A-Z a-z 0-9 _ -.
func CheckActor(actor string) error {
	if !validActor(actor) {
		return fmt.Errorf("actor %q: want 1 to 64 of A-Z a-z 0-9 _ -", clip(actor))
	}
	return nil
}

// CheckProject returns nil for 1 to 63 of a-z 0-9 - that do not begin with a hyphen.
func CheckProject(project string) error {
	if !validName(project) {
		return fmt.Errorf("project %q: want 1 to 63 of a-z 0-9 -, not beginning with -", clip(project))
	}
	return nil
}

// CheckLane returns nil for 1 to 63 of a-z 0-9 - that do not begin with a hyphen.
func CheckLane(lane string) error {
	if !validName(lane) {
		return fmt.Errorf("lane %q: want 1 to 63 of a-z 0-9 -, not beginning with -", clip(lane))
	}
	return nil
}

// CheckCommit returns nil for 1 to 128 of 0-9 A-Z a-z _ - that begin with a letter or a digit.
func CheckCommit(commit string) error {
	if !validCommit(commit) {
		return fmt.Errorf("commit %q: want 1 to 128 of 0-9 A-Z a-z _ -, beginning with a letter or digit", clip(commit))
	}
	return nil
}

// CheckVersion returns nil for 1 to 128 of 0-9 A-Z a-z . + -.
func CheckVersion(version string) error {
	if !validVersion(version) {
		return fmt.Errorf("version %q: want 1 to 128 of 0-9 A-Z a-z . + -", clip(version))
	}
	return nil
}

// CheckPrint returns nil for a fingerprint: 8 to 64 hexadecimal digits in lowercase.
func CheckPrint(fingerprint string) error {
	if !validPrint(fingerprint) {
		return fmt.Errorf("fingerprint %q: want 8 to 64 of 0-9 a-f", clip(fingerprint))
	}
	return nil
}

func validRelease(id string) bool {
	if len(id) != 36 { // also keeps uuid.Parse from taking its other forms
		return false
	}
	u, err := uuid.Parse(id)
	return err == nil && u.String() == id
}

func validScope(s string) bool { return s == AllProjects || validName(s) }

func checkScope(s string) error {
	if s == AllProjects {
		return nil
	}
	return CheckProject(s)
}

func validActor(s string) bool {
	return len(s) >= 1 && len(s) <= 64 && all(s, func(c byte) bool { return alnum(c) || c == '_' || c == '-' })
}

func validName(s string) bool {
	return len(s) >= 1 && len(s) <= 63 && s[0] != '-' &&
		all(s, func(c byte) bool { return c == '-' || (alnum(c) && (c < 'A' || c > 'Z')) })
}

func validCommit(s string) bool {
	return len(s) >= 1 && len(s) <= 128 && alnum(s[0]) &&
		all(s, func(c byte) bool { return alnum(c) || c == '_' || c == '-' })
}

func validVersion(s string) bool {
	return len(s) >= 1 && len(s) <= 128 &&
		all(s, func(c byte) bool { return alnum(c) || c == '.' || c == '+' || c == '-' })
}

func validPrint(s string) bool {
	return len(s) >= 8 && len(s) <= 64 && all(s, func(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' })
}

func validVersionToken(s string) bool {
	return !strings.Contains(s, ".") && validVersion(strings.ReplaceAll(s, "_", "."))
}

func all(s string, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}

func alnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// clip keeps an error on one readable line, whatever was sent.
func clip(s string) string {
	const most = 140
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
