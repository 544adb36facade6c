package driver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// DigestHex returns the 64 hex digits of a digest "sha256:…". Anything else, upper case included, is [Refused].
func DigestHex(digest string) (string, error) {
	digits, ok := strings.CutPrefix(digest, "sha256:")
	if !ok || len(digits) != hex.EncodedLen(sha256.Size) || strings.Trim(digits, "0123456789abcdef") != "" {
		return "", Refusef("digest %s must be \"sha256:\" and 64 hex digits in lower case", Quote(digest))
	}
	return digits, nil
}

// Digest is the digest of b as it stands in [Artifact].
func Digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Verified passes on what r reads and ends with a [Refused] error instead of io.EOF when the bytes do not have the digest.
// Whoever stops before the end has verified nothing.
func Verified(r io.Reader, digest string) io.Reader {
	want, err := DigestHex(digest)
	return &verified{r: r, hash: sha256.New(), want: want, err: err}
}

type verified struct {
	r    io.Reader
	hash hash.Hash
	want string
	n    int64
	err  error // the answer to every further Read
}

func (v *verified) Read(p []byte) (int, error) {
	if v.err != nil {
		return 0, v.err
	}
	n, err := v.r.Read(p)
	v.hash.Write(p[:n])
	v.n += int64(n)
	if errors.Is(err, io.EOF) {
		if got := hex.EncodeToString(v.hash.Sum(nil)); got != v.want {
			err = Refusef("the artifact's %d bytes have the digest sha256:%s, not sha256:%s", v.n, got, v.want)
		}
	}
	v.err = err
	return n, err
}

// Read opens the artifact and passes its bytes to use, verified: use sees an error instead of io.EOF when they do not match the
// digest, and bytes that use leaves are read to the end and verified too. So when Read succeeds, all that use saw was genuine.
// The context is asked before every read.
func (a Artifact) Read(ctx context.Context, use func(io.Reader) error) error {
	if a.Open == nil {
		return Refusef("the release has no artifact that could be read")
	}
	if _, err := DigestHex(a.Digest); err != nil {
		return err
	}
	rc, err := a.Open(ctx)
	if err != nil {
		return fmt.Errorf("open the artifact %s: %w", Quote(a.Name), err)
	}
	defer func() { _ = rc.Close() }() // only read
	asking := readerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil { // so that a large copy stops when the attempt does
			return 0, err
		}
		return rc.Read(p)
	})
	r := Verified(asking, a.Digest)
	if err := use(r); err != nil {
		return fmt.Errorf("read the artifact %s: %w", Quote(a.Name), err)
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		return fmt.Errorf("read the artifact %s: %w", Quote(a.Name), err)
	}
	return nil
}

// readerFunc is a reader made of a function.
type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// Fetch writes the artifact into dir, under its own name, and returns the path. The file is complete, verified and flushed to
// disk when it appears under that name, and readable only by this user (mode 0600). When the name is unsafe or the bytes are
// not those of the digest, the error is [Refused] and dir is as it was.
func Fetch(ctx context.Context, a Artifact, dir string) (path string, err error) {
	name, err := SafeName("artifact name", a.Name)
	if err != nil {
		return "", err
	}
	if _, err := DigestHex(a.Digest); err != nil {
		return "", err
	}
	file, err := os.CreateTemp(dir, ".fetch-*")
	if err != nil {
		return "", fmt.Errorf("fetch the artifact: %w", err)
	}
	defer func() {
		if err != nil {
			_ = file.Close()
			_ = os.Remove(file.Name())
		}
	}()
	if err := a.Read(ctx, func(r io.Reader) error {
		_, err := io.Copy(file, r)
		return err
	}); err != nil {
		return "", err
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return "", fmt.Errorf("fetch the artifact: %w", err)
	}
	path = filepath.Join(dir, name)
	if err := os.Rename(file.Name(), path); err != nil {
		return "", fmt.Errorf("fetch the artifact: %w", err)
	}
	return path, nil
}
