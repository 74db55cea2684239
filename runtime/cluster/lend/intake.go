package lend

import (
	"context"
	"errors"

	"golang.org/x/sync/semaphore"

	"github.com/faaspot/faaspot/runtime/memory"
)

const (
	// intakeShare is the divisor of the memory budget that large messages of nodes may take until they are handled, with the results in them
	// until these are about to be stored, and maxIntake bounds that, in bytes. Beyond it, nodes keep what they have to send.
	intakeShare = 32
	maxIntake   = 64 << 20
	// nodeShare is the divisor of that for one message: few nodes that send slowly do not hold up all others.
	nodeShare = 4
	// smallMessage is the size of a message up to which it does not wait for others, in bytes.
	smallMessage = 64 << 10
	// maxHello bounds the size of the first message of an owner, in bytes.
	maxHello = 64 << 10
	// maxOffer bounds the size of the first message of a node, in bytes.
	maxOffer = maxRuns * partBytes
)

// errTooLarge ends a connection whose first message cannot be one of an owner, or of a node.
var errTooLarge = errors.New("the message is too large")

// intake bounds what messages of nodes take. All of it is counted in its account.
type intake struct {
	account *memory.Account
	room    *semaphore.Weighted
	most    int64 // that one message may take of the room
}

func newIntake(account *memory.Account, budget int64) *intake {
	room := max(min(budget/intakeShare, maxIntake), nodeShare)
	return &intake{account: account, room: semaphore.NewWeighted(room), most: room / nodeShare}
}

// share is a part of an intake.
type share struct{ bytes, room int64 }

// give gives a share back.
func (in *intake) give(s share) {
	if s.bytes > 0 {
		in.account.Give(s.bytes)
	}
	if s.room > 0 {
		in.room.Release(s.room)
	}
}

// meter counts the message of a connection that is received or handled.
type meter struct {
	intake *intake
	ctx    context.Context // ends with the connection
	most   int64           // bytes of a message
	urgent bool            // messages do not wait
	size   int64           // of the present one
	held   share
}

// begin takes the share of a message, for what comes and what is made of it, and waits for it unless the message is urgent.
func (m *meter) begin(size int64) error {
	m.end()
	if size > m.most {
		return errTooLarge
	}
	if size > smallMessage && !m.urgent {
		room := min(2*size, m.intake.most)
		if err := m.intake.room.Acquire(m.ctx, room); err != nil {
			return err
		}
		m.held.room = room
	}
	m.size, m.held.bytes = size, 2*size
	m.intake.account.Add(m.held.bytes)
	return nil
}

// part returns the share of a part of the message, which is given back for itself.
func (m *meter) part(bytes int64) share {
	s := share{bytes, min(bytes, m.held.room)}
	m.held.room -= s.room
	m.intake.account.Add(bytes)
	return s
}

// handled gives back the share of a message, but for what has come: the link keeps that.
func (m *meter) handled() {
	m.intake.give(share{max(m.held.bytes-m.size, 0), m.held.room})
	m.held = share{bytes: min(m.held.bytes, m.size)}
}

// end gives back all of it.
func (m *meter) end() {
	m.intake.give(m.held)
	m.size, m.held = 0, share{}
}
