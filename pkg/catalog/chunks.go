package catalog

import (
	"errors"
	"io"
	"time"
)

// chunks reads an artifact for the object store of nats.go 1.55, and makes up for two of its habits.
//
// It stores every Read as a chunk of its own, however short: here a Read fills its buffer. And it starts a goroutine with
// the first chunk that, when it comes to run only after the last one was stored, waits on a nil channel for ever
// (jetstream/publish.go, resetPendingAcksOnReconnect): here the end of the file comes a moment after the last byte.
type chunks struct{ r io.Reader }

const settle = time.Millisecond

func (c *chunks) Read(p []byte) (int, error) {
	n, err := io.ReadFull(c.r, p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil // the next Read says io.EOF
	}
	if errors.Is(err, io.EOF) {
		time.Sleep(settle)
	}
	return n, err
}
