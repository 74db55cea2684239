package memory

import (
	"container/list"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// SmallTake is the largest take, in bytes, that may use all of the reserve.
	SmallTake = 64 * runtime.KiB
	// Overhead is the resident memory, in bytes, that a server may have beyond its budget: the
	// program, the compiled guest, the base image, the store's caches, the native stacks of the
	// guests that compute, and garbage that is not collected yet.
	Overhead = 300_000_000

	// reserveShare is the divisor of the budget that is left to requests, and queueShare of what is
	// left to queues beside.
	reserveShare = 16
	queueShare   = 32
	// reclaimPause is the time between two attempts to reclaim, if the first found nothing.
	reclaimPause = 10 * time.Millisecond
	// shortagePause is the time between two calls of Options.Shortage.
	shortagePause = 100 * time.Millisecond
	// FreeBytes is the size of a request or an answer, in bytes, up to which the memory of its
	// connection includes it.
	FreeBytes = 8 * runtime.KiB
	// refusalPause is the time between two reports of refusals in the log.
	refusalPause = time.Second
)

// Budget is a number of bytes that accounts share. All methods may be called concurrently, and with
// any lock held: they block nowhere and call functions of their users only on goroutines of their
// own.
type Budget struct {
	total int64
	log   *slog.Logger
	quiet time.Duration // see defaultQuiet
	used  atomic.Int64
	heap  atomic.Int64 // bytes that accounts hold on Go's heap
	cache atomic.Int64 // bytes that accounts hold and can reclaim
	// yielding is the number of bytes that accounts with Options.Yields hold, notified the number of
	// accounts that wait for free bytes since a Notify, and wanted what the latest one wants.
	yielding atomic.Int64
	notified atomic.Int32
	wanted   atomic.Int64
	// pending is the number of goroutines that wait for free bytes. Accounts that wait by Notify are
	// called when at most level bytes are used; nothing waits below zero.
	pending   atomic.Int32
	level     atomic.Int64
	least     atomic.Int64  // the least that they want
	idle      atomic.Bool   // nothing was taken or given since Govern last looked
	busy      chan struct{} // receives when that is over
	lent      atomic.Int64  // loans.free, for those that only read it
	loans     loans
	short     atomic.Int64              // when Options.Shortage was last called, in nanoseconds since 1970
	lacks     func(n int64, spare bool) // see NewLeased; nil: the Budget is not leased
	base      int64                     // see Overhead
	givesWay  sync.Mutex                // held by GiveWay
	elsewhere bool                      // see RunsElsewhere

	mu         sync.Mutex
	accounts   []*Account
	reclaiming bool      // a goroutine reclaims
	exhausted  time.Time // when reclaiming last found nothing
	again      bool      // reclaiming is tried again soon
	refused    time.Time // when a refusal was last logged
	resident   int64     // as Resident has last read it
	read       time.Time // when it did
}

// New returns a Budget of total bytes. A nil log is slog.Default.
func New(total int64, log *slog.Logger) *Budget {
	if log == nil {
		log = slog.Default()
	}
	b := &Budget{total: total, log: log, quiet: defaultQuiet, base: Overhead, busy: make(chan struct{}, 1)}
	b.level.Store(nobody)
	return b
}

// nobody is the level of a Budget without accounts that wait to be called.
const nobody = -1

// useful reports whether those that wait by Notify could take something, perhaps after caches have given
// up theirs.
func (b *Budget) useful() bool {
	level := b.level.Load()
	if level == nobody {
		return false
	}
	lent := b.lent.Load()
	return b.used.Load()-lent-b.cache.Load() <= level || lent > 0 && lent >= b.least.Load()
}

// Total returns the bytes of the Budget.
func (b *Budget) Total() int64 { return b.total }

// Used returns the bytes that all accounts hold.
func (b *Budget) Used() int64 { return b.used.Load() }

// Reserve returns the bytes that only accounts with Options.Requests may take.
func (b *Budget) Reserve() int64 { return b.total / reserveShare }

