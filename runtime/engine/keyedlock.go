package engine

import (
	"context"
	"sync"
)

// keyedLock is one lock for each key. A key that no goroutine holds or waits for takes no
// memory.
type keyedLock[K comparable] struct {
	mu    sync.Mutex
	locks map[K]*lockEntry
}

type lockEntry struct {
	users int           // the holder and the goroutines that wait
	held  chan struct{} // contains one element while the lock is held
}

func newKeyedLock[K comparable]() *keyedLock[K] {
	return &keyedLock[K]{locks: make(map[K]*lockEntry)}
}

// lock waits for the lock of a key or the end of ctx. For the order of locks see the package
// documentation.
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

// unlock releases the lock of a key.
func (l *keyedLock[K]) unlock(key K) {
	l.mu.Lock()
	entry := l.locks[key]
	l.mu.Unlock()
	<-entry.held
	l.drop(key, entry)
}

// drop ends the use of an entry, and deletes the entry after its last use.
func (l *keyedLock[K]) drop(key K, entry *lockEntry) {
	l.mu.Lock()
	if entry.users--; entry.users == 0 {
		delete(l.locks, key)
	}
	l.mu.Unlock()
}
