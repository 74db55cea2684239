package engine

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/dispatch"
	"github.com/faaspot/faaspot/runtime/memory"
)

func version(id string, number uint64, source string) *dispatch.Version {
	return &dispatch.Version{Program: runtime.Program{FunctionID: id, Version: number, Source: []byte(source)}, Context: runtime.EmptyObject}
}

func TestCacheIsBounded(t *testing.T) {
	c := newVersionCache(10*(versionOverhead+100), memory.New(runtime.MiB, nil))
	loads := map[string]int{}
	use := func(name string) {
		l, err := c.acquire(context.Background(), functionKey{"a", name}, func(functionKey) (*dispatch.Version, error) {
			loads[name]++
			return version(name, 1, strings.Repeat("x", 98)), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		c.release(l)
	}
	for i := range 1000 {
		use("hot")
		use(strings.Repeat("n", 1+i%50))
	}
	if loads["hot"] != 1 {
		t.Errorf("the version in constant use was loaded %d times", loads["hot"])
	}
	if r := &c.recent; len(r.entries) != 10 || r.order.Len() != 10 || r.bytes != r.capacity || len(c.uses) != 0 || len(c.loading) != 0 {
		t.Errorf("the cache holds %d versions of %d bytes, %d uses, %d loads", len(r.entries), r.bytes, len(c.uses), len(c.loading))
	}
}

// TestChangeDuringALoad invalidates a function while its version is read: the version is neither
// returned to later callers nor cached.
func TestChangeDuringALoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newVersionCache(runtime.MiB, memory.New(runtime.MiB, nil))
		key := functionKey{"a", "hello"}
		loads, proceed := 0, make(chan struct{})
		load := func(functionKey) (*dispatch.Version, error) {
			loads++
			number := uint64(loads)
			if number == 1 {
				<-proceed
			}
			return version("id", number, "source"), nil
		}
		got := make(chan uint64, 3)
		for range 3 {
			go func() {
				l, err := c.acquire(context.Background(), key, load)
				if err != nil {
					t.Error(err)
					return
				}
				got <- l.Program.Version
			}()
		}
		synctest.Wait()
		c.invalidate(key)
		close(proceed)
		for range 3 {
			if v := <-got; v != 2 {
				t.Errorf("version %d was returned after version 2 was created", v)
			}
		}
		if loads != 2 {
			t.Errorf("%d loads, want 2", loads)
		}
	})
}

func TestFailingLoads(t *testing.T) {
	c := newVersionCache(runtime.MiB, memory.New(runtime.MiB, nil))
	key := functionKey{"a", "hello"}
	broken := errors.New("broken")
	if _, err := c.acquire(context.Background(), key, func(functionKey) (*dispatch.Version, error) { return nil, broken }); err != broken {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if recover() != any(broken) {
				t.Error("the panic was swallowed")
			}
		}()
		_, _ = c.acquire(context.Background(), key, func(functionKey) (*dispatch.Version, error) { panic(broken) })
	}()
	if _, err := c.acquire(context.Background(), key, func(functionKey) (*dispatch.Version, error) { return version("id", 1, "x"), nil }); err != nil {
		t.Fatal(err)
	}
}

func TestWaitForALoadIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newVersionCache(runtime.MiB, memory.New(runtime.MiB, nil))
		key := functionKey{"a", "hello"}
		proceed := make(chan struct{})
		load := func(functionKey) (*dispatch.Version, error) {
			<-proceed
			return version("id", 1, "x"), nil
		}
		go func() { _, _ = c.acquire(context.Background(), key, load) }()
		synctest.Wait()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := c.acquire(ctx, key, load); err != context.Canceled {
			t.Error(err)
		}
		close(proceed)
	})
}