// forRuns returns the bytes up to which runs and caches may use the Budget.
func (b *Budget) forRuns() int64 { return b.total - b.Reserve() - b.total/queueShare }

// Beside returns the bytes that would be used if an account and all caches held nothing, and how many
// of them are held by accounts that yield.
func (b *Budget) Beside(a *Account) (bytes, yielding int64) {
	return b.used.Load() - a.Lent() - a.bytes.Load() - b.cache.Load(), b.yielding.Load()
}

// yieldTo reports whether an account that yields must not take n bytes now, because others wait.
func (b *Budget) yieldTo(n int64) bool {
	if b.notified.Load() == 0 {
		return false
	}
	most := max(b.Reserve(), min(b.total/4, b.forRuns()-b.wanted.Load()))
	if n <= SmallTake {
		most = max(most, b.total/8)
	}
	return b.yielding.Load()+n > most
}

// Heap returns the bytes that accounts hold on Go's heap.
func (b *Budget) Heap() int64 { return b.heap.Load() }

// residentAge is how old the figure that [Budget.Resident] returns may be.
const residentAge = 100 * time.Millisecond

// Resident returns the resident memory of the process, as the function Resident does, at most a
// tenth of a second old.
func (b *Budget) Resident() int64 {
	b.mu.Lock()
	resident, read := b.resident, b.read
	b.mu.Unlock()
	if !read.IsZero() && time.Since(read) < residentAge {
		return resident
	}
	resident = Resident()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.resident, b.read = resident, time.Now()
	return resident
}

// Holder is what one account holds.
type Holder struct {
	Name  string
	Bytes int64
}

// Holders returns what each account holds, in the order in which the accounts were opened.
// Accounts of one name are added up.
func (b *Budget) Holders() []Holder {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.holders()
}

// holders is called with mu held.
func (b *Budget) holders() []Holder {
	var all []Holder
	index := make(map[string]int)
	for _, a := range b.accounts {
		i, known := index[a.o.Name]
		if !known {
			i = len(all)
			index[a.o.Name] = i
			all = append(all, Holder{Name: a.o.Name})
		}
		all[i].Bytes += a.Held()
	}
	if lent := b.lent.Load(); lent > 0 {
		all = append(all, Holder{Name: "lent by runs that wait", Bytes: lent})
	}
	return all
}

// remoteRunHeap is what a run in another process has on Go's heap of this one, in bytes.
const remoteRunHeap = 64 * runtime.KiB

// RunsElsewhere says that runs happen in other processes: an account that lends has little on the heap of
// this one, if it is opened afterwards.
func (b *Budget) RunsElsewhere() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.elsewhere = true
}

// Open returns a new account, which exists as long as the Budget.
func (b *Budget) Open(o Options) *Account {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.elsewhere && o.Lends {
		o.HeapEach, o.HeapLent = min(o.HeapEach, remoteRunHeap), min(o.HeapLent, remoteRunHeap)
	}
	a := &Account{budget: b, o: o}
	b.accounts = append(b.accounts, a)
	return a
}

