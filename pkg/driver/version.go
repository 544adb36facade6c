package driver

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"path"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// CleanVersion returns a version as it is published: "1.4.0" for "1.4.0" and for the tag name "v1.4.0". Anything but a complete
// semantic version is [Refused]: channels move forward only, and that needs an order.
func CleanVersion(version string) (string, error) {
	v, err := semver.StrictNewVersion(strings.TrimPrefix(version, "v"))
	if err != nil || len(version) > MaxName {
		return "", Refusef("version %s is not a semantic version such as 1.4.0", Quote(version))
	}
	return v.String(), nil
}

// CleanVersion is the version that the merge stated, as it is published.
func (f Facts) CleanVersion() (string, error) {
	if !f.AnyVersion {
		return CleanVersion(f.Version)
	}
	if !SafeVersion(f.Version) {
		return "", Refusef("version %s: want letters, digits, and . + - between them", Quote(f.Version))
	}
	return f.Version, nil
}

// SafeVersion tells whether a version, semantic or not, can be the name of something: letters, digits, and . + - between them.
func SafeVersion(version string) bool {
	return len(version) <= MaxName && safeVersion.MatchString(version)
}

var safeVersion = regexp.MustCompile(`^[0-9A-Za-z]+(?:[.+-]+[0-9A-Za-z]+)*$`)

// Newer tells whether version a comes after version b by semantic versioning. Both must be versions of [CleanVersion]; one that
// is not is older than all that are.
func Newer(a, b string) bool {
	va, err := semver.StrictNewVersion(a)
	if err != nil {
		return false
	}
	vb, err := semver.StrictNewVersion(b)
	return err != nil || va.GreaterThan(vb)
}

// versionInName finds a version between separators. Of pre-releases only the usual words count, so that the platform in
// "tracer-1.4.0-linux-amd64.tar.gz" is none.
var versionInName = regexp.MustCompile(
	`(?:^|[-_@])v?(\d+\.\d+\.\d+(?:-(?:alpha|beta|rc|pre|next|dev|canary)(?:[.-]?\d+)*)?)(?:[-_]|\.\D|$)`)

// VersionInName is the version that an artifact's name states, "1.4.0" for "tracer-1.4.0.tgz", or empty when it states
// none or more than one.
func VersionInName(name string) string {
	found := versionInName.FindAllStringSubmatch(name, 2)
	if len(found) != 1 {
		return ""
	}
	version, err := CleanVersion(found[0][1])
	if err != nil {
		return ""
	}
	return version
}

// ArtifactVersion is the version that the artifact itself states: that of the package.json of an npm package (a .tgz), or else
// the one in its name. Without either it is [Refused].
func ArtifactVersion(ctx context.Context, a Artifact) (string, error) {
	if strings.HasSuffix(a.Name, ".tgz") {
		version := ""
		err := a.Read(ctx, func(r io.Reader) (err error) {
			version, err = packageVersion(r)
			return err
		})
		if err != nil {
			return "", err
		}
		if version != "" {
			return CleanVersion(version)
		}
	}
	if version := VersionInName(a.Name); version != "" {
		return version, nil
	}
	return "", Refusef("neither the merge nor the artifact %s states a version: merge with a version, or name the artifact like tracer-1.4.0.tgz", Quote(a.Name))
}

// packageVersion reads the version of package/package.json in an npm package; empty when r is no such thing.
func packageVersion(r io.Reader) (string, error) {
	const most = 1 << 20
	var failed error // a read error of r, which is not to be taken for "no npm package"
	zipped, err := gzip.NewReader(readerFunc(func(p []byte) (int, error) {
		n, err := r.Read(p)
		if err != nil && !errors.Is(err, io.EOF) {
			failed = err
		}
		return n, err
	}))
	if err != nil {
		return "", failed
	}
	files := tar.NewReader(zipped)
	for {
		head, err := files.Next()
		if err != nil {
			return "", failed
		}
		if dir, file := path.Split(path.Clean(head.Name)); file != "package.json" || strings.Count(dir, "/") != 1 {
			continue
		}
		var manifest struct {
			Version string `json:"version"`
		}
		if err := json.NewDecoder(io.LimitReader(files, most)).Decode(&manifest); err != nil {
			return "", failed
		}
		return manifest.Version, nil
	}
}
