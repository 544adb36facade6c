// Package sluice is the command line of Sluice, and `sluice up`: the broker and all services in one process.
//
// The commands are in internal/cli; what runs under up is in internal/up; how a release is found by the names that people use
// is in internal/find, and what status reads, and what that costs, in internal/board.
package sluice

import "github.com/sluice-gate/sluice/services/sluice/internal/cli"

// Main runs the command line with the arguments and streams of the process and returns its exit code.
func Main() int { return int(cli.Main()) }