// take counts n bytes if they fit below the limit.
func (b *Budget) take(n, limit int64) bool {
	for {
		used := b.used.Load()
		if used+n > limit {
			return false
		}
		if b.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// freed serves those who wait for free bytes, and notifies all but one account.
func (b *Budget) freed(but *Account) {
	if b.pending.Load() == 0 && !b.useful() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.serve(but, false)
}

// serve serves those that wait, and calls all but one account, if that is useful or always is true.
// It is called with mu held.
func (b *Budget) serve(but *Account, always bool) {
	for _, a := range b.accounts {
		a.serve()
		if a != but && (always || b.useful()) {
			a.call()
		}
	}
}

// reclaim lets caches give up, soon, what a take of n bytes lacks, unless they hold far less: on a
// server that is busy with runs, caches that are small beside a run are more useful than nothing.
func (b *Budget) reclaim(n int64) {
	b.reportShortage()
	if b.lacks != nil {
		b.lacks(n-b.Withdrawable(), false)
		return
	}
	cache := b.cache.Load()
	if n = min(n, n+b.used.Load()-b.lent.Load()-b.forRuns()); cache <= 0 || n/2 > cache {
		return
	}
	b.reclaimAnyway(max(n, 1))
}

// reclaimAnyway lets caches give up n bytes, soon.
func (b *Budget) reclaimAnyway(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.reclaiming || !b.exhausted.IsZero() && time.Since(b.exhausted) < reclaimPause {
		if !b.again {
			b.again = true
			time.AfterFunc(reclaimPause, b.reclaimAgain)
		}
		return
	}
	for _, a := range b.accounts {
		if a.o.Reclaim != nil && a.bytes.Load() > 0 {
			b.reclaiming = true
			go b.reclaimFrom(a, n)
			return
		}
	}
}

// reclaimAgain tries again what reclaim has put off.
func (b *Budget) reclaimAgain() {
	b.mu.Lock()
	b.again = false
	b.serve(nil, true) // accounts that wait by Notify try again, and reclaim
	var left int64
	for _, a := range b.accounts {
		for _, waiters := range []*list.List{&a.small, &a.large} {
			if e := waiters.Front(); e != nil {
				left = max(left, e.Value.(*waiter).bytes)
			}
		}
	}
	b.mu.Unlock()
	if left > 0 {
		b.reclaim(left)
	}
}

// reportShortage calls Options.Shortage of all accounts that have it.
func (b *Budget) reportShortage() {
	now := time.Now().UnixNano()
	last := b.short.Load()
	if now-last < int64(shortagePause) || !b.short.CompareAndSwap(last, now) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.accounts {
		if a.o.Shortage != nil {
			go a.o.Shortage()
		}
	}
}

// reclaimFrom lets an account, and those opened after it, give up n bytes.
func (b *Budget) reclaimFrom(first *Account, n int64) {
	b.mu.Lock()
	accounts := b.accounts
	b.mu.Unlock()
	left := n
	for begun, i := false, 0; i < len(accounts) && left > 0; i++ {
		a := accounts[i]
		if begun = begun || a == first; begun && a.o.Reclaim != nil && a.bytes.Load() > 0 {
			left -= a.o.Reclaim(left)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reclaiming = false
	b.exhausted = time.Time{}
	if left == n {
		b.exhausted = time.Now()
	}
	if left > 0 && (b.pending.Load() > 0 || b.level.Load() != nobody) && !b.again { // what is in use now may not be later
		b.again = true
		time.AfterFunc(10*reclaimPause, b.reclaimAgain)
	}
}

// refusal returns the error of a request that is refused because n bytes are not free, and reports
// in the log who holds the memory.
func (b *Budget) refusal(name string, n int64) error {
	b.mu.Lock()
	now := time.Now()
	report := now.Sub(b.refused) >= refusalPause
	var holders []Holder
	if report {
		b.refused = now
		holders = b.holders()
	}
	b.mu.Unlock()
	if report {
		attrs := make([]any, 0, len(holders)+4)
		attrs = append(attrs, slog.String("for", name), slog.Int64("bytes", n), slog.Int64("budget", b.total), slog.Int64("used", b.Used()))
		held := make([]any, len(holders))
		for i, h := range holders {
			held[i] = slog.Int64(h.Name, h.Bytes)
		}
		b.log.Warn("memory: refused a request, because the memory budget is used up", append(attrs, slog.Group("holders", held...))...)
	}
	err := runtime.Errorf(runtime.CodeTooBusy, "the server has no memory left for %s: %s are needed", name, megabytes(n)).
		WithHint("try again in a moment, or run the server with a larger memory budget")
	err.RetryAfter = runtime.BusyRetry
	return err
}

// megabytes formats a number of bytes for people.
func megabytes(n int64) string {
	if n < runtime.MiB {
		return fmt.Sprintf("%d KB", (n+runtime.KiB-1)/runtime.KiB)
	}
	return fmt.Sprintf("%d MB", (n+runtime.MiB-1)/runtime.MiB)
}
