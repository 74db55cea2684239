package mesh

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"
)

// copyTime bounds how long one side of a copy waits for the other one to send, or to read.
const copyTime = 30 * time.Second

// copyData sends a copy of the data of this node, one at a time.
func (l *Listener) copyData(t *tunnel) {
	if l.Copy == nil || !l.copying.TryLock() {
		_, _ = io.WriteString(t.Conn, busyLine) // the other side asks another node
		return
	}
	defer l.copying.Unlock()
	if _, err := io.WriteString(t.Conn, acceptLine); err != nil {
		return
	}
	defer context.AfterFunc(l.ctx, func() { _ = t.socket.Close() })()
	if err := l.Copy(l.ctx, &patient{t.Conn}); err != nil {
		l.Log.Warn("cannot send a copy of the data to another node", "to", t.Conn.RemoteAddr().String(), "error", err)
	}
}

// Copy asks the node at an address for a copy of its data, and returns what it sends. An end without an error is not a
// sign that all of it has come.
func (d Dialer) Copy(ctx context.Context, address string) (io.ReadCloser, error) {
	conn, err := d.open(ctx, address, copyLine)
	if err != nil {
		return nil, fmt.Errorf("ask a node for a copy of its data: %w", err)
	}
	forget := context.AfterFunc(ctx, func() { _ = conn.Close() })
	return &copied{patient{conn}, forget}, nil
}

// copied is a copy that is being received.
type copied struct {
	patient
	forget func() bool
}

// Close implements [io.Closer].
func (c *copied) Close() error {
	c.forget()
	return c.patient.Close()
}

// patient is a connection whose other side must read, or send, within copyTime.
type patient struct{ net.Conn }

// Read implements [net.Conn].
func (p *patient) Read(b []byte) (int, error) {
	if err := p.SetReadDeadline(time.Now().Add(copyTime)); err != nil {
		return 0, err
	}
	return p.Conn.Read(b)
}

// Write implements [net.Conn].
func (p *patient) Write(b []byte) (int, error) {
	if err := p.SetWriteDeadline(time.Now().Add(copyTime)); err != nil {
		return 0, err
	}
	return p.Conn.Write(b)
}
