package engine

import (
	"container/list"
	"context"
	"sync"
	"unsafe"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/dispatch"
	"github.com/faaspot/faaspot/runtime/memory"
)

// functionKey identifies a function, or a job, by its name.
type functionKey struct {
	tenant runtime.Tenant
	name   string
}

// versionKey identifies a version for life.
type versionKey struct {
	functionID string
	number     uint64
}

// newVersion returns a version that is ready to run.
func newVersion(f runtime.Function, v runtime.Version) *dispatch.Version {
	return &dispatch.Version{Program: runtime.NewProgram(f, v), Context: runtime.ObjectOrEmpty(v.Context), Retries: v.Retries}
}

// keepsArgs reports whether the args of runs of a version are stored with their executions.
func (e *Engine) keepsArgs(v *runtime.Version) bool {
	if v.KeepArgs != nil {
		return *v.KeepArgs
	}
	return !e.dropArgs
}

// versionOverhead is the memory of a cache entry in bytes, source and context excluded:
// structs, strings, its places in the maps and in the list.
const versionOverhead = 1 * runtime.KiB

// sizeOf returns the memory that a version takes in the cache, in bytes.
func sizeOf(v *dispatch.Version) int64 {
	n := int64(len(v.Program.Source)+len(v.Context)) + versionOverhead
	for _, rule := range v.Program.Allow {
		n += int64(len(rule)) + int64(unsafe.Sizeof(rule))
	}
	return n
}

func keyOf(v *dispatch.Version) versionKey {
	return versionKey{v.Program.FunctionID, v.Program.Version}
}

// versionCache holds current versions in memory and evicts the least recently used. It also
// counts the uses of every version, so that the image of a version that is no longer current
// is forgotten when its last run has ended, and not before.
//
// Once invalidate has returned, acquire returns nothing that was read from the store before
// invalidate was called.
type versionCache struct {
	mu      sync.Mutex // guards the fields below
	recent  versionLRU
	loading map[functionKey]*load
	uses    versionUses
}

// load is a version that is being read from the store. Other goroutines that need it wait.
type load struct {
	stale bool // the function was changed meanwhile
	done  chan struct{}
}

func newVersionCache(capacity int64, b *memory.Budget) *versionCache {
	return &versionCache{
		recent: versionLRU{
			capacity: capacity, entries: make(map[functionKey]*list.Element),
			memory: b.Open(memory.Options{Name: "code of functions", Heap: true}),
		},
		loading: make(map[functionKey]*load),
		uses:    make(versionUses),
	}
}

// acquire returns the current version of a function, from memory or by read. The caller must
// release it.
func (c *versionCache) acquire(ctx context.Context, key functionKey, read func(functionKey) (*dispatch.Version, error)) (*dispatch.Version, error) {
	for {
		c.mu.Lock()
		if v := c.recent.get(key); v != nil {
			c.uses.add(v)
			c.mu.Unlock()
			return v, nil
		}
		l, waiting := c.loading[key]
		if !waiting {
			l = &load{done: make(chan struct{})}
			c.loading[key] = l
		}
		c.mu.Unlock()

		if waiting {
			select {
			case <-l.done:
				continue
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		if v, err := c.load(key, l, read); v != nil || err != nil {
			return v, err
		}
	}
}

// load reads a version, caches it and counts a use. It returns nothing if the function was
// changed meanwhile.
func (c *versionCache) load(key functionKey, l *load, read func(functionKey) (*dispatch.Version, error)) (v *dispatch.Version, err error) {
	defer func() { // also after a panic of read, so that no goroutine waits forever
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.loading, key)
		close(l.done)
		switch {
		case l.stale:
			v, err = nil, nil
		case v != nil:
			c.recent.add(key, v)
			c.uses.add(v)
		}
	}()
	return read(key)
}

// hold counts a use of a version that was not read through the cache. The caller must release
// it.
func (c *versionCache) hold(v *dispatch.Version) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uses.add(v)
}

// share counts a use of a version that is in use, which it returns. Else it returns nil.
func (c *versionCache) share(key versionKey) *dispatch.Version {
	c.mu.Lock()
	defer c.mu.Unlock()
	use, used := c.uses[key]
	if !used {
		return nil
	}
	c.uses.add(use.version)
	return use.version
}

