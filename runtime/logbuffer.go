package runtime

import (
	"fmt"
	"math"
	"sync"
	"time"
	"unsafe"
)

// LogBuffer collects the output of one run to stdout and stderr, up to a limit in bytes, of which
// each change of the stream takes [LogMarkSize], and when its lines were written. One goroutine writes; any
// number may read at the same time. The zero value has a limit of 0: see [NewLogBuffer] and
// [LogBuffer.Reset].
type LogBuffer struct {
	mu      sync.Mutex
	limit   int
	logs    Logs
	began   time.Time // logs.Began, with a monotonic reading
	times   int       // of the marks: those without a change of the stream
	dropped int64     // bytes that were written beyond the limit
	ended   bool      // nothing is added any more
	changed nextChange
}

// NewLogBuffer returns a buffer with a limit in bytes.
func NewLogBuffer(limit int64) *LogBuffer { return &LogBuffer{limit: int(limit)} }

// Reset empties the buffer for another run. No goroutine may read it any more.
func (b *LogBuffer) Reset(limit int64) { *b = LogBuffer{limit: int(limit)} }

// Append adds output to a stream (1 stdout, 2 stderr), as far as the limit allows. Nothing is added
// after the first byte that was dropped, so that the output has no gaps.
func (b *LogBuffer) Append(stream uint8, p []byte) {
	b.mu.Lock()
	if p = b.cut(stream, p); len(p) == 0 {
		b.mu.Unlock()
		return
	}
	// A time in the middle of a line would be that of no line.
	if b.switches(stream) || b.logs.Data[len(b.logs.Data)-1] == '\n' {
		b.mark(stream, b.elapsed())
	}
	b.add(p)
}

// add adds output, and unlocks the buffer.
func (b *LogBuffer) add(p []byte) {
	b.logs.Data = append(b.logs.Data, p...)
	waiting := b.changed.take()
	b.mu.Unlock()
	if waiting != nil {
		close(waiting)
	}
}

// elapsed returns the milliseconds since the first byte, which is written now if there is none.
func (b *LogBuffer) elapsed() uint32 {
	if b.began.IsZero() {
		b.setBegan(time.Now())
	}
	return b.inOrder(time.Since(b.began))
}

// setBegan sets the time of the first byte, in whole milliseconds, with a monotonic reading.
func (b *LogBuffer) setBegan(t time.Time) {
	b.began = t.Add(-time.Duration(t.Nanosecond()) % time.Millisecond)
	b.logs.Began = b.began.Round(0).UTC()
}

// inOrder returns a time since the first byte in milliseconds, at least those of the last mark: a clock may be
// set back.
func (b *LogBuffer) inOrder(since time.Duration) uint32 {
	least := int64(0)
	if n := len(b.logs.Marks); n > 0 {
		least = int64(b.logs.Marks[n-1].Millis)
	}
	return uint32(min(max(since.Milliseconds(), least), math.MaxUint32))
}

// mark adds a mark for what is added next, if its stream or its time needs one.
func (b *LogBuffer) mark(stream uint8, millis uint32) {
	if !b.switches(stream) {
		last := b.logs.Marks[len(b.logs.Marks)-1].Millis
		if b.times >= b.limit/logTimeShare || millis-last < b.step() {
			return
		}
		b.times++
	}
	b.logs.Marks = append(b.logs.Marks, LogMark{Offset: len(b.logs.Data), Millis: millis, Stream: stream})
}

// step returns the milliseconds between two times of lines without a change of the stream. It is 1 until
// half of the marks for times are used, and then four times as many after each further twentieth: enough for
// a run that writes for [MaxTimeout] without a pause.
func (b *LogBuffer) step() uint32 {
	twentieths := 20 * b.times / max(b.limit/logTimeShare, 1)
	return 1 << (2 * max(twentieths-9, 0))
}

// Size returns the number of bytes of memory that the output takes.
func (b *LogBuffer) Size() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return int64(cap(b.logs.Data)) + int64(cap(b.logs.Marks))*int64(unsafe.Sizeof(LogMark{}))
}

// switches reports whether output to a stream needs a mark.
func (b *LogBuffer) switches(stream uint8) bool {
	n := len(b.logs.Marks)
	return n == 0 || b.logs.Marks[n-1].Stream != stream
}

