package worker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
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
// waits for it: that of the caller in the server, and one that makes the runs in the worker. So a run wakes
// one goroutine on each side, while a run over the main connection wakes two. All else about the run goes
// over the main connection.
type lane struct {
	socket *net.UnixConn
	in     *reader
	out    []byte
}

func newLane(socket *net.UnixConn) *lane { return &lane{socket: socket, in: newReader(socket, false)} }

// send sends a frame whose payload has two parts.
func (l *lane) send(h header, payload, more []byte) error {
	h.size = len(payload) + len(more)
	l.out = append(append(h.append(l.out[:0]), payload...), more...)
	_, err := l.socket.Write(l.out)
	if cap(l.out) > 2*laneBytes {
		l.out = nil
	}
	return err
}

// lanes are those of a worker, as the server has them.
type lanes struct {
	mu   sync.Mutex
	free []*lane
	all  []*lane
}

// open opens the lanes. It returns the worker's ends, which the caller must close.
func (s *lanes) open() (fds []int, err error) {
	for range min(goruntime.GOMAXPROCS(0), maxFDs, maxLanes) {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fds, err
		}
		fds = append(fds, pair[1])
		socket, err := socketOf(pair[0])
		if err != nil {
			return fds, err
		}
		l := newLane(socket)
		s.free, s.all = append(s.free, l), append(s.all, l)
	}
	return fds, nil
}

// socketOf returns the connection of a descriptor, which it closes.
func socketOf(fd int) (*net.UnixConn, error) {
	f := os.NewFile(uintptr(fd), "lane")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	socket, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(errors.New("a lane is no Unix socket"), c.Close())
	}
	return socket, nil
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
	s.free = append(s.free, l)
}

// close ends what goes on in the lanes.
func (s *lanes) close() {
	for _, l := range s.all {
		l.socket.Close()
	}
}

// runIn makes a run through a lane.
func (w *peer) runIn(ctx context.Context, l *lane, id uint64, limit int, payload, args []byte) (reply []byte, err error) {
	defer context.AfterFunc(ctx, func() { _ = w.conn.out.send(header{kind: kindRun, flags: flagCancel, id: id}, nil, nil, nil, false) })()
	if l.send(header{kind: kindRun, flags: flagCall, id: id}, payload, args) != nil {
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
