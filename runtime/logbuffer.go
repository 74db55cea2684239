package runtime

import (
	"fmt"
	"sync"
)

// LogBuffer collects the output of one run to stdout and stderr, up to a limit. One goroutine
// writes; any number may read at the same time. The zero value has a limit of 0: see
// [NewLogBuffer] and [LogBuffer.Reset].
type LogBuffer struct {
	mu      sync.Mutex
	limit   int
	logs    Logs
	dropped int64 // bytes beyond the limit
	ended   bool  // nothing is added any more
	changed nextChange
}

// NewLogBuffer returns a buffer with a limit in bytes.
func NewLogBuffer(limit int64) *LogBuffer { return &LogBuffer{limit: int(limit)} }

// Reset empties the buffer for another run. No goroutine may read it any more.
func (b *LogBuffer) Reset(limit int64) { *b = LogBuffer{limit: int(limit)} }

// Append adds output to a stream (1 stdout, 2 stderr), as far as the limit allows.
func (b *LogBuffer) Append(stream uint8, p []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return
	}
	if room := b.limit - len(b.logs.Data); room < len(p) {
		b.dropped += int64(len(p) - room)
		p = p[:room]
	}
	if len(p) == 0 {
		return
	}
	if n := len(b.logs.Marks); n == 0 || b.logs.Marks[n-1].Stream != stream {
		// Every mark belongs to at least one byte, so the limit bounds the marks too.
		b.logs.Marks = append(b.logs.Marks, LogMark{Offset: len(b.logs.Data), Stream: stream})
	}
	b.logs.Data = append(b.logs.Data, p...)
	b.changed.notify()
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
		b.changed.notify()
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

func (n *nextChange) notify() {
	if n.c != nil {
		close(n.c)
		n.c = nil
	}
}

// Page returns the output so far, from a position on, and a channel that is closed at the next
// change, nil if there will be none.
func (b *LogBuffer) Page(attempt int, from LogPosition) (LogPage, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	// Later output is appended after the slices returned here and does not change them.
	p := NewLogPage(attempt, b.logs, from)
	if b.ended {
		return p, nil
	}
	return p, b.changed.wait()
}
