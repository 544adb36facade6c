package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// Checkpoint is what the chain of a project was at one place, signed. What is in the chain up to there can not be changed or removed any
// more without somebody who has the checkpoint seeing it.
type Checkpoint struct {
	Project   string
	Index     uint64 // the place: the number of the link
	Hash      Hash   // of what the link says, the hash of the link before it included
	At        time.Time
	Key       string // public nkey
	Signature []byte
}

// checkpointOf is the checkpoint that a link is, without its signature. Its time is the broker's of the record that was linked.
func checkpointOf(project string, l releasepb.Link) Checkpoint {
	h := sha256.New()
	write(h, ofWhole, project, l.Release)
	number(h, l.Index)
	number(h, l.Seq)
	write(h, string(l.Prev), string(l.Head), stamp(l.At))
	return Checkpoint{Project: project, Index: l.Index, Hash: sum(h), At: l.At}
}

// signed is what is signed.
func (c Checkpoint) signed() []byte {
	return fmt.Appendf(nil, "%s%s\n%d\n%s\n%s\n", ofWhole, c.Project, c.Index, c.Hash, stamp(c.At))
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// Verify tells whether the key that it names has signed the checkpoint.
func (c Checkpoint) Verify() error {
	key, err := nkeys.FromPublicKey(c.Key)
	if err != nil {
		return fmt.Errorf("the key %q that it names is none: want a public nkey", clip64(c.Key))
	}
	if key.Verify(c.signed(), c.Signature) != nil {
		return fmt.Errorf("the signature is not that of %s, which it names", c.Key)
	}
	return nil
}

func clip64(text string) string { return releasepb.Line(text, 64) }

// wire is a checkpoint in JSON.
type wire struct {
	Project   string    `json:"project"`
	Index     uint64    `json:"index"`
	Hash      string    `json:"hash"`
	At        time.Time `json:"at"`
	Key       string    `json:"key,omitempty"`
	Signature string    `json:"signature,omitempty"`
}

// MarshalJSON writes one line: {"project":…,"index":…,"hash":…,"at":…,"key":…,"signature":…}; the hash in hexadecimal, the signature in
// base64.
func (c Checkpoint) MarshalJSON() ([]byte, error) {
	return json.Marshal(wire{
		Project: c.Project, Index: c.Index, Hash: c.Hash.String(), At: c.At.UTC(), Key: c.Key,
		Signature: base64.StdEncoding.EncodeToString(c.Signature),
	})
}

// UnmarshalJSON is the inverse of MarshalJSON. Fields that it does not know, such as those of a log line, are left out.
func (c *Checkpoint) UnmarshalJSON(data []byte) error {
	var w wire
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	hash, err := hex.DecodeString(w.Hash)
	if err != nil || len(hash) != len(c.Hash) {
		return fmt.Errorf("hash %q: want %d hexadecimal digits", clip64(w.Hash), 2*len(c.Hash))
	}
	signature, err := base64.StdEncoding.DecodeString(w.Signature)
	if err != nil {
		return errors.New("signature: want base64")
	}
	*c = Checkpoint{Project: w.Project, Index: w.Index, Hash: Hash(hash), At: w.At, Key: w.Key, Signature: signature}
	return nil
}

// MaxCheckpoints bounds a file of checkpoints, in bytes.
const MaxCheckpoints = 64 << 20

// ReadCheckpoints reads checkpoints, one JSON object after the other, and refuses what is not signed by the key that it names. With keys
// it refuses what none of them has signed.
func ReadCheckpoints(from io.Reader, keys []string) ([]Checkpoint, error) {
	data, err := io.ReadAll(io.LimitReader(from, MaxCheckpoints+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxCheckpoints {
		return nil, fmt.Errorf("more than %d MiB of checkpoints", MaxCheckpoints>>20)
	}
	var out []Checkpoint
	for in := json.NewDecoder(bytes.NewReader(data)); ; {
		var c Checkpoint
		err := in.Decode(&c)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = c.acceptable(keys)
		}
		if err != nil {
			return nil, fmt.Errorf("checkpoint %d: %w", len(out)+1, err)
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, errors.New("no checkpoint in it")
	}
	return out, nil
}

func (c Checkpoint) acceptable(keys []string) error {
	if err := topology.CheckProject(c.Project); err != nil {
		return err
	}
	if err := c.Verify(); err != nil {
		return err
	}
	for _, k := range keys {
		if k == c.Key {
			return nil
		}
	}
	if len(keys) > 0 {
		return fmt.Errorf("it is signed by %s, which is none of the expected keys", c.Key)
	}
	return nil
}
