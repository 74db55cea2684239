package storage

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
)

// TestPausedFunctions lists the functions of all tenants that are paused, and those alone, also after a restart, with
// their latest names and versions. A record that is damaged hides no other one, and is logged.
func TestPausedFunctions(t *testing.T) {
	fs := vfs.NewMem()
	s, err := Open(options(fs, "store"))
	must(t, err)
	paused := func(f runtime.Function) runtime.Function {
		f.Paused = true
		return f
	}
	for _, tenant := range []runtime.Tenant{"a", "b\x00"} {
		for _, id := range []string{"id1", "id2", "id3", "id4"} {
			must(t, s.CreateFunction(function(tenant, id, "name of "+id, 1), version(id, 1, "one"), by(tenant)))
		}
	}
	list := func(want ...runtime.Function) {
		t.Helper()
		got, err := s.ListPaused()
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	}
	list()
	for _, f := range []runtime.Function{function("a", "id1", "name of id1", 1), function("a", "id3", "name of id3", 1), function("a", "id4", "name of id4", 1), function("b\x00", "id2", "name of id2", 1)} {
		must(t, s.UpdateFunction(paused(f), nil, by(f.Tenant)))
	}
	must(t, s.UpdateFunction(function("a", "id1", "name of id1", 1), nil, by("a")))                           // resumed
	must(t, s.UpdateFunction(paused(function("a", "id3", "new", 2)), new(version("id3", 2, "two")), by("a"))) // renamed and deployed
	must(t, s.DeleteFunction("a", "id4", by("a")))
	want := []runtime.Function{paused(function("a", "id3", "new", 2)), paused(function("b\x00", "id2", "name of id2", 1))}
	list(want...)
	must(t, s.Close())
	s = openOn(t, fs, "store")
	list(want...)
	if f, err := s.GetFunctionByName("a", "new"); err != nil || !f.Paused {
		t.Errorf("%+v, %v", f, err)
	}
	alone(t, "a replica writes nothing beside the log")
	var logged bytes.Buffer
	s.log = slog.New(slog.NewTextHandler(&logged, nil))
	for _, value := range []string{"", "\x04", "\x04{", "\x04{\"x\":1}", "\x07{}"} {
		must(t, s.db.Set(keys.Function("a", "id2"), []byte(value), pebble.Sync))
		logged.Reset()
		if list(want...); strings.Count(logged.String(), "may not be paused") != 1 {
			t.Errorf("a record %q is logged as %q", value, &logged)
		}
	}
}
