package record

import (
	"bytes"
	"iter"
	"slices"

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
func DecodeLogs(value []byte) (runtime.Logs, error) {
	l, err := readLogs(value)
	if err != nil {
		return runtime.Logs{}, err
	}
	return runtime.Logs{Data: bytes.Clone(l.data), Marks: slices.Collect(l.all()), Truncated: l.truncated}, nil
}

// DecodeLogPage returns a page of the encoded logs of an attempt, which shares no memory with value.
func DecodeLogPage(value []byte, attempt int, from runtime.LogPosition) (runtime.LogPage, error) {
	if len(value) == 0 { // of empty logs
		return runtime.NewLogPage(attempt, runtime.Logs{}, from), nil
	}
	l, err := readLogs(value)
	if err != nil {
		return runtime.LogPage{}, err
	}
	p := runtime.CutLogPage(attempt, l.data, l.all(), l.truncated, from)
	p.Logs.Data = bytes.Clone(p.Logs.Data)
	return p, nil
}

// encodedLogs are the parts of encoded logs.
type encodedLogs struct {
	truncated bool
	marks     []byte
	count     uint64 // of the marks
	data      []byte
}

func readLogs(value []byte) (l encodedLogs, err error) {
	f := newFieldReader(value, EncodingFields)
	l.truncated, l.count = f.flag(), f.count()
	if l.count > uint64(len(f.left)) {
		f.fail()
	}
	l.marks = f.left
	for range min(l.count, uint64(len(f.left))) {
		f.number()
		f.octet()
	}
	l.data = f.view(uint64(len(f.left)))
	return l, f.end()
}

// all yields the marks, which readLogs has checked.
func (l encodedLogs) all() iter.Seq[runtime.LogMark] {
	return func(yield func(runtime.LogMark) bool) {
		f := fieldReader{left: l.marks}
		offset := 0
		for range l.count {
			offset += f.int()
			if !yield(runtime.LogMark{Offset: offset, Stream: f.octet()}) {
				return
			}
		}
	}
}
