package worker

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/worker/internal/wire"
)

// Contents of bundles, of bytecode and of files go between a server and a worker over streams: pairs of
// sockets that the server creates, one end of which it sends to the worker. So no frame is large, and a
// content waits for its reader without keeping other frames waiting.

const (
	// maxStreams is the number of streams that a worker may have open at once, for bundles and bytecode; it
	// may have as many files that are not complete.
	maxStreams = 16
	// streamStall is the time after which the server ends the transfer of a bundle or of bytecode whose
	// worker neither reads nor writes.
	streamStall = 30 * time.Second
	// streamPiece is the number of bytes that are read from a stream at once.
	streamPiece = 64 * runtime.KiB
)

// newStream returns the ends of a stream: that of this process, and a descriptor for another one.
func newStream() (own *os.File, other int, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|nonBlocking|closeOnExec, 0)
	if err != nil {
		return nil, 0, runtime.Internal("worker.stream", os.NewSyscallError("socketpair", err))
	}
	return os.NewFile(uintptr(fds[0]), "stream"), fds[1], nil
}

// endWriting ends what is written to a stream: its reader gets io.EOF.
func endWriting(stream *os.File) error {
	raw, err := stream.SyscallConn()
	if err != nil {
		return err
	}
	failed := error(nil)
	if err := raw.Control(func(fd uintptr) { failed = unix.Shutdown(int(fd), unix.SHUT_WR) }); err != nil {
		return err
	}
	return os.NewSyscallError("shutdown", failed)
}

// prompt is a stream whose other end must not stall.
type prompt struct{ *os.File }

// Read implements [io.Reader].
func (p prompt) Read(b []byte) (int, error) {
	if err := p.SetReadDeadline(time.Now().Add(streamStall)); err != nil {
		return 0, err
	}
	return p.File.Read(b)
}

// Write implements [io.Writer]. It writes pieces, because the deadline is for each.
func (p prompt) Write(b []byte) (written int, err error) {
	for len(b) > 0 && err == nil {
		if err = p.SetWriteDeadline(time.Now().Add(streamStall)); err == nil {
			n := 0
			n, err = p.File.Write(b[:min(len(b), streamPiece)])
			b, written = b[n:], written+n
		}
	}
	return written, err
}

// lentStreams are the streams of one worker that no call has begun to use yet.
type lentStreams struct {
	mu     sync.Mutex
	last   uint64
	open   map[uint64]*os.File
	using  int // streams that calls use
	closed bool
}

// create serves kindStream: it replies with a new stream.
func (l *lentStreams) create(_ context.Context, payload []byte, fds []int) ([]byte, []int, error) {
	closeFDs(fds)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.open)+l.using >= maxStreams {
		l.dropOldest()
	}
	switch {
	case l.closed:
		return nil, nil, errEnded
	case len(payload) > 0 || len(l.open)+l.using >= maxStreams:
		return nil, nil, tooManyError("streams")
	}
	own, other, err := newStream()
	if err != nil {
		return nil, nil, err
	}
	if l.open == nil {
		l.open = make(map[uint64]*os.File)
	}
	l.last++
	l.open[l.last] = own
	return wire.AppendUint(nil, l.last), []int{other}, nil
}

// dropOldest closes the oldest stream that no call uses: its call was refused. It is called with mu held.
func (l *lentStreams) dropOldest() {
	if len(l.open) == 0 {
		return
	}
	id := slices.Min(slices.Collect(maps.Keys(l.open)))
	_ = l.open[id].Close()
	delete(l.open, id)
}

// tooManyError returns the error for a worker that has as many of something as it may have.
func tooManyError(what string) error {
	err := runtime.Errorf(runtime.CodeTooBusy, "a worker has too many %s open", what)
	err.RetryAfter = runtime.BusyRetry
	return err
}

// use returns a stream, which the caller must close by done. The end of ctx closes it, too.
func (l *lentStreams) use(ctx context.Context, id uint64) (stream prompt, done func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := l.open[id]
	if own == nil {
		return prompt{}, nil, runtime.Internal("worker.stream", fmt.Errorf("there is no stream %d", id))
	}
	delete(l.open, id)
	l.using++
	stop := context.AfterFunc(ctx, func() { _ = own.Close() })
	return prompt{own}, func() {
		stop()
		_ = own.Close()
		l.mu.Lock()
		l.using--
		l.mu.Unlock()
	}, nil
}

// close closes the streams that no call uses. Those that calls use end with the calls.
func (l *lentStreams) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, own := range l.open {
		_ = own.Close()
	}
	l.open = nil
}

// streamTokens bound the streams that a worker asks for.
type streamTokens chan struct{}

// take waits for a stream until ctx ends.
func (t streamTokens) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t streamTokens) give() { <-t }

// openStream asks the server for a stream.
func openStream(ctx context.Context, c *conn) (stream *os.File, id uint64, err error) {
	reply, fds, err := c.call(ctx, kindStream, nil)
	if err != nil {
		closeFDs(fds)
		return nil, 0, err
	}
	if stream, err = fileOf(fds); err != nil {
		return nil, 0, err
	}
	d := wire.Decode(reply)
	return stream, d.Uint(), nil
}

// copyPieces copies a stream to its end.
func copyPieces(to io.Writer, stream io.Reader) error {
	_, err := io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{stream}, make([]byte, streamPiece))
	return err
}
