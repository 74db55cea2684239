package commit

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// batchOf returns a batch of about size bytes.
func batchOf(t testing.TB, size int) *pebble.Batch {
	t.Helper()
	var b pebble.Batch
	if err := b.Set([]byte("key"), make([]byte, size), nil); err != nil {
		t.Fatal(err)
	}
	return &b
}

// Batches of any sizes are written once, and their callers get the result; no more bytes are
// written as one than allowed, and one round follows the other.
func TestGroup(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var g group
	var mu sync.Mutex
	written := map[*member]int{}
	rounds, writing := 0, 0
	write := func(members []*member) {
		bytes, large := 0, members[0].batch.Len() > groupSize/4
		mu.Lock()
		for _, m := range members {
			written[m]++
			bytes += m.batch.Len()
		}
		rounds++
		if !large {
			writing++
		}
		if bytes > groupSize && len(members) > 1 || large && len(members) > 1 || writing > 1 {
			t.Errorf("%d of %d bytes are written as one, besides %d", len(members), bytes, writing-1)
		}
		mu.Unlock()
		time.Sleep(100 * time.Microsecond)
		mu.Lock()
		defer mu.Unlock()
		if !large {
			writing--
		}
		for _, m := range members {
			m.err = fmt.Errorf("%p", m)
		}
	}
	const callers, calls = 50, 60
	var wg sync.WaitGroup
	for range callers {
		sizes := make([]int, calls)
		for i := range sizes {
			if sizes[i] = rng.IntN(1000); rng.IntN(10) == 0 {
				sizes[i] = rng.IntN(groupSize / 2)
			}
		}
		wg.Go(func() {
			for _, size := range sizes {
				m := &member{batch: batchOf(t, size)}
				if err := g.write(m, write); err == nil || err.Error() != fmt.Sprintf("%p", m) {
					t.Errorf("%p got %v", m, err)
				}
			}
		})
	}
	wg.Wait()
	for m, n := range written {
		if n != 1 {
			t.Errorf("%p was written %d times", m, n)
		}
	}
	if len(written) != callers*calls || rounds > len(written)/2 {
		t.Errorf("%d were written in %d rounds", len(written), rounds)
	}
	if g.open != nil {
		t.Error("a round is left")
	}
}

// A write that panics leaves no caller waiting, and no caller learns that it was made.
func TestPanicInGroup(t *testing.T) {
	var g group
	g.turn.Lock()
	var panicked, refused atomic.Int32
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			defer func() {
				if recover() != nil {
					panicked.Add(1)
				}
			}()
			err := g.write(&member{batch: batchOf(t, 1)}, func([]*member) { panic("no") })
			if errors.Is(err, errUnwritten) {
				refused.Add(1)
			}
		})
		for g.waiting() != i+1 {
			time.Sleep(time.Millisecond)
		}
	}
	g.turn.Unlock()
	wg.Wait()
	if panicked.Load() != 1 || refused.Load() != 9 {
		t.Errorf("%d have panicked, %d got an error", panicked.Load(), refused.Load())
	}
	m := &member{batch: batchOf(t, 1)}
	if err := g.write(m, func([]*member) { m.err = nil }); err != nil {
		t.Errorf("a later batch gets %v", err)
	}
}
