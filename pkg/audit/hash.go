package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"time"
)

// Message is a stored message, as the broker describes it.
type Message struct {
	Subject string
	Seq     uint64    // in the stream
	At      time.Time // the broker's timestamp
	Data    []byte
}

// Hash is a SHA-256.
type Hash [sha256.Size]byte

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero tells that it is the hash of nothing.
func (h Hash) IsZero() bool { return h == Hash{} }

// is tells whether a stored hash is this one.
func (h Hash) is(stored []byte) bool { return string(h[:]) == string(stored) }

// What a hash is of, so that none can stand for another.
const (
	ofFirst  = "sluice audit 1: before the first\n"
	ofRecord = "sluice audit 1: record\n"
	ofLink   = "sluice audit 1: link\n"
	ofWhole  = "sluice audit 1: checkpoint\n"
)

// First is what the first message of a subject carries in place of the hash of the one before it.
func First(subject string) Hash {
	h := sha256.New()
	write(h, ofFirst, subject)
	return sum(h)
}

// Of is the hash of a journal record that is stored: what the next record carries.
func Of(m Message) Hash {
	h := sha256.New()
	write(h, ofRecord, m.Subject)
	number(h, m.Seq)
	number(h, uint64(m.At.UnixNano()))
	_, _ = h.Write(m.Data) // a hash takes everything
	return sum(h)
}

// ofChain is the hash of a link that is stored: what the next link carries. It is known before the link is stored: its place is in it.
func ofChain(m Message) Hash {
	h := sha256.New()
	write(h, ofLink, m.Subject)
	_, _ = h.Write(m.Data)
	return sum(h)
}

// write adds texts, each with its length, so that no two lists of texts are the same.
func write(h hash.Hash, texts ...string) {
	for _, t := range texts {
		number(h, uint64(len(t)))
		_, _ = h.Write([]byte(t))
	}
}

func number(h hash.Hash, n uint64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	_, _ = h.Write(b[:])
}

func sum(h hash.Hash) (out Hash) {
	h.Sum(out[:0])
	return out
}
