package wasi

import (
	"context"
	"math"
	"time"
)

// wait is Control.Wait. The run computes nothing meanwhile.
func (s *System) wait(d time.Duration, wait func(ctx context.Context, until time.Time) bool) {
	began := s.instant().monotonic
	s.control.Wait(d, wait)
	s.slept += s.instant().monotonic - began
}

// futilePause is the time after which a call tries again that found nothing although its socket was ready.
const futilePause = 10 * time.Millisecond

// tries are the waits of a call since it last transferred something.
type tries struct {
	n     int
	began int64 // monotonic
}

// await waits until a socket is ready, and reports whether it is. The option with this name bounds
// the wait, in milliseconds; 0: nothing does.
//
// A socket may be ready and have nothing for ever: datagrams whose other end has closed, which hangs up. So a call that waits
// again pauses before.
func (s *System) await(k *socket, what events, timeout int32, t *tries) bool {
	d := time.Duration(math.MaxInt64)
	if ms := k.option(optionName{solSocket, timeout}, 0); ms > 0 {
		d = time.Duration(ms) * time.Millisecond
	}
	if t.n++; t.n == 1 {
		t.began = s.instant().monotonic
	} else {
		s.poller.watch = watch{}
		s.wait(min(futilePause, d), s.poller.wait)
		if d -= time.Duration(s.instant().monotonic - t.began); d <= 0 {
			return false
		}
	}
	k.want = what
	ready := s.awaitAny([]*socket{k}, d)
	k.want = 0
	return ready
}

// awaitAny waits until one of the sockets is ready as it wants, at most d, and reports whether one
// is. It returns only then.
func (s *System) awaitAny(sockets []*socket, d time.Duration) (ready bool) {
	began := s.instant().monotonic
	defer func() {
		for _, k := range sockets {
			for _, e := range k.ends {
				e.wanted, e.ready = false, 0
			}
		}
	}()
	for {
		if s.areReady(sockets) {
			return true
		}
		left := d - time.Duration(s.instant().monotonic-began)
		if left <= 0 {
			return false
		}
		s.wait(left, s.poller.wait)
	}
}

// areReady finds out what the sockets are ready for, and reports whether one is ready as it wants.
func (s *System) areReady(sockets []*socket) bool {
	found := false
	var watched watch
	for _, k := range sockets {
		s.settle(k)
		if k.ready = k.known(); k.ready != 0 {
			found = true
			continue
		}
		for _, e := range k.ends {
			watched.add(e, k.want)
		}
	}
	s.poller.watch = watched
	for _, k := range sockets {
		if k.ready != 0 {
			continue
		}
		for _, e := range k.ends {
			e.wanted = true
			if e.ready == 0 && !s.poller.ask(e, k.want) {
				e.ready = readable | writable | hangup | failed // closed by the network
			}
		}
	}
	s.poller.collect()
	for _, k := range sockets {
		if k.state == socketDead || k.dial != nil {
			continue
		}
		for _, e := range k.ends {
			k.ready |= e.ready
			e.ready = 0
		}
		found = found || k.ready&(k.want|hangup|failed) != 0
	}
	return found
}

// watch is what a wait waits for: nothing but the waker, one direction of one connection, or more.
type watch struct {
	ends int
	end  *end // the first
	want events
}

// add adds a connection.
func (w *watch) add(e *end, want events) {
	if w.ends++; w.ends == 1 {
		w.end, w.want = e, want&(readable|writable)
	}
}

// isOne reports whether one direction of one connection is all that there is.
func (w *watch) isOne() bool { return w.ends == 1 && (w.want == readable || w.want == writable) }

// known returns what a socket is ready for that has no connection to ask. The result is 0 if it has
// one, or is ready for nothing.
func (k *socket) known() events {
	switch {
	case k.state == socketDead:
		return readable | writable | hangup | failed
	case k.state == socketDialing:
		return 0
	case k.state == socketLookup && k.lookup.isDone():
		return k.want & readable
	case k.state == socketIdle && k.failure != success:
		return readable | writable | hangup | failed
	case k.state == socketIdle && k.stream:
		return writable | hangup
	case k.state == socketIdle:
		return k.want & writable
	}
	return 0
}
