package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// lanesEach is the number of lanes of a processor: another run may come while one is computing.
	lanesEach = 2
	// maxLanes bounds the lanes of a worker, each of which has a thread there. Further processors have none.
	maxLanes = 64
	// maxProcessors bounds the numbers of processors.
	maxProcessors = 1 << 16
	// laneBytes bounds the payload of a run that goes through a lane, in bytes.
	laneBytes = 64 * runtime.KiB
	// pieceBytes is the largest piece of a message in a lane, in bytes: a run is one.
	pieceBytes = laneBytes + 4*runtime.KiB
	// laneSize is the shared memory of a lane, in bytes: a multiple of the size of a page on any machine.
	laneSize = 192 * runtime.KiB
	// laneControl is the part of it before the pieces of both directions.
	laneControl = 4 * runtime.KiB
	// laneBuffer is the size of the buffer of a lane's reader, in bytes.
	laneBuffer = 4 * runtime.KiB
	// laneLook is the time after which a server that waits for a worker looks whether the lane has ended: a
	// worker may do with the word at which it waits what it likes.
	laneLook = time.Second
)

// lane is shared memory that carries one run at a time, beside the main connection. Each processor has
// some. On each side, one thread waits for a lane, in a system call: that of the caller in the server, and
// one that makes the runs in the worker, which stays on the lane's processor. The server uses a lane of the
// processor on which it runs. So a run wakes one thread, which waits for no other processor. All else about
// the run goes over the main connection.
type lane struct {
	processor int
	in        *reader
	out       []byte
	from, to  direction
	look      time.Duration // see laneLook; 0: the peer is trusted
	ended     atomic.Bool
	busy      bool // see lanes

	mu     sync.Mutex
	memory []byte // nil: closed
}

// direction is one direction of a lane. It carries one piece at a time: the next one is written when the
// one before has been read.
type direction struct {
	*signals
	data  []byte
	count uint32 // pieces that this side has written or read
	at    int    // data[at:end] is what the reader has not read of a piece
	end   int
}

// signals are in shared memory, where the peer may write anything at any time: each value is read once,
// and checked. What a side writes is for its peer alone. The words of writer and reader are apart, because
// processors pass on 64 bytes at a time.
type signals struct {
	written     atomic.Uint32 // pieces
	size        atomic.Uint32 // of the latest piece, in bytes
	readerWaits atomic.Uint32 // 1: it must be woken
	_           [52]byte
	read        atomic.Uint32 // pieces
	writerWaits atomic.Uint32 // 1: it must be woken
	_           [56]byte
}

// errLane is the error of a peer that does with the shared memory what no peer does.
var errLane = errors.New("a lane is not used as agreed")

// newLane returns this side's end of a lane in a file.
func newLane(fd, index, processor int, server bool) (*lane, error) {
	memory, err := unix.Mmap(fd, int64(index*laneSize), laneSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	l := &lane{processor: processor, memory: memory}
	ways := [2]direction{}
	for i := range ways {
		start := laneControl + i*pieceBytes
		ways[i].signals = (*signals)(unsafe.Pointer(&memory[i*int(unsafe.Sizeof(signals{}))]))
		ways[i].data = memory[start : start+pieceBytes : start+pieceBytes]
	}
	if l.from, l.to = ways[0], ways[1]; server {
		l.from, l.to, l.look = ways[1], ways[0], laneLook
	}
	l.in = &reader{from: l, buf: make([]byte, laneBuffer)}
	return l, nil
}

// Read implements [io.Reader]. It waits for the peer, or for shutdown.
func (l *lane) Read(b []byte) (n int, err error) {
	d := &l.from
	if d.at == d.end {
		if err := l.wait(&d.written, d.count, &d.readerWaits); err != nil {
			return 0, err
		}
		size := d.size.Load()
		if d.written.Load() != d.count+1 || size == 0 || size > pieceBytes {
			return 0, errLane
		}
		d.at, d.end = 0, int(size)
	}
	n = copy(b, d.data[d.at:d.end])
	if d.at += n; d.at == d.end {
		d.count++
		d.read.Store(d.count)
		if d.writerWaits.Load() != 0 {
			wake(&d.read)
		}
	}
	return n, nil
}

// write writes all of b. A worker waits for its server; a server writes one piece, and waits for nothing.
func (l *lane) write(b []byte) error {
	d := &l.to
	for len(b) > 0 {
		for read := d.read.Load(); read != d.count; read = d.read.Load() {
			if l.look > 0 {
				return errLane
			}
			if err := l.wait(&d.read, read, &d.writerWaits); err != nil {
				return err
			}
		}
		n := copy(d.data, b)
		b = b[n:]
		d.size.Store(uint32(n))
		d.count++
		d.written.Store(d.count)
		if d.readerWaits.Load() != 0 {
			wake(&d.written)
		}
	}
	return nil
}

// wait waits until the peer has changed a word.
func (l *lane) wait(word *atomic.Uint32, old uint32, waits *atomic.Uint32) error {
	for word.Load() == old && !l.ended.Load() {
		waits.Store(1)
		sleep(word, old, l.look)
		waits.Store(0)
	}
	if l.ended.Load() {
		return errEnded
	}
	return nil
}

// send sends a frame whose payload has two parts.
func (l *lane) send(h header, payload, more []byte) error {
	h.size = len(payload) + len(more)
	l.out = append(append(h.append(l.out[:0]), payload...), more...)
	err := l.write(l.out)
	if cap(l.out) > copied {
		l.out = nil
	}
	return err
}

// shutdown ends what goes on in the lane.
func (l *lane) shutdown() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.memory == nil {
		return
	}
	l.ended.Store(true)
	// This side waits at the words of its peer: a thread that is about to sleep finds them changed.
	for _, word := range [...]*atomic.Uint32{&l.from.written, &l.to.read} {
		word.Add(1 << 31)
		wake(word)
	}
}

