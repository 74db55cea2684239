package tlsengine

import (
	"bytes"
	"io"
	"net"
	"sync"
	"time"
)

// transport is the connection that crypto/tls uses: two buffers in memory.
type transport struct {
	in     []byte  // received, and not read by crypto/tls
	buffer []byte  // that in is a part of
	out    []byte  // written by crypto/tls, and not sent
	ended  bool    // no more will be received
	sawEnd bool    // crypto/tls has read up to the end
	closed bool    // the engine is closed
	tail   [7]byte // the latest bytes that crypto/tls has read
	// message is the number of bytes that crypto/tls has read since the handshake or the latest plaintext,
	// of messages such as tickets, and longest the largest that there was.
	message, longest int64
	frame            frame
	// handshake is what Read waits in for bytes; nil: it does not wait.
	handshake *handshake
}

// errWait is the error of a Read that lacks bytes. crypto/tls continues after temporary errors.
var errWait net.Error = waitError{}

type waitError struct{}

func (waitError) Error() string   { return "tlsengine: nothing was received" }
func (waitError) Timeout() bool   { return true }
func (waitError) Temporary() bool { return true }

// Read implements [net.Conn]. During the handshake it waits for bytes.
func (t *transport) Read(p []byte) (int, error) {
	for len(t.in) == 0 {
		switch {
		case t.closed:
			return 0, net.ErrClosed
		case t.ended:
			t.sawEnd = true
			return 0, io.EOF
		case t.handshake == nil:
			return 0, errWait
		case !t.handshake.pause():
			return 0, net.ErrClosed
		}
	}
	n := copy(p, t.in)
	t.note(t.in[:n])
	t.message += int64(n)
	t.longest = max(t.longest, t.message)
	if t.in = t.in[n:]; len(t.in) == 0 {
		t.releaseInput()
	}
	return n, nil
}

// note notes bytes that crypto/tls has read.
func (t *transport) note(p []byte) {
	if n := len(t.tail); len(p) < n {
		copy(t.tail[:], t.tail[len(p):])
		copy(t.tail[n-len(p):], p)
	} else {
		copy(t.tail[:], p[len(p)-n:])
	}
}

// plainAlert returns the number of the alert that crypto/tls has read last, if it was not encrypted.
func (t *transport) plainAlert() (uint8, bool) {
	return t.tail[6], bytes.Equal(t.tail[:6], []byte{21, 3, 3, 0, 2, 2})
}

// Write implements [net.Conn].
func (t *transport) Write(p []byte) (int, error) {
	if t.closed {
		return 0, net.ErrClosed
	}
	t.out = append(t.out, p...)
	return len(p), nil
}

// Close implements [net.Conn].
func (t *transport) Close() error { return nil }

// LocalAddr implements [net.Conn].
func (t *transport) LocalAddr() net.Addr { return address{} }

// RemoteAddr implements [net.Conn].
func (t *transport) RemoteAddr() net.Addr { return address{} }

// SetDeadline implements [net.Conn].
func (t *transport) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements [net.Conn].
func (t *transport) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements [net.Conn].
func (t *transport) SetWriteDeadline(time.Time) error { return nil }

// address is the address of a transport, which has none.
type address struct{}

func (address) Network() string { return "memory" }
func (address) String() string  { return "memory" }

// MaxInput is the number of received bytes that an engine keeps until they are used.
const MaxInput = 64 << 10

// maxOutput is the number of bytes to send beyond which an engine computes nothing.
const maxOutput = 64 << 10

// inputs are buffers of MaxInput bytes. An engine has one only while there is unused input.
var inputs = sync.Pool{New: func() any { return new([MaxInput]byte) }}

// room returns where received bytes are to be put.
func (t *transport) room() []byte {
	if t.buffer == nil {
		t.buffer = inputs.Get().(*[MaxInput]byte)[:]
		t.in = t.buffer[:0]
	}
	if used := len(t.buffer) - cap(t.in); used > 0 && len(t.in) < MaxInput/2 {
		t.in = t.buffer[:copy(t.buffer, t.in)]
	}
	return t.in[len(t.in):cap(t.in)]
}

// received adds n bytes that were put into the room.
func (t *transport) received(n int) {
	t.frame.add(t.in[len(t.in) : len(t.in)+n])
	if t.in = t.in[:len(t.in)+n]; len(t.in) == 0 {
		t.releaseInput()
	}
}

func (t *transport) releaseInput() {
	if t.buffer != nil {
		inputs.Put((*[MaxInput]byte)(t.buffer))
		t.buffer, t.in = nil, nil
	}
}

// headerSize is the size of the header of a record, in bytes.
const headerSize = 5

// frame is the position of received bytes in a record.
type frame struct {
	header [headerSize]byte
	n      int // bytes of the header
	left   int // bytes of the content
}

// add adds received bytes.
func (f *frame) add(p []byte) {
	for len(p) > 0 {
		if f.n < headerSize {
			k := copy(f.header[f.n:], p)
			f.n += k
			f.left = int(f.header[3])<<8 | int(f.header[4])
			p = p[k:]
		} else {
			k := min(f.left, len(p))
			f.left -= k
			p = p[k:]
		}
		if f.n == headerSize && f.left == 0 {
			*f = frame{}
		}
	}
}

// missing returns the number of bytes until the end of the header, or else of the record.
func (f *frame) missing() int {
	if f.n < headerSize {
		return headerSize - f.n
	}
	return f.left
}

// keptOutput is the capacity of an empty output buffer that an engine keeps.
const keptOutput = 4 << 10

// sent removes n bytes from the start of the output.
func (t *transport) sent(n int) {
	switch {
	case n < len(t.out):
		t.out = t.out[:copy(t.out, t.out[n:])]
	case cap(t.out) > keptOutput:
		t.out = nil
	default:
		t.out = t.out[:0]
	}
}
