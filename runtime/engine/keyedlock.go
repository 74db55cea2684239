package engine

import (
	"context"
	"sync"
)

// keyedLock is a lock for each key. Keys that nobody holds or waits for take
// no memory.
type keyedLock[K comparable] struct {
	mu    sync.Mutex
	locks map[K]*lockEntry
}

type lockEntry struct {
	users int           // holder and waiters
	held  chan struct{} // has an element while held
}

func newKeyedLock[K comparable]() *keyedLock[K] {
	return &keyedLock[K]{locks: make(map[K]*lockEntry)}
}

// lock waits for the key or the end of ctx. Whoever takes several keys takes
// them in one order that all agree on.
func (l *keyedLock[K]) lock(ctx context.Context, key K) error {
	l.mu.Lock()
	entry := l.locks[key]
	if entry == nil {
		entry = &lockEntry{held: make(chan struct{}, 1)}
		l.locks[key] = entry
	}
	entry.users++
	l.mu.Unlock()

	select {
	case entry.held <- struct{}{}:
		return nil
	case <-ctx.Done():
		l.drop(key, entry)
		return ctx.Err()
	}
}

// unlock releases a key that is held.
func (l *keyedLock[K]) unlock(key K) {
	l.mu.Lock()
	entry := l.locks[key]
	l.mu.Unlock()
	<-entry.held
	l.drop(key, entry)
}

func (l *keyedLock[K]) drop(key K, entry *lockEntry) {
	l.mu.Lock()
	if entry.users--; entry.users == 0 {
		delete(l.locks, key)
	}
	l.mu.Unlock()
}
