package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/sandbox"
	"github.com/faaspot/faaspot/runtime/worker/internal/wire"
)

// FileOptions say where the images and the unpacked bundles of workers are on disk, as the options of a
// [sandbox.Sandbox] with these names do.
type FileOptions struct {
	ImageDir   string
	ImageDisk  int64
	BundleDir  string
	BundleDisk int64
	DiskFloor  int64
	Log        *slog.Logger
}

// Files are the disks of all workers. Each worker may have an equal share of the bytes and of the files.
type Files struct {
	disks [disks]*sharedDisk // nil: there is none
}

// sharedDisk is a disk that workers share.
type sharedDisk struct {
	folder *sandbox.Folder
	log    *slog.Logger

	mu      sync.Mutex
	workers int
	used    use // of all workers
	most    use
}

// use is what files take.
type use struct {
	bytes int64
	files int
}

func (u *use) add(bytes int64, files int) {
	u.bytes += bytes
	u.files += files
}

const (
	// mostLentFiles is the largest number of files that all workers have on a disk. The server has a
	// descriptor of each.
	mostLentFiles = 8192
	// lentFilesShare is the divisor of the server's limit of open files that gives the number of those.
	lentFilesShare = 8
	// leastLentFiles is the least number of files that a worker may have on a disk.
	leastLentFiles = 16
)

// OpenFiles prepares the folders. The caller must close them.
func OpenFiles(o FileOptions) *Files {
	f := &Files{}
	for i, folder := range [disks]*sandbox.Folder{
		diskImages:  sandbox.OpenFolder("images", o.ImageDir, o.ImageDisk, o.DiskFloor, o.Log),
		diskBundles: sandbox.OpenFolder("bundles", o.BundleDir, o.BundleDisk, o.DiskFloor, o.Log),
	} {
		if folder != nil {
			f.disks[i] = &sharedDisk{folder: folder, log: o.Log, most: use{folder.Room(), mostFiles()}}
		}
	}
	return f
}

// mostFiles returns the number of files that all workers may have on a disk.
func mostFiles() int {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return leastLentFiles
	}
	return int(max(leastLentFiles, min(l.Cur/lentFilesShare, mostLentFiles)))
}

// Close removes what is left in the folders. No worker uses them any more.
func (f *Files) Close() error {
	var errs []error
	for _, d := range f.disks {
		if d != nil {
			errs = append(errs, d.folder.Close())
		}
	}
	return errors.Join(errs...)
}

// disk returns a disk. Nil: there is none.
func (f *Files) disk(which uint64) *sharedDisk {
	if f == nil || which >= uint64(len(f.disks)) {
		return nil
	}
	return f.disks[which]
}

// join counts n more workers.
func (f *Files) join(n int) {
	for which := range uint64(disks) {
		if d := f.disk(which); d != nil {
			d.mu.Lock()
			d.workers += n
			d.mu.Unlock()
		}
	}
}

// share returns what one worker may use. It is called with mu held.
func (d *sharedDisk) share() use {
	workers := max(d.workers, 1)
	return use{d.most.bytes / int64(workers), max(d.most.files/workers, leastLentFiles)}
}

// room returns the bytes that one worker may use.
func (d *sharedDisk) room() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.share().bytes
}

// reserve reserves a file of size bytes for a worker, and reports whether it may have it.
func (d *sharedDisk) reserve(worker *use, size int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	share := d.share()
	if size > min(share.bytes-worker.bytes, d.most.bytes-d.used.bytes) || worker.files >= share.files || d.used.files >= d.most.files {
		return false
	}
	worker.add(size, 1)
	d.used.add(size, 1)
	return true
}

// giveBack returns what reserve has reserved.
func (d *sharedDisk) giveBack(worker *use, size int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	worker.add(-size, -1)
	d.used.add(-size, -1)
}

// lentFiles are the files that one worker has.
type lentFiles struct {
	conn  *conn
	files *Files
	used  [disks]use // guarded by the mutex of the disk
	work  sync.WaitGroup

	mu      sync.Mutex
	last    uint64
	open    map[uint64]*lentFile
	writing int // files whose content is not complete
	closed  bool
}

// lentFile is a file whose content a worker sends, and which it then reads.
type lentFile struct {
	disk   *sharedDisk
	used   *use
	size   int64
	file   *os.File // to write
	stream *os.File // has the content
	done   chan struct{}
	err    error // of the content; set when done is closed
}

// newLentFiles serves the calls about files of a worker's connection. The caller closes it.
func newLentFiles(c *conn, f *Files) *lentFiles {
	l := &lentFiles{conn: c, files: f, open: make(map[uint64]*lentFile)}
	f.join(1)
	c.handle(kindFile, l.create)
	c.handle(kindFileDone, l.finish)
	c.handlers[kindFileClose].note = l.drop
	return l
}

