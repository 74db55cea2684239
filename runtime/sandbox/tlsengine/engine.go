package tlsengine

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"sync"
)

// Status is the result of an operation of an [Engine].
type Status int32

const (
	// OK means that the operation is done.
	OK Status = iota
	// WantRead means that the operation continues when more was received.
	WantRead
	// WantWrite means that output must be sent before the operation can start or end.
	WantWrite
	// Closed means that the peer has ended its direction by close_notify.
	Closed
	// EOF means that the transport has ended without close_notify.
	EOF
	// Failed means that TLS has failed: see [Engine.Failure].
	Failed Status = 7
	// Unverified means that the peer's certificate was refused: see [Engine.Failure].
	Unverified Status = 8
)

const (
	// maxPlaintext is the size of the largest record, in bytes of plaintext.
	maxPlaintext = 16 << 10
	// maxWrite is the number of bytes that one call of Write encrypts.
	maxWrite = 4 * maxPlaintext
)

// Engine is one end of a TLS connection over memory. It serves one goroutine at a time.
type Engine struct {
	transport
	conn     *tls.Conn
	config   *config
	complete bool // the handshake is done
	verified []*x509.Certificate
	greeted  bool     // a server has read the client's hello
	shared   []uint16 // cipher suites of the client that the server has
	plain    []byte   // buffer of rest
	rest     []byte   // plaintext that was read and not asked for
	unsent   int      // plaintext bytes of a Write that has returned WantWrite
	notified bool     // close_notify was written
	peerDone bool     // the peer's close_notify was read
	session  *Session // of this connection
	received int64    // bytes during the handshake
	parsed   int64    // bytes of memory of the peer's certificates
	failure  *Failure
	status   Status // Failed or Unverified once it has failed
}

// New returns an engine. The error is a [*Failure] or [ErrSettings].
func New(s *Settings, o Options) (*Engine, error) {
	e := &Engine{}
	c, err := newConfig(s, o, e)
	if err != nil {
		return nil, err
	}
	e.config = c
	if s.ServerSide {
		e.conn = tls.Server(&e.transport, c.tls)
	} else {
		e.conn = tls.Client(&e.transport, c.tls)
	}
	return e, nil
}

// blocked returns the status of an engine that cannot do anything now.
func (e *Engine) blocked() Status {
	switch {
	case e.failure != nil:
		return e.status
	case len(e.out) >= maxOutput:
		return WantWrite
	}
	return OK
}

// Handshake continues the handshake. Once it is done, it returns OK.
func (e *Engine) Handshake() Status {
	if s := e.blocked(); s != OK || e.complete {
		return s
	}
	if e.handshake == nil {
		if f := e.config.refused; f != nil {
			return e.fail(f)
		}
		e.handshake = startHandshake(e.conn.Handshake)
	}
	h := e.handshake
	if !h.step() {
		return WantRead
	}
	e.handshake = nil
	if h.err != nil {
		return e.failed(h.err)
	}
	e.complete = true
	e.message, e.longest = 0, 0
	return OK
}

// plains are buffers for one record.
var plains = sync.Pool{New: func() any { return new([maxPlaintext]byte) }}

// Read reads plaintext, after the handshake: at least one byte if p is not empty, and the rest of one
// record at most.
func (e *Engine) Read(p []byte) (int, Status) {
	if len(e.rest) > 0 {
		n := copy(p, e.rest)
		if e.rest = e.rest[n:]; len(e.rest) == 0 {
			plains.Put((*[maxPlaintext]byte)(e.plain))
			e.plain = nil
		}
		return n, OK
	}
	if s := e.Handshake(); s != OK || len(p) == 0 {
		return 0, s
	}
	if e.peerDone {
		return 0, Closed
	}
	if len(p) >= maxPlaintext {
		n, err := e.conn.Read(p)
		if n > 0 {
			e.message = 0
			return n, OK
		}
		return 0, e.readFailed(err)
	}
	buffer := plains.Get().(*[maxPlaintext]byte)
	n, err := e.conn.Read(buffer[:])
	if n == 0 {
		plains.Put(buffer)
		return 0, e.readFailed(err)
	}
	e.plain, e.rest, e.message = buffer[:], buffer[:n], 0
	return e.Read(p)
}

// readFailed returns the status of a Read that has returned nothing.
func (e *Engine) readFailed(err error) Status {
	switch {
	case errors.Is(err, errWait):
		return WantRead
	case e.sawEnd && errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return EOF
	case errors.Is(err, io.EOF):
		e.peerDone = true
		return Closed
	}
	return e.failed(err)
}

// Write encrypts the start of p, after the handshake, and returns the number of bytes.
func (e *Engine) Write(p []byte) (int, Status) {
	if s := e.Handshake(); s != OK || len(p) == 0 {
		return 0, s
	}
	if e.notified {
		return 0, e.fail(newFailure("PROTOCOL_IS_SHUTDOWN"))
	}
	n, err := e.conn.Write(p[:min(len(p), maxWrite)])
	if err != nil {
		return 0, e.failed(err)
	}
	return n, OK
}

