package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/nats-io/nkeys"
)

// Signer signs checkpoints. It has the seed, and shows it to nobody.
type Signer struct {
	pair nkeys.KeyPair
	key  string
}

// NewSeed makes a seed for a Signer, as text with an end of line: what `nk -gen user` prints.
func NewSeed() ([]byte, error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return nil, fmt.Errorf("make an nkey: %w", err)
	}
	defer pair.Wipe()
	seed, err := pair.Seed()
	return append(seed, '\n'), err
}

// errSeed says nothing of what it was given.
var errSeed = errors.New("it is no seed of an nkey: make one with `nk -gen user`")

// NewSigner takes a seed, of whatever kind of nkey that signs.
func NewSigner(seed []byte) (*Signer, error) {
	pair, err := nkeys.FromSeed(bytes.TrimSpace(seed))
	if err != nil {
		return nil, errSeed
	}
	key, err := pair.PublicKey()
	if err != nil {
		return nil, errSeed
	}
	if _, err := pair.Sign(nil); err != nil { // a curve key encrypts only
		return nil, errSeed
	}
	return &Signer{pair: pair, key: key}, nil
}

// ReadSigner reads the seed from a file; an empty path gives nobody who signs, nil.
func ReadSigner(path string) (*Signer, error) {
	if path == "" {
		return nil, nil //nolint:nilnil // there is none
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("seed of the audit chain: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	const most = 4 << 10
	seed, err := io.ReadAll(io.LimitReader(f, most))
	if err == nil {
		var s *Signer
		if s, err = NewSigner(seed); err == nil {
			return s, nil
		}
	}
	return nil, fmt.Errorf("seed of the audit chain: %s: %w", path, err)
}

// Key is the public key; empty for nobody.
func (s *Signer) Key() string {
	if s == nil {
		return ""
	}
	return s.key
}

func (s *Signer) sign(c *Checkpoint) error {
	signature, err := s.pair.Sign(c.signed())
	if err != nil {
		return fmt.Errorf("sign link %d of %s: %w", c.Index, c.Project, err)
	}
	c.Key, c.Signature = s.key, signature
	return nil
}
