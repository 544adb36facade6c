package catalog

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/topology"
)

const (
	// chunkSize is that of nats.go and of the nats command, in bytes.
	chunkSize = 128 << 10
	// mostOnTheirWay chunks are not acknowledged yet: four megabytes.
	mostOnTheirWay = 32
	// forgetWithin bounds taking back what was stored of an artifact that did not come whole.
	forgetWithin = 10 * time.Second
)

// put stores an object, as https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-20.md has it: chunks on a subject of
// their own, and then a record under the name. It goes on for as long as the broker acknowledges a chunk every half minute, however
// slow the line is and however long the reader thinks: what was written is not what has arrived, so only acknowledgements count.
// ([jetstream.ObjectStore] of nats.go 1.55 tells nobody of those, waits for one that was lost as long as its context has time, stores every
// Read as a chunk, and leaves the chunks behind when its context ends.)
//
// What did not come whole is taken back, by a roll-up: the users of the accounts may not purge, and all that is left is an empty message.
// Only a process that dies at that moment leaves its chunks.
func (c *Catalog) put(ctx context.Context, meta jetstream.ObjectMeta, r io.Reader) (*jetstream.ObjectInfo, error) {
	before, err := c.artifacts.GetInfo(ctx, meta.Name, jetstream.GetObjectInfoShowDeleted())
	if err != nil && !errors.Is(err, jetstream.ErrObjectNotFound) {
		return nil, err
	}
	meta.Opts = &jetstream.ObjectMetaOptions{ChunkSize: chunkSize}
	info := &jetstream.ObjectInfo{ObjectMeta: meta, Bucket: topology.BucketArtifacts, NUID: rand.Text()}
	subject := "$O." + topology.BucketArtifacts + ".C." + info.NUID
	if err := c.putChunks(ctx, subject, r, info); err != nil {
		if info.Chunks > 0 {
			c.forget(ctx, subject)
		}
		return nil, err
	}
	if err := c.putRecord(ctx, info); err != nil {
		return nil, err
	}
	if before != nil && !before.Deleted { // who may not do that leaves the old ones there
		if stream, err := c.js.Stream(ctx, topology.StreamArtifacts); err == nil {
			_ = stream.Purge(ctx, jetstream.WithPurgeSubject("$O."+topology.BucketArtifacts+".C."+before.NUID))
		}
	}
	return info, nil
}

// putChunks stores what r has, in order, and completes the record. When it returns an error some of it may be stored.
func (c *Catalog) putChunks(ctx context.Context, subject string, r io.Reader, info *jetstream.ObjectInfo) error {
	nc := c.js.Conn()
	inbox := nc.NewInbox()
	acks, err := nc.SubscribeSync(inbox + ".*")
	if err != nil {
		return err
	}
	defer func() { _ = acks.Unsubscribe() }() // the connection is gone, if it fails
	sum, chunk := sha256.New(), make([]byte, chunkSize)
	acked, last := uint32(0), uint64(0)
	wait := func() (err error) {
		last, err = acknowledged(ctx, acks, acked, last)
		acked++
		return err
	}
	for end := false; !end; {
		n, err := io.ReadFull(r, chunk)
		end = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !end {
			return err
		}
		if n == 0 {
			break
		}
		_, _ = sum.Write(chunk[:n]) // a hash takes everything
		if err := nc.PublishRequest(subject, inbox+"."+strconv.Itoa(int(info.Chunks)), chunk[:n]); err != nil {
			return err
		}
		info.Chunks++
		info.Size += uint64(n) //nolint:gosec // it is a count
		if info.Chunks-acked >= mostOnTheirWay {
			if err := wait(); err != nil {
				return err
			}
		}
	}
	for acked < info.Chunks {
		if err := wait(); err != nil {
			return err
		}
	}
	info.Digest = "SHA-256=" + base64.URLEncoding.EncodeToString(sum.Sum(nil))
	return nil
}

// acknowledged waits for the acknowledgement of the next chunk, which must be stored after the one before it.
func acknowledged(ctx context.Context, acks *nats.Subscription, chunk uint32, last uint64) (seq uint64, err error) {
	soon, cancel := context.WithTimeout(ctx, stalledAfter)
	defer cancel()
	m, err := acks.NextMsgWithContext(soon)
	switch {
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout):
		return 0, fmt.Errorf("the broker took nothing more of it for %s", stalledAfter)
	case err != nil:
		return 0, err
	case len(m.Data) == 0 && m.Header.Get("Status") == "503":
		return 0, jetstream.ErrNoStreamResponse
	}
	var ack struct {
		jetstream.PubAck

		Error *jetstream.APIError `json:"error"`
	}
	switch err := json.Unmarshal(m.Data, &ack); {
	case err != nil:
		return 0, fmt.Errorf("an acknowledgement that can not be read: %w", err)
	case ack.Error != nil:
		return 0, ack.Error
	case ack.Stream != topology.StreamArtifacts || ack.Duplicate || ack.Sequence <= last ||
		!strings.HasSuffix(m.Subject, "."+strconv.FormatUint(uint64(chunk), 10)):
		return 0, fmt.Errorf("chunk %d of it is not stored after the one before: the acknowledgement is of stream %q, sequence %d, duplicate %t",
			chunk, ack.Stream, ack.Sequence, ack.Duplicate)
	}
	return ack.Sequence, nil
}

// putRecord stores under which name the chunks are, in the place of what is there.
func (c *Catalog) putRecord(ctx context.Context, info *jetstream.ObjectInfo) error {
	m := nats.NewMsg("$O." + topology.BucketArtifacts + ".M." + base64.URLEncoding.EncodeToString([]byte(info.Name)))
	m.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
	var err error
	if m.Data, err = json.Marshal(info); err != nil {
		return err
	}
	soon, cancel := context.WithTimeout(ctx, stalledAfter)
	defer cancel()
	if _, err := c.js.PublishMsg(soon, m, jetstream.WithExpectStream(topology.StreamArtifacts)); err != nil {
		return fmt.Errorf("its record: %w", err) // it may be stored: the chunks stay
	}
	info.ModTime = time.Now().UTC()
	return nil
}

// forget takes back chunks that belong to nothing, also when ctx has ended.
func (c *Catalog) forget(ctx context.Context, subject string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), forgetWithin)
	defer cancel()
	m := nats.NewMsg(subject)
	m.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
	_, _ = c.js.PublishMsg(ctx, m) // it is on its way behind the chunks: if nobody acknowledges it it may be heard all the same
}
