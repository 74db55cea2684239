package storage

import (
	"errors"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// groupSize is up to how many bytes are written as one. What has more than a
// quarter of that is written by itself.
const groupSize = 512 << 10

// group has batches written that came while the ones before them were: all of
// them as one. The way through Pebble, the look at what room there is and the sync
// then cost as much for all as for one.
type group struct {
	turn sync.Mutex // held by the one who writes a round
	mu   sync.Mutex
	open *round // waits for its turn, and takes more; nil if there is none
}

// round is what is written as one, by the member that came first.
type round struct {
	members []*member
	bytes   int
	done    chan struct{} // closed when all members have their err
}

// member is the batch of one caller, who may use it again when it was written.
type member struct {
	batch     *pebble.Batch
	takesRoom bool
	err       error
}

// errUnwritten is what members are told whose write did not come back.
var errUnwritten = errors.New("the store has failed: whether this was written is not known")

// write has a batch written by do, which sets the err of each member it is given.
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

// join adds a member to the open round. If it is the first it must close it.
func (g *group) join(m *member, size int) (r *round, first bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	first = g.open == nil
	if first {
		g.open = &round{done: make(chan struct{})}
	}
	r = g.open
	r.members = append(r.members, m)
	if r.bytes += size; r.bytes > groupSize-groupSize/4 { // the next one may be too much
		g.open = nil
	}
	return r, first
}

// close lets nobody join a round any more.
func (g *group) close(r *round) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open == r {
		g.open = nil
	}
}
