// Package channelfile is the format in which channels stand on a disk (package files) and in a bucket (package aws): the records of
// channels and versions, and the paths of these and of artifacts below a root. A directory that is copied to a bucket is the same there.
package channelfile

import (
	"bytes"
	"context"
	"encoding/json"
	"path"
	"strings"

	"github.com/sluice-gate/sluice/pkg/driver"
)

// Record is what a file below versions or channels says.
type Record struct {
	Project string `json:"project"`
	Channel string `json:"channel,omitempty"` // in a channel file
	Version string `json:"version"`
	Digest  string `json:"digest"`
	Size    int64  `json:"size"` // bytes
	Name    string `json:"name"`
	Path    string `json:"path"`             // of the artifact, from the root, with slashes
	Release string `json:"release"`          // in a version file, the release that published it
	Before  string `json:"before,omitempty"` // in a channel file, the value that this one replaced
}

// Value is the channel in the driver's own words, as in driver.Done.
func (r *Record) Value() string {
	if r == nil {
		return ""
	}
	return r.Version + "@" + r.Digest
}

// New makes the record of a release from its facts, all of them checked. Its size is not known yet.
func New(ctx context.Context, f driver.Facts) (*Record, error) {
	r := &Record{Project: f.Project, Digest: f.Artifact.Digest, Name: f.Artifact.Name, Release: f.Release}
	if err := r.checkNames(); err != nil {
		return nil, err
	}
	var err error
	if f.Version == "" { // nothing was planned: this project has no publish action
		r.Version, err = driver.ArtifactVersion(ctx, f.Artifact)
	} else {
		r.Version, err = f.CleanVersion()
	}
	if err != nil {
		return nil, err
	}
	r.Path = ArtifactPath(r.Digest, r.Name)
	return r, nil
}

func (r *Record) checkNames() error {
	if _, err := driver.SafeName("project", r.Project); err != nil {
		return err
	}
	if _, err := driver.SafeName("release id", r.Release); err != nil {
		return err
	}
	if _, err := driver.SafeName("artifact name", r.Name); err != nil {
		return err
	}
	_, err := driver.DigestHex(r.Digest)
	return err
}

// Parse reads a record and believes nothing of it that could lead out of the directory.
func Parse(b []byte) (*Record, error) {
	r := &Record{}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, driver.Refusef("it is no JSON of that kind: %w", err)
	}
	if err := r.checkNames(); err != nil {
		return nil, err
	}
	if !driver.SafeVersion(r.Version) || r.Size < 0 || r.Path != ArtifactPath(r.Digest, r.Name) {
		return nil, driver.Refusef("its version, size or path does not fit the rest")
	}
	return r, nil
}

// Encode is the file of the record: JSON for people and programs, its fields in a fixed order.
func (r *Record) Encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(r)
	return b.Bytes(), err
}

// ParseValue takes a value apart into a version and a digest.
func ParseValue(value string) (version, digest string, err error) {
	version, digest, _ = strings.Cut(value, "@")
	if !driver.SafeVersion(version) {
		return "", "", driver.Refusef("%s is no value of a channel (version@digest)", driver.Quote(value))
	}
	if _, err := driver.DigestHex(digest); err != nil {
		return "", "", driver.Refusef("%s is no value of a channel (version@digest)", driver.Quote(value))
	}
	return version, digest, nil
}

// The paths below the root, with slashes. Their parts have been checked.

// ArtifactPath is where the bytes are.
func ArtifactPath(digest, name string) string {
	return path.Join("artifacts", "sha256", strings.TrimPrefix(digest, "sha256:"), name)
}

// VersionPath is where the record of a version is.
func VersionPath(project, version string) string {
	return path.Join("versions", project, version+".json")
}

// ChannelPath is where the record of a channel is.
func ChannelPath(project, channel string) string {
	return path.Join("channels", project, channel+".json")
}

// CheckChannel refuses channel names whose files would get in each other's way.
func CheckChannel(channel string) error {
	if _, err := driver.SafeName("channel", channel); err != nil {
		return err
	}
	if strings.HasSuffix(channel, ".json") {
		return driver.Refusef("channel %q must not end in .json: that is the channel file's ending", channel)
	}
	return nil
}
