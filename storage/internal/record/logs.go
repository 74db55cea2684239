package record

import (
	"bytes"

	"github.com/faaspot/faaspot/runtime"
)

// EncodeLogs returns nothing for empty logs.
func EncodeLogs(l runtime.Logs) []byte {
	if len(l.Data) == 0 && len(l.Marks) == 0 && !l.Truncated {
		return nil
	}
	f := newFieldWriter(EncodingFields, 16+4*len(l.Marks)+len(l.Data))
	f.flag(l.Truncated)
	f.count(uint64(len(l.Marks)))
	last := 0
	for _, mark := range l.Marks {
		f.number(int64(mark.Offset - last))
		f.octet(mark.Stream)
		last = mark.Offset
	}
	f.rest(l.Data)
	return f.value
}

// DecodeLogs returns logs that share no memory with value.
func DecodeLogs(value []byte) (l runtime.Logs, err error) {
	f := newFieldReader(value, EncodingFields)
	l.Truncated = f.flag()
	marks := f.count()
	if marks > uint64(len(f.left)) {
		f.fail()
	}
	offset := 0
	for range min(marks, uint64(len(f.left))) {
		offset += f.int()
		l.Marks = append(l.Marks, runtime.LogMark{Offset: offset, Stream: f.octet()})
	}
	l.Data = bytes.Clone(f.view(uint64(len(f.left))))
	return l, f.end()
}
