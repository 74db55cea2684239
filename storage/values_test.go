package storage

import (
	"bytes"
	"sync"
	"sync/atomic"
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

// The bytes that large writes hold on Go's heap are reported while they are written, however many are
// written at once, and none are left afterwards, also of writes that fail. Small writes are not.
func TestLargeWritesAreCounted(t *testing.T) {
	const size, writers = 100_000, 3
	var held, most atomic.Int64
	o := options(vfs.NewMem(), "store")
	o.Held = func(n int64) { most.Store(max(most.Load(), held.Add(n))) }
	s, err := Open(o)
	must(t, err)
	defer func() { must(t, s.Close()) }()
	var mu sync.Mutex
	c := newClerk()
	accept := func(args []byte) {
		mu.Lock()
		x := c.queued()
		mu.Unlock()
		_, _, err := s.Accept([]runtime.Accepted{{Execution: x, Args: args}}, nil)
		must(t, err)
	}
	accept([]byte("{}"))
	if most.Load() != 0 {
		t.Errorf("%d bytes are counted for a small write", most.Load())
	}
	data := storetest.Noise(size)
	release := s.commits.Hold() // all wait to be written together
	var all sync.WaitGroup
	for range writers {
		all.Go(func() { accept(data) })
	}
	waitingFor(s, writers)
	if n := held.Load(); n < writers*size {
		t.Errorf("%d bytes are counted for %d writes of %d", n, writers, size)
	}
	release()
	all.Wait()
	if n := most.Load(); n < (2*writers-1)*size {
		t.Errorf("at most %d bytes were counted while the writes were copied into one", n)
	}
	if n := held.Load(); n != 0 {
		t.Errorf("%d bytes are counted after all writes", n)
	}
}
