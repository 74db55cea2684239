package guestcache_test

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime/sandbox"
	"github.com/faaspot/faaspot/test/guestcache"
)

// What one test process has compiled, others load, also with the race detector, under which compiling takes minutes: `make check`
// runs this test before it runs others at the same time.
func TestCompiledGuestIsShared(t *testing.T) {
	for _, last := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "guest")
		publish := guestcache.Fetch(dir)
		var log strings.Builder
		box, err := sandbox.Open(t.Context(), sandbox.Options{CacheDir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		if err := box.Close(); err != nil {
			t.Fatal(err)
		}
		publish()
		if last && log.Len() > 0 {
			t.Errorf("what was compiled before is not loaded: %s", log.String())
		}
	}
}
