package record

import (
	"encoding/binary"
	"errors"
	"time"
)

// fieldWriter writes a value as a sequence of fields. The kind of the record defines which fields
// follow each other. Numbers are varints of encoding/binary, texts and bytes follow their length,
// times are nanoseconds since 1970, with 0 for no time.
type fieldWriter struct{ value []byte }

func newFieldWriter(encoding byte, size int) *fieldWriter {
	return &fieldWriter{append(make([]byte, 0, size), encoding)}
}

func (f *fieldWriter) octet(b byte)   { f.value = append(f.value, b) }
func (f *fieldWriter) number(n int64) { f.value = binary.AppendVarint(f.value, n) }
func (f *fieldWriter) count(n uint64) { f.value = binary.AppendUvarint(f.value, n) }
func (f *fieldWriter) rest(b []byte)  { f.value = append(f.value, b...) }
func (f *fieldWriter) text(s string)  { f.count(uint64(len(s))); f.value = append(f.value, s...) }
func (f *fieldWriter) time(t time.Time) {
	if t.IsZero() {
		f.number(0)
		return
	}
	f.number(t.UnixNano())
}

func (f *fieldWriter) flag(b bool) {
	if b {
		f.octet(1)
		return
	}
	f.octet(0)
}

// ErrDamaged reports a value whose fields or postings cannot be decoded.
var ErrDamaged = errors.New("the value is damaged: its fields do not match its kind")

// fieldReader reads a value that fieldWriter has written. After the first damaged field all further
// fields are zero, and end fails.
type fieldReader struct {
	encoding byte
	left     []byte
	err      error
}

// newFieldReader returns a reader of a value, which must have one of the encodings.
func newFieldReader(value []byte, encodings ...byte) *fieldReader {
	left, err := Body(value, encodings...)
	f := &fieldReader{left: left, err: err}
	if err == nil {
		f.encoding = value[0]
	}
	return f
}

func (f *fieldReader) fail() {
	if f.err == nil {
		f.err = ErrDamaged
	}
	f.left = nil
}

// skip drops n bytes that were decoded, and fails if n is not positive.
func (f *fieldReader) skip(n int) bool {
	if n <= 0 || f.err != nil {
		f.fail()
		return false
	}
	f.left = f.left[n:]
	return true
}

func (f *fieldReader) octet() byte {
	if len(f.left) == 0 {
		f.fail()
		return 0
	}
	b := f.left[0]
	f.left = f.left[1:]
	return b
}

func (f *fieldReader) flag() bool {
	b := f.octet()
	if b > 1 {
		f.fail()
	}
	return b == 1
}

func (f *fieldReader) number() int64 {
	v, n := binary.Varint(f.left)
	if !f.skip(n) {
		return 0
	}
	return v
}

func (f *fieldReader) int() int { return int(f.number()) }

func (f *fieldReader) count() uint64 {
	v, n := binary.Uvarint(f.left)
	if !f.skip(n) {
		return 0
	}
	return v
}

// view returns the next n bytes, as a part of the value.
func (f *fieldReader) view(n uint64) []byte {
	if n > uint64(len(f.left)) {
		f.fail()
		return nil
	}
	b := f.left[:n:n]
	f.left = f.left[n:]
	return b
}

func (f *fieldReader) text() string  { return string(f.bytes()) }
func (f *fieldReader) bytes() []byte { return f.view(f.count()) }

func (f *fieldReader) time() time.Time {
	if n := f.number(); n != 0 {
		return time.Unix(0, n).UTC()
	}
	return time.Time{}
}

// end fails if a field was damaged, or if bytes are left.
func (f *fieldReader) end() error {
	if len(f.left) > 0 {
		f.fail()
	}
	return f.err
}
