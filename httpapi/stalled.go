package httpapi

import (
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// stallShare is the divisor of Options.StallTime that gives the time after which no further request that writes begins, and looksPerStall
	// the number of looks in that time.
	stallShare    = 3
	looksPerStall = 15
	// stallRetry is when a caller may try again.
	stallRetry = 2 * time.Second
)

// stalls has the requests that write. While another process may own the data, because this one cannot write, their connections are closed
// after a while, without an answer: what they write may be stored, or not. Their handlers go on.
type stalls struct {
	current func() error
	closed  func() bool // the server shuts down
	limit   time.Duration

	mu      sync.Mutex
	all     map[*writing]bool
	since   time.Time // when current failed first, of the last looks; zero: the last one did not fail
	looking bool
}

// writing is a request that writes.
type writing struct {
	conn  *conn
	began time.Time
}

// newStalls returns what ends the wait for writes. Without Current nobody else can own the data, and they wait.
func newStalls(o Options, closed func() bool) *stalls {
	return &stalls{current: o.Current, closed: closed, limit: o.StallTime, all: make(map[*writing]bool)}
}

// enter notes a request that is about to write until leave is called. It fails if writes have not ended for a while: nothing was written.
func (s *stalls) enter(ctx *fasthttp.RequestCtx) (leave func(), err error) {
	c, ok := ctx.Conn().(*conn)
	if !ok || s.current == nil {
		return func() {}, nil
	}
	one := &writing{conn: c, began: time.Now()}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.since.IsZero() && one.began.Sub(s.since) >= s.limit/stallShare {
		if s.current() != nil {
			return nil, stalledError()
		}
		s.since = time.Time{}
	}
	s.all[one] = true
	if !s.looking {
		s.looking = true
		time.AfterFunc(s.limit/looksPerStall, s.look)
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.all, one)
	}, nil
}

// look looks whether this process can write, again and again while there are requests or it cannot, and ends the wait of those that have waited for too
// long.
func (s *stalls) look() {
	failed := s.current() != nil
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !failed:
		s.since = time.Time{}
	case s.since.IsZero():
		s.since = now
	case now.Sub(s.since) >= s.limit:
		for one := range s.all {
			if now.Sub(one.began) >= s.limit {
				_ = one.conn.socket.Close() // the goroutine that serves it notices when the handler has returned
				delete(s.all, one)
			}
		}
	}
	if s.looking = len(s.all) > 0 || failed && !s.closed(); s.looking { // without requests, until they may write again
		time.AfterFunc(s.limit/looksPerStall, s.look)
	}
}

// stalledError returns the error of a request that writes and has not begun.
func stalledError() error {
	err := runtime.Errorf(runtime.CodeUnavailable, "nothing was changed: the replicated log does not answer").WithHint("try again in a moment; if this lasts, look at the servers of the log")
	err.RetryAfter = stallRetry
	return err
}
