package npm

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"

	"github.com/sluice-gate/sluice/pkg/driver"
)

// block is the unit of a tar archive, in bytes.
const block = 512

// rewrite is the package with another version, and otherwise the same to the byte: in the archive only the places of the
// version change, and what follows from their length (a file's size, its padding, the checksum of its header). The same
// package and version always come to the same bytes. Every error is driver.Refused.
func (t *tarball) rewrite(version string) (*tarball, error) {
	if version == t.version {
		return t, nil
	}
	var out bytes.Buffer
	last := 0
	for _, f := range t.files {
		if f.Name != manifestFile && f.Name != shrinkwrapFile {
			continue
		}
		doc, err := withVersion(f.Name, t.data(f), t.version, version)
		if err != nil {
			return nil, err
		}
		head, err := resized(t.unpacked, f, len(doc))
		if err != nil {
			return nil, err
		}
		out.Write(t.unpacked[last : f.start-block])
		out.Write(head)
		out.Write(doc)
		out.Write(make([]byte, padding(len(doc))))
		last = min(f.end+padding(f.end-f.start), len(t.unpacked)) // an archive may end without the last padding
	}
	out.Write(t.unpacked[last:])

	packed, err := pack(out.Bytes())
	if err != nil {
		return nil, err
	}
	rewritten, err := openTarball(packed)
	if err != nil {
		return nil, fmt.Errorf("rewritten to version %s: %w", version, err)
	}
	rewritten.rewritten = true
	return rewritten, prove(rewritten, t)
}

func padding(size int) int { return (block - size%block) % block }

func pack(unpacked []byte) ([]byte, error) {
	var out bytes.Buffer
	zipped, err := gzip.NewWriterLevel(&out, gzip.BestCompression) // the header has no time and no name
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(zipped, bytes.NewReader(unpacked)); err != nil {
		return nil, err
	}
	if err := zipped.Close(); err != nil { // before the bytes are taken: it writes the last of them
		return nil, err
	}
	return out.Bytes(), nil
}

// withVersion is a package.json or npm-shrinkwrap.json with another version in the places that say the package's own. In
// npm-shrinkwrap.json these may be missing or say another version; then they stay as they are.
func withVersion(name string, doc []byte, from, to string) ([]byte, error) {
	paths := [][]string{{"version"}}
	if name == shrinkwrapFile {
		paths = append(paths, []string{"packages", "", "version"})
		if !json.Valid(doc) {
			return nil, driver.Refusef("its %s is not JSON", name)
		}
	}
	var places []span
	for _, keys := range paths {
		at, found, err := within(doc, keys...)
		if err != nil {
			return nil, driver.Refusef("its %s: %w", name, err)
		}
		switch {
		case found && string(doc[at.start:at.end]) == strconv.Quote(from):
			places = append(places, at)
		case name == manifestFile:
			return nil, driver.Refusef("its %s does not say \"version\": %q in plain characters", name, from)
		}
	}
	return replace(doc, to, places...), nil
}

// resized is the header block of a file, for other data of the given size. The fields are those of ustar:
// https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html#tag_20_92_13_06
func resized(archive []byte, f file, size int) ([]byte, error) {
	const (
		sizeAt, sizeEnd = 124, 136
		sumAt, sumEnd   = 148, 156
	)
	if _, inRecord := f.PAXRecords["size"]; inRecord || f.start < block {
		return nil, driver.Refusef("its archive states the size of %s in a way that can not be edited: build it with npm pack", f.Name)
	}
	head := bytes.Clone(archive[f.start-block : f.start])
	stated, err := strconv.ParseInt(strings.Trim(string(head[sizeAt:sizeEnd]), " \x00"), 8, 64)
	if err != nil || stated != f.Size || !octal(head[sizeAt:sizeEnd], size) {
		return nil, driver.Refusef("its archive states the size of %s in a way that can not be edited: build it with npm pack", f.Name)
	}
	sum := 0
	for i, b := range head {
		if sumAt <= i && i < sumEnd {
			b = ' ' // as the sum is defined
		}
		sum += int(b)
	}
	if !octal(head[sumAt:sumEnd], sum) {
		return nil, driver.Refusef("its archive states the checksum of %s in a way that can not be edited: build it with npm pack", f.Name)
	}
	return head, nil
}

// octal writes a number into a field of a header, with the same end as was there: a NUL, a space, or (npm's way) both. It
// reports whether the number fits.
func octal(field []byte, n int) bool {
	digits := len(bytes.TrimRight(field, " \x00"))
	text := fmt.Sprintf("%0*o", digits, n)
	copy(field, text)
	return len(text) == digits
}

// prove returns nil when two packages are the same but for their version: the same files in the same order with the same
// modes, times and owners, and the same data to the byte, except for the places of the version. It shares nothing
// with the making of a rewritten package but the search for these places. The error, driver.Refused, names what differs.
func prove(a, b *tarball) error {
	names := func(t *tarball) string { return t.name + "@" + t.version }
	if len(a.files) != len(b.files) {
		return driver.Refusef("%s has %d files and %s has %d", names(a), len(a.files), names(b), len(b.files))
	}
	for i, fa := range a.files {
		fb := b.files[i]
		if !sameHeader(fa.Header, fb.Header) {
			return driver.Refusef("%s has %s where %s has %s, or their modes, owners or times differ",
				names(a), driver.Quote(fa.Name), names(b), driver.Quote(fb.Name))
		}
		da, db := a.data(fa), b.data(fb)
		if fa.Name == manifestFile || fa.Name == shrinkwrapFile {
			var err error
			if da, err = withVersion(fa.Name, da, a.version, b.version); err != nil {
				return err
			}
		}
		if !bytes.Equal(da, db) {
			return driver.Refusef("%s differs between %s and %s in more than the version", fa.Name, names(a), names(b))
		}
	}
	return nil
}

func sameHeader(a, b *tar.Header) bool {
	return a.Name == b.Name && a.Typeflag == b.Typeflag && a.Mode == b.Mode && a.Uid == b.Uid && a.Gid == b.Gid &&
		a.Uname == b.Uname && a.Gname == b.Gname && a.ModTime.Equal(b.ModTime) && maps.Equal(a.PAXRecords, b.PAXRecords)
}

// mentions refuses a package in which some file has the beta's version in it, as the package that everybody will get must not.
func (t *tarball) mentions(beta string) error {
	const most = 5
	var found []string
	for _, f := range t.files {
		if bytes.Contains(t.data(f), []byte(beta)) {
			found = append(found, strings.TrimPrefix(f.Name, root))
		}
	}
	switch n := len(found); {
	case n == 0:
		return nil
	case n > most:
		found = append(found[:most], fmt.Sprintf("and %d more", n-most))
	}
	return driver.Refusef("the beta's version %s is written in %s: the package that soaks and the one that everybody gets may differ in their version only; take it out of there",
		beta, strings.Join(found, ", "))
}
