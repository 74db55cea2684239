package storage

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
)

// TestDamagedManifest flips each byte of the manifest, and cuts it anywhere. The store is refused, or has
// everything.
func TestDamagedManifest(t *testing.T) {
	t.Parallel()
	mem := vfs.NewCrashableMem()
	s, c := openOn(t, mem, "store"), newClerk()
	var ids []string
	for range 3 {
		x := c.done()
		must(t, s.Record([]runtime.Execution{x}))
		must(t, s.health.Flush(s.db.DB))
		ids = append(ids, x.ID)
	}
	// The logs of what is in tables are gone. The last execution is in the log.
	x := c.done()
	must(t, s.Record([]runtime.Execution{x}))
	ids = append(ids, x.ID)
	must(t, s.PutTenant(runtime.TenantRecord{Name: "t"}, nil)) // syncs the log
	killed := mem.CrashClone(vfs.CrashCloneCfg{})
	desc, err := pebble.Peek("store", killed)
	must(t, err)
	file, err := killed.Open(desc.ManifestFilename)
	must(t, err)
	sound, err := io.ReadAll(file)
	must(t, err)
	must(t, file.Close())
	outcomes := map[string]int{}
	try := func(what string, manifest []byte) {
		fs := vfs.NewMem()
		must(t, fs.MkdirAll("store", 0o700))
		_, err := vfs.Clone(killed, fs, "store", "store")
		must(t, err)
		out, err := fs.Create(desc.ManifestFilename, vfs.WriteCategoryUnspecified)
		must(t, err)
		_, err = out.Write(manifest)
		must(t, err)
		must(t, out.Close())
		damaged, err := Open(options(fs, "store"))
		if err != nil {
			outcomes["refused"]++
			return
		}
		defer damaged.Close()
		outcomes["opened"]++
		for _, id := range ids {
			if _, err := damaged.GetExecution(runtime.DefaultTenant, id); err != nil {
				t.Errorf("%s: the execution %s is lost: %v", what, id, err)
				return
			}
		}
	}
	for i := 0; i < len(sound); i += 3 {
		flipped := bytes.Clone(sound)
		flipped[i] ^= 0x41
		try(fmt.Sprintf("byte %d of %d", i, len(sound)), flipped)
		try(fmt.Sprintf("cut at %d of %d", i, len(sound)), sound[:i])
	}
	try("sound", sound)
	if outcomes["opened"] == 0 || outcomes["refused"] == 0 {
		t.Errorf("not everything was tried: %v", outcomes)
	}
}
