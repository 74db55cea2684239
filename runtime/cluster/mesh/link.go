package mesh

import (
	"bufio"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// maxLinkMessage bounds the size of a message on a link, in bytes.
const maxLinkMessage = 64 << 20

// Link exchanges messages with another node on a connection of [Dialer.Link]. One goroutine may send while another one receives.
type Link struct {
	conn    net.Conn
	out     *bufio.Writer
	in      messages
	encoder *gob.Encoder
	decoder *gob.Decoder
}

// NewLink returns a link on a connection, which Close closes.
func NewLink(conn net.Conn) *Link {
	l := &Link{conn: conn, out: bufio.NewWriter(conn), in: messages{in: bufio.NewReader(conn), begin: func(int64) error { return nil }}}
	l.encoder, l.decoder = gob.NewEncoder(l.out), gob.NewDecoder(&l.in)
	return l
}

// OnMessage sets what Receive calls with the size of a message, in bytes, before it takes memory for it: about as much for what has come,
// which it keeps until the next message comes, and as much again for the message. An error of begin is that of Receive. A message may have
// others in front that say what it consists of. It is called before Receive.
func (l *Link) OnMessage(begin func(size int64) error) { l.in.begin = begin }

// Send sends a message within a time. After an error, the link is of no use.
func (l *Link) Send(message any, limit time.Duration) error {
	err := l.conn.SetWriteDeadline(time.Now().Add(limit))
	if err == nil {
		err = l.encoder.Encode(message)
	}
	if err == nil {
		err = l.out.Flush()
	}
	if err != nil {
		return fmt.Errorf("send a message to a node: %w", err)
	}
	return nil
}

// Receive receives a message, into a pointer to its zero value, within a time. After an error, the link is of no use.
func (l *Link) Receive(message any, limit time.Duration) error {
	l.in.most = maxLinkMessage
	err := l.conn.SetReadDeadline(time.Now().Add(limit))
	if err == nil {
		err = l.decoder.Decode(message)
	}
	if err != nil {
		return fmt.Errorf("receive a message of a node: %w", err)
	}
	return nil
}

// Close closes the connection.
func (l *Link) Close() error { return l.conn.Close() }

// messages is the input of a decoder, which notices where messages begin. In gob's format, each has its size in front: one byte below
// 128, or the negated number of the bytes that follow with the size, the most significant one first.
type messages struct {
	in    *bufio.Reader
	most  int64 // bytes that may still come
	left  int64 // of these, those of the message that has begun
	begin func(size int64) error
}

var errLinkMessage = errors.New("the message is too large")

// Read implements [io.Reader]. It returns bytes of one message.
func (m *messages) Read(b []byte) (int, error) {
	if m.left == 0 {
		if err := m.next(); err != nil {
			return 0, err
		}
	}
	n, err := m.in.Read(b[:min(int64(len(b)), m.left)])
	m.left -= int64(n)
	return n, err
}

// ReadByte implements [io.ByteReader]: a decoder reads an input that does not further than it has to.
func (m *messages) ReadByte() (byte, error) {
	var b [1]byte
	_, err := io.ReadFull(m, b[:])
	return b[0], err
}

// next looks at the size of the next message.
func (m *messages) next() error {
	head, err := m.in.Peek(1)
	if err != nil {
		return err
	}
	size, width := int64(head[0]), 1
	if size >= 1<<7 {
		width += 1<<8 - int(size)
		if width > 1+8 {
			return errLinkMessage
		}
		if head, err = m.in.Peek(width); err != nil {
			return err
		}
		size = 0
		for _, b := range head[1:] {
			size = size<<8 | int64(b)
		}
	}
	if size < 0 || size > m.most-int64(width) {
		return errLinkMessage
	}
	m.left = int64(width) + size
	m.most -= m.left
	return m.begin(size)
}
