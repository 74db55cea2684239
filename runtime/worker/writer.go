package worker

import (
	"errors"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// copied is the largest payload, in bytes, that is copied next to others. Larger ones are written
	// from where they are.
	copied = 16 * runtime.KiB
	// writeRounds is the number of batches that a sender writes before it leaves the rest to the flusher.
	writeRounds = 4
	// crowded is the number of bytes that wait from which on those that can wait do.
	crowded = runtime.MiB
	// maxHeld is the number of descriptors that wait to be sent and closed from which on that holds, too.
	maxHeld = 64
	// maxUnread bounds the bytes that a server keeps for a worker that does not read, beside what callers
	// hold.
	maxUnread = 64 * runtime.MiB
	// maxParts bounds the pieces of one write.
	maxParts = 64
)

// errUnread is the error of a peer that does not read what it has asked for.
var errUnread = errors.New("the worker does not read")

// writer writes frames to a connection, in the order in which they are sent. A sender never waits for the
// peer: it writes what the socket takes at once, together with what others send meanwhile, and leaves the
// rest to a goroutine. So neither side stops reading because the other does not read.
type writer struct {
	conn  *net.UnixConn
	raw   syscall.RawConn
	flush chan partly   // to the flusher: what a sender could not write at once
	ended chan struct{} // closed when the flusher has ended

	mu      sync.Mutex
	idle    sync.Cond // signalled when a batch is written
	waiting []chunk
	bytes   int      // that wait
	queued  int64    // bytes of all frames so far
	written int64    // of these, bytes of batches that are written
	held    int      // descriptors that are closed once they are sent
	going   int      // bytes of the batch that is being written
	own     int      // of these, bytes that no sender has
	limit   int      // largest own; 0: none
	spare   [][]byte // buffers to be used again
	writing bool     // a sender or the flusher writes
	err     error    // of the first write that failed, or why the writer was closed

	// Of the sender that writes:
	try   func(fd uintptr) bool // writes pieces; made once, because a closure costs memory
	parts [][]byte
	wrote int
	cause error
}

// chunk is a part of what is written.
type chunk struct {
	data   []byte
	joined bool  // data is the writer's own and may grow
	fds    []int // sent with the first byte
	closes bool  // the descriptors are closed once they are sent
}

// partly is a batch of which some bytes are written.
type partly struct {
	batch   []chunk
	written int
}

func newWriter(conn *net.UnixConn) (*writer, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	w := &writer{conn: conn, raw: raw, flush: make(chan partly, 1), ended: make(chan struct{})}
	w.idle.L = &w.mu
	w.try = func(fd uintptr) bool {
		if len(w.parts) == 1 {
			w.wrote, w.cause = unix.Write(int(fd), w.parts[0])
		} else {
			w.wrote, w.cause = unix.Writev(int(fd), w.parts)
		}
		return true
	}
	go w.flushAll()
	return w, nil
}

// send sends a frame whose payload has two parts. Those of more than copied bytes must not change until
// they are written, see pass, or the connection has ended; until then the descriptors stay open, too. With
// closes, the writer closes the descriptors.
func (w *writer) send(h header, payload, more []byte, fds []int, closes bool) error {
	h.size, h.fds = len(payload)+len(more), len(fds)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		if closes {
			closeFDs(fds)
		}
		return w.err
	}
	if closes {
		w.held += len(fds)
	}
	if len(fds) > 0 {
		w.waiting = append(w.waiting, chunk{data: w.buffer(), joined: true, fds: fds, closes: closes})
	}
	c := w.joined()
	c.data = h.append(c.data)
	w.own += headerBytes
	w.add(payload)
	w.add(more)
	w.bytes += headerBytes + h.size
	w.queued += int64(headerBytes + h.size)
	if w.limit > 0 && w.own > w.limit {
		w.err = errUnread
		_ = w.conn.Close()
	}
	if !w.writing {
		w.writing = true
		w.write()
	}
	return nil
}

// wait waits while many bytes or descriptors wait to be written. Senders of what is not bounded otherwise call it first.
func (w *writer) wait() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for (w.bytes+w.going > crowded || w.held > maxHeld) && w.err == nil {
		w.idle.Wait()
	}
}

// position returns the number of bytes of all frames so far.
func (w *writer) position() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.queued
}

// pass waits until all before a position is written, or nothing is written any more.
func (w *writer) pass(position int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.written < position && (w.err == nil || w.writing) {
		w.idle.Wait()
	}
}

// close makes all sends fail, and returns when nothing is written any more.
func (w *writer) close(cause error) {
	w.mu.Lock()
	if w.err == nil {
		w.err = cause
	}
	_ = w.conn.Close() // ends a write that waits for the peer
	for w.writing {
		w.idle.Wait()
	}
	w.drop(w.waiting)
	w.waiting = nil
	w.mu.Unlock()
	close(w.flush)
	<-w.ended
}

