package releasepb

import (
	"time"

	pb "github.com/sluice-gate/sluice/proto/sluice/v1"
)

// Link is one link of a project's audit chain: how the journal of a release stood that had ended. Package audit says what its hashes
// are of, and what is signed.
type Link struct {
	Index   uint64 // its place in the chain, from 1
	Prev    []byte // hash of the link before it
	Release string
	Seq     uint64    // of the journal's last record, in the stream
	At      time.Time // the broker's timestamp of that record
	Head    []byte    // its hash

	Key       string // public nkey of whoever signed; empty: nobody did
	Signature []byte
}

// EncodeLink is the inverse of DecodeLink.
func EncodeLink(l Link) ([]byte, error) {
	return encode(&pb.AuditLink{
		Index: l.Index, Prev: l.Prev, Release: l.Release, Seq: l.Seq, At: toTime(l.At), Head: l.Head, Key: l.Key, Signature: l.Signature,
	})
}

// DecodeLink reads a link. Its error wraps ErrMalformed.
func DecodeLink(data []byte) (Link, error) {
	in := new(pb.AuditLink)
	err := decode(data, in)
	return Link{
		Index: in.GetIndex(), Prev: in.GetPrev(), Release: in.GetRelease(), Seq: in.GetSeq(), At: fromTime(in.GetAt()), Head: in.GetHead(),
		Key: in.GetKey(), Signature: in.GetSignature(),
	}, err
}
