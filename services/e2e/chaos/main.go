package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := command(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string) error {
	cfg := config{Out: os.Stdout}
	var faults string
	var keep bool
	set := flag.NewFlagSet("chaos", flag.ContinueOnError)
	set.DurationVar(&cfg.For, "for", 2*time.Minute, "how `long` things go wrong; waiting for the last releases and reading comes after that")
	set.StringVar(&cfg.Play, "play", both, "`what` is played: protocol (races without drivers), full (full releases), or both")
	set.StringVar(&cfg.Tags, "tags", "", "build `tags` of the services, such as flaw_settle, to see a protection missed")
	set.BoolVar(&cfg.Loopback, "loopback", false, "use loopback ports even where namespaces are to be had")
	set.DurationVar(&cfg.End, "end", endWithin, "how `long` the last releases may take when nothing goes wrong any more")
	set.StringVar(&faults, "only", "", "`names` of faults, with commas between: let only these happen")
	set.BoolVar(&cfg.Calm, "calm", false, "let nothing go wrong")
	set.BoolVar(&keep, "keep", false, "keep logs and stores, and say where they are")
	if err := set.Parse(args); err != nil {
		return err
	}
	if faults != "" {
		cfg.Only = strings.Split(faults, ",")
	}
	if err := cfg.check(); err != nil {
		return err
	}
	dir, remove, err := dirFor(keep)
	if err != nil {
		return err
	}
	defer remove()
	cfg.Dir = dir
	r, err := run(ctx, cfg)
	if keep {
		fmt.Fprintln(os.Stderr, "chaos: logs and stores are in", dir)
	}
	if err != nil {
		return err
	}
	r.write(cfg.Out)
	switch {
	case len(r.violations) > 0:
		return fmt.Errorf("%d violations", len(r.violations))
	case r.nothing():
		return errors.New("too little happened to show anything")
	}
	return nil
}
