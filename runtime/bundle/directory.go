package bundle

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"io"
	"slices"
	"strings"

	"github.com/faaspot/faaspot/runtime"
)

// Records of a zip, as PKWARE's APPNOTE.TXT 6.3.10 numbers and orders them.
const (
	signatureLocal     = 0x04034b50
	signatureDirectory = 0x02014b50
	signatureEnd       = 0x06054b50

	lenLocal     = 30 // bytes without the name and the extra fields
	lenDirectory = 46 // bytes without the name, the extra fields and the comment
	lenEnd       = 22 // bytes without the comment

	methodStore   = 0
	methodDeflate = 8

	flagEncrypted  = 1 << 0
	flagDescriptor = 1 << 3 // sizes and checksum follow the content
	flagPatch      = 1 << 5
	flagStrong     = 1 << 6  // strong encryption
	flagMasked     = 1 << 13 // the local header is encrypted

	extraZip64 = 1 // id of the extra field with sizes of 64 bits

	absent16 = 1<<16 - 1 // the field is in a zip64 record
	absent32 = 1<<32 - 1
)

// Types of files in the upper half of the external attributes, as in st_mode.
const (
	modeType    = 0o170000
	modeRegular = 0o100000
	modeFolder  = 0o040000
	modeLink    = 0o120000
)

// maxInflation is the largest number of bytes that one byte of deflated data can stand for, rounded
// up.
const maxInflation = 1032

// endRecord is what the end of a zip says about its directory.
type endRecord struct {
	entries         int
	directory, size int64 // offset and length in bytes
}

var le = binary.LittleEndian

// readEnd returns the end record of a zip. The zip must end with it and its comment, and the
// directory must end where it begins.
func readEnd(content io.ReaderAt, size int64) (endRecord, error) {
	var none endRecord
	if size < lenEnd {
		return none, notZip()
	}
	tail := make([]byte, min(size, lenEnd+absent16))
	if err := readAt(content, tail, size-int64(len(tail))); err != nil {
		return none, err
	}
	at := bytes.LastIndex(tail[:len(tail)-lenEnd+4], []byte("PK\x05\x06"))
	if at < 0 {
		return none, notZip()
	}
	b := tail[at:]
	if int(le.Uint16(b[20:])) != len(b)-lenEnd {
		return none, malformed("the bundle has bytes behind its end")
	}
	entries, bytes, offset := le.Uint16(b[10:]), le.Uint32(b[12:]), le.Uint32(b[16:])
	switch {
	case bytes == absent32 || offset == absent32:
		return none, tooLarge("the bundle is a zip64 archive: it has too many files or is too large")
	case entries > runtime.MaxBundleFiles:
		return none, tooLarge("the bundle has more than %d files and folders", runtime.MaxBundleFiles)
	case le.Uint16(b[4:]) != 0 || le.Uint16(b[6:]) != 0 || le.Uint16(b[8:]) != entries:
		return none, malformed("the bundle is a part of a zip of several parts")
	case int64(offset)+int64(bytes) != size-int64(len(b)):
		return none, malformed("the bundle's directory is not before its end: bytes were put before the zip or were cut off")
	}
	return endRecord{entries: int(entries), directory: int64(offset), size: int64(bytes)}, nil
}

func notZip() error {
	return runtime.Errorf(runtime.CodeInvalidArgument, "the bundle is not a zip").
		WithHint("send the zip itself as the body, whole and without another encoding")
}

// readAt fills p with the content from offset on.
func readAt(content io.ReaderAt, p []byte, offset int64) error {
	if n, err := content.ReadAt(p, offset); n < len(p) {
		return runtime.Internal("bundle.read", cmp.Or(err, io.ErrUnexpectedEOF))
	}
	return nil
}

// readDirectory adds all entries of the directory to t.
func readDirectory(content io.ReaderAt, end endRecord, t *tree) error {
	in := bufio.NewReaderSize(io.NewSectionReader(content, end.directory, end.size), unpackBuffer)
	header := make([]byte, lenDirectory)
	name := make([]byte, maxPath+1) // and a slash
	rest := end.size
	for i := range end.entries {
		if rest -= lenDirectory; rest < 0 {
			return malformed("the bundle's directory has fewer than the %d entries that its end announces", end.entries)
		}
		if _, err := io.ReadFull(in, header); err != nil {
			return runtime.Internal("bundle.directory", err)
		}
		if le.Uint32(header) != signatureDirectory {
			return malformed("entry %d of the bundle's directory is damaged", i+1)
		}
		named, skipped := int(le.Uint16(header[28:])), int(le.Uint16(header[30:]))+int(le.Uint16(header[32:]))
		if rest -= int64(named + skipped); rest < 0 {
			return malformed("entry %d of the bundle's directory is cut off", i+1)
		}
		if named > len(name) {
			return malformed("entry %d of the bundle has a path of more than %d bytes", i+1, maxPath)
		}
		if _, err := io.ReadFull(in, name[:named]); err != nil {
			return runtime.Internal("bundle.directory", err)
		}
		if _, err := in.Discard(skipped); err != nil {
			return runtime.Internal("bundle.directory", err)
		}
		n, err := newNode(header, string(name[:named]), end.directory)
		if err != nil {
			return err
		}
		if err := t.add(n); err != nil {
			return err
		}
	}
	if rest != 0 {
		return malformed("the bundle's directory has more than the %d entries that its end announces", end.entries)
	}
	return nil
}

