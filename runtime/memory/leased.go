package memory

import (
	"log/slog"

	"github.com/faaspot/faaspot/runtime"
)

// WorkerOverhead is Overhead for a process with a Budget that is leased, in bytes: the program, the
// compiled guest, the base image and garbage. Without runs, it has about 95 MB resident.
const WorkerOverhead = 160 * runtime.MiB

// NewLeased returns a Budget of at most total bytes in a process that has it from another one. Accounts
// may use what [Budget.Grant] has granted, nothing at first. lacks is called, at any time and with any
// lock held, when n more bytes are needed, or a few less; it must not wait. If spare is true they are wanted
// only where they are free, see [Account.TakeFree]. Caches give way only by [Budget.GiveWay]. A nil log is
// slog.Default.
func NewLeased(total int64, lacks func(n int64, spare bool), log *slog.Logger) *Budget {
	b := New(total, log)
	b.lacks, b.base = lacks, WorkerOverhead
	b.used.Store(b.forRuns()) // what is not granted counts as used
	return b
}

// Grant lets accounts of a leased Budget use n more bytes.
func (b *Budget) Grant(n int64) {
	b.used.Add(-n)
	b.freed(nil)
}

// Withdrawable returns the bytes that were granted and that no account holds. It is negative while
// accounts hold more than was granted, see [Account.Add].
func (b *Budget) Withdrawable() int64 { return b.forRuns() - b.used.Load() }

// Withdraw takes back at most n bytes that were granted and that no account holds, and returns how many.
func (b *Budget) Withdraw(n int64) int64 {
	for {
		free := max(min(n, b.Withdrawable()), 0)
		if free == 0 || b.take(free, b.forRuns()) {
			return free
		}
	}
}

// GiveWay lets caches give up n bytes and returns when they have, or when they have no more.
func (b *Budget) GiveWay(n int64) {
	b.givesWay.Lock()
	defer b.givesWay.Unlock()
	b.mu.Lock()
	accounts := b.accounts
	b.mu.Unlock()
	for _, a := range accounts {
		if n > 0 && a.o.Reclaim != nil && a.bytes.Load() > 0 {
			n -= a.o.Reclaim(n)
		}
	}
}