// close closes the lane, which nobody uses any more.
func (l *lane) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.memory != nil {
		_ = unix.Munmap(l.memory)
		l.memory = nil
	}
}

// lanes are those of a worker, as the server has them.
type lanes struct {
	mu     sync.Mutex
	all    []*lane
	on     [][]*lane // by the number of their processor
	closed bool
}

// open opens the lanes. It returns the memory that they share with the worker, which the caller must close.
func (s *lanes) open() (fds []int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	processors := allowedProcessors()
	processors = processors[:min(len(processors), maxLanes/lanesEach)]
	switch {
	case s.closed:
		return nil, errEnded
	case len(processors) == 0:
		return nil, nil
	}
	fd, err := newSharedMemory(len(processors) * lanesEach * laneSize)
	if err != nil {
		return nil, err
	}
	s.on = make([][]*lane, slices.Max(processors)+1)
	for i := range lanesEach * len(processors) {
		n := processors[i/lanesEach]
		l, err := newLane(fd, i, n, true)
		if err != nil {
			return []int{fd}, err
		}
		s.all, s.on[n] = append(s.all, l), append(s.on[n], l)
	}
	return []int{fd}, nil
}

// processors returns the processors of the lanes.
func (s *lanes) processors() (all []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.all {
		all = append(all, l.processor)
	}
	return all
}

// take returns a lane of this processor; nil if none is free.
func (s *lanes) take() *lane {
	n := currentProcessor()
	s.mu.Lock()
	defer s.mu.Unlock()
	if n >= len(s.on) || s.closed {
		return nil
	}
	for _, l := range s.on[n] {
		if !l.busy {
			l.busy = true
			return l
		}
	}
	return nil
}

func (s *lanes) give(l *lane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.busy = false; s.closed {
		l.close()
	}
}

// close ends what goes on in the lanes.
func (s *lanes) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, l := range s.all {
		if l.shutdown(); !l.busy {
			l.close()
		}
	}
}

// runIn makes a run through a lane.
func (w *peer) runIn(ctx context.Context, l *lane, id uint64, limit int, payload, args []byte) (reply []byte, err error) {
	defer w.lanes.give(l)
	defer context.AfterFunc(ctx, func() { _ = w.conn.out.send(header{kind: kindRun, flags: flagCancel, id: id}, nil, nil, nil, false) })()
	if err := l.send(header{kind: kindRun, flags: flagCall, id: id}, payload, args); err != nil {
		w.conn.abort(err)
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
	if h.flags&flagError != 0 {
		return nil, decodeError(reply)
	}
	return reply, nil
}

// openLanes starts the threads of the lanes in a file, and returns when all are on their processors. They
// serve when begin is closed, unless the worker has no sandbox then.
func (w *worker) openLanes(fd int, processors []int, begin <-chan struct{}) error {
	var bound sync.WaitGroup
	defer bound.Wait()
	for i, n := range processors {
		l, err := newLane(fd, i, n, false)
		if err != nil {
			return err
		}
		w.lanes = append(w.lanes, l)
		bound.Add(1)
		w.working.Go(func() {
			defer l.close()
			stayOn(n)
			bound.Done()
			if <-begin; w.box != nil {
				w.conn.abort(w.serveLane(l))
			}
		})
	}
	return nil
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
