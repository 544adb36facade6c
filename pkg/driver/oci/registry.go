package oci

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
)

// mostLooked bounds how many tags are looked at to find a digest's version. One of the first nearly always has it.
const mostLooked = 64

// repository is one repository of a registry, and how to get there.
type repository struct {
	name  name.Repository
	auth  credentials
	line  *line
	waits waits
}

// newRepository parses "registry.example/team/app".
func newRepository(image string, cfg project.OCI, auth credentials, o options) (repository, error) {
	var opts []name.Option
	if cfg.Insecure {
		opts = append(opts, name.Insecure)
	}
	first, _, _ := strings.Cut(image, "/")
	if !strings.ContainsAny(first, ".:") && first != "localhost" || strings.Contains(image, "//") {
		return repository{}, driver.Refusef("%s: want a registry and a repository, such as registry.example/team/app", driver.Quote(image))
	}
	parsed, err := name.NewRepository(image, opts...)
	if err != nil {
		return repository{}, driver.Refusef("%s: want a registry and a repository without a tag, such as registry.example/team/app", driver.Quote(image))
	}
	return repository{parsed, auth, &line{inner: driver.Said(o.transport), plain: cfg.Insecure, waits: o.waits}, o.waits}, nil
}

// session is the registry during one call of the driver: it logs in once.
type session struct {
	repository
	pull *remote.Puller
	push *remote.Pusher
}

func (r repository) open() (*session, error) {
	opts := []remote.Option{
		remote.WithTransport(r.line), remote.WithUserAgent("sluice"), remote.WithJobs(r.waits.jobs),
		remote.WithRetryStatusCodes(), remote.WithRetryPredicate(uploadAgain),
		remote.WithRetryBackoff(remote.Backoff{Duration: r.waits.First, Factor: 2, Jitter: 0.3, Steps: 3}),
	}
	if r.auth.named() {
		opts = append(opts, remote.WithAuth(r.auth))
	} else {
		opts = append(opts, remote.WithAuthFromKeychain(authn.DefaultKeychain))
	}
	pull, err := remote.NewPuller(opts...)
	if err != nil {
		return nil, err
	}
	push, err := remote.NewPusher(opts...)
	return &session{r, pull, push}, err
}

// head is what a tag points to, or whether a digest is there; nil for nothing.
func (s *session) head(ctx context.Context, ref name.Reference) (*v1.Descriptor, error) {
	desc, err := s.pull.Head(ctx, ref)
	if status(err) == http.StatusNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, s.failed(ctx, "look at "+ref.Name(), err)
	}
	return desc, nil
}

// points is the digest that a tag points to; empty for none.
func (s *session) points(ctx context.Context, tag string) (string, error) {
	desc, err := s.head(ctx, s.name.Tag(tag))
	if err != nil || desc == nil {
		return "", err
	}
	return desc.Digest.String(), nil
}

// tags lists the tags; none for a repository that is not there yet.
func (s *session) tags(ctx context.Context) ([]string, error) {
	tags, err := s.pull.List(ctx, s.name)
	if status(err) == http.StatusNotFound {
		return nil, nil
	}
	return tags, s.failed(ctx, "list the tags of "+s.name.Name(), err)
}

// point makes a tag point to a manifest, which goes to the registry once more for it: byte for byte, so its digest stays.
func (s *session) point(ctx context.Context, tag string, m manifest) error {
	ref := s.name.Tag(tag)
	return s.failed(ctx, "point "+ref.Name()+" to "+m.digest, s.push.Put(ctx, ref, m))
}

// remove takes a tag away, and reports why not when the registry does not do that.
func (s *session) remove(ctx context.Context, tag string) (kept string, err error) {
	ref := s.name.Tag(tag)
	err = s.failed(ctx, "remove the tag "+ref.Name(), s.push.Delete(ctx, ref))
	if driver.IsRefused(err) && status(err) != 0 {
		return err.Error(), nil
	}
	return "", err
}

// get reads a manifest that the repository has; nil when it does not have it.
func (s *session) get(ctx context.Context, digest string) (*remote.Descriptor, error) {
	ref := s.name.Digest(digest)
	desc, err := s.pull.Get(ctx, ref)
	if status(err) == http.StatusNotFound {
		return nil, nil
	}
	return desc, s.failed(ctx, "read "+ref.Name(), err)
}

// copyTo makes another repository have a manifest and all that it names: of an index its images, of an image its blobs. What is
// there is not sent again, and the manifest comes last, so whoever finds it finds all of it.
func (s *session) copyTo(ctx context.Context, to *session, digest string) error {
	ref := to.name.Digest(digest)
	if there, err := to.head(ctx, ref); err != nil || there != nil {
		return err
	}
	desc, err := s.get(ctx, digest)
	if err != nil {
		return err
	}
	if desc == nil {
		return s.gone(digest)
	}
	// An error of the source looks like one of the destination here; both are named.
	return to.failed(ctx, "copy "+s.name.Digest(digest).Name()+" to "+to.name.Name(), to.push.Push(ctx, ref, desc))
}

func (s *session) gone(digest string) error {
	return driver.Refusef("%s does not have %s: it was never pushed there, or is gone; the artifact must be its manifest with every byte", s.name.Name(), digest)
}

// identify names a digest by the newest version, or beta, whose tag points to it.
func (s *session) identify(ctx context.Context, digest string, from template, ofBetas, anyVersion bool) (candidate, error) {
	none := candidate{name: unknown}
	tags, err := s.tags(ctx)
	if err != nil {
		return none, err
	}
	for i, c := range candidates(tags, from, ofBetas, anyVersion) {
		if i == mostLooked {
			break
		}
		is, err := s.points(ctx, c.tag)
		if err != nil {
			return none, err
		}
		if is == digest {
			return c, nil
		}
	}
	return none, nil
}

// status is the one of the registry's answer that err is about; 0 for none.
func status(err error) int {
	var said *transport.Error
	if errors.As(err, &said) {
		return said.StatusCode
	}
	return 0
}
