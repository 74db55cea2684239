package disk

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// ManifestsName is the name of the file in the folder of a store that says how much of Pebble's manifest
// is on disk.
const ManifestsName = "manifest-synced"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Manifests notes how much of Pebble's manifest, which lists its tables, is on disk. Pebble takes what it
// cannot read of a manifest for a write that lost power has interrupted, and opens the state before. The
// note distinguishes damage from that.
//
// The note is written after each sync of a manifest. It is not synced: after lost power it may be an
// older one, which says less, and nothing wrong, because a manifest only grows. A note that cannot be
// written, read or understood says nothing.
type Manifests struct {
	fs   vfs.FS
	dir  string
	last note
}

// note says that a manifest has some bytes on disk.
type note struct {
	number uint64 // of the manifest; 0: the note says nothing
	size   int64  // bytes
	sum    uint32 // their CRC-32C
}

// text returns the content of the file, which has one length for all notes and ends with a checksum.
func (n note) text() string {
	said := fmt.Sprintf("%020d %020d %08x", n.number, n.size, n.sum)
	return fmt.Sprintf("%s %08x\n", said, crc32.Checksum([]byte(said), castagnoli))
}

func parseNote(text string) (n note) {
	var sum uint32
	if _, err := fmt.Sscanf(text, "%d %d %x %x\n", &n.number, &n.size, &n.sum, &sum); err != nil || n.text() != text {
		return note{}
	}
	return n
}

// OpenManifests returns the manifests of the store in a folder, with the note that an earlier process has
// left.
func OpenManifests(fsys vfs.FS, dir string) (*Manifests, error) {
	m := &Manifests{fs: fsys, dir: dir}
	f, err := fsys.Open(m.path())
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, 1<<10))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	m.last = parseNote(string(text))
	return m, nil
}

func (m *Manifests) path() string { return m.fs.PathJoin(m.dir, ManifestsName) }

// number returns the number of a manifest of the store; ok is false for any other file.
func (m *Manifests) number(name string) (number uint64, ok bool) {
	base := m.fs.PathBase(name)
	digits, ok := strings.CutPrefix(base, "MANIFEST-")
	if !ok || m.fs.PathJoin(m.dir, base) != name {
		return 0, false
	}
	number, err := strconv.ParseUint(digits, 10, 64)
	return number, err == nil
}

// Intact reports whether a manifest has all that the note says. A file that does not exist is not damaged
// in this sense: Pebble refuses it.
func (m *Manifests) Intact(name string) (intact bool, err error) {
	number, ok := m.number(name)
	if !ok || number != m.last.number {
		return true, nil
	}
	f, err := m.fs.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	sum := crc32.New(castagnoli)
	_, err = io.CopyN(sum, f, m.last.size)
	short := errors.Is(err, io.EOF)
	if short {
		err = nil
	}
	return !short && sum.Sum32() == m.last.sum, errors.Join(err, f.Close())
}

// Watch wraps a file system in which Pebble writes manifests, so that they are noted.
func (m *Manifests) Watch(watched vfs.FS) vfs.FS { return manifestFS{watched, m} }

// write stores a note, and with sync waits until it is on disk.
func (m *Manifests) write(text string, sync bool) error {
	f, err := m.fs.OpenReadWrite(m.path(), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if _, err = f.WriteAt([]byte(text), 0); err == nil && sync {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// begin is called before a manifest is created. After lost power Pebble may use a number again. A note of
// the former manifest with that number is then gone before there is the new one.
func (m *Manifests) begin(number uint64) error {
	if number > m.last.number {
		return nil
	}
	m.last = note{}
	return m.write(m.last.text(), true)
}

// synced is called when what a note says is on disk.
func (m *Manifests) synced(n note) {
	m.last = n
	_ = m.write(n.text(), false) // or else the note says less
}

// manifestFS is a file system that notes what Pebble has synced of a manifest. Pebble writes to one
// manifest at a time.
type manifestFS struct {
	vfs.FS
	m *Manifests
}

func (fs manifestFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	number, ok := fs.m.number(name)
	if !ok {
		return fs.FS.Create(name, category)
	}
	if err := fs.m.begin(number); err != nil {
		return nil, err
	}
	f, err := fs.FS.Create(name, category)
	if err != nil {
		return nil, err
	}
	return &manifestFile{File: f, m: fs.m, written: note{number: number}}, nil
}

type manifestFile struct {
	vfs.File
	m       *Manifests
	written note
	failed  bool // what is in the file is not known
}

func (f *manifestFile) Write(p []byte) (int, error) {
	sum := crc32.Update(f.written.sum, castagnoli, p) // before the write, which may change p
	n, err := f.File.Write(p)
	f.written.size, f.written.sum = f.written.size+int64(n), sum
	f.failed = f.failed || err != nil
	return n, err
}

func (f *manifestFile) Sync() error {
	err := f.File.Sync()
	f.failed = f.failed || err != nil
	if !f.failed {
		f.m.synced(f.written)
	}
	return err
}