// newNode returns the file or folder of a header in the directory, which begins at the offset
// directory.
func newNode(header []byte, name string, directory int64) (node, error) {
	var (
		flags  = le.Uint16(header[8:])
		packed = le.Uint32(header[20:])
		size   = le.Uint32(header[24:])
		mode   = le.Uint32(header[38:]) >> 16 & modeType
		offset = le.Uint32(header[42:])
	)
	path, isDir := strings.CutSuffix(name, "/")
	n := node{
		File:   File{Path: path, Size: int64(size), IsDir: isDir},
		method: le.Uint16(header[10:]),
		crc:    le.Uint32(header[16:]),
		packed: int64(packed),
		offset: int64(offset),
	}
	switch {
	case flags&(flagEncrypted|flagStrong|flagMasked) != 0:
		return n, refuse(name, "is encrypted").WithHint(hintPlain)
	case mode == modeLink:
		return n, refuse(name, "is a link").WithHint("put a copy of what it refers to into the zip; `zip -r` without -y does")
	case mode != 0 && mode != modeRegular && mode != modeFolder:
		return n, refuse(name, "is neither a file nor a folder")
	case mode == modeFolder && !isDir:
		return n, refuse(name, "is a folder, but its name has no slash at its end")
	case n.method != methodStore && n.method != methodDeflate || flags&flagPatch != 0:
		return n, refuse(name, "is compressed in another way than deflate")
	case packed == absent32 || size == absent32 || offset == absent32 || le.Uint16(header[34:]) != 0:
		return n, refuse(name, "has sizes of zip64, or is on another disk")
	case isDir && size != 0:
		return n, refuse(name, "is a folder with a content")
	case n.method == methodStore && packed != size:
		return n, refuse(name, "is not compressed, but announces two sizes")
	case n.packed > directory:
		return n, refuse(name, "is longer than the zip")
	case n.Size > n.packed*maxInflation:
		return n, refuse(name, "announces %d bytes, more than its %d compressed bytes can have", n.Size, n.packed)
	}
	return n, nil
}

// checkHeaders compares the local header of each entry with the directory, and sets the offset of
// each content. The entries must begin at the start of the zip, and must not overlap each other or
// the directory.
func checkHeaders(content io.ReaderAt, directory int64, nodes []node) error {
	order := make([]*node, 0, len(nodes))
	for i := range nodes {
		if nodes[i].listed {
			order = append(order, &nodes[i])
		}
	}
	slices.SortFunc(order, func(a, b *node) int { return cmp.Compare(a.offset, b.offset) })
	var after int64 // end of the entry before
	for i, n := range order {
		if i == 0 && n.offset != 0 {
			return malformed("the bundle has %d bytes before its first entry", n.offset)
		}
		if n.offset < after {
			return refuse(n.Path, "overlaps the entry %s", quote(order[i-1].Path))
		}
		if n.offset+lenLocal > directory {
			return refuse(n.Path, "is not in front of the directory")
		}
		if err := n.readLocal(content, directory); err != nil {
			return err
		}
		if after = n.offset + n.packed; after > directory {
			return refuse(n.Path, "overlaps the directory")
		}
	}
	return nil
}

// readLocal compares the local header with n, and sets the offset of the content.
func (n *node) readLocal(content io.ReaderAt, directory int64) error {
	name := n.Path
	if n.IsDir {
		name += "/"
	}
	b := make([]byte, min(lenLocal+int64(len(name)), directory-n.offset))
	if err := readAt(content, b, n.offset); err != nil {
		return err
	}
	if le.Uint32(b) != signatureLocal {
		return refuse(name, "has no header where the directory says")
	}
	flags, named, extra := le.Uint16(b[6:]), int(le.Uint16(b[26:])), int(le.Uint16(b[28:]))
	if flags&(flagEncrypted|flagStrong|flagMasked) != 0 {
		return refuse(name, "is encrypted").WithHint(hintPlain)
	}
	if named != len(name) || string(b[lenLocal:]) != name {
		return refuse(name, "has another name in its header")
	}
	if le.Uint16(b[8:]) != n.method {
		return refuse(name, "has another compression in its header")
	}
	start := n.offset + lenLocal + int64(named)
	crc, packed, size := int64(le.Uint32(b[14:])), int64(le.Uint32(b[18:])), int64(le.Uint32(b[22:]))
	n.offset = start + int64(extra)
	if n.offset > directory {
		return refuse(name, "overlaps the directory")
	}
	if size == absent32 || packed == absent32 {
		field := make([]byte, extra)
		if err := readAt(content, field, start); err != nil {
			return err
		}
		size, packed = zip64Sizes(field, size, packed)
	}
	// With a descriptor behind the content, which the directory makes superfluous, any of them may be 0.
	later := flags&flagDescriptor != 0
	same := func(local, directory int64) bool { return local == directory || later && local == 0 }
	if !same(crc, int64(n.crc)) || !same(packed, n.packed) || !same(size, n.Size) {
		return refuse(name, "has other sizes or another checksum in its header")
	}
	return nil
}

// zip64Sizes returns the sizes of a local header whose extra fields may have them as numbers of 64
// bits.
func zip64Sizes(extra []byte, size, packed int64) (int64, int64) {
	for len(extra) >= 4 {
		id, length := le.Uint16(extra), int(le.Uint16(extra[2:]))
		if length > len(extra)-4 {
			break
		}
		if field := extra[4 : 4+length]; id == extraZip64 && length >= 16 {
			return int64(le.Uint64(field)), int64(le.Uint64(field[8:]))
		}
		extra = extra[4+length:]
	}
	return size, packed
}
