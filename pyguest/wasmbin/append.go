package wasmbin

import "encoding/binary"

// AppendUint32 appends v as unsigned LEB128, in the fewest bytes.
func AppendUint32(dst []byte, v uint32) []byte {
	return binary.AppendUvarint(dst, uint64(v))
}

// AppendInt32 appends v as signed LEB128, in the fewest bytes.
func AppendInt32(dst []byte, v int32) []byte { return AppendInt64(dst, int64(v)) }

// AppendInt64 appends v as signed LEB128, in the fewest bytes.
func AppendInt64(dst []byte, v int64) []byte {
	for {
		b := byte(v & 0x7f)
		v >>= 7
		if (v == 0 && b&0x40 == 0) || (v == -1 && b&0x40 != 0) {
			return append(dst, b)
		}
		dst = append(dst, b|0x80)
	}
}

// AppendName appends the length of s and s.
func AppendName(dst []byte, s string) []byte {
	return append(AppendUint32(dst, uint32(len(s))), s...)
}

// AppendElements returns the body of a section that is one vector, with n more elements at its end,
// whose encodings are in elements. An empty body means that the section is missing.
func AppendElements(body []byte, n uint32, elements []byte) ([]byte, error) {
	if len(body) == 0 {
		return append(AppendUint32(nil, n), elements...), nil
	}
	r := NewReader(body, 0)
	count, err := r.Uint32()
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(body)+len(elements)+5)
	out = AppendUint32(out, count+n)
	out = append(out, body[r.Pos():]...)
	return append(out, elements...), nil
}
