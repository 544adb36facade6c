package cdevents

import (
	"cmp"
	"strings"

	packageurl "github.com/package-url/packageurl-go"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// PURL is what a package URL tells: https://github.com/package-url/purl-spec
type PURL struct {
	ID        string // without version, qualifiers and subpath: "pkg:npm/%40acme/tracer"
	Type      string
	Namespace string
	Name      string
	Version   string // a name, never a digest
	Digest    string // "sha256:" and 64 hex digits
}

// Vars is the package URL as expressions see it.
func (p PURL) Vars() map[string]string {
	return map[string]string{
		"id": p.ID, "type": p.Type, "namespace": p.Namespace, "name": p.Name, "version": p.Version, "digest": p.Digest,
	}
}

// parsePURL is zero for what is none: the subject of an artifact should be one, and the schema takes any text.
func parsePURL(text string) PURL {
	u, err := packageurl.FromString(text)
	if err != nil {
		return PURL{}
	}
	qualifiers := u.Qualifiers.Map()
	p := PURL{
		ID:   packageurl.NewPackageURL(u.Type, u.Namespace, u.Name, "", nil, "").ToString(),
		Type: u.Type, Namespace: u.Namespace, Name: u.Name, Version: u.Version,
	}
	if isDigest(u.Version) {
		p.Version, p.Digest = qualifiers["tag"], u.Version
	}
	for sum := range strings.SplitSeq(qualifiers["checksum"], ",") {
		if p.Digest == "" && isDigest(sum) {
			p.Digest = sum
		}
	}
	return p
}

func isDigest(text string) bool {
	_, err := driver.DigestHex(text)
	return err == nil
}

// Merge is the merge that the event is by itself, as far as it tells; see the package comment. It has no id.
func (e Event) Merge() releasepb.MergeEvent {
	own := func(name string) string {
		text, _ := e.custom[name].(string)
		return text
	}
	m := releasepb.MergeEvent{
		Commit: own("commit"), Ref: own("ref"), URL: own("url"), Actor: cmp.Or(own("actor"), e.user),
		Version: cmp.Or(own("version"), e.PURL.Version), Digest: cmp.Or(own("digest"), e.PURL.Digest), Artifact: own("artifact"),
	}
	named := strings.ReplaceAll(m.Digest, ":", "-")
	m.Commit, m.Artifact = cmp.Or(m.Commit, e.change, named), cmp.Or(m.Artifact, named)
	return m
}
