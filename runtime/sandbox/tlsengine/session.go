package tlsengine

import (
	"crypto/tls"
	"slices"
	"time"
)

// maxSessions is the number of sessions of a run. It forgets the oldest beyond that.
const maxSessions = 64

// Sessions are the sessions of a run, for a client that resumes them. The zero value has none.
type Sessions struct {
	next func() int32
	list []*Session // oldest first
}

// NewSessions returns the sessions of a run, with a function that returns a number for each.
func NewSessions(next func() int32) *Sessions { return &Sessions{next: next} }

// Session is a session that a server has given.
type Session struct {
	number int32
	time   time.Time
	state  *tls.ClientSessionState // nil: forgotten
	size   int64
}

// sessionSize is the number of bytes of a session beside its certificates and its ticket.
const sessionSize = 4 << 10

// Size returns the approximate number of bytes of memory that the sessions take.
func (s *Sessions) Size() (size int64) {
	for _, x := range s.list {
		size += x.size
	}
	return size
}

// find returns a session, or nil.
func (s *Sessions) find(number int32) *Session {
	for _, x := range s.list {
		if x.number == number {
			return x
		}
	}
	return nil
}

// Len returns the number of sessions.
func (s *Sessions) Len() int { return len(s.list) }

// Clear forgets all sessions.
func (s *Sessions) Clear() { s.forget(len(s.list)) }

// forget forgets the n oldest sessions. Engines that have them keep their numbers alone.
func (s *Sessions) forget(n int) {
	for _, x := range s.list[:n] {
		x.state = nil
	}
	s.list = slices.Delete(s.list, 0, n)
}

// add adds a session.
func (s *Sessions) add(state *tls.ClientSessionState, size int64) *Session {
	x := &Session{number: s.next(), time: time.Now(), state: state, size: size}
	if len(s.list) >= maxSessions {
		s.forget(1)
	}
	s.list = append(s.list, x)
	return x
}

// sessionCache is the cache of one connection.
type sessionCache struct {
	engine   *Engine
	sessions *Sessions
	offered  *Session // what the program wants to resume; nil: nothing
}

// Get implements [tls.ClientSessionCache].
func (c *sessionCache) Get(string) (*tls.ClientSessionState, bool) {
	if c.offered == nil || c.offered.state == nil {
		return nil, false
	}
	return c.offered.state, true
}

// Put implements [tls.ClientSessionCache]. A connection keeps its latest session alone.
func (c *sessionCache) Put(_ string, state *tls.ClientSessionState) {
	switch {
	case state == nil:
		c.offered = nil
	case c.engine.session == nil:
		c.engine.session = c.sessions.add(state, c.size(state))
	case c.engine.session.state != nil:
		c.engine.session.state, c.engine.session.size = state, c.size(state)
	}
}

// size returns the approximate number of bytes of memory that a session of the connection takes.
func (c *sessionCache) size(state *tls.ClientSessionState) int64 {
	size := sessionSize + perReceived*c.engine.received + c.engine.parsed
	if ticket, _, err := state.ResumptionState(); err == nil {
		size += int64(len(ticket))
	}
	return size
}
