package worker

import (
	"context"
	"fmt"
	"io"
	goruntime "runtime"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// maxLanes bounds the lanes of a worker.
	maxLanes = 16
	// laneBytes bounds the payload of a run that goes through a lane, in bytes: the socket takes it at once.
	laneBytes = 64 * runtime.KiB
)

// lane is a connection beside the main one that carries one run at a time. On each side, one goroutine
// waits for it, in a system call: that of the caller in the server, and one that makes the runs in the
// worker. So a run wakes one thread on each side, and nothing else. All else about the run goes over the
// main connection.
type lane struct {
	in  *reader
	out []byte

	mu     sync.Mutex
	fd     int // waits in system calls
	closed bool
}

func newLane(fd int) (*lane, error) {
	l := &lane{fd: fd}
	l.in = newReader(l)
	return l, unix.SetNonblock(fd, false)
}

// Read implements [io.Reader]. It waits for the peer, or for shutdown.
func (l *lane) Read(b []byte) (n int, err error) {
	for {
		switch n, err = unix.Read(l.fd, b); {
		case err == unix.EINTR:
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// send sends a frame whose payload has two parts.
func (l *lane) send(h header, payload, more []byte) error {
	h.size = len(payload) + len(more)
	l.out = append(append(h.append(l.out[:0]), payload...), more...)
	for rest := l.out; len(rest) > 0; {
		n, err := unix.Write(l.fd, rest)
		if err != nil && err != unix.EINTR {
			return err
		}
		rest = rest[max(n, 0):]
	}
	if cap(l.out) > 2*laneBytes {
		l.out = nil
	}
	return nil
}

// shutdown ends what goes on in the lane.
func (l *lane) shutdown() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		_ = unix.Shutdown(l.fd, unix.SHUT_RDWR)
	}
}

// close closes the lane, which nobody uses any more.
func (l *lane) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		unix.Close(l.fd)
	}
}

// lanes are those of a worker, as the server has them.
type lanes struct {
	mu     sync.Mutex
	count  int // fixed before the first run
	free   []*lane
	all    []*lane
	closed bool
}

// open opens the lanes. It returns the worker's ends, which the caller must close.
func (s *lanes) open() (fds []int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errEnded
	}
	for range min(goruntime.GOMAXPROCS(0), maxFDs, maxLanes) {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|closeOnExec, 0)
		if err != nil {
			return fds, err
		}
		fds = append(fds, pair[1])
		l, err := newLane(pair[0])
		s.free, s.all = append(s.free, l), append(s.all, l)
		if err != nil {
			return fds, err
		}
	}
	s.count = len(s.all)
	return fds, nil
}

// take returns a lane that is free, the one that was used last; nil if there is none.
func (s *lanes) take() *lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.free)
	if n == 0 {
		return nil
	}
	l := s.free[n-1]
	s.free = s.free[:n-1]
	return l
}

func (s *lanes) give(l *lane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		l.close()
		return
	}
	s.free = append(s.free, l)
}

// close ends what goes on in the lanes.
func (s *lanes) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, l := range s.all {
		l.shutdown()
	}
	for _, l := range s.free {
		l.close()
	}
	s.free = nil
}

// runIn makes a run through a lane.
func (w *peer) runIn(ctx context.Context, l *lane, id uint64, limit int, payload, args []byte) (reply []byte, err error) {
	defer context.AfterFunc(ctx, func() { _ = w.conn.out.send(header{kind: kindRun, flags: flagCancel, id: id}, nil, nil, nil, false) })()
	if l.send(header{kind: kindRun, flags: flagCall, id: id}, payload, args) != nil {
		l.close()
		w.conn.abort(errEnded)
		return nil, errEnded
	}
	h, err := l.in.next()
	switch {
	case err != nil:
	case h.kind != kindRun || h.flags&^flagError != flagReply || h.id != id || h.size > limit || h.fds > 0:
		err = fmt.Errorf("a frame of kind %d with flags %#x, id %d and %d bytes is no reply to run %d", h.kind, h.flags, h.id, h.size, id)
	default:
		reply, _, err = l.in.payload(h, true)
	}
	if err != nil {
		l.close()
		w.conn.abort(err)
		return nil, errEnded
	}
	w.lanes.give(l)
	if h.flags&flagError != 0 {
		return nil, decodeError(reply)
	}
	return reply, nil
}

// serveLane makes the runs of a lane, until the server closes it.
func (w *worker) serveLane(l *lane) error {
	defer l.close()
	for {
		h, err := l.in.next()
		if err != nil {
			return err
		}
		payload, _, err := l.in.payload(h, true)
		if err != nil {
			return err
		}
		ctx, done := w.conn.serving(h.id)
		reply, _, err := w.onRun(ctx, &request{id: h.id, payload: payload})
		done()
		flags := uint8(flagReply)
		if err != nil {
			flags, reply = flagReply|flagError, appendError(nil, err)
		}
		if err := l.send(header{kind: h.kind, flags: flags, id: h.id}, reply, nil); err != nil {
			return err
		}
	}
}
