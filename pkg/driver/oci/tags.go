package oci

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/sluice-gate/sluice/pkg/driver"
)

// versionMark stands for the release's version in a template.
const versionMark = "{{version}}"

// maxTag is the distribution specification's own limit.
const maxTag = 128

// unknown is the name, in a value, of an image that no version's tag points to.
const unknown = "unknown"

var (
	tagPattern      = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)
	templatePattern = regexp.MustCompile(`^[A-Za-z0-9.-]*\{\{version\}\}[A-Za-z0-9.-]*$`)
)

// template says how a beta is tagged: "{{version}}-beta". The zero template is none.
type template struct{ prefix, suffix string }

func parseTemplate(text string) (template, error) {
	if text == "" {
		return template{}, nil
	}
	if !templatePattern.MatchString(text) {
		return template{}, driver.Refusef("from %s: want %s once, with letters, digits, dots and dashes around it", driver.Quote(text), versionMark)
	}
	if text == versionMark {
		return template{}, driver.Refusef("from: %s is the tag of the release itself: tag betas like %s-beta", versionMark, versionMark)
	}
	prefix, suffix, _ := strings.Cut(text, versionMark)
	return template{prefix, suffix}, nil
}

func (t template) set() bool { return t != template{} }

// name is that of the beta of a version.
func (t template) name(version string) string { return t.prefix + version + t.suffix }

// version is the one whose beta has the name.
func (t template) version(name string) (string, bool) {
	if !t.set() || len(name) <= len(t.prefix)+len(t.suffix) {
		return "", false
	}
	version, begins := strings.CutPrefix(name, t.prefix)
	version, ends := strings.CutSuffix(version, t.suffix)
	return version, begins && ends && driver.SafeVersion(version)
}

// tagOf is the tag of a version or of a beta's name. Tags have no "+"; it becomes "_", as it does with Helm.
func tagOf(name string) (string, error) {
	tag := strings.ReplaceAll(name, "+", "_")
	if len(tag) > maxTag || !tagPattern.MatchString(tag) {
		return "", driver.Refusef("%s can not be a tag: want at most %d letters, digits and . _ -", driver.Quote(name), maxTag)
	}
	return tag, nil
}

// nameOf is the name that tagOf made the tag of.
func nameOf(tag string) string { return strings.ReplaceAll(tag, "_", "+") }

// valueOf is a channel's value: "1.4.0@sha256:…".
func valueOf(name, digest string) string { return name + "@" + digest }

// parseValue is the inverse of valueOf.
func parseValue(value string) (name, digest string, err error) {
	name, digest, found := strings.Cut(value, "@")
	if _, err := driver.DigestHex(digest); err != nil || !found || !driver.SafeVersion(name) {
		return "", "", driver.Refusef("the tag can not go back to %s, which is not like 1.4.0@sha256:…", driver.Quote(value))
	}
	return name, digest, nil
}

// candidate is a tag that may say which version an image is.
type candidate struct{ tag, name, version string }

// candidates picks the tags of versions, or of betas when ofBetas is set, the newest first, and pre-releases after all others: some
// repositories have a tag of that kind for every commit.
func candidates(tags []string, from template, ofBetas, anyVersion bool) []candidate {
	var found []candidate
	for _, tag := range tags {
		c := candidate{tag: tag, name: nameOf(tag)}
		version, beta := from.version(c.name)
		if c.version = c.name; ofBetas {
			c.version = version
		}
		if beta == ofBetas && isVersion(c.version, anyVersion) {
			found = append(found, c)
		}
	}
	slices.SortFunc(found, func(a, b candidate) int {
		switch pre := preRelease(a.version); {
		case pre && !preRelease(b.version):
			return 1
		case !pre && preRelease(b.version):
			return -1
		case driver.Newer(a.version, b.version):
			return -1
		case driver.Newer(b.version, a.version):
			return 1
		}
		return cmp.Compare(b.version, a.version)
	})
	return found
}

func preRelease(version string) bool {
	core, _, _ := strings.Cut(version, "+")
	return strings.Contains(core, "-")
}

// isVersion tells versions from channels and other names: where versions need not be semantic ones, by a digit.
func isVersion(name string, anyVersion bool) bool {
	if anyVersion {
		return driver.SafeVersion(name) && strings.ContainsAny(name, "0123456789")
	}
	version, err := driver.CleanVersion(name)
	return err == nil && version == name
}
