package storage

import (
	"bytes"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/storetest"
)

// Large args and results are stored packed if that is shorter, and read as they were written, also
// after a restart.
func TestLargeValuesArePacked(t *testing.T) {
	fs := vfs.NewMem()
	s, c := openOn(t, fs, "store"), newClerk()
	for _, data := range [][]byte{bytes.Repeat([]byte(`{"id":1,"name":"user"},`), 50_000), storetest.Noise(1_000_000)} {
		queued := c.queued()
		_, _, err := s.Accept([]runtime.Accepted{{Execution: queued, Args: data}}, nil)
		must(t, err)
		done := c.done()
		done.State, done.Failure, done.Result = runtime.StateSucceeded, nil, data
		must(t, s.Record([]runtime.Execution{done}))
		for kind, x := range map[byte]runtime.Execution{keys.KindArgs: queued, keys.KindResult: done} {
			id, _ := keys.ParseID(x.ID)
			value, closer, err := s.db.Get(keys.Execution(kind, x.Tenant, id))
			must(t, err)
			if noise := len(data) == 1_000_000; !noise && len(value) > len(data)/10 || noise && len(value) != 1+len(data) {
				t.Errorf("%d bytes have a value of %d", len(data), len(value))
			}
			must(t, closer.Close())
		}
		for range 2 {
			args, err := s.GetArgs(queued.Tenant, queued.ID)
			must(t, err)
			x, err := s.GetExecution(done.Tenant, done.ID)
			must(t, err)
			if !bytes.Equal(args, data) || !bytes.Equal(x.Result, data) {
				t.Errorf("%d bytes are read as %d and %d others", len(data), len(args), len(x.Result))
			}
			must(t, s.Close())
			s = openOn(t, fs, "store")
		}
	}
	checkInvariants(t, s)
}
