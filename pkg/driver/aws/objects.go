package aws

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/sluice-gate/sluice/pkg/amazon"
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/internal/channelfile"
)

const (
	mostRecord = 64 << 10 // bytes of an object that is read as a record
	// mostObject is what one PutObject takes: https://docs.aws.amazon.com/AmazonS3/latest/userguide/upload-objects.html.
	mostObject = 5 << 30
	shortly    = 2 * time.Minute // the bound of a request that carries no artifact, with its repetitions
	forEver    = "public, max-age=31536000, immutable"
	notAtAll   = "no-cache"
)

// key is a path below the prefix.
func (d *Bucket) key(slashed string) *string { return aws.String(path.Join(d.prefix, slashed)) }

// where names an object in an error.
func (d *Bucket) where(slashed string) string { return "s3://" + d.bucket + "/" + *d.key(slashed) }

// readChannel is the channel's record and its ETag, nil when there is none.
func (d *Bucket) readChannel(ctx context.Context, project string) (*channelfile.Record, string, error) {
	if _, err := driver.SafeName("project", project); err != nil {
		return nil, "", err
	}
	return d.read(ctx, channelfile.ChannelPath(project, d.channel), func(r *channelfile.Record) bool {
		return r.Project == project && r.Channel == d.channel
	})
}

func (d *Bucket) readVersion(ctx context.Context, project, version string) (*channelfile.Record, error) {
	r, _, err := d.read(ctx, channelfile.VersionPath(project, version), func(r *channelfile.Record) bool {
		return r.Project == project && r.Version == version && r.Channel == ""
	})
	return r, err
}

// read reads a record; nil when there is no such object. One that is broken, or is another's by its contents, is refused: a person has
// been at it, and guessing would overwrite what that person did.
func (d *Bucket) read(ctx context.Context, slashed string, fits func(r *channelfile.Record) bool) (*channelfile.Record, string, error) {
	api, err := d.open(ctx)
	if err != nil {
		return nil, "", err
	}
	within, cancel := context.WithTimeout(ctx, shortly)
	defer cancel()
	out, err := api.GetObject(within, &s3.GetObjectInput{Bucket: &d.bucket, Key: d.key(slashed)})
	if amazon.Code(err) == "NoSuchKey" {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", d.failed(ctx, "GetObject "+d.where(slashed), err)
	}
	defer func() { _ = out.Body.Close() }() // only read
	b, err := io.ReadAll(io.LimitReader(out.Body, mostRecord))
	if err != nil {
		return nil, "", d.failed(ctx, "GetObject "+d.where(slashed), err)
	}
	r, err := channelfile.Parse(b)
	if err == nil && !fits(r) {
		err = driver.Refusef("it belongs to another project, version or channel")
	}
	tag := aws.ToString(out.ETag)
	if err == nil && tag == "" {
		err = driver.Refusef("it has no ETag, without which nobody can write it safely")
	}
	if err != nil {
		return nil, "", driver.Refusef("%s can not be used, put it right or remove it: %w", d.where(slashed), err)
	}
	return r, tag, nil
}

