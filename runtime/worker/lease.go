package worker

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/worker/internal/wire"
)

const (
	// processBytes is the memory of a worker in bytes beside what it leases and what its runs reserve:
	// the program, the compiled guest, the base image, and garbage.
	processBytes = memory.WorkerOverhead
	// leaseTime is the longest time that a worker waits for memory that others give up.
	leaseTime = 200 * time.Millisecond
	// shrinkTime is the longest time that others wait for the memory of one worker: it may have stopped.
	shrinkTime = time.Second
)

// accounts are what workers take from the server's memory budget, beside the reservations of runs.
type accounts struct {
	processes *memory.Account
	leases    *memory.Account
	leased    atomic.Int64    // bytes of all leases, and of those that are being taken
	programs  *memory.Account // contexts that workers know, as the server keeps them
}

func (p *Pool) openAccounts() {
	b := p.o.Memory
	p.accounts.processes = b.Open(memory.Options{Name: "worker processes"})
	p.accounts.leases = b.Open(memory.Options{Name: "workers", Reclaim: p.reclaim})
	p.accounts.programs = b.Open(memory.Options{Name: "functions in workers", Heap: true})
}

// lease is the memory that a worker may use beside the reservations of its runs.
type lease struct {
	peer  *peer
	asked atomic.Bool // to give back memory, and has not answered

	mu    sync.Mutex
	bytes int64
	ended bool
}

// onGrow lets the worker have more memory.
func (l *lease) onGrow(ctx context.Context, payload []byte) (reply []byte, err error) {
	d := wire.Decode(payload)
	n, spare := d.Size(), d.Bool()
	accounts := &l.peer.pool.accounts
	account := accounts.leases
	if d.Err() != nil || n == 0 {
		l.peer.conn.abort(errors.New("a malformed request for memory"))
		return nil, wire.ErrMalformed
	}
	ctx, cancel := context.WithTimeout(ctx, leaseTime)
	defer cancel()
	most := l.most()
	switch {
	case n > most-l.held() || !l.peer.pool.lease(n):
		n = 0
	case spare && !account.TakeFree(n) || !spare && account.Take(ctx, n) != nil:
		accounts.leased.Add(-n)
		n = 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.ended:
		accounts.giveBack(n)
		return nil, errEnded
	case n > most-l.bytes: // other requests came first
		accounts.giveBack(n)
		n = 0
	}
	l.bytes += n
	return wire.AppendUint(nil, uint64(n)), nil
}

// most returns the largest lease, in bytes: beside other workers it is half of what there is, because a
// worker that is hostile gives nothing back.
func (l *lease) most() int64 {
	if len(l.peer.pool.hosts()) > 1 {
		return l.peer.pool.accounts.leases.Largest() / 2
	}
	return l.peer.pool.accounts.mostLeased()
}

// mostLeased returns the largest sum of all leases, in bytes: three quarters of what there is. The rest is left
// to runs even if no worker gives anything back.
func (a *accounts) mostLeased() int64 { return a.leases.Largest() / 4 * 3 }

// lease reserves n bytes of what may be leased, and reports whether there are as many. The worker with the
// largest lease is asked for what lacks, once.
func (p *Pool) lease(n int64) bool {
	lacks := func() int64 {
		sum := p.accounts.leased.Add(n)
		if sum <= p.accounts.mostLeased() {
			return 0
		}
		p.accounts.leased.Add(-n)
		return sum - p.accounts.mostLeased()
	}
	lacking := lacks()
	if lacking == 0 {
		return true
	}
	p.reclaim(lacking)
	return lacks() == 0
}

// giveBack gives back n bytes of a lease.
func (a *accounts) giveBack(n int64) {
	a.leased.Add(-n)
	a.leases.Give(n)
}

// onReturn takes memory back that the worker does not need.
func (l *lease) onReturn(payload []byte) error {
	d := wire.Decode(payload)
	n := d.Size()
	if err := d.Err(); err != nil {
		return err
	}
	return l.give(n)
}

// give returns a part of the lease to the budget.
func (l *lease) give(n int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.ended:
		return nil
	case n > l.bytes:
		return errors.New("a worker gives back more memory than it has")
	}
	l.bytes -= n
	l.peer.pool.accounts.giveBack(n)
	return nil
}

// shrink asks the worker for n bytes, and returns how many it has given back within shrinkTime. What it
// gives back later is free then. One that still owes an answer is not asked.
func (l *lease) shrink(n int64) int64 {
	if !l.asked.CompareAndSwap(false, true) {
		return 0
	}
	freed := make(chan int64, 1)
	go func() {
		defer l.asked.Store(false)
		freed <- l.ask(n)
	}()
	timer := time.NewTimer(shrinkTime)
	defer timer.Stop()
	select {
	case n := <-freed:
		return n
	case <-timer.C:
		return 0
	}
}

