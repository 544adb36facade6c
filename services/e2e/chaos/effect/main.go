// Effect is the outside world of a chaos run: it appends what it was told to do, and when, to the file that is its argument. The
// exec driver runs it as a project's stage or promote command. With a number as second argument one of so many deployments fails
// instead, before anything was done.
package main

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"time"

	"github.com/sluice-gate/sluice/services/e2e/chaos/internal/outside"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "effect:", err)
		os.Exit(1)
	}
}

func run() error {
	attempt, err := strconv.Atoi(os.Getenv("SLUICE_ATTEMPT"))
	if err != nil {
		return err
	}
	e := outside.Effect{
		Action: os.Getenv("SLUICE_ACTION"), Release: os.Getenv("SLUICE_RELEASE"), Project: os.Getenv("SLUICE_PROJECT"),
		Digest: os.Getenv("SLUICE_DIGEST"), Attempt: attempt,
	}
	if undone := os.Getenv("SLUICE_UNDO_RELEASE"); undone != "" {
		e.Release = undone
	}
	if len(os.Args) > 2 && e.Action == "deploy" {
		if n, err := strconv.Atoi(os.Args[2]); err != nil || rand.IntN(n) == 0 {
			return cmp.Or(err, errors.New("this one fails"))
		}
	}
	e.At = time.Now()
	return outside.Append(os.Args[1], e)
}
