package engine

import (
	"container/list"
	"context"
	"sync"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/dispatch"
)

// functionKey names a function as callers do.
type functionKey struct {
	tenant runtime.Tenant
	name   string
}

// versionKey names a version for life.
type versionKey struct {
	functionID string
	number     uint64
}

// newVersion returns a version that is ready to run.
func newVersion(f runtime.Function, v runtime.Version) *dispatch.Version {
	return &dispatch.Version{Program: runtime.NewProgram(f, v), Context: runtime.ObjectOrEmpty(v.Context), Retries: v.Retries}
}

// versionOverhead is the memory of a cache entry in bytes, source and context excluded:
// structs, strings, its places in the maps and in the list.
const versionOverhead = 1 * runtime.KiB

// sizeOf returns the memory that a version takes in the cache, in bytes.
func sizeOf(v *dispatch.Version) int64 {
	return int64(len(v.Program.Source)+len(v.Context)) + versionOverhead
}

func keyOf(v *dispatch.Version) versionKey {
	return versionKey{v.Program.FunctionID, v.Program.Version}
}

// versionCache keeps current versions in memory, those used last, and counts
// the uses of every version, so that the image of one that is no longer current
// is forgotten when its last run has ended and not before.
//
// Once changed has returned, use gives nothing that was read from the store
// before changed was called.
type versionCache struct {
	mu       sync.Mutex
	capacity int64
	bytes    int64
	entries  map[functionKey]*list.Element // of *cacheEntry
	order    list.List                     // used last first
	fills    map[functionKey]*fill
	uses     map[versionKey]versionUse
}

type cacheEntry struct {
	key     functionKey
	version *dispatch.Version
}

// fill is a version being read from the store; others who want it wait.
type fill struct {
	stale bool // the function was changed meanwhile
	done  chan struct{}
}

// versionUse counts who uses a version.
type versionUse struct {
	count  int
	forget func() // what is to be done after the last, if the version is retired
}

func newVersionCache(capacity int64) *versionCache {
	return &versionCache{
		capacity: capacity,
		entries:  make(map[functionKey]*list.Element),
		fills:    make(map[functionKey]*fill),
		uses:     make(map[versionKey]versionUse),
	}
}

// use gives the current version of a function, from memory or by load, and
// counts a use of it: the caller must give it to release.
func (c *versionCache) use(ctx context.Context, key functionKey, load func(functionKey) (*dispatch.Version, error)) (*dispatch.Version, error) {
	for {
		c.mu.Lock()
		if element, ok := c.entries[key]; ok {
			c.order.MoveToFront(element)
			l := element.Value.(*cacheEntry).version
			c.count(l)
			c.mu.Unlock()
			return l, nil
		}
		f, waiting := c.fills[key]
		if !waiting {
			f = &fill{done: make(chan struct{})}
			c.fills[key] = f
		}
		c.mu.Unlock()

		if waiting {
			select {
			case <-f.done:
				continue
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		if l, err := c.fill(key, f, load); l != nil || err != nil {
			return l, err
		}
	}
}

// fill loads a version, keeps it and counts a use of it. It gives nothing if
// the function was changed meanwhile.
func (c *versionCache) fill(key functionKey, f *fill, load func(functionKey) (*dispatch.Version, error)) (l *dispatch.Version, err error) {
	defer func() { // a panic in load must not leave others waiting
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.fills, key)
		close(f.done)
		switch {
		case f.stale:
			l, err = nil, nil
		case l != nil:
			c.insert(key, l)
			c.count(l)
		}
	}()
	return load(key)
}

// hold counts a use of a version that was not read through the cache.
func (c *versionCache) hold(l *dispatch.Version) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count(l)
}

// count counts a use. The lock is held.
func (c *versionCache) count(l *dispatch.Version) {
	use := c.uses[keyOf(l)]
	use.count++
	c.uses[keyOf(l)] = use
}

// insert keeps l as the entry of key and drops what was not used for the
// longest time. The lock is held.
func (c *versionCache) insert(key functionKey, l *dispatch.Version) {
	if sizeOf(l) > c.capacity {
		return
	}
	c.entries[key] = c.order.PushFront(&cacheEntry{key, l})
	for c.bytes += sizeOf(l); c.bytes > c.capacity; {
		c.remove(c.order.Back().Value.(*cacheEntry).key)
	}
}

// remove drops an entry, if it is there. The lock is held.
func (c *versionCache) remove(key functionKey) {
	if element, ok := c.entries[key]; ok {
		delete(c.entries, key)
		c.order.Remove(element)
		c.bytes -= sizeOf(element.Value.(*cacheEntry).version)
	}
}

// release ends a use.
func (c *versionCache) release(l *dispatch.Version) {
	c.mu.Lock()
	use := c.uses[keyOf(l)]
	if use.count--; use.count == 0 {
		delete(c.uses, keyOf(l))
	} else {
		c.uses[keyOf(l)] = use
	}
	c.mu.Unlock()
	if use.count == 0 && use.forget != nil {
		use.forget()
	}
}

// changed is called after the function of a key was changed in the store:
// nothing read before is given out any more.
func (c *versionCache) changed(key functionKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(key)
	if f, ok := c.fills[key]; ok {
		f.stale = true
	}
}

// retire calls forget as soon as nobody uses a version: at once, or after the
// last use. It is called after changed, so that no new use can begin.
func (c *versionCache) retire(version versionKey, forget func()) {
	c.mu.Lock()
	use, used := c.uses[version]
	if used {
		use.forget = forget
		c.uses[version] = use
	}
	c.mu.Unlock()
	if !used {
		forget()
	}
}
