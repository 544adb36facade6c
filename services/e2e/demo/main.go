// Demo takes four releases of a small web shop through the gate on this machine, and checks how they end: one is promoted by
// itself, one answers errors on staging and is cancelled by the watcher, one is cancelled by a plain NATS publish, one is
// expedited. `make demo` runs it. It needs nothing but the sluice binary, works in a temporary directory, and leaves nothing
// behind.
//
// The shop is real, if small: a web server (`demo serve`) that serves what is in its artifact. The stager starts it as a
// process of its own (`demo deploy`), the watcher probes it over HTTP, and the files driver publishes its artifacts.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "serve":
			return serve(ctx, args[1:])
		case "deploy":
			return deploy(ctx, args[1:])
		}
	}
	set := flag.NewFlagSet("demo", flag.ContinueOnError)
	bin := set.String("bin", "dist", "`directory` of the sluice binary")
	if err := set.Parse(args); err != nil {
		return err
	}
	sluice, err := filepath.Abs(filepath.Join(*bin, "sluice"))
	if err != nil {
		return err
	}
	if _, err := os.Stat(sluice); err != nil {
		return fmt.Errorf("no sluice binary: run `make build` first: %w", err)
	}
	const most = 90 * time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, most, fmt.Errorf("took more than %s", most))
	defer cancel()
	began := time.Now()
	if err := play(ctx, sluice); err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	fmt.Printf("\nAll four ended as they should, in %s.\n", time.Since(began).Round(time.Second))
	return nil
}
