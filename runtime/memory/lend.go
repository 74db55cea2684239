package memory

import "sync"

// loans is what the account with Options.Lends has lent. A run that waits lends what it holds no
// longer and may need again: other runs may have it, and accounts with Options.Borrows, which give
// it up at once. Nobody else may: then a run that is to go on waits for runs and for nothing else.
type loans struct {
	mu       sync.Mutex
	owed     int64 // bytes that may be taken back
	free     int64 // bytes of Budget.used that are lent, and that nobody has
	borrowed int64 // bytes of Budget.used that are lent, and that accounts with Options.Borrows have
}

// Lend gives n bytes of a take to others, until TakeBack or Forgive.
func (a *Account) Lend(n int64) {
	b := a.budget
	b.loans.mu.Lock()
	b.loans.owed += n
	b.addLent(n)
	b.loans.mu.Unlock()
	a.hold(-n, 0)
	a.countLentHeap(1)
}

// TakeBack takes n bytes that were lent at once, and reports whether they were free.
func (a *Account) TakeBack(n int64) bool {
	b := a.budget
	b.loans.mu.Lock()
	taken := b.takeLent(n, b.total-a.leave(n), nil)
	if taken {
		b.loans.owed -= n
	}
	b.loans.mu.Unlock()
	if !taken {
		return false
	}
	a.hold(n, 0)
	a.countLentHeap(-1)
	return true
}

// ReclaimLent lets caches give up, soon, what is borrowed of the n bytes that are to be taken back.
func (a *Account) ReclaimLent(n int64) {
	a.budget.reportShortage()
	a.budget.reclaimAnyway(max(n-a.budget.lent.Load(), 1))
}

// Forgive says that n bytes that were lent at once will not be taken back.
func (a *Account) Forgive(n int64) {
	b := a.budget
	b.loans.mu.Lock()
	b.loans.owed -= n
	b.settle()
	b.loans.mu.Unlock()
	a.countLentHeap(-1)
}

// Lent returns the bytes that nobody has of those that the account has lent.
func (a *Account) Lent() int64 {
	if !a.o.Lends {
		return 0
	}
	return a.budget.lent.Load()
}

// FreeOfRuns returns the bytes that the account could take if it gave back all that it holds, and
// accounts that borrow all that they have borrowed.
func (a *Account) FreeOfRuns() int64 {
	b := a.budget
	b.loans.mu.Lock()
	defer b.loans.mu.Unlock()
	return a.Free() + a.Held() + b.loans.borrowed
}

// countLentHeap counts the bytes on Go's heap of takes of which the most was lent.
func (a *Account) countLentHeap(takes int64) {
	if n := a.o.HeapEach - a.o.HeapLent; n > 0 {
		a.budget.heap.Add(-takes * n)
	}
}

// takeShared takes n bytes for the account that lends, or for one that borrows: of what is lent, and
// the rest of the Budget up to a limit.
func (a *Account) takeShared(n, limit int64) bool {
	b := a.budget
	b.loans.mu.Lock()
	defer b.loans.mu.Unlock()
	var borrowed *int64
	if a.o.Borrows {
		borrowed = &b.loans.borrowed
	}
	return b.takeLent(n, limit, borrowed)
}

// giveShared returns n bytes of the account that lends, or of one that borrows.
func (a *Account) giveShared(n int64) {
	b := a.budget
	b.loans.mu.Lock()
	defer b.loans.mu.Unlock()
	if a.o.Borrows {
		lent := min(n, b.loans.borrowed)
		b.loans.borrowed -= lent
		b.addLent(lent)
		b.used.Add(lent - n)
	} else {
		b.addLent(n)
	}
	b.settle()
}

// The methods below are called with the mutex of the loans held.

func (b *Budget) addLent(n int64) {
	b.loans.free += n
	b.lent.Store(b.loans.free)
}

// takeLent takes n bytes: of what is lent, and the rest of the Budget up to a limit. It adds the
// former to borrowed, unless that is nil.
func (b *Budget) takeLent(n, limit int64, borrowed *int64) bool {
	lent := min(n, b.loans.free)
	if n > lent && !b.take(n-lent, limit) {
		return false
	}
	if lent > 0 {
		b.addLent(-lent)
		if borrowed != nil {
			*borrowed += lent
		}
	}
	return true
}

// settle returns to the Budget what is lent beyond what may be taken back.
func (b *Budget) settle() {
	excess := b.loans.free + b.loans.borrowed - b.loans.owed
	if excess <= 0 {
		return
	}
	if n := min(excess, b.loans.free); n > 0 {
		b.addLent(-n)
		b.used.Add(-n)
		excess -= n
	}
	b.loans.borrowed -= min(excess, b.loans.borrowed) // their holders have them as if they had not borrowed
}
