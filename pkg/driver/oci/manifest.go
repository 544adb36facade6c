package oci

import (
	"cmp"
	"context"
	"encoding/json"
	"io"

	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/sluice-gate/sluice/pkg/driver"
)

// maxManifest is what registries accept at most.
const maxManifest = 4 << 20

// annotatedVersion is where Helm, and whoever follows the OCI's annotations, says the version. Labels of an image's configuration
// are not asked: they are inherited from the base image, whose version it then is.
const annotatedVersion = "org.opencontainers.image.version"

// manifest is that of an image, a chart or an index, to the byte. It is a remote.Taggable.
type manifest struct {
	digest    string
	raw       []byte
	mediaType types.MediaType
	version   string // as annotated; empty for none
}

// RawManifest is the bytes that the digest is of.
func (m manifest) RawManifest() ([]byte, error) { return m.raw, nil }

// MediaType is what the registry is told that the bytes are.
func (m manifest) MediaType() (types.MediaType, error) { return m.mediaType, nil }

// artifact reads the release's artifact, which is the manifest of what CI pushed.
func artifact(ctx context.Context, a driver.Artifact) (manifest, error) {
	var raw []byte
	err := a.Read(ctx, func(r io.Reader) (err error) {
		raw, err = io.ReadAll(io.LimitReader(r, maxManifest+1))
		return err
	})
	if err != nil {
		return manifest{}, err
	}
	m, err := parseManifest(raw)
	if err != nil {
		return manifest{}, driver.Refusef("the artifact %s %w: hand in the manifest of the image as the registry has it, with every byte, such as `crane manifest` prints", driver.Quote(a.Name), err)
	}
	m.digest = a.Digest
	return m, nil
}

// parseManifest tells what kind of manifest it is.
func parseManifest(raw []byte) (manifest, error) {
	var parsed struct {
		SchemaVersion int               `json:"schemaVersion"`
		MediaType     types.MediaType   `json:"mediaType"`
		Config        json.RawMessage   `json:"config"`
		Manifests     []json.RawMessage `json:"manifests"`
		Annotations   map[string]string `json:"annotations"`
	}
	if len(raw) > maxManifest {
		return manifest{}, driver.Refusef("is larger than %d bytes", maxManifest)
	}
	if err := json.Unmarshal(raw, &parsed); err != nil || parsed.SchemaVersion != 2 {
		return manifest{}, driver.Refusef("is no manifest of schema version 2")
	}
	m := manifest{raw: raw, mediaType: parsed.MediaType, version: parsed.Annotations[annotatedVersion]}
	index := parsed.Config == nil && parsed.Manifests != nil
	switch {
	case m.mediaType == "" && index:
		m.mediaType = types.OCIImageIndex
	case m.mediaType == "" && parsed.Config != nil:
		m.mediaType = types.OCIManifestSchema1
	}
	if !m.mediaType.IsIndex() && !m.mediaType.IsImage() || m.mediaType.IsIndex() != index {
		return manifest{}, driver.Refusef("is the manifest of neither an image nor an index of images")
	}
	return m, nil
}

// versionOf is the version that the merge states, or else the artifact, by its name or its annotation.
func versionOf(m manifest, f driver.Facts) (string, error) {
	if f.Version == "" {
		named := driver.VersionInName(f.Artifact.Name)
		switch {
		case named == "" && m.version == "":
			return "", driver.Refusef("neither the merge nor the artifact %s states a version: merge with a version, or name the artifact like app-1.4.0.json",
				driver.Quote(f.Artifact.Name))
		case named != "" && m.version != "" && named != m.version:
			return "", driver.Refusef("the artifact %s says version %s in its name and %s in its annotation %s: merge with a version",
				driver.Quote(f.Artifact.Name), named, driver.Quote(m.version), annotatedVersion)
		}
		f.Version = cmp.Or(named, m.version)
	}
	return f.CleanVersion()
}
