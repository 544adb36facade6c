package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
)

// stageSet is the temporary directory with everything in it.
type stageSet struct {
	sluice string // the binary
	dir    string
	server string // the broker's address
	shop   string // staging's address
}

// The exit codes of `sluice merge --wait`.
const (
	promoted  = 0
	cancelled = 3
)

func play(ctx context.Context, sluice string) (err error) {
	s := &stageSet{sluice: sluice}
	if s.dir, err = os.MkdirTemp("", "sluice-demo-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(s.dir)) }()
	if s.shop, err = freeAddress(); err != nil {
		return err
	}
	if err := s.writeProject(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopShop(context.WithoutCancel(ctx), s.dir)) }()
	down, err := s.up(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, down()) }()
	if err := s.releases(ctx); err != nil {
		return err
	}
	fmt.Println()
	return s.command(ctx, "status", "shop").Run()
}

// releases is the play itself.
func (s *stageSet) releases(ctx context.Context) error {
	say("1. Version 1.0.0 is merged. It soaks for four seconds, nobody objects, and it is promoted.")
	if err := s.merge(ctx, "1.0.0", healthy, promoted, nil); err != nil {
		return err
	}
	say("2. Version 1.1.0 answers errors. The watcher sees that on staging and cancels; staging goes back to 1.0.0.")
	if err := s.merge(ctx, "1.1.0", broken, cancelled, nil); err != nil {
		return err
	}
	if err := s.stagingRuns(ctx, "1.0.0"); err != nil {
		return err
	}
	say("3. Version 1.2.0 is healthy, but somebody finds a bug: nats pub -J sluice.cancel.<release> \"the basket is empty\"")
	if err := s.merge(ctx, "1.2.0", healthy, cancelled, s.cancelByNATS); err != nil {
		return err
	}
	say("4. Version 1.2.1 has the fix and can not wait: sluice expedite shop@1.2.1")
	if err := s.merge(ctx, "1.2.1", healthy, promoted, s.expedite, "--delay", "1h"); err != nil {
		return err
	}
	return s.everybodyGets("1.2.1")
}

const (
	healthy = false
	broken  = true
)

// step is what is done to a release while it soaks.
type step func(ctx context.Context, release string) error

// merge hands in a version and follows it to its end, which must be the expected one. While it soaks, meanwhile is called.
func (s *stageSet) merge(ctx context.Context, version string, errs bool, want int, meanwhile step, more ...string) error {
	artifact := filepath.Join(s.dir, "shop-"+version+".json")
	data, err := json.Marshal(page{Version: version, Broken: errs})
	if err != nil {
		return err
	}
	if err := os.WriteFile(artifact, data, 0o600); err != nil {
		return err
	}
	commit := strings.ReplaceAll("demo-"+version, ".", "-")
	args := append([]string{"merge", "shop", "--commit", commit, "--version", version, "--artifact", artifact, "--wait"}, more...)
	cmd := s.command(ctx, args...)
	cmd.Stdout = nil
	id, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	release, err := firstLine(id)
	if err == nil && meanwhile != nil {
		if err = s.untilSoaking(ctx, release); err == nil {
			err = meanwhile(ctx, release)
		}
	}
	ended := cmd.Wait()
	var exit *exec.ExitError
	if err == nil && ended != nil && !errors.As(ended, &exit) {
		err = ended
	}
	if err != nil {
		return fmt.Errorf("release %s: %w", version, err)
	}
	if got := cmd.ProcessState.ExitCode(); got != want {
		return fmt.Errorf("release %s: sluice merge --wait exited with %d, want %d", version, got, want)
	}
	return nil
}

