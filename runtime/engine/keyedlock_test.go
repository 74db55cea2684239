package engine

import (
	"context"
	"sync"
	"testing"
)

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
		t.Errorf("%d locks remain", len(l.locks))
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
		t.Errorf("%d locks remain", len(l.locks))
	}
}
