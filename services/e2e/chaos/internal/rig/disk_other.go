//go:build !linux

package rig

import "errors"

// disk is where one node stores. Here it can not be made full.
type disk struct{}

func newDisk(string, int64) *disk { return &disk{} }

func (*disk) says() string   { return "not made full: that takes Linux" }
func (*disk) fill(int) error { return errors.New("a full disk takes Linux") }
func (*disk) free() error    { return nil }
func (*disk) close() error   { return nil }
