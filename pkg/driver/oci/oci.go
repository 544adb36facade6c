package oci

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
)

// The tags of the channels when the project file names none.
const (
	BetaTag   = "beta"
	LatestTag = "latest"
)

// Option changes how a driver is made.
type Option func(*options)

type options struct {
	promote   *project.OCI
	transport http.RoundTripper
	waits     waits
}

func collect(opts []Option) options {
	o := options{transport: http.DefaultTransport, waits: defaultWaits()}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// WithPromote tells the publisher how its betas will be promoted, so that Plan refuses what the promotion would refuse: a version
// that everybody has passed already, or that is another image.
func WithPromote(cfg project.OCI) Option { return func(o *options) { o.promote = &cfg } }

// channel is a tag of a repository: what publisher and promoter have in common.
type channel struct {
	image repository // where CI pushed what is released
	to    repository // where the channel is: the same, unless a promotion copies
	tag   string
	from  template
	betas bool // its values are names of betas
	waits waits
}

func open(cfg project.OCI, tag string, o options) (channel, error) {
	if cfg.Image == "" {
		return channel{}, driver.Refusef("oci: image: say which one, such as registry.example/team/app")
	}
	if cfg.TokenEnv != "" && cfg.TokenFile != "" {
		return channel{}, driver.Refusef("oci: name the token by token_env or by token_file, not both")
	}
	if cfg.Tag != "" {
		tag = cfg.Tag
	}
	if is, err := tagOf(tag); err != nil || is != tag {
		return channel{}, driver.Refusef("oci: tag %s: want a letter, and then letters, digits and . _ -", driver.Quote(tag))
	}
	if isVersion(nameOf(tag), false) {
		return channel{}, driver.Refusef("oci: tag %s is that of a version, which never moves: name it like beta or latest", driver.Quote(tag))
	}
	from, err := parseTemplate(cfg.From)
	if err != nil {
		return channel{}, fmt.Errorf("oci: %w", err)
	}
	auth := credentials{cfg.Username, cfg.TokenEnv, cfg.TokenFile}
	c := channel{tag: tag, from: from, waits: o.waits}
	if c.image, err = newRepository(cfg.Image, cfg, auth, o); err != nil {
		return channel{}, fmt.Errorf("oci: image: %w", err)
	}
	c.to = c.image
	if cfg.To == "" {
		return c, nil
	}
	if host(cfg.To) != host(cfg.Image) {
		auth = credentials{} // they are for the other registry
	}
	if c.to, err = newRepository(cfg.To, cfg, auth, o); err != nil {
		return channel{}, fmt.Errorf("oci: to: %w", err)
	}
	return c, nil
}

// host is the registry that an image is on.
func host(image string) string {
	registry, _, _ := strings.Cut(image, "/")
	return registry
}

// name is what the channel's value calls the release: by its version, or by its beta's name.
func (c channel) name(version string) string {
	if c.betas {
		return c.from.name(version)
	}
	return version
}

// Look is driver.Driver's. Of another release it says which by the tags of the repository.
func (c channel) Look(ctx context.Context, f driver.Facts) (driver.Seen, error) {
	if _, err := driver.DigestHex(f.Artifact.Digest); err != nil {
		return driver.Seen{}, err
	}
	to, err := c.to.open()
	if err != nil {
		return driver.Seen{}, err
	}
	is, err := to.points(ctx, c.tag)
	if err != nil {
		return driver.Seen{}, err
	}
	return c.seen(ctx, to, f, is)
}

// seen describes what the channel points to.
func (c channel) seen(ctx context.Context, to *session, f driver.Facts, digest string) (driver.Seen, error) {
	if digest == "" {
		return driver.Seen{}, nil
	}
	if version, err := f.CleanVersion(); err == nil && digest == f.Artifact.Digest {
		return driver.Seen{Value: valueOf(c.name(version), digest), Version: version, Mine: true}, nil
	}
	found, err := to.identify(ctx, digest, c.from, c.betas, f.AnyVersion)
	if err != nil {
		return driver.Seen{}, err
	}
	return driver.Seen{Value: valueOf(found.name, digest), Version: found.version, Mine: digest == f.Artifact.Digest}, nil
}

// Undo is driver.Driver's. The tags of versions and betas stay: they never change.
func (c channel) Undo(ctx context.Context, f driver.Facts, back driver.Back) (driver.Done, error) {
	if _, err := driver.DigestHex(f.Artifact.Digest); err != nil {
		return driver.Done{}, err
	}
	digest := ""
	if back.Value != "" {
		var err error
		if _, digest, err = parseValue(back.Value); err != nil {
			return driver.Done{}, err
		}
	}
	to, err := c.to.open()
	if err != nil {
		return driver.Done{}, err
	}
	is, err := to.points(ctx, c.tag)
	if err != nil {
		return driver.Done{}, err
	}
	if is == f.Artifact.Digest && is != digest {
		return c.putBack(ctx, to, f, back.Value, digest)
	}
	now, err := c.seen(ctx, to, f, is)
	if err != nil {
		return driver.Done{}, err
	}
	done := driver.Done{Value: now.Value, Before: now.Value, Existed: true}
	switch {
	case is == digest && now.Mine:
		done.Note = fmt.Sprintf("%s stays at %s: what it pointed to before is not known, or the same", to.name.Tag(c.tag).Name(), now.Value)
	case is == digest:
		done.Value = back.Value
	case is == "":
		done.Note = to.name.Tag(c.tag).Name() + " points to nothing by now, and not to this release: left alone"
	default:
		done.Note = fmt.Sprintf("%s points to %s by now, and not to this release: left alone", to.name.Tag(c.tag).Name(), now.Value)
	}
	return done, nil
}

// putBack points the channel, which points to this release, to what it was before.
func (c channel) putBack(ctx context.Context, to *session, f driver.Facts, value, digest string) (driver.Done, error) {
	now, err := c.seen(ctx, to, f, f.Artifact.Digest)
	if err != nil {
		return driver.Done{}, err
	}
	tag := to.name.Tag(c.tag).Name()
	if digest == "" {
		kept, err := to.remove(ctx, c.tag)
		if err != nil {
			return driver.Done{}, err
		}
		if kept != "" {
			return driver.Done{
				Value: now.Value, Before: now.Value,
				Note: fmt.Sprintf("%s pointed to nothing before, and still points to %s: %s", tag, now.Value, kept),
			}, nil
		}
		return driver.Done{Before: now.Value}, nil
	}
	desc, err := to.get(ctx, digest)
	if err != nil {
		return driver.Done{}, err
	}
	if desc == nil {
		return driver.Done{}, driver.Refusef("%s can not go back to %s: %s does not have it any more", tag, value, to.name.Name())
	}
	if err := to.point(ctx, c.tag, manifest{digest: digest, raw: desc.Manifest, mediaType: desc.MediaType}); err != nil {
		return driver.Done{}, err
	}
	return driver.Done{Value: value, Before: now.Value}, nil
}

// keep makes a tag that never moves point to the manifest, and reports whether it had to write. One that points elsewhere is refused,
// with what that means.
func keep(ctx context.Context, s *session, tag string, m manifest, meaning string) (wrote bool, err error) {
	is, err := s.points(ctx, tag)
	if err != nil || is == m.digest {
		return false, err
	}
	if is != "" {
		return false, driver.Refusef("%s points to %s, not to %s: %s", s.name.Tag(tag).Name(), is, m.digest, meaning)
	}
	return true, s.point(ctx, tag, m)
}
