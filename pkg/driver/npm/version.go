package npm

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/sluice-gate/sluice/pkg/driver"
)

// preRelease is the identifier of the betas that republish makes.
const preRelease = "beta"

// betaOf is the version of a beta.
func betaOf(version string, n uint64) string { return fmt.Sprintf("%s-%s.%d", version, preRelease, n) }

// betaNumber is the N of a version "1.4.0-beta.N".
func betaNumber(beta, version string) (uint64, bool) {
	digits, ok := strings.CutPrefix(beta, version+"-"+preRelease+".")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 53)
	return n, err == nil && betaOf(version, n) == beta
}

// nextBeta is the beta to publish next: its number follows the highest one of that version. Gaps are left alone, since a
// registry does not let the version of an unpublished beta be used again.
func nextBeta(version string, published map[string]published) string {
	next := uint64(0)
	for v := range published {
		if n, ok := betaNumber(v, version); ok && n >= next {
			next = n + 1
		}
	}
	return betaOf(version, next)
}

// nextPatch is the version to release next when the merge does not say: the artifact's, if it is higher than all that
// there is, or else the highest one that there is, betas included, with the patch counted up.
func nextPatch(artifact string, published map[string]published) string {
	highest := semver.New(0, 0, 0, "", "")
	for v := range published {
		parsed, err := semver.StrictNewVersion(v)
		if err != nil {
			continue
		}
		if core := semver.New(parsed.Major(), parsed.Minor(), parsed.Patch(), "", ""); core.GreaterThan(highest) {
			highest = core
		}
	}
	if plain(artifact) == nil && driver.Newer(artifact, highest.String()) {
		return artifact
	}
	next := highest.IncPatch()
	return next.String()
}

// plain returns nil for a version that everybody may get: x.y.z and nothing else, within what npm can count.
func plain(version string) error {
	const most = 1<<53 - 1 // node-semver refuses numbers above Number.MAX_SAFE_INTEGER
	v, err := semver.StrictNewVersion(version)
	switch {
	case err != nil || len(version) > driver.MaxName:
		return driver.Refusef("version %s is not a semantic version such as 1.4.0", driver.Quote(version))
	case v.Prerelease() != "":
		return driver.Refusef("version %s is a pre-release: build the package with the version that everybody will get, such as %d.%d.%d, and Sluice makes the beta from it",
			driver.Quote(version), v.Major(), v.Minor(), v.Patch())
	case v.Metadata() != "":
		return driver.Refusef("version %s has build metadata, which npm drops", driver.Quote(version))
	case v.Major() > most || v.Minor() > most || v.Patch() > most:
		return driver.Refusef("version %s has a number that npm can not count to", driver.Quote(version))
	}
	return nil
}

// validVersion refuses what can not be the version of a package: Sluice's own versions, and what a channel pointed to before.
func validVersion(what, version string) error {
	if _, err := semver.StrictNewVersion(version); err != nil || len(version) > driver.MaxName {
		return driver.Refusef("%s %s is not a semantic version such as 1.4.0", what, driver.Quote(version))
	}
	return nil
}

// packageName is what npm lets be published (npm's validate-npm-package-name), upper case included: old packages have it.
var packageName = regexp.MustCompile(`^(?:@[A-Za-z0-9~-][A-Za-z0-9._~-]*/)?[A-Za-z0-9~][A-Za-z0-9._~-]*$`)

func validName(name string) error {
	const most = 214
	reserved := strings.EqualFold(name, "node_modules") || strings.EqualFold(name, "favicon.ico")
	if len(name) > most || !packageName.MatchString(name) || reserved {
		return driver.Refusef("%s is not a name that npm lets a package have", driver.Quote(name))
	}
	return nil
}

var tagName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]{0,99}$`)

// validTag refuses tags that npm takes for a range of versions ("v1", "x").
func validTag(tag string) error {
	_, err := semver.NewConstraint(tag)
	if err == nil || !tagName.MatchString(tag) {
		return fmt.Errorf("tag %s: a tag is a word such as beta, made of letters, digits and \"._-\", and no range of versions", driver.Quote(tag))
	}
	return nil
}
