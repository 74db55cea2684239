package commit

import (
	"errors"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// groupSize is the largest number of bytes that are written as one. A batch of more than a quarter
// of that is written alone.
const groupSize = 512 << 10

// group writes the batches that arrive during a write together as one. The path through Pebble, the
// check of the free space and the sync then cost as much for all of them as for one.
type group struct {
	turn sync.Mutex // held by the goroutine that writes a round
	mu   sync.Mutex
	open *round // the round that waits for its turn and takes more members; nil if there is none

	// Of pass.
	underWay int       // members of rounds that were sent, and whose results are not known
	enough   sync.Cond // wakes gather
}

// freeMembers is the number of members under way below which no round waits: few callers would wait for what
// many do not notice.
const freeMembers = 4

// round is the batches that the goroutine of its first member writes as one.
type round struct {
	members []*member
	bytes   int
	urgent  bool          // it has a member that is not new work, for which what was accepted waits
	done    chan struct{} // closed when all members have their err
}

// member is the batch of one caller, which may use it again when it was written.
type member struct {
	batch *pebble.Batch
	need  Need
	err   error
}

// errUnwritten is the error of the members of a write that panicked.
var errUnwritten = errors.New("the store has failed: it is not known whether this was written")

// write has a batch written by do, which sets the err of each member that it gets.
func (g *group) write(m *member, do func([]*member)) error {
	m.err = errUnwritten
	size := m.batch.Len()
	if size > groupSize/4 {
		do([]*member{m})
		return m.err
	}
	r, first := g.join(m, size)
	if !first {
		<-r.done
		return m.err
	}
	g.turn.Lock()
	defer g.turn.Unlock()
	g.close(r)
	defer close(r.done)
	do(r.members)
	return m.err
}

// pass is like write, for writes whose results come later: the next round begins when send has returned,
// and wait sets the err of each member. Rounds are sent one after the other. A round of new work alone waits while it has
// fewer members than are under way: a record costs about the same with one member and with many. So few callers wait
// for nobody, and of many about half are written as one.
func (g *group) pass(m *member, send func([]*member) (wait func())) error {
	m.err = errUnwritten
	size := m.batch.Len()
	if size > groupSize/4 {
		send([]*member{m})()
		return m.err
	}
	r, first := g.join(m, size)
	if !first {
		<-r.done
		return m.err
	}
	defer close(r.done)
	defer g.arrive(r)
	g.sendRound(r, send)()
	return m.err
}

func (g *group) sendRound(r *round, send func([]*member) (wait func())) (wait func()) {
	g.turn.Lock()
	defer g.turn.Unlock()
	g.gather(r)
	return send(r.members)
}

// gather closes a round when it need not wait, or takes no more members. They are under way until arrive is called. The
// caller has the turn.
func (g *group) gather(r *round) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.enough.L = &g.mu
	for g.open == r && !g.departs(r) {
		g.enough.Wait()
	}
	if g.open == r {
		g.open = nil
	}
	g.underWay += len(r.members)
}

// arrive says that the members of a round are not under way any more.
func (g *group) arrive(r *round) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.underWay -= len(r.members)
	g.wake()
}

// wake wakes gather if its round need not wait any longer. The caller holds mu.
func (g *group) wake() {
	if g.open == nil || g.departs(g.open) {
		g.enough.Signal()
	}
}

// departs reports whether a round need not wait for more members. The caller holds mu.
func (g *group) departs(r *round) bool {
	return r.urgent || g.underWay < freeMembers || len(r.members) >= g.underWay
}

// join adds a member to the open round. The first member must close the round.
func (g *group) join(m *member, size int) (r *round, first bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	first = g.open == nil
	if first {
		g.open = &round{done: make(chan struct{})}
	}
	r = g.open
	r.members = append(r.members, m)
	r.urgent = r.urgent || m.need != NewWork
	if r.bytes += size; r.bytes > groupSize-groupSize/4 { // the next batch may be too much
		g.open = nil
	}
	g.wake()
	return r, first
}

// close keeps further members from joining a round.
func (g *group) close(r *round) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open == r {
		g.open = nil
	}
}

// waiting returns how many members the open round has.
func (g *group) waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open == nil {
		return 0
	}
	return len(g.open.members)
}
