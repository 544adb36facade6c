package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
)

// holds is what the program keeps.
type holds struct {
	Channel  *deployed         `json:"channel"`
	Versions map[string]string `json:"versions"` // version -> contents
}

type deployed struct{ Release, Version, Digest, Content string }

func readHolds(dir string) (holds, error) {
	h := holds{Versions: map[string]string{}}
	b, err := os.ReadFile(filepath.Join(dir, "state.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return h, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &h)
	}
	return h, err
}

// keeper keeps its state in a directory, and does what package exec asks of commands: it finds out by version and digest that
// its work is done, and undoes only what is there.
type keeper struct {
	dir     string
	holds   holds
	writes  int
	control net.Conn
}

func (p *keeper) run() error {
	if want := os.Getenv("PROGRAM_WANTS_TOKEN"); want != "" && os.Getenv("PROGRAM_TOKEN") != want {
		return fmt.Errorf("the token %s is wrong: %w", os.Getenv("PROGRAM_TOKEN"), exit(78))
	}
	if os.Getenv("PROGRAM_OUTAGE") != "" {
		return fmt.Errorf("no route to host: %w", exit(75))
	}
	if socket := os.Getenv("PROGRAM_CONTROL"); socket != "" {
		var err error
		if p.control, err = dial(socket); err != nil {
			return err
		}
	}
	dir, err := os.Open(p.dir)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	if p.holds, err = readHolds(p.dir); err != nil {
		return err
	}
	if os.Getenv("SLUICE_ACTION") == "restore" {
		return p.restore()
	}
	return p.deploy()
}

func (p *keeper) deploy() error {
	version, digest := os.Getenv("SLUICE_VERSION"), os.Getenv("SLUICE_DIGEST")
	content, err := os.ReadFile(os.Getenv("SLUICE_ARTIFACT_PATH"))
	if err != nil {
		return err
	}
	there, ok := p.holds.Versions[version]
	if ok && there != string(content) {
		return fmt.Errorf("version %q is there with other contents: %w", version, exit(65))
	}
	if now := p.holds.Channel; now != nil && os.Getenv("SLUICE_ACTION") == string(driver.Promote) && driver.Newer(now.Version, version) {
		return fmt.Errorf("the channel is at %q already: %w", now.Version, exit(65))
	}
	if !ok {
		p.holds.Versions[version] = string(content)
		if err := p.save(); err != nil {
			return err
		}
	}
	return p.pointTo(&deployed{Release: os.Getenv("SLUICE_RELEASE"), Version: version, Digest: digest, Content: string(content)})
}

func (p *keeper) restore() error {
	now := p.holds.Channel
	if now == nil || now.Release != os.Getenv("SLUICE_UNDO_RELEASE") || now.Digest != os.Getenv("SLUICE_UNDO_DIGEST") {
		return nil
	}
	if os.Getenv("SLUICE_RELEASE") == "" {
		return p.pointTo(nil)
	}
	return p.deploy()
}

func (p *keeper) pointTo(to *deployed) error {
	now := p.holds.Channel
	if now == to || now != nil && to != nil && *now == *to {
		return nil
	}
	p.holds.Channel = to
	return p.save()
}

// save is one write.
func (p *keeper) save() error {
	p.writes++
	if os.Getenv("PROGRAM_KILLS_AT") == strconv.Itoa(p.writes) {
		if err := syscall.Kill(os.Getppid(), syscall.SIGKILL); err != nil {
			return err
		}
		<-time.After(3 * time.Second) // killed long before
		return os.WriteFile(filepath.Join(p.dir, "the command survived the service"), nil, 0o600)
	}
	if p.control != nil { // ask whoever tests
		if _, err := p.control.Write([]byte{0}); err != nil {
			return err
		}
		if _, err := io.ReadFull(p.control, make([]byte, 1)); err != nil {
			return err
		}
	}
	b, err := json.Marshal(p.holds)
	if err != nil {
		return err
	}
	temp := filepath.Join(p.dir, "state.tmp")
	if err := os.WriteFile(temp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(temp, filepath.Join(p.dir, "state.json"))
}
