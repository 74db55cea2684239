package sandbox

import (
	"sync/atomic"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// serverTurns is the processor time that the server needs for runs beside the guest. Permits count the
// guests only: with all of them at worn runs, the server would have what the kernel leaves it, which is
// one thread's part, and others' short runs would wait for the server.
//
// So each short run that begins while worn runs of another tenant compute adds serverCost to what is owed
// to the server. A permit that is left free pays it off. The more is owed, the fewer permits worn runs
// may have: one for each owedPerPermit is left free, but half of all at most. Runs that begin take free
// permits, and count as worn after minSlice as long as something is owed. With one permit nothing is left
// free.
//
// What is left free is time, not a processor: the kernel puts a thread of the server that wakes up on the
// processor of a guest, too, and lets it wait there for milliseconds. So guests let the threads of their
// processors go first every giveWayAfter while permits are left free.
//
// The mutex of the processors guards all of it.
type serverTurns struct {
	owed       time.Duration
	settled    time.Time      // when what is owed was computed last
	wornTenant runtime.Tenant // of the worn run that got a permit last
	indebted   atomic.Bool    // permits are left free: since owedPerPermit was owed, until nothing is
	watched    bool           // watch looks again soon
}

const (
	// runCost is the processor time that the server takes for a trivial run beside the guest: requests,
	// JSON and records.
	runCost = 26 * time.Microsecond
	// serverCost is runCost, and as much in the kernel's network and a client on the same machine.
	serverCost = 50 * time.Microsecond
	// owedPerPermit is what must be owed for each permit that is left free. It is long compared with the
	// cost of a switch.
	owedPerPermit = time.Millisecond
	// giveWayAfter is how long a run computes before it gives way, while permits are left free. That takes a
	// third of a microsecond if nothing else wants the processor.
	giveWayAfter = 200 * time.Microsecond
)

// settle subtracts what free permits have paid off until now.
func (p *processors) settle(now time.Time) {
	elapsed := now.Sub(p.settled)
	if elapsed <= 0 {
		return
	}
	p.settled = now
	if p.owed > 0 {
		if p.owed = max(p.owed-elapsed*time.Duration(p.free), 0); p.owed == 0 {
			p.indebted.Store(false)
		}
	}
}

// begins notes that a run begins, for which the server works. While runs wait, that is time of the
// run's tenant.
func (p *processors) begins(tenant runtime.Tenant) {
	if p.waiting.Load() > 0 {
		p.spend(p.queueOf(tenant), runCost)
	}
	p.owe(tenant)
}

// owe adds the cost of a run that begins. At most a slice for each permit is owed, so that worn runs have
// all permits again soon after the last short run. It also counts while no run has been worn yet: runs that
// end within a slice are worn only when something is owed. The first one that is, is its tenant's.
func (p *processors) owe(tenant runtime.Tenant) {
	if tenant == p.wornTenant || p.permits == 1 {
		return
	}
	p.owed = min(p.owed+serverCost, time.Duration(p.permits)*p.slice)
	if p.owed >= owedPerPermit && !p.indebted.Load() {
		p.indebted.Store(true)
	}
}

// mostWorn returns the number of permits that worn runs may have.
func (p *processors) mostWorn() int {
	if !p.indebted.Load() {
		return p.permits
	}
	left := (p.owed + owedPerPermit - 1) / owedPerPermit
	return p.permits - min(int(left), p.permits/2)
}

// addWorn counts a permit of a worn run.
func (p *processors) addWorn(c *claim) {
	p.wornHeld++
	p.wornTenant = c.tenant
}

// heir returns the run that gets a permit, one of which must wait, or nil if the permit is left to the
// server.
func (p *processors) heir(now time.Time) *claim {
	heir := p.next(now)
	if heir.worn && p.wornHeld >= p.mostWorn() {
		return p.nextFresh()
	}
	return heir
}

// watch looks soon whether permits are still left to the server while worn runs wait.
func (p *processors) watch() {
	if p.watched {
		return
	}
	p.watched = true
	time.AfterFunc(minSlice, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.watched = false
		now := p.now()
		for p.settle(now); p.free > 0 && p.waiting.Load() > 0; {
			heir := p.heir(now)
			if heir == nil {
				p.watch()
				return
			}
			p.free--
			p.handOver(heir)
		}
	})
}
