package record

import (
	"bytes"
	"iter"
	"slices"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// EncodeLogs returns nothing for empty logs.
func EncodeLogs(l runtime.Logs) []byte {
	if len(l.Data) == 0 && len(l.Marks) == 0 && !l.Truncated {
		return nil
	}
	encoding := byte(EncodingFields)
	if !l.Began.IsZero() { // earlier releases read all other logs
		encoding = EncodingFields7
	}
	f := newFieldWriter(encoding, 24+6*len(l.Marks)+len(l.Data))
	f.flag(l.Truncated)
	if encoding == EncodingFields7 {
		f.count(uint64(max(l.Began.UnixMilli(), 0)))
	}
	f.count(uint64(len(l.Marks)))
	var last runtime.LogMark
	for _, mark := range l.Marks {
		f.number(int64(mark.Offset - last.Offset))
		f.octet(mark.Stream)
		if encoding == EncodingFields7 {
			f.number(int64(mark.Millis) - int64(last.Millis))
		}
		last = mark
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
	return runtime.Logs{Data: bytes.Clone(l.data), Marks: slices.Collect(l.all()), Truncated: l.truncated, Began: l.began}, nil
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
	p := runtime.CutLogPage(attempt, runtime.Logs{Data: l.data, Truncated: l.truncated, Began: l.began}, l.all(), from)
	p.Logs.Data = bytes.Clone(p.Logs.Data)
	return p, nil
}

// maxMillis is the largest time of logs, in milliseconds since 1970: in the year 5138.
const maxMillis = 100_000_000_000_000

// encodedLogs are the parts of encoded logs.
type encodedLogs struct {
	truncated bool
	began     time.Time // zero: the marks have no times
	marks     []byte
	count     uint64 // of the marks
	data      []byte
}

func readLogs(value []byte) (l encodedLogs, err error) {
	f := newFieldReader(value, EncodingFields, EncodingFields7)
	l.truncated = f.flag()
	timed := f.encoding == EncodingFields7
	if timed {
		began := f.count()
		if began > maxMillis {
			f.fail()
		}
		l.began = time.UnixMilli(int64(began)).UTC()
	}
	l.count = f.count()
	if l.count > uint64(len(f.left)) {
		f.fail()
	}
	l.marks = f.left
	for range min(l.count, uint64(len(f.left))) {
		f.number()
		f.octet()
		if timed {
			f.number()
		}
	}
	l.data = f.view(uint64(len(f.left)))
	return l, f.end()
}

// all yields the marks, which readLogs has checked.
func (l encodedLogs) all() iter.Seq[runtime.LogMark] {
	return func(yield func(runtime.LogMark) bool) {
		f := fieldReader{left: l.marks}
		var m runtime.LogMark
		for range l.count {
			m.Offset += f.int()
			m.Stream = f.octet()
			if !l.began.IsZero() {
				m.Millis += uint32(f.number())
			}
			if !yield(m) {
				return
			}
		}
	}
}