// Retain notes that n bytes of plaintext were encrypted and not sent, by a write that is to be
// repeated. Retained returns the number of a repeated write, once its output was sent.
func (e *Engine) Retain(n int) { e.unsent = n }

// Retained returns the number of bytes of plaintext that the write to repeat has encrypted, and
// forgets it. A write of fewer bytes than that fails.
func (e *Engine) Retained(length int) (int, Status) {
	n := e.unsent
	if n > length {
		return 0, e.fail(newFailure("BAD_LENGTH"))
	}
	e.unsent = 0
	return n, OK
}

// Repeats reports whether a write is to be repeated.
func (e *Engine) Repeats() bool { return e.unsent > 0 }

// Shutdown sends close_notify, and returns OK when the peer's was received as well.
func (e *Engine) Shutdown() Status {
	if s := e.blocked(); s != OK {
		return s
	}
	if !e.complete {
		return e.fail(newFailure("SHUTDOWN_WHILE_IN_INIT"))
	}
	if !e.notified {
		e.notified = true
		if err := e.conn.CloseWrite(); err != nil {
			return e.failed(err)
		}
	}
	if e.peerDone {
		return OK
	}
	var one [1]byte
	n, status := e.Read(one[:])
	switch {
	case n > 0:
		return e.fail(newFailure("APPLICATION_DATA_AFTER_CLOSE_NOTIFY"))
	case status == Closed:
		return OK
	}
	return status
}

// Feed adds received bytes, and returns how many of them the engine takes.
func (e *Engine) Feed(p []byte) int {
	n := 0
	for n < len(p) {
		room := e.Room()
		if len(room) == 0 {
			break
		}
		k := copy(room, p[n:])
		e.Received(k)
		n += k
	}
	return n
}

// Room returns a buffer for received bytes, of up to [MaxInput] bytes. The caller must call Received.
func (e *Engine) Room() []byte { return e.room() }

// RecordRoom is Room for the next part of a record at most: its header, or the rest of its content. So
// what follows the record stays in the caller's connection, where a poll sees it.
func (e *Engine) RecordRoom() []byte {
	room := e.room()
	return room[:min(len(room), e.frame.missing())]
}

// AtRecordStart reports whether all records that were received are complete.
func (e *Engine) AtRecordStart() bool { return e.frame.n == 0 }

// Received adds the first n bytes of what Room has returned.
func (e *Engine) Received(n int) {
	e.transport.received(n)
	if !e.complete {
		e.received += int64(n)
	}
}

// End notes that the transport has ended.
func (e *Engine) End() { e.ended = true }

// Output returns the bytes to send.
func (e *Engine) Output() []byte { return e.out }

// Sent removes the first n bytes of the output.
func (e *Engine) Sent(n int) { e.sent(n) }

// Pending returns the number of bytes that Read returns without further input.
func (e *Engine) Pending() int { return len(e.rest) }

// Failure returns the error of the latest operation that has returned Failed or Unverified, or nil.
func (e *Engine) Failure() *Failure { return e.failure }

// Complete reports whether the handshake is done.
func (e *Engine) Complete() bool { return e.complete }

// Close ends the engine. It sends nothing.
func (e *Engine) Close() {
	e.closed = true
	if h := e.handshake; h != nil {
		e.handshake = nil
		h.stop()
	}
	e.releaseInput()
	if e.plain != nil {
		plains.Put((*[maxPlaintext]byte)(e.plain))
		e.plain, e.rest = nil, nil
	}
	e.out = nil
	if e.failure == nil {
		e.fail(newFailure("PROTOCOL_IS_SHUTDOWN"))
	}
}

// fail ends the connection with an error.
func (e *Engine) fail(f *Failure) Status {
	e.failure, e.status = f, Failed
	if f.VerifyCode != 0 {
		e.status = Unverified
	}
	return e.status
}

// failed ends the connection with an error of crypto/tls.
func (e *Engine) failed(err error) Status {
	switch atEnd := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF); {
	case atEnd && e.sawEnd:
		return EOF
	case atEnd && e.config.server && !e.greeted:
		return e.fail(newFailure("UNEXPECTED_MESSAGE"))
	case atEnd:
		return Closed
	}
	return e.fail(e.explain(err))
}

// overhead is the number of bytes of an engine without its buffers: crypto/tls's connection, its
// configuration and the state of its ciphers. BenchmarkEngineMemory measures it.
const overhead = 48 << 10

// perReceived is the number of bytes that an engine takes for each byte that it receives in the
// handshake, beside the peer's certificates as they are parsed.
const perReceived = 4

// maxMessage is the size of the longest message of TLS after the handshake, such as a ticket, in bytes.
const maxMessage = 64 << 10

// Size returns the number of bytes of memory that the engine takes, or more.
func (e *Engine) Size() int64 {
	size := overhead + e.config.size + perReceived*e.received + e.parsed + int64(len(e.buffer)+cap(e.out)+len(e.plain))
	if e.longest > 2*maxPlaintext { // it was in a buffer that doubles, which crypto/tls keeps
		size += 2 * min(e.longest, maxMessage)
	}
	return size
}

// isPEM reports whether data is PEM rather than DER.
func isPEM(data []byte) bool { return bytes.Contains(data, []byte("-----BEGIN ")) }
