// Package wire encodes the values of messages between a server and its workers: numbers as varints,
// bytes and strings with their length before them. A message has no names and no types: both sides are
// the same program.
package wire

import (
	"encoding/binary"
	"errors"
	"math"
)

// ErrMalformed is the error of a message that does not have what its reader expects.
var ErrMalformed = errors.New("malformed message")

// AppendUint appends a number.
func AppendUint(b []byte, v uint64) []byte { return binary.AppendUvarint(b, v) }

// AppendInt appends a number that may be negative.
func AppendInt(b []byte, v int64) []byte { return binary.AppendVarint(b, v) }

// AppendBool appends a truth value.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// AppendBytes appends bytes or a string.
func AppendBytes[T []byte | string](b []byte, v T) []byte {
	b = binary.AppendUvarint(b, uint64(len(v)))
	return append(b, v...)
}

// Decoder reads the values of a message. Its first failure stays: all that is read after it is zero. The
// zero value is an empty message.
type Decoder struct {
	rest   []byte
	failed bool
}

// Decode returns a Decoder of a message, which it does not change.
func Decode(message []byte) Decoder { return Decoder{rest: message} }

// Fail makes the message malformed.
func (d *Decoder) Fail() { d.rest, d.failed = nil, true }

// Uint reads a number.
func (d *Decoder) Uint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.Fail()
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// Count reads a number that is not negative and at most limit.
func (d *Decoder) Count(limit int) int {
	v := d.Uint()
	if v > uint64(limit) {
		d.Fail()
		return 0
	}
	return int(v)
}

// Size reads a number of at most 63 bits.
func (d *Decoder) Size() int64 {
	v := d.Uint()
	if v > math.MaxInt64 {
		d.Fail()
		return 0
	}
	return int64(v)
}

// Int reads a number that may be negative.
func (d *Decoder) Int() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.Fail()
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// Bool reads a truth value.
func (d *Decoder) Bool() bool { return d.Count(1) == 1 }

// Bytes reads at most limit bytes. They are a part of the message. Nil: none.
func (d *Decoder) Bytes(limit int) []byte {
	n := d.Count(limit)
	if n > len(d.rest) {
		d.Fail()
	}
	if d.failed || n == 0 {
		return nil
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

// String reads a string of at most limit bytes.
func (d *Decoder) String(limit int) string { return string(d.Bytes(limit)) }

// Rest reads all that is left. It is a part of the message.
func (d *Decoder) Rest() []byte {
	b := d.rest
	d.rest = nil
	return b
}

// Err returns ErrMalformed if the message has not had what was read, or if something is left.
func (d *Decoder) Err() error {
	if d.failed || len(d.rest) > 0 {
		return ErrMalformed
	}
	return nil
}