// cut returns what can be added of output to a stream, and counts the rest as dropped.
func (b *LogBuffer) cut(stream uint8, p []byte) []byte {
	if b.ended {
		return nil
	}
	marks := len(b.logs.Marks) - b.times
	if b.switches(stream) {
		marks++
	}
	room := b.limit - len(b.logs.Data) - LogMarkSize*(marks-1) // the first mark is free
	if b.dropped > 0 {
		room = 0
	}
	if room < len(p) {
		room = max(room, 0)
		b.dropped += int64(len(p) - room)
		p = p[:room]
	}
	return p
}

// AppendAll adds output that was collected elsewhere, with its times.
func (b *LogBuffer) AppendAll(logs Logs) {
	b.mu.Lock()
	b.logs.Truncated = b.logs.Truncated || logs.Truncated
	b.begin(logs.Began)
	b.mu.Unlock()
	for i, m := range logs.Marks {
		end := len(logs.Data)
		if i+1 < len(logs.Marks) {
			end = logs.Marks[i+1].Offset
		}
		b.mu.Lock()
		if p := b.cut(m.Stream, logs.Data[m.Offset:end]); len(p) > 0 {
			b.mark(m.Stream, b.millis(logs.Time(m)))
			b.add(p)
		} else {
			b.mu.Unlock()
		}
	}
}

// begin sets the time of the first byte, if it is not set, to that of output that was collected elsewhere.
func (b *LogBuffer) begin(t time.Time) {
	if b.began.IsZero() && !t.IsZero() {
		now := time.Now()
		b.setBegan(now.Add(t.Sub(now)))
	}
}

// millis returns the milliseconds from the first byte to a time, those of the last mark if the time is not
// known.
func (b *LogBuffer) millis(t time.Time) uint32 {
	if t.IsZero() {
		return b.inOrder(0)
	}
	return b.inOrder(t.Sub(b.logs.Began))
}

// End returns the output, with a line that reports a cut. Nothing is added after it.
func (b *LogBuffer) End() Logs {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended {
		b.ended = true
		if b.dropped > 0 {
			b.logs.Truncated = true
			b.logs.Data = fmt.Appendf(b.logs.Data, "\n[log truncated: %d more bytes were written; the limit is %d]\n", b.dropped, b.limit)
		}
		if waiting := b.changed.take(); waiting != nil {
			close(waiting)
		}
	}
	return b.logs
}

// EndWith ends the buffer with the rest of output that was collected elsewhere, under the same limit, and
// returns all of it. The rest has the line that reports a cut, if there was one.
func (b *LogBuffer) EndWith(rest Logs) Logs {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return b.logs
	}
	b.begin(rest.Began)
	for i, m := range rest.Marks {
		m.Offset, m.Millis = len(b.logs.Data)+m.Offset, b.millis(rest.Time(m))
		if i > 0 || b.switches(m.Stream) || m.Millis != b.logs.Marks[len(b.logs.Marks)-1].Millis {
			b.logs.Marks = append(b.logs.Marks, m)
		}
	}
	b.logs.Data = append(b.logs.Data, rest.Data...)
	b.logs.Truncated = rest.Truncated
	b.ended = true
	if waiting := b.changed.take(); waiting != nil {
		close(waiting)
	}
	return b.logs
}

// nextChange is a channel that is closed at the next change of a state. It exists only while a
// reader waits for it. The mutex of the state guards it.
type nextChange struct{ c chan struct{} }

func (n *nextChange) wait() <-chan struct{} {
	if n.c == nil {
		n.c = make(chan struct{})
	}
	return n.c
}

// take returns the channel for the caller to close, nil if nobody waits.
func (n *nextChange) take() chan struct{} {
	c := n.c
	n.c = nil
	return c
}

// Page returns the output so far, from a position on, and a channel that is closed at the next
// change, nil if there will be none. Pages share the output with the buffer.
func (b *LogBuffer) Page(attempt int, from LogPosition) (LogPage, <-chan struct{}) {
	b.mu.Lock()
	// Later output is appended after these slices and does not change them.
	logs := b.logs
	var changed <-chan struct{}
	if !b.ended {
		changed = b.changed.wait()
	}
	b.mu.Unlock()
	return NewLogPage(attempt, logs, from), changed
}
