package worker

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/sandbox"
	"github.com/faaspot/faaspot/runtime/worker/internal/wire"
)

// diskOf returns the disk of images of a new worker.
func diskOf(t testing.TB, f *Files) (d *disk, l *lentFiles) {
	t.Helper()
	_, worker := linked(t, func(server *conn) { l = newLent(server, &Options{Files: f}).files })
	var o sandbox.Options
	if err := borrow(context.Background(), worker, &o); err != nil {
		t.Fatal(err)
	}
	if o.BundleFiles != nil || o.Bundles != nil || o.Bytecode != nil {
		t.Error("the server has more than a disk for images")
	}
	return o.ImageFiles.(*disk), l
}

// sharedFolder returns the disks of workers that may have most bytes of images.
func sharedFolder(t testing.TB, most int64) (f *Files, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "images")
	f = OpenFiles(FileOptions{ImageDir: dir, ImageDisk: most, Log: slog.Default()})
	if f.disks[diskImages] == nil {
		t.Skip("the folder for temporary files is in memory")
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f, dir
}

// usedBy returns what the files of a worker take on the disk of images.
func usedBy(l *lentFiles) use {
	d := l.files.disks[diskImages]
	d.mu.Lock()
	defer d.mu.Unlock()
	return l.used[diskImages]
}

// inUse returns what the files of all workers take.
func (d *sharedDisk) inUse() use {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.used
}

// stored writes a file.
func stored(t testing.TB, d *disk, content []byte) (f sandbox.DiskFile, file *os.File) {
	t.Helper()
	f, err := d.Create(len(content))
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(content); at += 100_000 {
		if _, err := f.Write(content[at:min(at+100_000, len(content))]); err != nil {
			t.Fatal(err)
		}
	}
	if file, err = f.Finish(); err != nil {
		t.Fatal(err)
	}
	return f, file
}

// TestFilesInAWorker writes a file, reads it and gives it back. The worker can change nothing of it.
func TestFilesInAWorker(t *testing.T) {
	files, dir := sharedFolder(t, 10*runtime.MiB)
	before := countFiles(t)
	d, l := diskOf(t, files)
	content := bytes.Repeat([]byte("0123456789"), 100_000)
	f, file := stored(t, d, content)
	got := make([]byte, len(content))
	if _, err := file.ReadAt(got, 0); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the file does not have its content: %v", err)
	}
	if _, err := file.WriteAt([]byte("x"), 0); err == nil {
		t.Error("a worker can write to a file")
	}
	if err := file.Truncate(1 << 30); err == nil {
		t.Error("a worker can enlarge a file")
	}
	if entries, err := os.ReadDir(dir); len(entries) != 0 || err != nil {
		t.Errorf("the folder has %v, %v", entries, err)
	}
	if used := usedBy(l); used != (use{int64(len(content)), 1}) {
		t.Errorf("the worker uses %+v", used)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	// The space is free although the worker keeps its descriptor.
	for usedBy(l) != (use{}) {
		if _, _, err := d.conn.call(context.Background(), kindBorrow, nil); err != nil {
			t.Fatal(err)
		}
		l.work.Wait()
	}
	if stat, err := file.Stat(); err != nil || stat.Size() != 0 {
		t.Errorf("the file has %d bytes, %v", stat.Size(), err)
	}
	file.Close()
	l.close()
	waitForFiles(t, before+2) // the connection
}

// TestFilesAreShared: workers have equal shares, and one that ends gives back what it has.
func TestFilesAreShared(t *testing.T) {
	files, _ := sharedFolder(t, 3*runtime.MiB)
	shared := files.disks[diskImages]
	a, lentA := diskOf(t, files)
	content := make([]byte, runtime.MiB)
	var all []*os.File
	for range 3 {
		_, file := stored(t, a, content)
		all = append(all, file)
	}
	if _, err := a.Create(1); !errors.Is(err, sandbox.ErrNoRoom) {
		t.Errorf("more than there is: %v", err)
	}
	b, lentB := diskOf(t, files)
	if room := b.Room(); room != 3*runtime.MiB/2 {
		t.Errorf("a second worker may have %d bytes", room)
	}
	if _, err := b.Create(runtime.MiB); !errors.Is(err, sandbox.ErrNoRoom) {
		t.Errorf("the other worker has all: %v", err)
	}
	lentA.close()
	for _, file := range all {
		if stat, err := file.Stat(); err != nil || stat.Size() != 0 {
			t.Errorf("a file of a worker that has ended has %d bytes, %v", stat.Size(), err)
		}
		file.Close()
	}
	_, file := stored(t, b, content)
	file.Close()
	if _, err := b.Create(2*runtime.MiB + 1); !errors.Is(err, sandbox.ErrNoRoom) {
		t.Errorf("more than there is: %v", err)
	}
	if b.Room() != 3*runtime.MiB {
		t.Errorf("the only worker may have %d bytes", b.Room())
	}
	lentB.close()
	if shared.used != (use{}) || shared.workers != 0 {
		t.Errorf("%d workers use %+v", shared.workers, shared.used)
	}
}

