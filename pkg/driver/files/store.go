package files

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/internal/channelfile"
)

// mostRecord bounds the files that are read as records, in bytes.
const mostRecord = 64 << 10

// path is a path below the root as the system has it.
func (d *Driver) path(slashed string) string {
	return filepath.Join(d.root, filepath.FromSlash(slashed))
}

func (d *Driver) readChannel(project string) (*channelfile.Record, error) {
	if _, err := driver.SafeName("project", project); err != nil {
		return nil, err
	}
	return d.read(channelfile.ChannelPath(project, d.channel), func(r *channelfile.Record) bool {
		return r.Project == project && r.Channel == d.channel
	})
}

func (d *Driver) readVersion(project, version string) (*channelfile.Record, error) {
	return d.read(channelfile.VersionPath(project, version), func(r *channelfile.Record) bool {
		return r.Project == project && r.Version == version && r.Channel == ""
	})
}

// read reads a record; nil when there is no such file. One that is broken, or is another's by its contents, is refused: a person has
// been at it, and guessing would overwrite what that person did.
func (d *Driver) read(slashed string, fits func(r *channelfile.Record) bool) (*channelfile.Record, error) {
	file, err := os.Open(d.path(slashed))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("files: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	b, err := io.ReadAll(io.LimitReader(file, mostRecord))
	if err != nil {
		return nil, fmt.Errorf("files: %w", err)
	}
	r, err := channelfile.Parse(b)
	if err == nil && !fits(r) {
		err = driver.Refusef("it belongs to another project, version or channel")
	}
	if err != nil {
		return nil, driver.Refusef("%s can not be used, put it right or remove it: %w", d.path(slashed), err)
	}
	return r, nil
}

// linked tells whether the channel has a link, right or wrong.
func (d *Driver) linked(project string) bool {
	_, err := os.Lstat(d.path(linkPath(project, d.channel)))
	return err == nil
}

// work is one writer's turn at a project, from begin to end.
type work struct {
	*Driver
	ctx     context.Context //nolint:containedctx // a turn lives within one call, and each of its writes asks
	project string
	dir     *os.File // .sluice/<project>, locked
	writes  int      // how many things were changed that others see
}

// begin waits for the project's lock, and removes what writers left behind that died holding it.
func (d *Driver) begin(ctx context.Context, project string) (*work, error) {
	w := &work{Driver: d, ctx: ctx, project: project}
	if err := w.mkdir(workPath(project), 0o700); err != nil {
		return nil, err
	}
	dir, err := os.Open(d.path(workPath(project)))
	if err != nil {
		return nil, fmt.Errorf("files: %w", err)
	}
	w.dir = dir
	if err := lock(ctx, dir); err != nil {
		_ = dir.Close()
		return nil, fmt.Errorf("files: wait for the lock on %s: %w", dir.Name(), err)
	}
	left, err := dir.ReadDir(-1)
	for _, entry := range left {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir.Name(), entry.Name())))
	}
	if err != nil {
		w.end()
		return nil, fmt.Errorf("files: remove what an earlier writer left: %w", err)
	}
	return w, nil
}

// end gives the lock back: it goes with the open directory.
func (w *work) end() { _ = w.dir.Close() }

// before is called before each write: it asks the context.
func (w *work) before(what string) error {
	if w.step != nil {
		w.step(what)
	}
	if err := w.ctx.Err(); err != nil {
		return fmt.Errorf("files: stopped before %s: %w", what, err)
	}
	return nil
}

// storeArtifact makes sure that the bytes of r are in their place, whole, and returns their size. When they are missing they
// are taken from a. Other bytes in that place are refused.
func (w *work) storeArtifact(r *channelfile.Record, a driver.Artifact) (int64, error) {
	digest, size, err := w.hash(w.path(r.Path))
	switch {
	case err == nil && digest == r.Digest:
		return size, nil
	case err == nil:
		return 0, driver.Refusef("%s has the digest %s: somebody changed it; put it right or remove it", w.path(r.Path), digest)
	case !errors.Is(err, fs.ErrNotExist):
		return 0, err
	case a.Open == nil:
		return 0, driver.Refusef("%s is missing", w.path(r.Path))
	}
	if err := w.before("fetching the artifact"); err != nil {
		return 0, err
	}
	a.Name = r.Name
	temp, err := driver.Fetch(w.ctx, a, w.dir.Name())
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.Remove(temp) }() // gone after the rename
	info, err := os.Stat(temp)
	if err != nil {
		return 0, fmt.Errorf("files: %w", err)
	}
	if err := flush(temp, 0o444); err != nil {
		return 0, err
	}
	if err := w.mkdir(path.Dir(r.Path), 0o755); err != nil {
		return 0, err
	}
	return info.Size(), w.rename(temp, r.Path)
}