// storeArtifact makes sure that the bytes of r are in their place, whole, and tells whether it put them there. r gets their size.
func (d *Bucket) storeArtifact(ctx context.Context, r *channelfile.Record, a driver.Artifact) (bool, error) {
	there, err := d.stored(ctx, r)
	if err != nil || there {
		return false, err
	}
	dir, err := os.MkdirTemp("", "sluice-s3-*")
	if err != nil {
		return false, fmt.Errorf("aws-s3: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // a copy
	a.Name = r.Name
	name, err := driver.Fetch(ctx, a, dir)
	if err != nil {
		return false, err
	}
	file, err := os.Open(name)
	if err != nil {
		return false, fmt.Errorf("aws-s3: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	info, err := file.Stat()
	if err != nil {
		return false, fmt.Errorf("aws-s3: %w", err)
	}
	if r.Size = info.Size(); r.Size > mostObject {
		return false, driver.Refusef("the artifact %s has %d bytes; S3 takes %d at once", driver.Quote(r.Name), r.Size, int64(mostObject))
	}
	sum, err := checksum(r.Digest)
	if err != nil {
		return false, err
	}
	put := &s3.PutObjectInput{
		Key: d.key(r.Path), Body: file, ContentLength: &r.Size, ChecksumSHA256: &sum, IfNoneMatch: aws.String("*"),
		ContentType: aws.String("application/octet-stream"), CacheControl: aws.String(forEver),
	}
	fresh, err := d.put(ctx, put)
	if err != nil || fresh {
		return fresh, err
	}
	if there, err = d.stored(ctx, r); err == nil && !there {
		err = fmt.Errorf("aws-s3: %s was there and is gone", d.where(r.Path))
	}
	return false, err
}

// stored tells whether the bytes of r are in their place, and gives r their size. Other bytes there are refused. S3 has their checksum,
// which it has computed itself; where it has none, they are read.
func (d *Bucket) stored(ctx context.Context, r *channelfile.Record) (bool, error) {
	api, err := d.open(ctx)
	if err != nil {
		return false, err
	}
	what := d.where(r.Path)
	within, cancel := context.WithTimeout(ctx, shortly)
	defer cancel()
	head, err := api.HeadObject(within, &s3.HeadObjectInput{Bucket: &d.bucket, Key: d.key(r.Path), ChecksumMode: types.ChecksumModeEnabled})
	if amazon.Status(err) == http.StatusNotFound {
		return false, nil
	}
	if err != nil {
		return false, d.failed(ctx, "HeadObject "+what, err)
	}
	want, err := checksum(r.Digest)
	if err != nil {
		return false, err
	}
	got := aws.ToString(head.ChecksumSHA256)
	r.Size = aws.ToInt64(head.ContentLength)
	if got == "" || head.ChecksumType == types.ChecksumTypeComposite { // stored by somebody else
		if got, r.Size, err = d.hash(ctx, r); err != nil {
			return false, err
		}
	}
	if got != want {
		return false, driver.Refusef("%s does not have the digest %s: somebody changed it; put it right or remove it", what, r.Digest)
	}
	return true, nil
}

// hash reads an object to its end.
func (d *Bucket) hash(ctx context.Context, r *channelfile.Record) (string, int64, error) {
	api, err := d.open(ctx)
	if err != nil {
		return "", 0, err
	}
	out, err := api.GetObject(ctx, &s3.GetObjectInput{Bucket: &d.bucket, Key: d.key(r.Path)})
	if err != nil {
		return "", 0, d.failed(ctx, "GetObject "+d.where(r.Path), err)
	}
	defer func() { _ = out.Body.Close() }() // only read
	h := sha256.New()
	size, err := io.Copy(h, out.Body)
	if err != nil {
		return "", 0, d.failed(ctx, "GetObject "+d.where(r.Path), err)
	}
	return base64.StdEncoding.EncodeToString(h.Sum(nil)), size, nil
}

// checksum is a digest as S3 writes it.
func checksum(digest string) (string, error) {
	digits, err := driver.DigestHex(digest)
	if err != nil {
		return "", err
	}
	raw, err := hex.DecodeString(digits)
	return base64.StdEncoding.EncodeToString(raw), err
}

// storeVersion writes the version's record, and tells whether it did. Where another instance has been faster its record must be the same.
func (d *Bucket) storeVersion(ctx context.Context, r *channelfile.Record) (bool, error) {
	one := *r
	one.Channel, one.Before = "", ""
	fresh, err := d.write(ctx, &one, channelfile.VersionPath(r.Project, r.Version), forEver, nil)
	if err != nil || fresh {
		return fresh, err
	}
	there, err := d.published(ctx, r)
	if err == nil && there == nil {
		err = fmt.Errorf("aws-s3: %s was there and is gone", d.where(channelfile.VersionPath(r.Project, r.Version)))
	}
	return false, err
}

// prove looks that a peer of one's own keeps the conditions of writes: some take them and write all the same, and then releases could
// overwrite each other. The record of r, which is there, is written again under the condition that it is not; that does no harm.
func (d *Bucket) prove(ctx context.Context, r *channelfile.Record) error {
	if !d.foreign || d.proven.Load() {
		return nil
	}
	there, err := d.readVersion(ctx, r.Project, r.Version)
	if err != nil || there == nil {
		return err
	}
	written, err := d.write(ctx, there, channelfile.VersionPath(r.Project, r.Version), forEver, nil)
	if err == nil && written {
		return driver.Refusef("aws-s3: the endpoint ignores If-None-Match, without which two releases could overwrite each other: use another")
	}
	d.proven.Store(err == nil)
	return err
}

// pointTo makes the channel point to r if it still is what it was by its ETag, empty for nothing. It tells whether it was.
func (d *Bucket) pointTo(ctx context.Context, r *channelfile.Record, tag string) (bool, error) {
	var expect *string
	if tag != "" {
		expect = &tag
	}
	return d.write(ctx, r, channelfile.ChannelPath(r.Project, d.channel), notAtAll, expect)
}

// write puts a record in its place if what is there has the ETag expect, nil for nothing. It tells whether it did.
func (d *Bucket) write(ctx context.Context, r *channelfile.Record, slashed, cache string, expect *string) (bool, error) {
	b, err := r.Encode()
	if err != nil {
		return false, fmt.Errorf("aws-s3: %w", err)
	}
	sum := sha256.Sum256(b)
	in := &s3.PutObjectInput{
		Key: d.key(slashed), Body: bytes.NewReader(b), ContentLength: aws.Int64(int64(len(b))), IfMatch: expect,
		ChecksumSHA256: aws.String(base64.StdEncoding.EncodeToString(sum[:])),
		ContentType:    aws.String("application/json"), CacheControl: &cache,
	}
	if expect == nil {
		in.IfNoneMatch = aws.String("*")
	}
	within, cancel := context.WithTimeout(ctx, shortly)
	defer cancel()
	return d.put(within, in)
}

// put makes a conditional write, and tells whether its condition held
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html). A write whose answer was lost and that the SDK makes
// again finds itself: its condition does not hold.
func (d *Bucket) put(ctx context.Context, in *s3.PutObjectInput) (bool, error) {
	api, err := d.open(ctx)
	if err != nil {
		return false, err
	}
	in.Bucket = &d.bucket
	_, err = api.PutObject(ctx, in)
	return d.held(ctx, "PutObject s3://"+d.bucket+"/"+*in.Key, err)
}

// remove removes the channel if it still has the ETag, and tells whether it had.
func (d *Bucket) remove(ctx context.Context, project, tag string) (bool, error) {
	api, err := d.open(ctx)
	if err != nil {
		return false, err
	}
	at := channelfile.ChannelPath(project, d.channel)
	within, cancel := context.WithTimeout(ctx, shortly)
	defer cancel()
	_, err = api.DeleteObject(within, &s3.DeleteObjectInput{Bucket: &d.bucket, Key: d.key(at), IfMatch: &tag})
	return d.held(ctx, "DeleteObject "+d.where(at), err)
}

// held reads the outcome of a conditional write: 412 when the condition does not hold, 409 when another write was under way, and 404
// when what was to be replaced is gone.
func (d *Bucket) held(ctx context.Context, what string, err error) (bool, error) {
	switch status := amazon.Status(err); {
	case err == nil:
		return true, nil
	case ctx.Err() != nil:
	case status == http.StatusPreconditionFailed, status == http.StatusConflict,
		status == http.StatusNotFound && amazon.Code(err) != "NoSuchBucket":
		return false, nil
	case status == http.StatusNotImplemented:
		return false, driver.Refusef("%w; this peer has no conditional writes, without which two releases could overwrite each other",
			d.failed(ctx, what, err))
	}
	return false, d.failed(ctx, what, err)
}
