package engine

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/dispatch"
)

func TestMachineMemory(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	meminfo := file("MemTotal:       16384 kB\nMemFree:  1 kB\n")
	const total = 16384 * runtime.KiB
	for name, test := range map[string]struct {
		root fstest.MapFS
		want int64
	}{
		"nothing known":   {fstest.MapFS{}, unknownMemory},
		"no cgroup":       {fstest.MapFS{"proc/meminfo": meminfo}, total},
		"damaged meminfo": {fstest.MapFS{"proc/meminfo": file("MemTotal: many kB\n")}, unknownMemory},
		"huge meminfo":    {fstest.MapFS{"proc/meminfo": file("MemTotal: 9223372036854775807 kB\n")}, unknownMemory},
		"v2": {fstest.MapFS{
			"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/a/b\n"),
			"sys/fs/cgroup/a/b/memory.max": file("4096\n"),
		}, 4096},
		"v2, limit above": {fstest.MapFS{
			"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/a/b\n"),
			"sys/fs/cgroup/a/b/memory.max": file("max\n"), "sys/fs/cgroup/a/memory.max": file("8192\n"),
		}, 8192},
		"v2, smallest": {fstest.MapFS{
			"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/a/b\n"),
			"sys/fs/cgroup/a/b/memory.max": file("9000\n"), "sys/fs/cgroup/a/memory.max": file("8192\n"),
		}, 8192},
		"v2, larger than the machine": {fstest.MapFS{
			"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/\n"),
			"sys/fs/cgroup/memory.max": file("9223372036854771712\n"),
		}, total},
		"v2, path of the host": {fstest.MapFS{
			"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/../../docker/1\n"),
			"sys/fs/cgroup/memory.max": file("5000\n"),
		}, 5000},
		"v1": {fstest.MapFS{
			"proc/meminfo": meminfo, "proc/self/cgroup": file("5:cpu:/x\n4:memory:/docker/1\n0::/\n"),
			"sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes": file("6000\n"), "sys/fs/cgroup/cpu/x/memory.max": file("1\n"),
		}, 6000},
		"v1, unlimited": {fstest.MapFS{
			"proc/meminfo": meminfo, "proc/self/cgroup": file("4:memory:/\n"),
			"sys/fs/cgroup/memory/memory.limit_in_bytes": file("9223372036854771712\n"),
		}, total},
		"damaged cgroup": {fstest.MapFS{
			"proc/meminfo": meminfo, "proc/self/cgroup": file("x\n::\n0::\n"),
			"sys/fs/cgroup/memory.max": file("-5\n"),
		}, total},
	} {
		if got := memoryIn(test.root); got != test.want {
			t.Errorf("%s: %d bytes, want %d", name, got, test.want)
		}
	}
	if got := machineMemory(); got < 16*runtime.MiB || got == math.MaxInt64 {
		t.Errorf("this machine has %d bytes", got)
	}
}

func TestKeyedLock(t *testing.T) {
	l := newKeyedLock[int]()
	counters := make([]int, 3)
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			for range 200 {
				if err := l.lock(context.Background(), i%3); err != nil {
					t.Error(err)
					return
				}
				counters[i%3]++
				l.unlock(i % 3)
			}
		})
	}
	wg.Wait()
	for key, n := range counters {
		if n != 800 {
			t.Errorf("key %d was locked %d times, want 800", key, n)
		}
	}
	if len(l.locks) != 0 {
		t.Errorf("%d locks are left", len(l.locks))
	}
}

func TestKeyedLockWaitIsCancelled(t *testing.T) {
	l := newKeyedLock[string]()
	if err := l.lock(context.Background(), "a"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.lock(ctx, "a"); err != context.Canceled {
		t.Fatal(err)
	}
	l.unlock("a")
	if len(l.locks) != 0 {
		t.Errorf("%d locks are left", len(l.locks))
	}
}

func TestGate(t *testing.T) {
	g := newGate()
	var inside sync.WaitGroup
	for range 8 {
		inside.Go(func() {
			for g.enter() {
				g.leave()
			}
		})
	}
	if !g.enter() {
		t.Fatal("the gate is stopped")
	}
	g.stop()
	select {
	case <-g.drained:
		t.Fatal("drained while a caller is inside")
	default:
	}
	if g.enter() {
		t.Fatal("entered a gate that is stopped")
	}
	g.leave()
	<-g.drained
	g.stop()
	<-g.drained
	inside.Wait()
}

func version(id string, number uint64, source string) *dispatch.Version {
	return &dispatch.Version{Program: runtime.Program{FunctionID: id, Version: number, Source: []byte(source)}, Context: runtime.EmptyObject}
}

func TestCacheIsBounded(t *testing.T) {
	c := newVersionCache(10 * (versionOverhead + 100))
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
		t.Errorf("what is used all the time was loaded %d times", loads["hot"])
	}
	if r := &c.recent; len(r.entries) != 10 || r.order.Len() != 10 || r.bytes != r.capacity || len(c.uses) != 0 || len(c.loading) != 0 {
		t.Errorf("the cache holds %d versions of %d bytes, %d uses, %d loads", len(r.entries), r.bytes, len(c.uses), len(c.loading))
	}
}

// A version that is being read when its function is changed is not given out
// to those who come after, and not kept.
func TestChangeDuringALoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newVersionCache(runtime.MiB)
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
				t.Errorf("version %d is run after version 2 was made", v)
			}
		}
		if loads != 2 {
			t.Errorf("%d loads, want 2", loads)
		}
	})
}

func TestFailingLoads(t *testing.T) {
	c := newVersionCache(runtime.MiB)
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
		c := newVersionCache(runtime.MiB)
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

func TestWithOp(t *testing.T) {
	known := runtime.Errorf(runtime.CodeNotFound, "no").WithHint("look")
	err := withOp("op", known)
	if e, ok := runtime.AsError(err); !ok || e.Op != "op" || e.Message != "no" || e.Hint != "look" || known.Op != "" {
		t.Errorf("got %#v, and the original %#v", err, known)
	}
	cause := errors.New("secret")
	err = withOp("op", cause)
	if e, ok := runtime.AsError(err); !ok || e.Code != runtime.CodeInternal || strings.Contains(e.Message, "secret") || !errors.Is(err, cause) {
		t.Errorf("got %#v", err)
	}
}