// hash reads the file and returns its digest and size.
func (w *work) hash(name string) (string, int64, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", 0, fmt.Errorf("files: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	h := sha256.New()
	stop := context.AfterFunc(w.ctx, func() { _ = file.Close() }) // ends a long read
	defer stop()
	size, err := io.Copy(h, file)
	if err != nil {
		return "", 0, fmt.Errorf("files: %w", errors.Join(w.ctx.Err(), err))
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), size, nil
}

// storeVersion writes the version file, which must not be there yet.
func (w *work) storeVersion(r channelfile.Record) error {
	return w.write(r, channelfile.VersionPath(r.Project, r.Version))
}

// pointTo makes the channel point to the record to, and the link with it; to is nil for nothing. now is what it points to.
// A link that a crash left wrong is put right even when the channel stays.
func (w *work) pointTo(now, to *channelfile.Record) error {
	switch {
	case to == nil && now == nil:
	case to == nil:
		if err := w.remove(channelfile.ChannelPath(w.project, w.channel)); err != nil {
			return err
		}
	case now == nil || *now != *to:
		if err := w.write(*to, channelfile.ChannelPath(to.Project, w.channel)); err != nil {
			return err
		}
	}
	link := linkPath(w.project, w.channel)
	target, err := os.Readlink(w.path(link))
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case err != nil && !missing:
		return driver.Refusef("%s is in the way of the channel's link: %w", w.path(link), err)
	case to == nil && missing:
		return nil
	case to == nil:
		return w.remove(link)
	case target == filepath.FromSlash("../../"+to.Path):
		return nil
	}
	if err := w.before("writing a link"); err != nil {
		return err
	}
	temp := filepath.Join(w.dir.Name(), "link")
	if err := os.Symlink(filepath.FromSlash("../../"+to.Path), temp); err != nil {
		return fmt.Errorf("files: %w", err)
	}
	return w.rename(temp, link)
}

// write puts the record into its place in one step.
func (w *work) write(r channelfile.Record, slashed string) error {
	b, err := r.Encode()
	if err != nil {
		return fmt.Errorf("files: %w", err)
	}
	if err := w.mkdir(path.Dir(slashed), 0o755); err != nil {
		return err
	}
	if err := w.before("writing " + path.Base(slashed)); err != nil {
		return err
	}
	temp := filepath.Join(w.dir.Name(), "record")
	if err := writeFile(temp, b); err != nil {
		return err
	}
	return w.rename(temp, slashed)
}

func writeFile(name string, b []byte) error {
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("files: %w", err)
	}
	_, err = io.Copy(file, bytes.NewReader(b))
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("files: %w", err)
	}
	return flush(name, 0o644)
}

// rename moves a finished file to its place and makes that last.
func (w *work) rename(temp, slashed string) error {
	if err := w.before("moving " + path.Base(slashed) + " to its place"); err != nil {
		return err
	}
	if err := os.Rename(temp, w.path(slashed)); err != nil {
		return fmt.Errorf("files: %w", err)
	}
	w.writes++
	return flushDir(w.path(path.Dir(slashed)))
}

func (w *work) remove(slashed string) error {
	if err := w.before("removing " + path.Base(slashed)); err != nil {
		return err
	}
	if err := os.Remove(w.path(slashed)); err != nil {
		return fmt.Errorf("files: %w", err)
	}
	w.writes++
	return flushDir(w.path(path.Dir(slashed)))
}

// mkdir makes a directory and those above it, and makes them last.
func (w *work) mkdir(slashed string, mode fs.FileMode) error {
	name := w.path(slashed)
	if _, err := os.Stat(name); err == nil {
		return nil
	}
	create := os.Mkdir
	if slashed == "." {
		create = os.MkdirAll // of what is above the root nothing is known
	} else if err := w.mkdir(path.Dir(slashed), 0o755); err != nil {
		return err
	}
	if err := w.before("making the directory " + slashed); err != nil {
		return err
	}
	if err := create(name, mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("files: %w", err)
	}
	return flushDir(filepath.Dir(name))
}

// flush gives a file its mode and waits until it is on disk.
func flush(name string, mode fs.FileMode) error {
	file, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("files: %w", err)
	}
	if err := errors.Join(file.Chmod(mode), file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("files: %w", err)
	}
	return nil
}

// flushDir waits until the names in a directory are on disk.
func flushDir(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("files: %w", err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return fmt.Errorf("files: %w", err)
	}
	return nil
}

func linkPath(project, channel string) string { return path.Join("channels", project, channel) }
func workPath(project string) string          { return path.Join(".sluice", project) }
