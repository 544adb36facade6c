//go:build !linux

package sluice_test

import "github.com/rogpeppe/go-internal/testscript"

// terminal is there on Linux only.
type terminal struct{}

func (*terminal) close() {}

func term(ts *testscript.TestScript, _ bool, _ []string) { ts.Fatalf("this test needs Linux") }
