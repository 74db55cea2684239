package wasmbin

import "fmt"

// FormatError reports bytes that are not a WebAssembly module that this package understands.
type FormatError struct {
	// Offset is the position in the module where the offending item starts, in bytes.
	Offset int
	// Reason describes the error.
	Reason string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("wasm: offset 0x%x: %s", e.Offset, e.Reason)
}

func formatErrorf(offset int, format string, args ...any) error {
	return &FormatError{Offset: offset, Reason: fmt.Sprintf(format, args...)}
}

// Reader reads the primitive encodings of the binary format from a slice. Offsets in its errors
// count from the start of the module, whatever part of the module it reads.
type Reader struct {
	data []byte
	pos  int
	base int
}

// NewReader returns a reader of data, which starts base bytes into the module.
func NewReader(data []byte, base int) *Reader { return &Reader{data: data, base: base} }

// Len returns the number of bytes left.
func (r *Reader) Len() int { return len(r.data) - r.pos }

// Pos returns the number of bytes already read, so that data[:Pos()] is what was read.
func (r *Reader) Pos() int { return r.pos }

// Offset returns the position counted from the start of the module.
func (r *Reader) Offset() int { return r.base + r.pos }

// Byte reads one byte.
func (r *Reader) Byte() (byte, error) {
	if r.pos >= len(r.data) {
		return 0, formatErrorf(r.Offset(), "unexpected end")
	}
	b := r.data[r.pos]
	r.pos++
	return b, nil
}

// Bytes reads n bytes. The result shares memory with the module.
func (r *Reader) Bytes(n uint32) ([]byte, error) {
	if uint64(n) > uint64(r.Len()) {
		return nil, formatErrorf(r.Offset(), "%d bytes announced, %d left", n, r.Len())
	}
	b := r.data[r.pos : r.pos+int(n) : r.pos+int(n)]
	r.pos += int(n)
	return b, nil
}

// Uint32 reads an unsigned LEB128 number of at most 32 bits. Longer encodings than necessary are
// accepted up to the five bytes that the specification allows.
func (r *Reader) Uint32() (uint32, error) {
	start := r.Offset()
	var v uint64
	for i := range 5 {
		b, err := r.Byte()
		if err != nil {
			return 0, err
		}
		v |= uint64(b&0x7f) << (7 * i)
		if b&0x80 == 0 {
			if v>>32 != 0 {
				return 0, formatErrorf(start, "integer exceeds 32 bits")
			}
			return uint32(v), nil
		}
	}
	return 0, formatErrorf(start, "integer longer than 5 bytes")
}

// Int32 reads a signed LEB128 number of at most 32 bits.
func (r *Reader) Int32() (int32, error) {
	v, err := r.signed(32)
	return int32(v), err
}

// signed reads a signed LEB128 number of the given width: 32, 33 (block types) or 64 bits.
func (r *Reader) signed(width uint) (int64, error) {
	start := r.Offset()
	var v int64
	for shift := uint(0); shift < width; shift += 7 {
		b, err := r.Byte()
		if err != nil {
			return 0, err
		}
		v |= int64(b&0x7f) << shift
		if b&0x80 != 0 {
			continue
		}
		if left := width - shift; left < 7 {
			// The bits above the width must repeat the sign bit.
			sign := int8(b<<1) >> left
			if sign != 0 && sign != -1 {
				return 0, formatErrorf(start, "integer exceeds %d bits", width)
			}
		}
		if end := shift + 7; end < 64 {
			v = v << (64 - end) >> (64 - end)
		}
		return v, nil
	}
	return 0, formatErrorf(start, "integer longer than %d bytes", (width+6)/7)
}

// count reads the length of a vector whose elements take at least one byte each, so that a forged
// length cannot make the caller allocate more than the size of the module.
func (r *Reader) count() (int, error) {
	start := r.Offset()
	n, err := r.Uint32()
	if err != nil {
		return 0, err
	}
	if uint64(n) > uint64(r.Len()) {
		return 0, formatErrorf(start, "%d elements announced, %d bytes left", n, r.Len())
	}
	return int(n), nil
}

// name reads a string that follows its length.
func (r *Reader) name() (string, error) {
	n, err := r.Uint32()
	if err != nil {
		return "", err
	}
	b, err := r.Bytes(n)
	return string(b), err
}
