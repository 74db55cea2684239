package dispatch

import (
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/internal/notify"
	"github.com/faaspot/faaspot/runtime/memory"
)

const (
	// MaxCommit and maxCommitBytes bound the ends that one batch writes. The last one may
	// exceed the bytes.
	MaxCommit      = 1024
	maxCommitBytes = 8 * runtime.MiB
	// maxOutboxBytes bounds the results and logs that wait for the disk. With a small memory
	// budget, the bound is its outboxShare. Beyond it, runs keep their memory until there is room.
	maxOutboxBytes = 64 * runtime.MiB
	outboxShare    = 16
)

// outbox holds the attempts that have ended and whose ends are not on disk yet. Its methods
// may be called concurrently.
type outbox struct {
	mu      sync.Mutex
	room    sync.Cond // bytes has become less, or aborted is true; L is mu
	ended   []*attempt
	later   []*attempt // those that the store has refused; they return to ended after a pause
	bytes   int64
	limit   int64           // of bytes
	memory  *memory.Account // what bytes is taken from
	aborted bool            // ends need not be written any more
	changed notify.Signal
}

func newOutbox(b *memory.Budget) outbox {
	return outbox{
		changed: notify.NewSignal(),
		limit:   min(maxOutboxBytes, b.Total()/outboxShare),
		memory:  b.Open(memory.Options{Name: "results to store", Heap: true}),
	}
}

// reserve waits until there is room for an end of this size, and counts it.
func (o *outbox) reserve(bytes int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.bytes > o.limit && !o.aborted {
		o.room.Wait()
	}
	o.hold(bytes)
}

// reserveNow counts an end without waiting.
func (o *outbox) reserveNow(bytes int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hold(bytes)
}

// hold counts the bytes of an end. It is called with mu held.
func (o *outbox) hold(bytes int64) {
	o.bytes += bytes
	o.memory.Add(bytes)
}

// put adds an end whose size was reserved.
func (o *outbox) put(a *attempt) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = append(o.ended, a)
	o.changed.Set()
}

// putLater adds ends that the store has refused, after a pause. It returns false, and adds none, once
// they need not be written.
func (o *outbox) putLater(batch []*attempt) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.aborted {
		return false
	}
	if len(o.later) == 0 {
		time.AfterFunc(storePatience, o.recall)
	}
	o.later = append(o.later, batch...)
	return true
}

// recall returns the ends that the store has refused.
func (o *outbox) recall() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = append(o.ended, o.later...)
	o.later = nil
	o.changed.Set()
}

// take removes the ends of the next batch.
func (o *outbox) take() []*attempt {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, bytes := 0, int64(0)
	for n < min(len(o.ended), MaxCommit) && bytes < maxCommitBytes {
		bytes += o.ended[n].result.Weight()
		n++
	}
	batch := o.ended[:n:n]
	o.ended = o.ended[n:]
	return batch
}

// free releases the memory of ends that were written or discarded.
func (o *outbox) free(batch []*attempt) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, a := range batch {
		weight := a.result.Weight()
		o.bytes -= weight
		o.memory.Give(weight)
	}
	o.room.Broadcast()
}

// abort allows the committer to discard ends that cannot be written.
func (o *outbox) abort() {
	o.mu.Lock()
	o.aborted = true
	o.room.Broadcast()
	o.mu.Unlock()
	o.recall()
}
