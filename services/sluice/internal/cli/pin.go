package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-gate/sluice/pkg/driver/npm"
	"github.com/sluice-gate/sluice/pkg/pin"
	"github.com/sluice-gate/sluice/pkg/project"
)

func (a *app) pin() *cobra.Command {
	var cfg project.NPM
	cmd := &cobra.Command{
		Use: "pin <file> <name> [<version>]", GroupID: groupShip, Args: atLeast("file", "name"),
		Short: "Have a file use a version: package.json, go.mod, a Dockerfile, Helm values, …",
		Long: `Changes the version of a dependency or an image in a file, in exactly one place; every other byte stays as it is.
It is for deploy commands: without a version it takes SLUICE_BETA, which is set for them. When the release is
cancelled they run again with the version before, and pin puts that back.

The file's name says what it is: package.json, package-lock.json, requirements*.txt, pyproject.toml, go.mod, Dockerfile,
kustomization.yaml (the name is that of an image), and any other YAML file (the name is a path: image.tag).
A version is a version, for images a tag, a digest "sha256:…", or "tag@sha256:…".

For package-lock.json the registry is asked where the version is, and for its integrity; what comes out is what npm
would write. Credentials are those of .npmrc, beside the file or in your home directory.

What the file does not name is not added, and what it names twice is refused. Doing it again changes nothing.`,
		Example: "  sluice pin staging/package.json @acme/tracer 1.4.0-beta.0\n  sluice pin chart/values.yaml image.tag",
		RunE: func(cmd *cobra.Command, args []string) error {
			p := pin.Pin{Name: args[1], Value: os.Getenv("SLUICE_BETA")}
			switch len(args) {
			case 2:
				if p.Value == "" {
					return errors.New("which version? SLUICE_BETA is not set: give one after the name")
				}
			case 3:
				p.Value = args[2]
			default:
				return exactly("file", "name", "version")(cmd, args)
			}
			change, err := pinFile(cmd.Context(), args[0], p, cfg)
			if err != nil {
				return err
			}
			if change.Was == change.Now {
				a.say("%s:%d: %s is at %s already", args[0], change.Line, p.Name, change.Now)
				return nil
			}
			a.say("%s:%d: %s is %s now, was %s", args[0], change.Line, p.Name, change.Now, change.Was)
			return nil
		},
	}
	cmd.Flags().StringVar(&cfg.Registry, "registry", "", "the `url` of the npm registry to ask (where the lock file has the package from)")
	cmd.Flags().StringVar(&cfg.NPMRC, "npmrc", "", "npm's settings with the credentials, a `file` (.npmrc)")
	return cmd
}

// pinFile replaces the file in one step, so that a reader, or whoever comes after a crash, sees the old one or the new one.
func pinFile(ctx context.Context, name string, p pin.Pin, cfg project.NPM) (pin.Change, error) {
	path, err := filepath.EvalSymlinks(name)
	if err != nil {
		return pin.Change{}, err
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return pin.Change{}, err
	}
	if pin.IsLock(name) {
		if p.Manifest, err = manifestOf(ctx, name, src, p, cfg); err != nil {
			return pin.Change{}, err
		}
	}
	now, change, err := pin.Edit(name, src, p)
	if err != nil || bytes.Equal(now, src) {
		return change, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return pin.Change{}, err
	}
	return change, replace(path, now, info.Mode().Perm())
}

// manifestOf asks the registry for what a lock file has to say of the version.
func manifestOf(ctx context.Context, name string, src []byte, p pin.Pin, cfg project.NPM) ([]byte, error) {
	const patience = time.Minute
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if cfg.Package = p.Name; cfg.Registry == "" {
		var err error
		if cfg.Registry, err = pin.Registry(name, src, p.Name); err != nil {
			return nil, err
		}
	}
	if cfg.NPMRC == "" {
		home, _ := os.UserHomeDir() // without one there are no settings in it
		for _, file := range []string{filepath.Join(filepath.Dir(name), ".npmrc"), filepath.Join(home, ".npmrc")} {
			if _, err := os.Stat(file); err == nil {
				cfg.NPMRC = file
				break
			}
		}
	}
	return npm.Manifest(ctx, cfg, p.Value)
}

func replace(name string, data []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".sluice-pin-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
