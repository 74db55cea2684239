package bundle

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/flate"
	"context"
	"errors"
	"hash/crc32"
	"io"
	"slices"
	"strings"

	"github.com/faaspot/faaspot/runtime"
)

// File is a file or a folder of a bundle.
type File struct {
	Path  string // separated by slashes, relative, without a slash at its end
	Size  int64  // bytes of a file, as announced; 0 for a folder
	IsDir bool
}

// Entry is the place of a file in the output of [Archive.Unpack].
type Entry struct {
	Path         string
	Offset, Size int64 // bytes
}

// Archive is a bundle whose structure, names and announced sizes are valid. It may be used by
// several goroutines at once.
type Archive struct {
	content io.ReaderAt
	tree    []node // sorted by path
	main    int    // index of runtime.BundleMain in tree
}

// node is a file or a folder. A folder may have no entry in the zip, only files below it.
type node struct {
	File
	method uint16
	crc    uint32
	packed int64 // bytes of the compressed content
	offset int64 // of the local header, until the headers are compared, then of the compressed content
	listed bool  // whether the zip has an entry for it
}

// Open returns the archive in content, which has size bytes, after checking everything that can be
// checked without inflating. It reads the directory and the header of each entry, and keeps at most
// some 30 MiB. The errors are *[runtime.Error] with CodeInvalidArgument or CodeTooLarge, or
// CodeInternal if the content cannot be read.
func Open(content io.ReaderAt, size int64) (*Archive, error) {
	if size > runtime.MaxBundle {
		return nil, tooLarge("the bundle has %d bytes, more than %d MiB", size, runtime.MaxBundle/runtime.MiB)
	}
	end, err := readEnd(content, size)
	if err != nil {
		return nil, err
	}
	t := newTree()
	if err := readDirectory(content, end, t); err != nil {
		return nil, err
	}
	main := t.find(runtime.BundleMain)
	if main < 0 || t.nodes[main].IsDir {
		return nil, t.withoutMain()
	}
	if size := t.nodes[main].Size; size > runtime.MaxSource {
		return nil, tooLarge("%s of the bundle has %d bytes, more than %d MiB", runtime.BundleMain, size, runtime.MaxSource/runtime.MiB).
			WithHint("move code into modules beside it, which may be larger")
	}
	if total := t.bytes; total > freeRatio && total/maxRatio > size {
		return nil, tooLarge("the bundle unpacks to more than %d times its size", maxRatio).
			WithHint("leave out files that are mostly the same bytes, and make them in main.py")
	}
	if err := checkHeaders(content, end.directory, t.nodes); err != nil {
		return nil, err
	}
	slices.SortFunc(t.nodes, func(a, b node) int { return cmp.Compare(a.Path, b.Path) })
	a := &Archive{content: content, tree: t.nodes}
	a.main = slices.IndexFunc(a.tree, func(n node) bool { return n.Path == runtime.BundleMain })
	return a, nil
}

// Files returns the files and folders, sorted by path, so that a folder comes before what it
// contains. It has the folders without an entry in the zip as well.
func (a *Archive) Files() []File {
	files := make([]File, len(a.tree))
	for i := range a.tree {
		files[i] = a.tree[i].File
	}
	return files
}

