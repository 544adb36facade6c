// Package catalog holds what releases are made from: project files, by name and by content, and artifacts, by content.
//
// A project file is stored twice: under the project's name, where the next merge finds it, and under its content address,
// where it stays for ever. A release pins the address it began with, so applying a new file moves no release in flight.
//
// An artifact is handed in under any name, and names are used again. At the merge its bytes are pinned: copied to an object
// named by their digest. From then on the release reads only that, verified.
package catalog

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/singleflight"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/topology"
)

var (
	// ErrUnknownProject: no project file was applied under that name.
	ErrUnknownProject = errors.New("unknown project")
	// ErrNoArtifact: nothing was handed in under that name.
	ErrNoArtifact = errors.New("no such artifact")
)

// Catalog reads and writes both buckets. It is safe for concurrent use.
type Catalog struct {
	js        jetstream.JetStream
	projects  jetstream.KeyValue
	artifacts jetstream.ObjectStore
	parsed    sync.Map // revision key -> *project.Project; by content address, so never stale
	pinning   singleflight.Group
}

// Open binds to the buckets.
func Open(ctx context.Context, js jetstream.JetStream) (*Catalog, error) {
	kv, err := js.KeyValue(ctx, topology.BucketProjects)
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", topology.BucketProjects, err)
	}
	objects, err := js.ObjectStore(ctx, topology.BucketArtifacts)
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", topology.BucketArtifacts, err)
	}
	return &Catalog{js: js, projects: kv, artifacts: objects}, nil
}

// Apply validates a project file and makes it the one that the next merge uses. file names it in errors. It returns the
// project and its revision; applying the same content again changes nothing.
func (c *Catalog) Apply(ctx context.Context, file string, src []byte) (*project.Project, string, error) {
	p, err := project.Parse(file, src)
	if err != nil {
		return nil, "", err
	}
	revision := project.Hash(src)
	if _, err := c.projects.Create(ctx, revisionKey(p.Name, revision), src); err != nil && !errors.Is(err, jetstream.ErrKeyExists) {
		return nil, "", fmt.Errorf("store project %s: %w", p.Name, err)
	}
	current, err := c.projects.Get(ctx, p.Name)
	if err == nil && project.Hash(current.Value()) == revision {
		return p, revision, nil
	}
	if err != nil && !errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, "", fmt.Errorf("store project %s: %w", p.Name, err)
	}
	if _, err := c.projects.Put(ctx, p.Name, src); err != nil {
		return nil, "", fmt.Errorf("store project %s: %w", p.Name, err)
	}
	return p, revision, nil
}

// Current is the project file that the next merge uses, and its revision. ErrUnknownProject when there is none.
func (c *Catalog) Current(ctx context.Context, name string) (*project.Project, string, error) {
	if topology.CheckProject(name) != nil {
		return nil, "", fmt.Errorf("%w %q", ErrUnknownProject, name)
	}
	return c.get(ctx, name, name)
}

// At is the project file of a revision, as a release pinned it.
func (c *Catalog) At(ctx context.Context, name, revision string) (*project.Project, error) {
	key := revisionKey(name, revision)
	if p, ok := c.parsed.Load(key); ok {
		return p.(*project.Project), nil //nolint:forcetypeassert // only *project.Project is stored
	}
	p, _, err := c.get(ctx, name, key)
	if err == nil {
		c.parsed.Store(key, p)
	}
	return p, err
}

func (c *Catalog) get(ctx context.Context, name, key string) (*project.Project, string, error) {
	e, err := c.projects.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) || errors.Is(err, jetstream.ErrInvalidKey) {
		return nil, "", fmt.Errorf("%w %q: apply its project file first", ErrUnknownProject, name)
	}
	if err != nil {
		return nil, "", fmt.Errorf("project %s: %w", name, err)
	}
	p, err := project.Parse(key, e.Value())
	if err != nil {
		return nil, "", fmt.Errorf("project %s as stored: %w", name, err)
	}
	return p, project.Hash(e.Value()), nil
}

