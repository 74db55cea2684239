package worker

import (
	"errors"
	"io"
	"net"

	"golang.org/x/sys/unix"

	"github.com/faaspot/faaspot/runtime"
)

// readBuffer is the size of a reader's buffer, in bytes. Larger payloads are read into their own memory.
const readBuffer = 64 * runtime.KiB

// reader reads frames from a connection. It is not safe for concurrent use.
type reader struct {
	from io.Reader // nil: conn, with descriptors
	conn *net.UnixConn
	fds  []int  // descriptors that have arrived, before or with the first byte of their frame
	oob  []byte // for control messages; without it, the system drops descriptors that are sent
	buf  []byte
	at   int // buf[at:to] has been read from the connection and not been used
	to   int
}

// newReader returns a reader that accepts no descriptors.
func newReader(from io.Reader) *reader { return &reader{from: from, buf: make([]byte, readBuffer)} }

// newFDReader returns a reader that accepts descriptors.
func newFDReader(conn *net.UnixConn) *reader {
	return &reader{conn: conn, buf: make([]byte, readBuffer), oob: make([]byte, 2*unix.CmsgSpace(4*maxFDs))}
}

// read reads what there is, at least one byte.
func (r *reader) read(b []byte) (n int, err error) {
	if r.from != nil {
		return r.from.Read(b)
	}
	n, oobn, flags, _, err := r.conn.ReadMsgUnix(b, r.oob)
	if err != nil {
		return 0, err
	}
	if oobn > 0 {
		if err := r.keepFDs(r.oob[:oobn]); err != nil {
			return 0, err
		}
	}
	switch {
	case flags&unix.MSG_CTRUNC != 0 || len(r.fds) > maxFDs:
		return 0, errors.New("descriptors that belong to no frame")
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// keepFDs keeps the descriptors of a control message.
func (r *reader) keepFDs(control []byte) error {
	messages, err := unix.ParseSocketControlMessage(control)
	for i := range messages {
		if fds, err := unix.ParseUnixRights(&messages[i]); err == nil {
			r.fds = append(r.fds, fds...)
		}
	}
	return err
}

// next reads the header of the next frame. The caller must then call payload.
func (r *reader) next() (header, error) {
	for r.to-r.at < headerBytes {
		if r.at > 0 && len(r.buf)-r.at < headerBytes {
			r.to = copy(r.buf, r.buf[r.at:r.to])
			r.at = 0
		} else if r.at == r.to {
			r.at, r.to = 0, 0
		}
		n, err := r.read(r.buf[r.to:])
		if err != nil {
			if r.to > r.at && errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return header{}, err
		}
		r.to += n
	}
	h, err := parseHeader(r.buf[r.at:])
	if err == nil && h.fds > len(r.fds) {
		err = errors.New("a frame without its descriptors")
	}
	r.at += headerBytes
	return h, err
}

// payload reads the payload of a frame and takes its descriptors, which the caller must close. It is
// valid until the next call of next, unless own is true.
func (r *reader) payload(h header, own bool) (payload []byte, fds []int, err error) {
	if h.fds > 0 {
		fds, r.fds = r.fds[:h.fds:h.fds], append([]int(nil), r.fds[h.fds:]...)
	}
	if h.size <= r.to-r.at && !own {
		payload = r.buf[r.at : r.at+h.size]
		r.at += h.size
		return payload, fds, nil
	}
	if h.size == 0 {
		return nil, fds, nil
	}
	// Memory is taken as the bytes arrive, not as the header says.
	payload = make([]byte, min(h.size, runtime.MiB))
	n := copy(payload, r.buf[r.at:min(r.to, r.at+h.size)])
	r.at += n
	for n < h.size {
		if n == len(payload) {
			grown := make([]byte, min(h.size, 4*len(payload)))
			copy(grown, payload)
			payload = grown
		}
		more, err := r.read(payload[n:])
		if err != nil {
			closeFDs(fds)
			return nil, nil, err
		}
		n += more
	}
	return payload, fds, nil
}

// close closes the descriptors that belong to no frame.
func (r *reader) close() {
	closeFDs(r.fds)
	r.fds = nil
}

func closeFDs(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}