// ask asks the worker for n bytes, and returns how many it has given back.
func (l *lease) ask(n int64) int64 {
	reply, err := l.peer.ask(kindShrink, wire.AppendUint(nil, uint64(n)))
	if err != nil {
		return 0
	}
	d := wire.Decode(reply)
	freed := d.Size()
	if err = d.Err(); err == nil {
		err = l.give(freed)
	}
	if err != nil {
		l.peer.conn.abort(err)
		return 0
	}
	return freed
}

// close gives back all of it.
func (l *lease) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.peer.pool.accounts.giveBack(l.bytes)
	l.bytes = 0
}

func (l *lease) held() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes
}

// reclaim lets workers give up n bytes: those with the most first.
func (p *Pool) reclaim(n int64) (freed int64) {
	workers := p.peers()
	slices.SortFunc(workers, func(a, b *peer) int { return int(min(max(b.lease.held()-a.lease.held(), -1), 1)) })
	for _, w := range workers {
		if freed < n && w.lease.held() > 0 {
			freed += w.lease.shrink(n - freed)
		}
	}
	return freed
}

// leaseStep is the unit in which a worker leases memory, in bytes.
const leaseStep = 16 * runtime.MiB

// leaser leases the memory of a worker from its server.
type leaser struct {
	conn   *conn
	budget *memory.Budget
	wake   chan struct{}

	mu      sync.Mutex
	lacking int64
	spare   int64 // the same, of bytes that are wanted only if they are free
}

// lacks notes that n bytes are lacking. It does not wait.
func (l *leaser) lacks(n int64, spare bool) {
	l.mu.Lock()
	if spare {
		l.spare = max(l.spare, n)
	} else {
		l.lacking = max(l.lacking, n)
	}
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// idleLease is the time without a lack of memory after which a worker returns what it does not use.
const idleLease = 10 * time.Second

// run leases what is lacking until ctx ends, and returns what is not used for long.
func (l *leaser) run(ctx context.Context) {
	ticker := time.NewTicker(idleLease)
	defer ticker.Stop()
	quiet := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.wake:
			quiet = false
			l.grow(ctx)
		case <-ticker.C:
			if n := l.budget.Withdrawable() - leaseStep; quiet && n >= leaseStep {
				l.conn.send(kindReturn, wire.AppendUint(nil, uint64(l.budget.Withdraw(n))))
			}
			quiet = true
		}
	}
}

// grow leases what is lacking and a step more. If the server has none, caches of this worker give way.
func (l *leaser) grow(ctx context.Context) {
	l.mu.Lock()
	lacking, spare := l.lacking, l.spare
	l.lacking, l.spare = 0, 0
	l.mu.Unlock()
	if lacking > 0 && !l.lease(ctx, lacking, false) {
		l.budget.GiveWay(lacking)
	}
	if spare > max(lacking, 0) {
		l.lease(ctx, spare, true)
	}
}

// lease leases n bytes and a step more, or n bytes, and reports whether it did.
func (l *leaser) lease(ctx context.Context, n int64, spare bool) bool {
	granted := l.ask(ctx, (n+leaseStep+leaseStep-1)/leaseStep*leaseStep, spare)
	if granted == 0 {
		granted = l.ask(ctx, n, spare)
	}
	if granted > 0 {
		l.budget.Grant(granted)
	}
	return granted > 0
}

func (l *leaser) ask(ctx context.Context, n int64, spare bool) int64 {
	reply, _, err := l.conn.call(ctx, kindGrow, growRequest(n, spare))
	if err != nil {
		return 0
	}
	d := wire.Decode(reply)
	return d.Size()
}

// growRequest returns the payload of kindGrow: for n bytes, or if spare is true for as many only if they
// are free.
func growRequest(n int64, spare bool) []byte {
	return wire.AppendBool(wire.AppendUint(nil, uint64(n)), spare)
}

// onShrink gives up what is not used, and then what caches hold.
func (l *leaser) onShrink(payload []byte) (reply []byte, err error) {
	d := wire.Decode(payload)
	n := d.Size()
	if err := d.Err(); err != nil {
		return nil, err
	}
	freed := l.budget.Withdraw(n)
	if freed < n {
		l.budget.GiveWay(n - freed)
		freed += l.budget.Withdraw(n - freed)
	}
	return wire.AppendUint(nil, uint64(freed)), nil
}