// close closes all files of the worker, whose connection has ended.
func (l *lentFiles) close() {
	l.mu.Lock()
	l.closed = true
	open := l.open
	l.open = nil
	l.mu.Unlock()
	for _, f := range open {
		l.work.Go(f.close)
	}
	l.work.Wait()
	l.files.join(-1)
}

// malformed ends the connection of a worker that has sent a malformed message, and returns the error.
func (l *lentFiles) malformed(d *wire.Decoder) error {
	err := d.Err()
	if err != nil {
		l.conn.abort(err)
	}
	return err
}

// room returns the bytes that the worker may have on a disk; 0: there is none.
func (l *lentFiles) room(which uint64) int64 {
	if disk := l.files.disk(which); disk != nil {
		return disk.room()
	}
	return 0
}

// create replies with the bytes that the worker may use, and a file if there is room for it.
func (l *lentFiles) create(_ context.Context, payload []byte, fds []int) ([]byte, []int, error) {
	closeFDs(fds)
	d := wire.Decode(payload)
	which, size := d.Uint(), d.Size()
	if err := l.malformed(&d); err != nil {
		return nil, nil, err
	}
	disk := l.files.disk(which)
	if disk == nil {
		return nil, nil, runtime.Errorf(runtime.CodeUnavailable, "the server has no such disk")
	}
	reply := wire.AppendUint(nil, uint64(disk.room()))
	used := &l.used[which]
	if !disk.reserve(used, size) {
		return reply, nil, nil
	}
	f := &lentFile{disk: disk, used: used, size: size, done: make(chan struct{})}
	id, lent, err := l.lend(f)
	if err != nil {
		disk.giveBack(used, size)
		return nil, nil, err
	}
	return wire.AppendUint(reply, id), lent, nil
}

// lend creates a file, and returns the descriptors for the worker.
func (l *lentFiles) lend(f *lentFile) (id uint64, lent []int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return 0, nil, errEnded
	case l.writing >= maxStreams:
		return 0, nil, tooManyError("files that are not complete")
	}
	var reading *os.File
	if f.file, reading, err = f.disk.folder.CreateLent(int(f.size)); err != nil {
		return 0, nil, runtime.Internal("worker.file", err)
	}
	defer reading.Close()
	stream, other, err := newStream()
	if err != nil {
		_ = f.file.Close()
		return 0, nil, err
	}
	kept, err := duplicate(reading)
	if err != nil {
		_, _ = f.file.Close(), stream.Close()
		closeFDs([]int{other})
		return 0, nil, err
	}
	f.stream = stream
	l.last++
	l.open[l.last] = f
	l.writing++
	l.work.Go(func() {
		f.fill()
		l.mu.Lock()
		l.writing--
		l.mu.Unlock()
	})
	return l.last, []int{other, kept}, nil
}

// duplicate returns another descriptor of a file.
func duplicate(file *os.File) (fd int, err error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return 0, err
	}
	if failed := raw.Control(func(own uintptr) { fd, err = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0) }); failed != nil {
		return 0, failed
	}
	return fd, err
}

// fill writes the content that the worker sends.
func (f *lentFile) fill() {
	defer close(f.done)
	defer f.stream.Close()
	n, err := io.CopyBuffer(struct{ io.Writer }{f.file}, struct{ io.Reader }{io.LimitReader(f.stream, f.size)}, make([]byte, streamPiece))
	if err == nil && n < f.size {
		err = fmt.Errorf("the content has %d bytes of %d", n, f.size)
	}
	if err != nil {
		f.err = runtime.Internal("worker.file", err)
	}
}

// close returns the space of the file, even if the worker has it open.
func (f *lentFile) close() {
	_ = f.stream.Close()
	<-f.done
	if err := errors.Join(f.file.Truncate(0), f.file.Close()); err != nil {
		f.disk.log.Warn("the file of an image cannot be removed", "err", err)
	}
	f.disk.giveBack(f.used, f.size)
}

// finish replies when the content of a file is written.
func (l *lentFiles) finish(ctx context.Context, payload []byte, fds []int) ([]byte, []int, error) {
	closeFDs(fds)
	d := wire.Decode(payload)
	id := d.Uint()
	if err := l.malformed(&d); err != nil {
		return nil, nil, err
	}
	l.mu.Lock()
	f := l.open[id]
	l.mu.Unlock()
	if f == nil {
		return nil, nil, runtime.Internal("worker.file", fmt.Errorf("there is no file %d", id))
	}
	select {
	case <-f.done:
		return nil, nil, f.err
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// drop handles the note that a file is closed.
func (l *lentFiles) drop(payload []byte) error {
	d := wire.Decode(payload)
	id := d.Uint()
	if err := d.Err(); err != nil {
		return fmt.Errorf("about a file: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.open[id]
	if f == nil {
		return fmt.Errorf("about a file: there is no file %d", id)
	}
	delete(l.open, id)
	l.work.Go(f.close)
	return nil
}
