package memory

import (
	"container/list"
	"context"
	"sync/atomic"
)

// Options of an Account.
type Options struct {
	// Name says what the bytes are for, such as "request bodies". It is shown to operators.
	Name string
	// Heap says that the bytes are on Go's heap.
	Heap bool
	// HeapEach is the number of bytes of each take that are on Go's heap, if Heap is false.
	HeapEach int64
	// Covered says that another account has reserved the bytes: they count as memory on Go's
	// heap, but not towards the Budget.
	Covered bool
	// Requests says that the account may take the reserve.
	Requests bool
	// Queues says that the account holds what the server does later. It may take what runs and caches
	// leave to it: a server whose memory is full of runs still accepts others.
	Queues bool
	// Yields says that the account gives way to runs: while another account waits by Notify, all
	// accounts that yield may together hold what that account does not want, at most a quarter of
	// the Budget, but at least the reserve, or by small takes an eighth of the Budget.
	Yields bool
	// Max is the largest number of bytes that the account may hold; with Requests, small takes may
	// exceed it by the reserve. Zero: no bound of its own.
	Max int64
	// Lends says that the account may lend what it has taken, see [Account.Lend]. One account of a
	// Budget may. Of the HeapEach bytes of a take, HeapLent remain on Go's heap while it is lent.
	Lends    bool
	HeapLent int64
	// Borrows says that the account may take what is lent. It must have Reclaim, which gives up
	// whatever is wanted.
	Borrows bool
	// Reclaim gives up about n bytes that the account holds, and returns how many it has given up
	// or will give up soon. It is called by one goroutine at a time. Nil: the bytes are no cache.
	Reclaim func(n int64) (freed int64)
	// Shortage is called, on a goroutine of its own and at most once per shortagePause, when a
	// take of any account does not fit. Nil: the account has nothing to give up then.
	Shortage func()
}

// Account is what one kind of holder takes from a Budget. All methods may be called concurrently;
// those that do not wait may be called with any lock held.
type Account struct {
	budget *Budget
	o      Options
	bytes  atomic.Int64
	waits  atomic.Bool  // since Notify; changed with the Budget's mutex held
	queued atomic.Int32 // goroutines that wait in Take for more than SmallTake

	// The Budget's mutex guards these.
	small, large list.List // of *waiter, for takes of at most SmallTake, and for others
	onFree       func()    // see Notify; nil once it was called
}

// waiter is a goroutine that waits in Take.
type waiter struct {
	bytes int64
	taken chan struct{} // closed when the bytes are taken
}

// Budget returns the Budget of the account.
func (a *Account) Budget() *Budget { return a.budget }

// Held returns the bytes that the account holds.
func (a *Account) Held() int64 { return a.bytes.Load() }

// Largest returns the largest take that can ever succeed.
func (a *Account) Largest() int64 {
	n := a.budget.total - a.leave(a.budget.total)
	if a.o.Max > 0 {
		n = min(n, a.o.Max)
	}
	return n
}

// Free returns the bytes that the account could take now.
func (a *Account) Free() int64 {
	return a.budget.total - a.leave(a.budget.total) - a.budget.Used() + a.Lent()
}

// Leaves reports whether a take of n bytes would leave some bytes free, or to caches.
func (a *Account) Leaves(n, bytes int64) bool {
	return bytes == 0 || n+bytes <= a.FreeOrCached()
}

// FreeOrCached returns the bytes that the account could take if caches gave up all that they hold.
func (a *Account) FreeOrCached() int64 { return a.Free() + a.budget.cache.Load() }

// Reclaim lets caches give up, soon, what a take of n bytes lacks, unless they hold far less.
func (a *Account) Reclaim(n int64) { a.budget.reclaim(n) }

// leave returns the bytes of the Budget that a take of n must leave free.
func (a *Account) leave(n int64) int64 {
	b := a.budget
	switch {
	case a.o.Requests && n <= SmallTake:
		return 0
	case a.o.Requests:
		return b.Reserve() / 2
	case a.o.Queues:
		return b.Reserve()
	}
	return b.total - b.forRuns()
}

// TryTake takes n bytes if they are free, and reports whether it did. If they are not, caches begin
// to give up theirs, so that a later attempt may succeed.
func (a *Account) TryTake(n int64) bool {
	if a.tryTake(n) {
		return true
	}
	if !a.o.Covered {
		a.budget.reclaim(n)
	}
	return false
}

// TakeFree takes n bytes if they are free, and reports whether it did. Unlike TryTake it leaves
// caches alone, so that a cache that is full does not make others give up theirs. A Budget that is leased
// asks for more that is free, for a later attempt.
func (a *Account) TakeFree(n int64) bool {
	taken := a.tryTake(n)
	if b := a.budget; !taken && b.lacks != nil {
		b.lacks(n-b.Withdrawable(), true)
	}
	return taken
}

func (a *Account) tryTake(n int64) bool {
	if a.o.Max > 0 {
		most := a.o.Max
		if a.o.Requests && n <= SmallTake {
			most += a.budget.Reserve()
		}
		if a.bytes.Load()+n > most {
			return false
		}
	}
	if a.o.Yields && a.budget.yieldTo(n) {
		return false
	}
	limit := a.budget.total - a.leave(n)
	switch {
	case a.o.Covered:
	case a.o.Lends || a.o.Borrows:
		if !a.takeShared(n, limit) {
			return false
		}
	case !a.budget.take(n, limit):
		return false
	}
	a.hold(n, 1)
	return true
}

