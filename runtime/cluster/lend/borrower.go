package lend

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

const (
	// membersTime is the time between two looks for nodes that have come.
	membersTime = time.Second
	// dialTime bounds how long it may take to connect to a node, and redialTime is the time between two attempts.
	dialTime   = 2 * time.Second
	redialTime = 200 * time.Millisecond
	// lossTime is the time after which the runs on a node that cannot be reached count as lost.
	lossTime = 3 * time.Second
	// collectTime bounds how long a new owner waits for what nodes have run before, and slowCollectTime how long for those nodes
	// to which there was a connection meanwhile.
	collectTime     = time.Second
	slowCollectTime = 2 * time.Second
	// refusalTime is the time for which a node gets no runs that has not begun one, and unfitTime that for which it gets none of
	// a tenant of which it has not begun one though it may begin others.
	refusalTime = 100 * time.Millisecond
	unfitTime   = 250 * time.Millisecond
)

// Member is a node that may lend places.
type Member struct{ Name, Address string }

// BorrowerOptions are the options of a Borrower. All must be set.
type BorrowerOptions struct {
	Node string // name of the owner
	// Members returns the nodes that there are, with the own one, and those that were there a moment ago: they may have run
	// something for an owner before.
	Members func() []Member
	// Dial connects to the Server of a node.
	Dial   func(ctx context.Context, m Member) (net.Conn, error)
	Memory *memory.Budget
	Log    *slog.Logger
}

// Borrower has the places that other nodes lend to the owner of the data. It implements [runtime.Places]. It has none until
// Start is called.
type Borrower struct {
	BorrowerOptions
	account *memory.Account
	intake  *intake
	ctx     context.Context // ends when Close is called
	cancel  context.CancelFunc
	group   sync.WaitGroup

	mu         sync.Mutex
	epoch      uint64
	members    map[string]*member
	collecting bool // runs that nodes offer are kept for Collect
	leaving    bool // what nodes run is for the next owner
	onFree     func()
}

var _ runtime.Places = (*Borrower)(nil)

// NewBorrower returns a Borrower. Close must be called.
func NewBorrower(o BorrowerOptions) *Borrower {
	b := &Borrower{
		BorrowerOptions: o, account: o.Memory.Open(memory.Options{Name: "runs on other nodes", Heap: true}), members: make(map[string]*member), onFree: func() {},
	}
	b.intake = newIntake(b.account, o.Memory.Total())
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b
}

// Start connects to the nodes. epoch is the one that the own node has begun.
func (b *Borrower) Start(epoch uint64) {
	b.mu.Lock()
	b.epoch, b.collecting = epoch, true
	b.mu.Unlock()
	b.look()
	b.group.Go(func() {
		ticker := time.NewTicker(membersTime)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				b.look()
			case <-b.ctx.Done():
				return
			}
		}
	})
}

// look begins to connect to nodes that are new.
func (b *Borrower) look() {
	listed := b.Members()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.members {
		m.listed = false
	}
	for _, one := range listed {
		m := b.members[one.Name]
		if m == nil {
			m = newMember(b, one)
			b.members[one.Name] = m
			b.group.Go(func() { m.attend(b.ctx) })
		}
		m.listed, m.Address = true, one.Address
	}
}

// Collect returns the runs that nodes have begun for an owner before, and waits for their nodes for a short time. It must be called once after
// Start, and each place of what it returns must be run, or given up by Release, unless all of them are for the next owner.
func (b *Borrower) Collect(ctx context.Context) (found []runtime.LentRun) {
	ctx, cancel := context.WithTimeout(ctx, slowCollectTime)
	defer cancel()
	soon, cancelSoon := context.WithTimeout(ctx, collectTime)
	defer cancelSoon()
	b.mu.Lock()
	all := slices.Collect(maps.Values(b.members))
	b.mu.Unlock()
	for _, m := range all {
		m.awaitOffers(soon)
	}
	for _, m := range all {
		if b.reached(m) {
			m.awaitOffers(ctx)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.collecting = false
	for _, m := range b.members {
		for _, o := range m.offers {
			m.take(o.Tenant, o.Bytes)
			found = append(found, runtime.LentRun{
				Tenant: o.Tenant, Execution: o.Key.Execution, Attempt: o.Key.Attempt, Version: o.Version, Started: o.Started, Own: m.Name == b.Node,
				Place: &place{member: m, tenant: o.Tenant, bytes: o.Bytes, began: &o.Key},
			})
		}
	}
	return found
}

// reached reports whether there was a connection to a node.
func (b *Borrower) reached(m *member) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return m.reached
}

// Leave leaves what nodes run to the next owner: from now on there are no places, and nothing is cancelled or forgotten that
// nobody waits for here.
func (b *Borrower) Leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.leaving = true
}

// Take implements [runtime.Places]: it takes a place on the node that has room for most such runs.
func (b *Borrower) Take(tenant runtime.Tenant, bytes int64, share int) (runtime.Place, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.leaving {
		return nil, false
	}
	now, most := time.Now(), 0
	var best *member
	for _, m := range b.members {
		if room := m.room(now, bytes); room > most && m.takes(tenant, share) {
			best, most = m, room
		}
	}
	if best == nil {
		for _, m := range b.members {
			if m.takes(tenant, share) {
				m.want(bytes)
			}
		}
		return nil, false
	}
	best.take(tenant, bytes)
	return &place{member: best, tenant: tenant, bytes: bytes}, true
}

// Nodes implements [runtime.Places].
func (b *Borrower) Nodes() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.leaving {
		return 0
	}
	now := time.Now()
	for _, m := range b.members {
		if m.connected && m.granted.Runs > 0 && now.Before(m.until) {
			n++
		}
	}
	return n
}

// OnFree implements [runtime.Places].
func (b *Borrower) OnFree(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.onFree = f
}

// freed is called without mu when a place may have become free.
func (b *Borrower) freed() {
	b.mu.Lock()
	f := b.onFree
	b.mu.Unlock()
	f()
}

// Close ends all connections, without a cancellation: runs that are under way count as lost for this owner, and another one
// may take them.
func (b *Borrower) Close() {
	b.cancel()
	b.group.Wait()
}

// place implements [runtime.Place].
type place struct {
	member *member
	tenant runtime.Tenant
	bytes  int64
	began  *key      // the run that the node has begun before; nil: none
	run    *borrowed // that Run has begun, or waits for
}

// Run implements [runtime.Place].
func (p *place) Run(ctx context.Context, c runtime.RunCall) (runtime.Outcome, error) {
	r, err := p.member.begin(p, &c)
	if err != nil {
		return runtime.Outcome{}, err
	}
	p.run = r
	select {
	case <-r.done:
	case <-ctx.Done():
		if errors.Is(context.Cause(ctx), runtime.ErrOwnerLeaves) {
			p.member.leave(r)
		} else {
			p.member.abandon(r)
		}
	}
	o := r.outcome
	if r.err != nil {
		r.logs.AppendAll(o.Logs)
		return runtime.Outcome{}, r.err
	}
	o.Logs = r.logs.EndWith(o.Logs)
	return o, nil
}

// Release implements [runtime.Place].
func (p *place) Release() {
	if p.run != nil {
		p.member.borrower.intake.give(p.run.held)
	}
	p.member.release(p)
	p.member.borrower.freed()
}

// Recorded implements [runtime.Place].
func (p *place) Recorded() {
	if p.run != nil {
		p.member.recorded(p.run.key)
	}
}
