package runtime

import (
	"fmt"
	"sync"
)

// LogBuffer collects the output of one run to stdout and stderr, up to a limit in bytes, of which
// each change of the stream takes [LogMarkSize]. One goroutine writes; any number may read at the same time. The zero value has a limit of 0: see
// [NewLogBuffer] and [LogBuffer.Reset].
type LogBuffer struct {
	mu      sync.Mutex
	limit   int
	logs    Logs
	dropped int64 // bytes that were written beyond the limit
	ended   bool  // nothing is added any more
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
	if b.switches(stream) {
		b.logs.Marks = append(b.logs.Marks, LogMark{Offset: len(b.logs.Data), Stream: stream})
	}
	b.logs.Data = append(b.logs.Data, p...)
	waiting := b.changed.take()
	b.mu.Unlock()
	if waiting != nil {
		close(waiting)
	}
}

// Size returns the number of bytes of memory that the output takes.
func (b *LogBuffer) Size() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return int64(cap(b.logs.Data) + cap(b.logs.Marks)*LogMarkSize)
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
	marks := len(b.logs.Marks)
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

// AppendAll adds output that was collected elsewhere.
func (b *LogBuffer) AppendAll(logs Logs) {
	b.mu.Lock()
	b.logs.Truncated = b.logs.Truncated || logs.Truncated
	b.mu.Unlock()
	for i, m := range logs.Marks {
		end := len(logs.Data)
		if i+1 < len(logs.Marks) {
			end = logs.Marks[i+1].Offset
		}
		b.Append(m.Stream, logs.Data[m.Offset:end])
	}
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
	for i, m := range rest.Marks {
		if i > 0 || b.switches(m.Stream) {
			b.logs.Marks = append(b.logs.Marks, LogMark{Offset: len(b.logs.Data) + m.Offset, Stream: m.Stream})
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
