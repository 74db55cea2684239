package tlsengine

import (
	"container/list"
	"sync"
)

const (
	// maxTrust is the number of bytes of the roots that a Store keeps, beside the default ones.
	maxTrust = 64 << 20
	// maxTenantTrust is the number of bytes that those of one tenant have.
	maxTenantTrust = 8 << 20
)

// Store keeps the roots that programs have loaded, so that each set is parsed once: the most recently
// used ones of each tenant. Its methods may be called concurrently.
type Store struct {
	mu     sync.Mutex
	sets   map[setKey]*list.Element // of *keptSet
	recent list.List                // most recently used first
	used   map[string]int64         // bytes by tenant
	total  int64
	charge func(n int64) // accounts bytes
}

type setKey struct{ tenant, sum string }

type keptSet struct {
	setKey
	roots *Roots
}

// NewStore returns a store. charge is called with the number of bytes that it takes more, or less.
func NewStore(charge func(n int64)) *Store {
	return &Store{
		sets: make(map[setKey]*list.Element), used: make(map[string]int64), charge: charge,
	}
}

// Default returns the roots of the machine.
func (s *Store) Default() *Roots { return systemRoots() }

// Find returns a set that the tenant has kept, or the default roots if it is them. The result is nil if
// it was not kept, or was dropped since.
func (s *Store) Find(tenant, sum string) *Roots {
	if d := s.Default(); d.sum == sum {
		return d
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.sets[setKey{tenant, sum}]; ok {
		s.recent.MoveToFront(e)
		return e.Value.(*keptSet).roots
	}
	return nil
}

// Keep keeps a set for a tenant, and drops those that were not used for longest beyond the limits. It
// reports whether the set is small enough to be kept.
func (s *Store) Keep(tenant string, r *Roots) bool {
	size := r.Size()
	if size > maxTenantTrust {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := setKey{tenant, r.Sum()}
	if e, ok := s.sets[key]; ok {
		s.recent.MoveToFront(e)
		return true
	}
	for e := s.recent.Back(); e != nil && s.used[tenant]+size > maxTenantTrust; {
		before := e.Prev()
		if e.Value.(*keptSet).tenant == tenant {
			s.drop(e)
		}
		e = before
	}
	for s.total+size > maxTrust {
		s.drop(s.recent.Back())
	}
	s.sets[key] = s.recent.PushFront(&keptSet{key, r})
	s.add(tenant, size)
	return true
}

// drop drops a set. The caller holds the lock.
func (s *Store) drop(e *list.Element) {
	k := e.Value.(*keptSet)
	s.recent.Remove(e)
	delete(s.sets, k.setKey)
	s.add(k.tenant, -k.roots.Size())
}

func (s *Store) add(tenant string, n int64) {
	s.total += n
	if s.used[tenant] += n; s.used[tenant] == 0 {
		delete(s.used, tenant)
	}
	s.charge(n)
}
