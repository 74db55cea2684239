//go:build !linux

package main

import (
	"testing"

	"github.com/faaspot/faaspot/runtime/sandbox"
)

// compiledGuest compiles the guest into a folder of the test.
func compiledGuest(t *testing.T) string {
	dir := t.TempDir()
	box, err := sandbox.Open(t.Context(), sandbox.Options{CacheDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := box.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}
