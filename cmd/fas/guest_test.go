package main

import (
	"path/filepath"
	"testing"

	"github.com/faaspot/faaspot/runtime/sandbox"
	"github.com/faaspot/faaspot/test/guestcache"
)

// compiledGuest returns a folder of the test with the guest as this test binary compiles it: its scripts run the binary
// as `fas`.
func compiledGuest(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "guest")
	publish := guestcache.Fetch(dir)
	box, err := sandbox.Open(t.Context(), sandbox.Options{CacheDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := box.Close(); err != nil {
		t.Fatal(err)
	}
	publish()
	return dir
}