// Take takes n bytes, and waits until they are free or ctx ends. Then the error is CodeTooBusy. The
// caller must give the bytes back. Takes are served in the order in which they came, except that
// those of at most SmallTake bytes do not wait for larger ones.
func (a *Account) Take(ctx context.Context, n int64) error {
	if (n <= SmallTake || a.queued.Load() == 0) && a.TryTake(n) {
		return nil
	}
	if n > a.Largest() || ctx.Err() != nil {
		return a.Refuse(n)
	}
	b := a.budget
	b.mu.Lock()
	w := &waiter{bytes: n, taken: make(chan struct{})}
	waiters := &a.small
	if n > SmallTake {
		waiters = &a.large
		a.queued.Add(1)
	}
	e := waiters.PushBack(w)
	b.pending.Add(1)
	a.serve() // something may have been freed before pending was set
	b.mu.Unlock()
	b.reclaim(n)
	select {
	case <-w.taken:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	select {
	case <-w.taken:
		b.mu.Unlock()
		return nil
	default:
	}
	a.remove(waiters, e)
	b.mu.Unlock()
	return a.Refuse(n)
}

// Refuse returns the CodeTooBusy error of a request that needs n bytes, and reports in the log who
// holds the memory.
func (a *Account) Refuse(n int64) error { return a.budget.refusal(a.o.Name, n) }

// Add counts n bytes that exist already and are bounded elsewhere, whether they fit or not.
func (a *Account) Add(n int64) {
	if !a.o.Covered {
		a.budget.used.Add(n)
	}
	a.hold(n, 1)
}

// Hold adds n bytes as Add does, or gives them back if n is negative.
func (a *Account) Hold(n int64) {
	if n < 0 {
		a.Give(-n)
	} else {
		a.Add(n)
	}
}

// Give returns n bytes that were taken at once.
func (a *Account) Give(n int64) {
	a.Return(n)
	if !a.o.Covered {
		a.budget.freed(nil)
	}
}

// Return is Give for a caller that first tries by itself what waits since its Notify, and then calls
// Serve: nobody else gets the bytes before.
func (a *Account) Return(n int64) {
	a.hold(-n, -1)
	switch {
	case a.o.Covered:
	case a.o.Lends || a.o.Borrows:
		a.giveShared(n)
	default:
		a.budget.used.Add(-n)
	}
}

// Serve lets all others that wait have what is free.
func (a *Account) Serve() { a.budget.freed(a) }

// hold counts bytes of the account.
func (a *Account) hold(n, takes int64) {
	a.bytes.Add(n)
	if a.o.Reclaim != nil {
		a.budget.cache.Add(n)
	}
	if a.o.Yields {
		a.budget.yielding.Add(n)
	}
	if a.o.Heap {
		a.budget.heap.Add(n)
	} else if a.o.HeapEach > 0 {
		a.budget.heap.Add(takes * a.o.HeapEach)
	}
	if a.budget.idle.Load() && a.budget.idle.CompareAndSwap(true, false) {
		select {
		case a.budget.busy <- struct{}{}:
		default:
		}
	}
}

// Notify calls onFree once, on a goroutine of its own, when bytes of the Budget are freed and least
// bytes are free. A later call replaces onFree. The account counts as one that waits for wanted bytes
// until Notify is called with nil. If missed is true, bytes that were freed before this call may have
// notified nobody. One account of a Budget may wait in this way.
func (a *Account) Notify(onFree func(), wanted, least int64) (missed bool) {
	b := a.budget
	if onFree == nil && !a.waits.Load() {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wanted.Store(wanted)
	b.least.Store(least)
	waits := onFree != nil
	level := int64(nobody)
	if waits {
		level = max(b.total-a.leave(least)-least, 0)
	}
	missed = b.level.Swap(level) < level
	if a.waits.Swap(waits) != waits {
		b.notified.Add(change(waits))
	}
	a.onFree = onFree
	if !waits {
		b.serve(a, false)
	}
	return missed
}

// change returns 1 for one more, else -1.
func change(more bool) int32 {
	if more {
		return 1
	}
	return -1
}

// The methods below are called with the Budget's mutex held.

// serve takes bytes for goroutines that wait, first come first served.
func (a *Account) serve() {
	for _, waiters := range []*list.List{&a.small, &a.large} {
		for e := waiters.Front(); e != nil; e = waiters.Front() {
			w := e.Value.(*waiter)
			if !a.tryTake(w.bytes) {
				break
			}
			a.remove(waiters, e)
			close(w.taken)
		}
	}
}

// call calls what Notify was called with, once.
func (a *Account) call() {
	if a.onFree == nil {
		return
	}
	go a.onFree()
	a.onFree = nil
	a.budget.level.Store(nobody)
}

func (a *Account) remove(waiters *list.List, e *list.Element) {
	if waiters == &a.large {
		a.queued.Add(-1)
	}
	waiters.Remove(e)
	a.budget.pending.Add(-1)
}
