package mesh

import (
	"bufio"
	"encoding/gob"
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
	limit   *io.LimitedReader
	encoder *gob.Encoder
	decoder *gob.Decoder
}

// NewLink returns a link on a connection, which Close closes.
func NewLink(conn net.Conn) *Link {
	l := &Link{conn: conn, out: bufio.NewWriter(conn), limit: &io.LimitedReader{R: conn}}
	l.encoder, l.decoder = gob.NewEncoder(l.out), gob.NewDecoder(bufio.NewReader(l.limit))
	return l
}

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
	l.limit.N = maxLinkMessage
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