// holdRetired counts a use of a version that is not current any more. If the version is in use already it
// returns the one that is, and fresh is false: forget is not called. The caller must release it.
func (c *versionCache) holdRetired(v *dispatch.Version, forget func()) (shared *dispatch.Version, fresh bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	use, used := c.uses[keyOf(v)]
	if !used {
		use = versionUse{version: v, forget: forget}
		c.uses[keyOf(v)] = use
	}
	c.uses.add(use.version)
	return use.version, !used
}

// release ends a use.
func (c *versionCache) release(v *dispatch.Version) {
	c.mu.Lock()
	forget := c.uses.remove(v)
	c.mu.Unlock()
	if forget != nil {
		forget()
	}
}

// invalidate is called after a function was changed in the store: the version read before is no
// longer returned.
func (c *versionCache) invalidate(key functionKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recent.remove(key)
	if l, ok := c.loading[key]; ok {
		l.stale = true
	}
}

// retire calls forget when no use of a version is left: at once, or after the last use. It is
// called after invalidate, so that no new use can begin.
func (c *versionCache) retire(version versionKey, forget func()) {
	c.mu.Lock()
	used := c.uses.retire(version, forget)
	c.mu.Unlock()
	if !used {
		forget()
	}
}

// The methods of the types below take no lock; the mutex of the versionCache guards them.

// versionLRU holds the versions that were used most recently, within a capacity in bytes.
type versionLRU struct {
	capacity int64
	bytes    int64
	memory   *memory.Account               // what bytes is taken from
	entries  map[functionKey]*list.Element // of *cacheEntry
	order    list.List                     // most recently used first
}

type cacheEntry struct {
	key     functionKey
	version *dispatch.Version
}

// get returns the version of a key, or nil.
func (r *versionLRU) get(key functionKey) *dispatch.Version {
	element, ok := r.entries[key]
	if !ok {
		return nil
	}
	r.order.MoveToFront(element)
	return element.Value.(*cacheEntry).version
}

// add adds the version of a key that has none, and evicts the least recently used. It ignores a
// version that is larger than the capacity.
func (r *versionLRU) add(key functionKey, v *dispatch.Version) {
	if sizeOf(v) > r.capacity {
		return
	}
	r.entries[key] = r.order.PushFront(&cacheEntry{key, v})
	r.memory.Add(sizeOf(v))
	for r.bytes += sizeOf(v); r.bytes > r.capacity; {
		r.remove(r.order.Back().Value.(*cacheEntry).key)
	}
}

// remove drops the version of a key, if there is one.
func (r *versionLRU) remove(key functionKey) {
	if element, ok := r.entries[key]; ok {
		delete(r.entries, key)
		r.order.Remove(element)
		size := sizeOf(element.Value.(*cacheEntry).version)
		r.bytes -= size
		r.memory.Give(size)
	}
}

// versionUses counts the uses of each version that is in use.
type versionUses map[versionKey]versionUse

type versionUse struct {
	count   int
	version *dispatch.Version // the one that was used first
	forget  func()            // called after the last use, if the version is retired
}

func (u versionUses) add(v *dispatch.Version) {
	use := u[keyOf(v)]
	if use.count++; use.version == nil {
		use.version = v
	}
	u[keyOf(v)] = use
}

// remove ends a use. It returns the function to call if it was the last use of a retired
// version, else nil.
func (u versionUses) remove(v *dispatch.Version) (forget func()) {
	use := u[keyOf(v)]
	if use.count--; use.count == 0 {
		delete(u, keyOf(v))
		return use.forget
	}
	u[keyOf(v)] = use
	return nil
}

// retire adds a function to call after the last use of a version, and reports whether the version is in
// use.
func (u versionUses) retire(version versionKey, forget func()) (used bool) {
	use, used := u[version]
	if !used {
		return false
	}
	if before := use.forget; before != nil {
		then := forget
		forget = func() {
			before()
			then()
		}
	}
	use.forget = forget
	u[version] = use
	return true
}
