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
	conn *net.UnixConn
	fds  []int  // descriptors that have arrived, before or with the first byte of their frame
	oob  []byte // for control messages; nil: no descriptors are accepted, and the system drops those that are sent
	buf  []byte
	from int // buf[from:to] has been read from the connection and not been used
	to   int
}

func newReader(conn *net.UnixConn, receivesFDs bool) *reader {
	r := &reader{conn: conn, buf: make([]byte, readBuffer)}
	if receivesFDs {
		r.oob = make([]byte, unix.CmsgSpace(4*maxFDs)*2)
	}
	return r
}

// read reads what there is, at least one byte.
func (r *reader) read(b []byte) (n int, err error) {
	if r.oob == nil {
		return r.conn.Read(b)
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
	for r.to-r.from < headerBytes {
		if r.from > 0 && len(r.buf)-r.from < headerBytes {
			r.to = copy(r.buf, r.buf[r.from:r.to])
			r.from = 0
		} else if r.from == r.to {
			r.from, r.to = 0, 0
		}
		n, err := r.read(r.buf[r.to:])
		if err != nil {
			if r.to > r.from && errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return header{}, err
		}
		r.to += n
	}
	h, err := parseHeader(r.buf[r.from:])
	if err == nil && h.fds > len(r.fds) {
		err = errors.New("a frame without its descriptors")
	}
	r.from += headerBytes
	return h, err
}

// payload reads the payload of a frame and takes its descriptors, which the caller must close. It is
// valid until the next call of next, unless own is true.
func (r *reader) payload(h header, own bool) (payload []byte, fds []int, err error) {
	if h.fds > 0 {
		fds, r.fds = r.fds[:h.fds:h.fds], append([]int(nil), r.fds[h.fds:]...)
	}
	if h.size <= r.to-r.from && !own {
		payload = r.buf[r.from : r.from+h.size]
		r.from += h.size
		return payload, fds, nil
	}
	if h.size == 0 {
		return nil, fds, nil
	}
	// Memory is taken as the bytes arrive, not as the header says.
	payload = make([]byte, min(h.size, runtime.MiB))
	n := copy(payload, r.buf[r.from:min(r.to, r.from+h.size)])
	r.from += n
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
