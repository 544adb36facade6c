package up

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/sluice-gate/sluice/pkg/audit"
)

// The files of a data directory.
const (
	lockFile     = "sluice.lock"
	instanceFile = "instance"
	seedFile     = "audit.nk"
	addressFile  = "up.json"
	storeDir     = "jetstream"
)

// leastFree is how much room the disk must have at the start, in bytes. The broker switches JetStream off when a write
// fails, so starting on a full disk helps nobody.
const leastFree = 32 << 20

// dataDir is a data directory that this process has for itself.
type dataDir struct {
	path     string
	instance string
	seed     string // the file with the seed of the audit chains
	lock     *os.File
}

// openDir makes the directory if it is missing, and locks it.
func openDir(path string) (*dataDir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w: choose another with --data", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w: choose another with --data", err)
	}
	d := &dataDir{path: path, lock: lock}
	if err := d.take(); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return d, nil
}

func (d *dataDir) take() error {
	got, err := flock(d.lock)
	if err != nil {
		return fmt.Errorf("lock the data directory %s: %w", d.path, err)
	}
	if !got {
		return fmt.Errorf("the data directory %s is in use by another sluice up%s: stop that one, or choose another with --data",
			d.path, d.holder())
	}
	if err := enoughRoom(d.path, leastFree); err != nil {
		return err
	}
	if err := errors.Join(d.lock.Truncate(0), write(d.lock, strconv.Itoa(os.Getpid())+"\n")); err != nil {
		return fmt.Errorf("lock the data directory: %w", err)
	}
	if d.instance, err = instance(filepath.Join(d.path, instanceFile)); err != nil {
		return err
	}
	d.seed = filepath.Join(d.path, seedFile)
	return seed(d.seed)
}

// holder tells which process has the lock, if it has written that down yet.
func (d *dataDir) holder() string {
	data, err := os.ReadFile(d.lock.Name())
	if pid := strings.TrimSpace(string(data)); err == nil && pid != "" {
		return " (pid " + pid + ")"
	}
	return ""
}

func write(f *os.File, text string) error {
	_, err := f.WriteAt([]byte(text), 0)
	return err
}

// instance reads the instance name, or makes one and keeps it.
func instance(path string) (string, error) {
	data, err := os.ReadFile(path)
	if name := strings.TrimSpace(string(data)); err == nil && name != "" {
		return name, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("instance name: %w", err)
	}
	name := "up-" + uuid.NewString()[:8]
	if err := replace(path, []byte(name+"\n")); err != nil {
		return "", fmt.Errorf("instance name: %w", err)
	}
	return name, nil
}

// seed makes the nkey that signs the audit chains, once. Only this user can read it.
func seed(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	text, err := audit.NewSeed()
	if err == nil {
		err = replace(path, text)
	}
	if err != nil {
		return fmt.Errorf("seed of the audit chains: %w", err)
	}
	return nil
}

// Address is where a running `sluice up` listens, as it stands in up.json.
type Address struct {
	PID   int    `json:"pid"`
	NATS  string `json:"nats"`
	HTTP  string `json:"http"`
	Hooks string `json:"hooks,omitempty"` // where webhooks come in

	Dashboard string `json:"dashboard,omitempty"` // where people look
}

// tell writes down where this process listens, for scripts.
func (d *dataDir) tell(a Address) error {
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return replace(filepath.Join(d.path, addressFile), append(data, '\n'))
}

// close gives the directory free.
func (d *dataDir) close() {
	_ = os.Remove(filepath.Join(d.path, addressFile))
	_ = d.lock.Truncate(0)
	_ = d.lock.Close()
}

// replace writes a file so that a reader, and a crash, see the old contents or the new.
func replace(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func enoughRoom(path string, least uint64) error {
	free, err := freeBytes(path)
	if err != nil {
		return fmt.Errorf("free space of %s: %w", path, err)
	}
	if free < least {
		return fmt.Errorf("the disk of %s is full: %d MiB free, %d MiB needed: make room, or choose another disk with --data",
			path, free>>20, least>>20)
	}
	return nil
}