// The methods below are called with mu held.

// add adds a part of a frame to what waits.
func (w *writer) add(part []byte) {
	switch {
	case len(part) > copied:
		w.waiting = append(w.waiting, chunk{data: part})
	case len(part) > 0:
		c := w.joined()
		c.data = append(c.data, part...)
		w.own += len(part)
	}
}

// joined returns the last chunk that waits, which may grow.
func (w *writer) joined() *chunk {
	if n := len(w.waiting); n == 0 || !w.waiting[n-1].joined {
		w.waiting = append(w.waiting, chunk{data: w.buffer(), joined: true})
	}
	return &w.waiting[len(w.waiting)-1]
}

// buffer returns an empty buffer.
func (w *writer) buffer() []byte {
	if n := len(w.spare); n > 0 {
		b := w.spare[n-1]
		w.spare = w.spare[:n-1]
		return b
	}
	return nil
}

// write writes what waits, as far as the socket takes it at once. It unlocks mu meanwhile. The caller has
// set writing.
func (w *writer) write() {
	for range writeRounds {
		batch := w.take()
		w.mu.Unlock()
		written, all, err := w.writeNow(batch)
		w.mu.Lock()
		if !all && err == nil {
			w.flush <- partly{batch, written}
			return
		}
		if w.done(batch, err) {
			return
		}
	}
	w.flush <- partly{w.take(), 0}
}

// take takes what waits, to write it.
func (w *writer) take() []chunk {
	batch := w.waiting
	w.waiting, w.going, w.bytes = nil, w.bytes, 0
	return batch
}

// done notes that a batch is written, and reports whether nothing is left to write.
func (w *writer) done(batch []chunk, err error) bool {
	if err == nil {
		w.written += int64(w.going)
	}
	w.going = 0
	if err != nil && w.err == nil {
		w.err = err
		_ = w.conn.Close()
	}
	w.drop(batch)
	if len(w.waiting) > 0 && w.err == nil {
		w.idle.Broadcast()
		return false
	}
	w.writing = false
	w.idle.Broadcast()
	return true
}

// drop frees what a batch holds.
func (w *writer) drop(batch []chunk) {
	for i := range batch {
		c := &batch[i]
		if c.closes {
			closeFDs(c.fds)
			w.held -= len(c.fds)
		}
		if c.joined {
			w.own -= len(c.data)
		}
		if c.joined && len(w.spare) < 2 && cap(c.data) <= 4*copied {
			w.spare = append(w.spare, c.data[:0])
		}
		*c = chunk{}
	}
	if w.waiting == nil {
		w.waiting = batch[:0]
	}
}

// The methods below are called without mu, by the goroutine that writes.

// writeNow writes a batch as far as the socket takes it at once. It returns the number of bytes, and
// whether that is all.
func (w *writer) writeNow(batch []chunk) (written int, all bool, err error) {
	var size int
	w.parts = w.parts[:0]
	for i := range batch {
		if len(batch[i].fds) > 0 || i == maxParts {
			break
		}
		w.parts = append(w.parts, batch[i].data)
		size += len(batch[i].data)
	}
	if len(w.parts) == 0 {
		return 0, false, nil
	}
	if err := w.raw.Write(w.try); err != nil {
		return 0, false, err
	}
	all = len(w.parts) == len(batch)
	clear(w.parts)
	switch {
	case w.cause == nil:
		return w.wrote, all && w.wrote == size, nil
	case errors.Is(w.cause, unix.EAGAIN) || errors.Is(w.cause, unix.EINTR):
		return 0, false, nil
	}
	return 0, false, w.cause
}

// flushAll writes what senders could not write at once, until the writer is closed.
func (w *writer) flushAll() {
	defer close(w.ended)
	for rest := range w.flush {
		batch, err := rest.batch, w.writeAll(rest.batch, rest.written)
		w.mu.Lock()
		for !w.done(batch, err) {
			batch = w.take()
			w.mu.Unlock()
			err = w.writeAll(batch, 0)
			w.mu.Lock()
		}
		w.mu.Unlock()
	}
}

// writeAll writes a batch but for its first bytes.
func (w *writer) writeAll(batch []chunk, skip int) error {
	for i := range batch {
		data := batch[i].data
		if skip >= len(data) {
			skip -= len(data)
			continue
		}
		data, skip = data[skip:], 0
		if len(batch[i].fds) > 0 {
			n, _, err := w.conn.WriteMsgUnix(data, unix.UnixRights(batch[i].fds...), nil)
			if err != nil {
				return err
			}
			data = data[n:]
		}
		if len(data) > 0 {
			if _, err := w.conn.Write(data); err != nil {
				return err
			}
		}
	}
	return nil
}
