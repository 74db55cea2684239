package worker

import (
	"context"
	"os"
	"sync"
	"sync/atomic"

	"github.com/faaspot/faaspot/runtime/sandbox"
	"github.com/faaspot/faaspot/runtime/worker/internal/wire"
)

// The kinds about files on disk, which a worker sends.
const (
	kindFile      kind = firstDiskKind + iota // creates a file; the reply has a stream for its content, and the file to read
	kindFileDone                              // the reply comes when the content is written
	kindFileClose                             // gives the space back; no reply
)

// The disks of a worker.
const (
	diskImages = iota
	diskBundles
	disks
)

// disk is a disk of the server in its worker. The worker opens no file: the server writes what the worker
// sends, and the worker gets a descriptor that reads.
type disk struct {
	conn   *conn
	which  uint64
	room   atomic.Int64
	tokens streamTokens // of files that are not complete
}

var _ sandbox.Disk = (*disk)(nil)

// newDisk returns a disk of a worker's server, nil if that has no room.
func newDisk(c *conn, which uint64, room int64, tokens streamTokens) sandbox.Disk {
	if room == 0 {
		return nil
	}
	d := &disk{conn: c, which: which, tokens: tokens}
	d.room.Store(room)
	return d
}

// Room implements [sandbox.Disk].
func (d *disk) Room() int64 { return d.room.Load() }

// Close implements [sandbox.Disk].
func (d *disk) Close() error { return nil }

// Create implements [sandbox.Disk].
func (d *disk) Create(size int) (sandbox.DiskFile, error) {
	if err := d.tokens.take(context.Background()); err != nil {
		return nil, err
	}
	f, err := d.create(size)
	if err != nil {
		d.tokens.give()
		return nil, err
	}
	return f, nil
}

func (d *disk) create(size int) (*diskFile, error) {
	request := wire.AppendUint(wire.AppendUint(nil, d.which), uint64(size))
	reply, fds, err := d.conn.call(context.Background(), kindFile, request)
	if err != nil {
		closeFDs(fds)
		return nil, err
	}
	answer := wire.Decode(reply)
	d.room.Store(answer.Size())
	if len(fds) == 0 {
		return nil, sandbox.ErrNoRoom
	}
	if len(fds) != 2 {
		closeFDs(fds)
		return nil, wire.ErrMalformed
	}
	return &diskFile{
		disk: d, id: answer.Uint(),
		stream: os.NewFile(uintptr(fds[0]), "stream"), file: os.NewFile(uintptr(fds[1]), "file"),
	}, nil
}

// diskFile is a file on the server's disk.
type diskFile struct {
	disk *disk
	id   uint64

	mu     sync.Mutex
	stream *os.File // nil: the content is complete, or the file closed
	file   *os.File // nil: Finish has returned it, or the file is closed
	closed bool
}

// Write implements [sandbox.DiskFile].
func (f *diskFile) Write(p []byte) (int, error) {
	f.mu.Lock()
	stream := f.stream
	f.mu.Unlock()
	if stream == nil {
		return 0, os.ErrClosed
	}
	return stream.Write(p)
}

// Finish implements [sandbox.DiskFile].
func (f *diskFile) Finish() (*os.File, error) {
	if !f.endStream() {
		return nil, os.ErrClosed
	}
	_, fds, err := f.disk.conn.call(context.Background(), kindFileDone, wire.AppendUint(nil, f.id))
	closeFDs(fds)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	file := f.file
	f.file = nil
	if file == nil {
		return nil, os.ErrClosed
	}
	return file, nil
}

// endStream closes the stream, once.
func (f *diskFile) endStream() bool {
	f.mu.Lock()
	stream := f.stream
	f.stream = nil
	f.mu.Unlock()
	if stream == nil {
		return false
	}
	_ = stream.Close()
	f.disk.tokens.give()
	return true
}

// Close implements [sandbox.DiskFile].
func (f *diskFile) Close() error {
	f.endStream()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	if f.file != nil {
		_ = f.file.Close()
		f.file = nil
	}
	f.disk.conn.send(kindFileClose, wire.AppendUint(nil, f.id))
	return nil
}
