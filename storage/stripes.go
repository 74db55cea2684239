package storage

import (
	"hash/maphash"
	"slices"
	"sync"
)

// stripes are locks for keys. Writes that share no key mostly run in parallel, so that Pebble syncs
// them together. Keys that share a stripe wait for each other without need, which is harmless. The
// locks are striped, unlike the engine's lock per key, because a call locks up to thousands of keys
// at once: striped locks need no entry, and no removal, for each key.
type stripes struct {
	seed  maphash.Seed
	locks [64]sync.Mutex
}

// lockAll locks all keys.
func (s *stripes) lockAll() (unlock func()) {
	for i := range s.locks {
		s.locks[i].Lock()
	}
	return func() {
		for i := range s.locks {
			s.locks[i].Unlock()
		}
	}
}

// lock locks the stripes of all keys, in an order that is the same for all callers.
func (s *stripes) lock(keys ...[]byte) (unlock func()) {
	order := make([]uint64, len(keys))
	for i, key := range keys {
		order[i] = maphash.Bytes(s.seed, key) % uint64(len(s.locks))
	}
	slices.Sort(order)
	order = slices.Compact(order)
	for _, i := range order {
		s.locks[i].Lock()
	}
	return func() {
		for _, i := range order {
			s.locks[i].Unlock()
		}
	}
}
