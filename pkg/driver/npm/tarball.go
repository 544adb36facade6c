package npm

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha1" //nolint:gosec // registries want it as dist.shasum beside the integrity, which is SHA-512
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sluice-gate/sluice/pkg/driver"
)

// bounds are what a package may have at most. Packed and unpacked it is held in memory while it is worked on.
type bounds struct {
	packed, unpacked int64 // bytes
	files            int
}

func defaultBounds() bounds { return bounds{packed: 128 << 20, unpacked: 512 << 20, files: 100_000} }

// The files of a package that say its version.
const (
	root           = "package/"
	manifestFile   = root + "package.json"
	shrinkwrapFile = root + "npm-shrinkwrap.json"
)

// tarball is a package that has been read and found fit to be published.
type tarball struct {
	packed    []byte // what is published
	unpacked  []byte // the tar archive
	files     []file
	name      string
	version   string
	manifest  map[string]json.RawMessage // package.json
	rewritten bool                       // made by rewrite: the packed bytes may depend on the version of Go
}

// file is one entry of the archive; its data is unpacked[start:end].
type file struct {
	*tar.Header
	span
}

func (t *tarball) data(f file) []byte { return t.unpacked[f.start:f.end] }

// file returns the data of a file by its name.
func (t *tarball) file(name string) ([]byte, bool) {
	for _, f := range t.files {
		if f.Name == name {
			return t.data(f), true
		}
	}
	return nil, false
}

// integrity is the package's digest as registries state it: https://www.w3.org/TR/SRI/
func (t *tarball) integrity() string {
	sum := sha512.Sum512(t.packed)
	return "sha512-" + base64.StdEncoding.EncodeToString(sum[:])
}

func (t *tarball) shasum() string {
	sum := sha1.Sum(t.packed) //nolint:gosec // see the import
	return hex.EncodeToString(sum[:])
}

// readArtifact reads the package that the release has. A package that is not fit is driver.Refused.
func readArtifact(ctx context.Context, a driver.Artifact, most bounds) (*tarball, error) {
	var packed []byte
	if err := a.Read(ctx, func(r io.Reader) (err error) {
		packed, err = readAll(r, most.packed)
		return err
	}); err != nil {
		return nil, err
	}
	t, err := openWithin(packed, most)
	if err != nil {
		return nil, fmt.Errorf("the artifact %s: %w", driver.Quote(a.Name), err)
	}
	return t, nil
}

// readAll reads at most most bytes; more are driver.Refused.
func readAll(r io.Reader, most int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > most {
		return nil, driver.Refusef("it is larger than %d MiB", most>>20)
	}
	return b, nil
}

// openTarball reads a package and checks it. Every error is driver.Refused.
func openTarball(packed []byte) (*tarball, error) { return openWithin(packed, defaultBounds()) }

func openWithin(packed []byte, most bounds) (*tarball, error) {
	zipped, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, driver.Refusef("it is not an npm package (%w): build it with npm pack", err)
	}
	unpacked, err := readAll(zipped, most.unpacked)
	switch {
	case driver.IsRefused(err):
		return nil, driver.Refusef("unpacked, %w", err)
	case err != nil:
		return nil, driver.Refusef("it is damaged: %w", err)
	}
	t := &tarball{packed: packed, unpacked: unpacked}
	if err := t.list(most.files); err != nil {
		return nil, err
	}
	return t, t.readManifest()
}

// list fills files, of which there may be most.
func (t *tarball) list(most int) error {
	r := bytes.NewReader(t.unpacked)
	archive := tar.NewReader(r)
	seen := map[string]bool{}
	for {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return driver.Refusef("its archive is damaged: %w", err)
		}
		start := len(t.unpacked) - r.Len() // the reader is at the data now, and reads no further ahead
		f := file{head, span{start, start + int(head.Size)}}
		if err := fit(f); err != nil {
			return err
		}
		if f.Typeflag == tar.TypeDir {
			f.end = f.start
		}
		if f.end > len(t.unpacked) {
			return driver.Refusef("its archive is damaged: the file %s is cut off", driver.Quote(f.Name))
		}
		if seen[f.Name] {
			return driver.Refusef("its archive has %s twice", driver.Quote(f.Name))
		}
		seen[f.Name] = true
		if t.files = append(t.files, f); len(t.files) > most {
			return driver.Refusef("its archive has more than %d files", most)
		}
	}
	if rest := t.unpacked[len(t.unpacked)-r.Len():]; len(bytes.Trim(rest, "\x00")) > 0 {
		return driver.Refusef("its archive goes on after its end")
	}
	return nil
}

// fit refuses entries that have no place in a package, or that different readers take for different things.
func fit(f file) error {
	name := strings.TrimSuffix(f.Name, "/")
	unsafe := name+"/" != root && !strings.HasPrefix(name, root) || path.Clean(name) != name || strings.Contains(name, `\`) ||
		!utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl)
	switch {
	case unsafe:
		return driver.Refusef("its archive has the name %s: all must be within %s", driver.Quote(f.Name), root)
	case f.Typeflag != tar.TypeReg && f.Typeflag != tar.TypeDir:
		return driver.Refusef("its archive has %s, which is neither a file nor a folder: build it with npm pack", driver.Quote(f.Name))
	case f.Typeflag == tar.TypeReg && strings.HasSuffix(f.Name, "/"):
		return driver.Refusef("its archive has a file with the name %s", driver.Quote(f.Name))
	}
	for record := range f.PAXRecords {
		if strings.HasPrefix(record, "GNU.sparse.") {
			return driver.Refusef("its archive has the sparse file %s: build it with npm pack", driver.Quote(f.Name))
		}
	}
	for _, special := range []string{manifestFile, shrinkwrapFile} {
		if strings.EqualFold(name, special) && (f.Name != special || f.Typeflag != tar.TypeReg) {
			return driver.Refusef("its archive has %s, which some systems take for %s", driver.Quote(f.Name), special)
		}
	}
	return nil
}

// readManifest fills what package.json says.
func (t *tarball) readManifest() error {
	doc, ok := t.file(manifestFile)
	if !ok {
		return driver.Refusef("it has no %s: build it with npm pack", manifestFile)
	}
	if !utf8.Valid(doc) {
		return driver.Refusef("its %s is not UTF-8", manifestFile)
	}
	if err := json.Unmarshal(doc, &t.manifest); err != nil {
		return driver.Refusef("its %s is not a JSON object: %w", manifestFile, err)
	}
	for key, into := range map[string]*string{"name": &t.name, "version": &t.version} {
		at, ok, err := within(doc, key)
		if err != nil {
			return driver.Refusef("its %s: %w", manifestFile, err)
		}
		if !ok || json.Unmarshal(doc[at.start:at.end], into) != nil {
			return driver.Refusef("its %s has no %q that is a string", manifestFile, key)
		}
	}
	if string(bytes.TrimSpace(t.manifest["private"])) == "true" {
		return driver.Refusef("its %s says \"private\": true, which means: do not publish", manifestFile)
	}
	if err := validName(t.name); err != nil {
		return err
	}
	return validVersion("its version", t.version)
}
