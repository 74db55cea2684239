package lend

import (
	"math"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/cluster/mesh"
)

// followPause is the time after which output of a run is sent while it runs, and between two pieces of it.
const followPause = 10 * time.Millisecond

// session is a connection of an owner. The mutex of its Server guards what follows wake.
type session struct {
	server *Server
	conn   *pacedConn
	epoch  uint64
	once   sync.Once
	closed chan struct{} // closed by close
	wake   chan struct{} // has one element if there is something to send

	ready   []*lentRun // that have output or an end to send
	answers []end      // of runs that were not begun
	asked   uint64     // the number of a question that was not answered; 0: none
	sending bool       // a message is on its way
	stops   bool       // the owner is informed that the node begins nothing more
	noted   bool       // the owner knows that, so that no calls are on their way
}

// silent reports whether the owner has missed two questions, each of which it sends after askTime: it is dead, or cut off.
func (x *session) silent() bool { return time.Since(*x.conn.heard.Load()) > 2*askTime }

// close closes the connection.
func (x *session) close() {
	x.once.Do(func() {
		close(x.closed)
		_ = x.conn.Close()
	})
}

// notify lets the writer look for something to send.
func (x *session) notify() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// queue lets the writer send output and the end of a run.
func (x *session) queue(r *lentRun) {
	if r.queued {
		return
	}
	r.queued = true
	x.ready = append(x.ready, r)
	x.notify()
}

// answer ends a run that was not begun, or of which nothing is known.
func (x *session) answer(k key, f *fault) {
	x.answers = append(x.answers, end{Key: k, Fault: f})
	x.notify()
}

// write sends messages until the connection is closed or fails.
func (x *session) write(link *mesh.Link) {
	defer x.close()
	for {
		r, bytes := x.next()
		if r == nil {
			select {
			case <-x.wake:
				continue
			case <-x.closed:
				return
			}
		}
		account := x.server.account
		account.Add(bytes)
		err := link.Send(r, silenceTime)
		account.Give(bytes)
		x.server.mu.Lock()
		x.sending = false
		x.server.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// next returns the next message, nil if there is nothing to send, and its size in bytes, about.
func (x *session) next() (r *report, bytes int64) {
	s := x.server
	s.mu.Lock()
	defer s.mu.Unlock()
	var granted grant
	if x.asked > 0 {
		active, bytes := s.active, s.bytes
		s.mu.Unlock()
		free, lends := s.lendable()
		s.mu.Lock()
		if lends && !s.stopped && s.held <= s.maxHeld/2 {
			granted = grant{Bytes: min(s.bytes, bytes) + free.Bytes, Runs: min(s.active, active) + free.Runs}
		}
	}
	if s.session != x {
		return nil, 0
	}
	r = new(report)
	parts := min(len(x.answers), messageParts)
	r.Ends = x.answers[:parts:parts]
	x.answers = x.answers[parts:]
	for len(x.ready) > 0 && bytes < messageBytes && parts < messageParts {
		one := x.ready[0]
		x.ready[0] = nil // its end may be forgotten while more are added
		x.ready = x.ready[1:]
		if one.queued = false; one.taken {
			bytes += x.add(r, one)
			parts++
		}
	}
	if x.asked > 0 {
		r.Answers, r.Grant, x.asked = x.asked, granted, 0
		s.grant(granted)
		parts++
	}
	if s.stopped && !x.stops {
		r.Stops, x.stops = true, true
		parts++
	}
	if parts == 0 {
		return nil, 0
	}
	x.sending = true
	return r, bytes
}

// lendable returns what the node can lend beside what it has lent. It is called without mu.
func (s *Server) lendable() (free grant, ok bool) {
	if !s.Lends() {
		return grant{}, false
	}
	free.Bytes, free.Runs = s.Lender.Lendable()
	return grant{Bytes: max(free.Bytes, 0), Runs: max(free.Runs, 0)}, true
}

// add adds to a message what a run has to send, and returns its size in bytes, about.
func (x *session) add(m *report, r *lentRun) int64 {
	if r.ended {
		e := end{Key: r.Key, Outcome: r.outcome, Fault: r.fault}
		rest := r.rest.Slice(min(r.sent, len(r.rest.Data)), len(r.rest.Data))
		rest.Truncated = r.rest.Truncated
		e.Outcome.Logs = rest
		if r.cancelledIn > 0 && r.cancelledIn != x.epoch && r.stopped() {
			e.Outcome, e.Fault = runtime.Outcome{Logs: rest}, newFault(runtime.ShuttingDownError()) // this owner has not asked for that
		}
		r.sent = len(r.rest.Data)
		m.Ends = append(m.Ends, e)
		return int64(len(r.outcome.Result)+len(rest.Data)) + partBytes
	}
	page, changed := r.logs.Page(r.Key.Attempt, runtime.LogPosition{Attempt: r.Key.Attempt, Offset: r.sent})
	if changed == nil || len(page.Logs.Data) == 0 {
		return 0 // the rest comes with the end
	}
	r.sent = page.Next.Offset
	m.Logs = append(m.Logs, output{r.Key, page.Logs})
	if r.sent < page.Size {
		x.queue(r)
	}
	return int64(len(page.Logs.Data)) + partBytes
}

// follow lets the session send the output of a run while it runs. It takes mu.
func (s *Server) follow(r *lentRun) {
	for {
		_, changed := r.logs.Page(0, runtime.LogPosition{Offset: math.MaxInt})
		s.mu.Lock()
		if r.taken && !r.ended {
			s.session.queue(r)
		}
		s.mu.Unlock()
		if changed == nil {
			return
		}
		select {
		case <-changed:
		case <-r.over:
			return
		}
		select {
		case <-time.After(followPause):
		case <-r.over:
			return
		}
	}
}