// Main returns the content of [runtime.BundleMain], at most [runtime.MaxSource] bytes.
func (a *Archive) Main() ([]byte, error) {
	out := bytes.NewBuffer([]byte{}) // so that an empty file is not nil, which means no file
	if err := newUnpacker(context.Background(), a.content).copy(out, &a.tree[a.main]); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Unpack writes the contents of all files one after the other, sorted by path, at most
// [runtime.MaxBundleUnpacked] bytes, and returns their places. A file whose content is not as long
// as announced, or has another checksum, is an error. So is the end of ctx. An error of w is
// returned as it is. After an error, w has got a part of the contents.
func (a *Archive) Unpack(ctx context.Context, w io.Writer) ([]Entry, error) {
	u := newUnpacker(ctx, a.content)
	var entries []Entry
	var offset int64
	for i := range a.tree {
		n := &a.tree[i]
		if n.IsDir {
			continue
		}
		if err := u.copy(w, n); err != nil {
			return nil, err
		}
		entries = append(entries, Entry{Path: n.Path, Offset: offset, Size: n.Size})
		offset += n.Size
	}
	return entries, nil
}

// unpacker inflates files one after the other with the same buffers.
type unpacker struct {
	ctx     context.Context
	content source
	packed  *bufio.Reader
	flate   io.ReadCloser
	buffer  []byte
}

// unpackBuffer is the size in bytes of the buffers on both sides of an inflater.
const unpackBuffer = 64 * runtime.KiB

func newUnpacker(ctx context.Context, content io.ReaderAt) *unpacker {
	// A reader of bytes, so that the inflater reads nothing behind the end of its data.
	packed := bufio.NewReaderSize(nil, unpackBuffer)
	return &unpacker{
		ctx:     ctx,
		content: source{ReaderAt: content},
		packed:  packed,
		flate:   flate.NewReader(packed),
		buffer:  make([]byte, unpackBuffer),
	}
}

// source remembers the first error of reading the content, which is no fault of the bundle.
type source struct {
	io.ReaderAt
	err error
}

func (s *source) ReadAt(p []byte, offset int64) (int, error) {
	n, err := s.ReaderAt.ReadAt(p, offset)
	if err != nil && n < len(p) && s.err == nil {
		s.err = err
	}
	return n, err
}

// copy writes the content of a file to w, and checks its length and checksum.
func (u *unpacker) copy(w io.Writer, n *node) error {
	u.packed.Reset(io.NewSectionReader(&u.content, n.offset, n.packed))
	var from io.Reader = u.packed
	if n.method == methodDeflate {
		if err := u.flate.(flate.Resetter).Reset(u.packed, nil); err != nil {
			return runtime.Internal("bundle.unpack", err)
		}
		from = u.flate
	}
	var written int64
	var crc uint32
	for {
		if err := u.ctx.Err(); err != nil {
			return err
		}
		got, err := from.Read(u.buffer)
		if written+int64(got) > n.Size {
			return refuse(n.Path, "is longer than the %d bytes that it announces", n.Size)
		}
		if got > 0 {
			crc = crc32.Update(crc, crc32.IEEETable, u.buffer[:got])
			if _, err := w.Write(u.buffer[:got]); err != nil {
				return err
			}
			written += int64(got)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return u.failed(n, err)
		}
	}
	if _, err := u.packed.ReadByte(); err == nil {
		return refuse(n.Path, "has bytes behind the end of its compressed content")
	} else if !errors.Is(err, io.EOF) {
		return u.failed(n, err)
	}
	switch {
	case u.content.err != nil:
		return u.failed(n, nil)
	case written != n.Size:
		return refuse(n.Path, "has %d bytes, but announces %d", written, n.Size)
	case crc != n.crc:
		return refuse(n.Path, "does not have the checksum that it announces")
	}
	return nil
}

// failed returns the error of a file that cannot be inflated.
func (u *unpacker) failed(n *node, err error) error {
	if u.content.err != nil {
		return runtime.Internal("bundle.unpack", u.content.err)
	}
	reason := "its compressed content is damaged"
	if errors.Is(err, io.ErrUnexpectedEOF) {
		reason = "its compressed content is cut off"
	}
	return refuse(n.Path, "cannot be unpacked: %s", reason)
}

// refuse returns the error about an entry of the zip. Its message begins with the entry's name.
func refuse(name, format string, args ...any) *runtime.Error {
	e := runtime.Errorf(runtime.CodeInvalidArgument, format, args...)
	e.Message = "the bundle's entry " + quote(name) + " " + e.Message
	return e.WithHint(hintAgain)
}

// malformed returns the error about a zip as a whole.
func malformed(format string, args ...any) *runtime.Error {
	return runtime.Errorf(runtime.CodeInvalidArgument, format, args...).WithHint(hintAgain)
}

// tooLarge returns the error for a bound that is exceeded.
func tooLarge(format string, args ...any) *runtime.Error {
	return runtime.Errorf(runtime.CodeTooLarge, format, args...).
		WithHint("leave out what the function does not need, such as tests and documentation of packages")
}

// Hints of refusals.
const (
	hintAgain  = "make the zip again, such as with `zip -r bundle.zip .`, or let `fas deploy DIR` make it"
	hintRename = "rename the file or folder, and make the zip again"
	hintPlain  = "make the zip again without a password"
)

// withoutMain returns the error for a bundle that has no main file at its root.
func (t *tree) withoutMain() error {
	err := runtime.Errorf(runtime.CodeInvalidArgument, "the bundle has no file %s at its root", runtime.BundleMain).
		WithHint("name the file that defines main(args, context) " + runtime.BundleMain)
	for i := range t.nodes {
		folder, name, below := strings.Cut(t.nodes[i].Path, "/")
		if below && name == runtime.BundleMain && !t.nodes[i].IsDir {
			return err.WithHint("the zip has it in the folder " + quote(folder) + ": zip what the folder contains, not the folder itself")
		}
	}
	return err
}
