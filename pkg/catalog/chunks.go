package catalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/nats-io/nats.go"
)

// readWithin bounds the reading of one artifact when its reader has no deadline.
const readWithin = time.Hour

// read opens an object. Its context must not end while nats.go 1.55 opens it: the client would have subscribed, and a
// goroutine of it would wait for ever to hand the first chunk to nobody (jetstream/object.go, Get). So the caller's
// context only stops the reading, which [driver.Artifact.Read] sees to, by closing.
func (c *Catalog) read(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	until, ok := ctx.Deadline()
	if !ok {
		until = time.Now().Add(readWithin)
	}
	opening, cancel := context.WithDeadline(context.WithoutCancel(ctx), until.Add(openWithin))
	r, err := c.artifacts.Get(patient{opening}, name) //nolint:contextcheck // it is the same, but for the deadline
	if err != nil {
		cancel()
		return nil, err
	}
	return &object{ReadCloser: r, done: cancel}, nil
}

// stalledAfter is how long the next bytes of an object may take, either way. What was put anew while it is read has lost its chunks, and
// nats.go would wait for them until the deadline of its context.
const stalledAfter = 30 * time.Second

// patient is a context whose deadline is never further away than stalledAfter: nats.go sets that of each read anew (object.go, Read).
type patient struct{ context.Context } //nolint:containedctx // it is one

func (p patient) Deadline() (time.Time, bool) {
	soon := time.Now().Add(stalledAfter)
	if until, ok := p.Context.Deadline(); ok && until.Before(soon) {
		return until, true
	}
	return soon, true
}

// openWithin is how long opening an object may take at the very end of its reader's time.
const openWithin = 5 * time.Second

// object ends its context when it is closed.
type object struct {
	io.ReadCloser
	done context.CancelFunc
}

func (o *object) Read(p []byte) (int, error) {
	n, err := o.ReadCloser.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, nats.ErrTimeout) {
		err = fmt.Errorf("nothing more of it came for %s, perhaps because it was put there anew meanwhile: %w", stalledAfter, err)
	}
	return n, err
}

func (o *object) Close() error {
	defer o.done()
	return o.ReadCloser.Close()
}
