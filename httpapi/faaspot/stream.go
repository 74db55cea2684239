package faaspot

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// streamBytes is the memory, in bytes, of a response that is streamed: a chunk, and the library's
	// buffers.
	streamBytes = 512 * runtime.KiB
	// firstRead is the number of bytes of a stream that are read before the answer begins.
	firstRead = 4 * runtime.KiB
	// slowestRead is the rate, in bytes per second, at which a client must read a stream after the
	// time that it has for any answer.
	slowestRead = 64 * runtime.KiB
)

// streamReader is the body of a response that another goroutine writes. The library reads it on the
// goroutine that serves the connection, and closes it.
type streamReader struct {
	*io.PipeReader
	first   []byte // read before the answer began
	sent    int64  // bytes
	conn    net.Conn
	began   time.Time
	timeout time.Duration // of any answer
}

// sendFile begins to read what write writes. Errors need a status, which an answer can only have before
// its body begins, so it waits for the first bytes.
func (a *api) sendFile(conn net.Conn, first int64, write func(io.Writer) error) (*streamReader, error) {
	pr, pw := io.Pipe()
	go func() {
		err := a.writeStream(pw, write)
		_ = pw.CloseWithError(err) // always nil
	}()
	r := &streamReader{PipeReader: pr, first: make([]byte, first), conn: conn, began: time.Now(), timeout: a.WriteTimeout}
	if _, err := io.ReadFull(pr, r.first); err != nil {
		_ = pr.Close() // always nil
		return nil, err
	}
	return r, nil
}

// writeStream calls write. It runs on a goroutine of its own, where no other code recovers.
func (a *api) writeStream(w io.Writer, write func(io.Writer) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = runtime.Internal("httpapi.stream", fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
			a.Log.Error("writing an answer panicked", slog.Any("err", err))
		}
	}()
	return write(w)
}

// Read returns the next bytes, once the client has read those before.
func (r *streamReader) Read(p []byte) (n int, err error) {
	if len(r.first) > 0 {
		n = copy(p, r.first)
		r.first = r.first[n:]
	} else if n, err = r.PipeReader.Read(p); err != nil {
		return n, err
	}
	r.sent += int64(n)
	deadline := r.began.Add(r.timeout + time.Duration(r.sent)*time.Second/slowestRead)
	if next := time.Now().Add(r.timeout); next.Before(deadline) {
		deadline = next
	}
	if r.conn == nil { // a test has none
		return n, nil
	}
	return n, r.conn.SetWriteDeadline(deadline)
}