// cancelByNATS is what `nats pub -J` does: publish, and wait for the broker's word that it is stored.
func (s *stageSet) cancelByNATS(_ context.Context, release string) error {
	nc, err := nats.Connect(s.server)
	if err != nil {
		return err
	}
	defer nc.Close()
	ack, err := nc.Request("sluice.cancel."+release, []byte("the basket is empty"), 5*time.Second)
	if err == nil && !bytes.Contains(ack.Data, []byte(`"stream":"SLUICE"`)) {
		err = fmt.Errorf("not stored: %s", ack.Data)
	}
	return err
}

func (s *stageSet) expedite(ctx context.Context, release string) error {
	cmd := s.command(ctx, "expedite", release, "the", "basket", "must", "work", "today")
	cmd.Stdout = io.Discard
	return cmd.Run()
}

// untilSoaking waits for the record in the release's journal.
func (s *stageSet) untilSoaking(ctx context.Context, release string) error {
	for {
		out, err := s.quiet(ctx, "status", release, "-o", "json").Output()
		if err == nil && bytes.Contains(out, []byte(`"soaking"`)) {
			return nil
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("it did not begin to soak: %w", err)
		}
	}
}

func (s *stageSet) stagingRuns(ctx context.Context, want string) error {
	for {
		got, err := fetchPage(ctx, s.shop)
		if err == nil && got.Version == want {
			return nil
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("staging runs %q, want %s: %w", got.Version, want, err)
		}
	}
}

func (s *stageSet) everybodyGets(want string) error {
	data, err := os.ReadFile(filepath.Join(s.dir, "site", "channels", "shop", "latest.json"))
	if err != nil {
		return err
	}
	if !bytes.Contains(data, []byte(want)) {
		return fmt.Errorf("the channel latest should point to %s: %s", want, data)
	}
	return nil
}

func (s *stageSet) writeProject() error {
	me, err := os.Executable()
	if err != nil {
		return err
	}
	text := fmt.Sprintf(`project: shop
publish: { files: { dir: %[1]q } }
stage:
  exec: { command: [%[2]q, deploy, -dir, %[3]q, -addr, %[4]q], timeout: 20s }
soak: { delay: 4s }
watch:
  - { name: health, http: { url: "http://%[4]s/" }, interval: 300ms, failures: 3 }
promote: { files: { dir: %[1]q } }
`, filepath.Join(s.dir, "site"), me, s.dir, s.shop)
	return os.WriteFile(s.projectFile(), []byte(text), 0o600)
}

func (s *stageSet) projectFile() string { return filepath.Join(s.dir, "shop.yaml") }

// up starts the broker and all services, and returns what stops them.
func (s *stageSet) up(ctx context.Context) (down func() error, err error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s.server = "nats://" + address
	log, err := os.Create(filepath.Join(s.dir, "sluice.log"))
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), s.sluice,
		"up", "--data", filepath.Join(s.dir, "data"), "--listen", address, "--project", s.projectFile())
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	down = func() error {
		err := cmd.Process.Signal(syscall.SIGTERM)
		return errors.Join(err, cmd.Wait(), log.Close())
	}
	for s.quiet(ctx, "status", "shop").Run() != nil {
		if err := pause(ctx); err != nil {
			text, _ := os.ReadFile(log.Name())
			return nil, errors.Join(fmt.Errorf("sluice up does not answer: %w\n%s", err, text), down())
		}
	}
	return down, nil
}

// command is a sluice command whose output the spectator sees.
func (s *stageSet) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := s.quiet(ctx, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd
}

func (s *stageSet) quiet(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.sluice, args...)
	cmd.Env = append(os.Environ(), "NATS_URL="+s.server)
	return cmd
}

func say(text string) { fmt.Printf("\n%s\n\n", text) }

func firstLine(r io.Reader) (string, error) {
	all, err := io.ReadAll(io.LimitReader(r, 37))
	if err != nil || len(all) == 0 {
		return "", fmt.Errorf("sluice merge printed no release: %w", err)
	}
	return strings.TrimSpace(string(all)), nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// pause is the time between two looks at something that does not tell when it changes.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(50 * time.Millisecond):
		return nil
	}
}