// Names lists the projects, sorted. It costs one read, and works from the account OPS, where there are no consumers.
func (c *Catalog) Names(ctx context.Context) ([]string, error) {
	const prefix = "$KV." + topology.BucketProjects + "."
	stream, err := c.js.Stream(ctx, topology.StreamProjects)
	if err != nil {
		return nil, fmt.Errorf("list projects: %w", err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(prefix+"*"))
	if err != nil {
		return nil, fmt.Errorf("list projects: %w", err)
	}
	var names []string
	for subject := range info.State.Subjects {
		names = append(names, strings.TrimPrefix(subject, prefix))
	}
	slices.Sort(names)
	return names, nil
}

// Digest is the digest of what is now handed in under name. ErrNoArtifact when there is nothing.
func (c *Catalog) Digest(ctx context.Context, name string) (string, error) {
	info, err := c.artifacts.GetInfo(ctx, name)
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		return "", fmt.Errorf("%w %q in %s", ErrNoArtifact, name, topology.BucketArtifacts)
	}
	if err != nil {
		return "", fmt.Errorf("artifact %q: %w", name, err)
	}
	digest, err := digestOf(info)
	if err != nil {
		return "", fmt.Errorf("artifact %q: %w", name, err)
	}
	return digest, nil
}

// Pin keeps the bytes that are now handed in under name, whatever is handed in under that name later, and returns their
// digest. ErrNoArtifact when there are none.
func (c *Catalog) Pin(ctx context.Context, name string) (digest string, err error) {
	info, err := c.artifacts.GetInfo(ctx, name)
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		return "", fmt.Errorf("%w %q in %s: put it there before the merge", ErrNoArtifact, name, topology.BucketArtifacts)
	}
	if err != nil {
		return "", fmt.Errorf("artifact %q: %w", name, err)
	}
	digest, err = digestOf(info)
	if err != nil {
		return "", fmt.Errorf("artifact %q: %w", name, err)
	}
	_, err, _ = c.pinning.Do(digest, func() (any, error) { return nil, c.keep(ctx, name, info) })
	return digest, err
}

// keep copies what is handed in under name to its pinned name, unless it is there already. Releases that share an artifact are often
// merged at the same moment: two copies at once would take each other's chunks away, under the hands of whoever reads them.
func (c *Catalog) keep(ctx context.Context, name string, info *jetstream.ObjectInfo) error {
	digest, err := digestOf(info)
	if err != nil {
		return fmt.Errorf("artifact %q: %w", name, err)
	}
	if kept, err := c.artifacts.GetInfo(ctx, pinned(digest)); err == nil && kept.Digest == info.Digest {
		return nil
	}
	r, err := c.read(ctx, name)
	if err != nil {
		return fmt.Errorf("artifact %q: %w", name, err)
	}
	defer func() { _ = r.Close() }() // only read
	kept, err := c.put(ctx, jetstream.ObjectMeta{Name: pinned(digest), Description: name}, r)
	if err != nil {
		return fmt.Errorf("pin artifact %q: %w", name, err)
	}
	if kept.Digest != info.Digest {
		return fmt.Errorf("artifact %q changed while it was read: try again", name)
	}
	return nil
}

// Artifact is a pinned artifact, as drivers read it. Its name is the last element of the name that it was handed in under:
// in "<digest>/tracer-1.4.0.tgz" the rest keeps artifacts of the same name apart (see [Unique]).
func (c *Catalog) Artifact(name, digest string) driver.Artifact {
	return driver.Artifact{Name: path.Base(name), Digest: digest, Open: func(ctx context.Context) (io.ReadCloser, error) {
		r, err := c.read(ctx, pinned(digest))
		if errors.Is(err, jetstream.ErrObjectNotFound) {
			return nil, driver.Refusef("artifact %s of digest %s is gone from %s", driver.Quote(name), digest, topology.BucketArtifacts)
		}
		if err != nil {
			return nil, fmt.Errorf("artifact %s: %w", driver.Quote(name), err)
		}
		return r, nil
	}}
}

// Put hands an artifact in, as CI does.
func (c *Catalog) Put(ctx context.Context, name string, r io.Reader) (digest string, err error) {
	info, err := c.put(ctx, jetstream.ObjectMeta{Name: name}, r)
	if err != nil {
		return "", fmt.Errorf("put artifact %q: %w", name, err)
	}
	return digestOf(info)
}

// Unique is a name to hand in a file under that no other contents have.
func Unique(file, digest string) string {
	const enough = len("sha256-") + 32
	return pinned(digest)[:enough] + "/" + path.Base(file)
}

func revisionKey(name, revision string) string { return name + "." + revision }

func pinned(digest string) string { return strings.ReplaceAll(digest, ":", "-") }

// digestOf turns the object store's digest ("SHA-256=" and base64) into ours ("sha256:" and hex).
func digestOf(info *jetstream.ObjectInfo) (string, error) {
	encoded, ok := strings.CutPrefix(info.Digest, "SHA-256=")
	sum, err := base64.URLEncoding.DecodeString(encoded)
	if !ok || err != nil || len(sum) != 32 {
		return "", fmt.Errorf("its digest %q is not SHA-256", info.Digest)
	}
	return "sha256:" + hex.EncodeToString(sum), nil
}