// TestHostileFiles: a worker can have neither more files in the making than it may, nor bytes beyond the
// size of a file, nor files that are not its own.
func TestHostileFiles(t *testing.T) {
	files, _ := sharedFolder(t, runtime.GiB)
	before := countFiles(t)
	d, l := diskOf(t, files)
	request := wire.AppendUint(wire.AppendUint(nil, diskImages), 1000)
	var streams []int
	for i := range maxStreams + 5 {
		_, fds, err := d.conn.call(context.Background(), kindFile, request)
		closeFDs(fds[min(1, len(fds)):]) // the stream stays open
		if refused := runtime.CodeOf(err) == runtime.CodeTooBusy; refused != (i >= maxStreams) {
			t.Errorf("file %d: %v", i, err)
		}
		streams = append(streams, fds[:min(1, len(fds))]...)
	}
	for id := range uint64(maxStreams) {
		d.conn.send(kindFileClose, wire.AppendUint(nil, id+1))
	}
	closeFDs(streams)
	reply, fds, err := d.conn.call(context.Background(), kindFile, request)
	for runtime.CodeOf(err) == runtime.CodeTooBusy {
		reply, fds, err = d.conn.call(context.Background(), kindFile, request)
	}
	if err != nil || len(fds) != 2 {
		t.Fatalf("%d descriptors, %v", len(fds), err)
	}
	stream, file := os.NewFile(uintptr(fds[0]), "stream"), os.NewFile(uintptr(fds[1]), "file")
	_, _ = stream.Write(make([]byte, 100_000)) // the server may close it meanwhile
	answer := wire.Decode(reply)
	answer.Size()
	if _, _, err := d.conn.call(context.Background(), kindFileDone, wire.AppendUint(nil, answer.Uint())); err != nil {
		t.Error(err)
	}
	if got, err := io.ReadAll(file); len(got) != 1000 || err != nil {
		t.Errorf("the file has %d bytes, %v", len(got), err)
	}
	stream.Close()
	file.Close()
	for _, size := range []uint64{1 << 62, runtime.GiB + 1} {
		if _, fds, err := d.conn.call(context.Background(), kindFile, wire.AppendUint(wire.AppendUint(nil, diskImages), size)); err != nil || len(fds) != 0 {
			t.Errorf("a file of %d bytes: %d descriptors, %v", size, len(fds), err)
		}
	}
	if _, _, err := d.conn.call(context.Background(), kindFile, wire.AppendUint(wire.AppendUint(nil, disks), 1)); err == nil {
		t.Error("a disk that there is not has a file")
	}
	d.conn.send(kindFileClose, wire.AppendUint(nil, 1)) // closed before
	if _, _, err := d.conn.call(context.Background(), kindFile, request); !errors.Is(err, errEnded) {
		t.Errorf("the connection goes on: %v", err)
	}
	l.close()
	if used := files.disks[diskImages].inUse(); used != (use{}) {
		t.Errorf("%+v is left", used)
	}
	waitForFiles(t, before+2) // the connection
}

// TestFileWithoutContent: a file whose content is short is an error, and no file.
func TestFileWithoutContent(t *testing.T) {
	files, _ := sharedFolder(t, runtime.MiB)
	d, l := diskOf(t, files)
	f, err := d.Create(1000)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(make([]byte, 999)); err != nil {
		t.Error(err)
	}
	if file, err := f.Finish(); err == nil {
		t.Errorf("the file is %v", file)
	}
	if _, err := f.Write(nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Finish: %v", err)
	}
	if err := errors.Join(f.Close(), f.Close()); err != nil {
		t.Error(err)
	}
	l.close()
	if used := files.disks[diskImages].inUse(); used != (use{}) {
		t.Errorf("%+v is left", used)
	}
}
