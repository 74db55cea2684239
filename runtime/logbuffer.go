package runtime

import (
	"fmt"
	"sync"
)

// LogBuffer collects what one run writes to stdout and stderr, up to a limit.
// One goroutine writes; any number may read along. The zero value keeps nothing:
// see NewLogBuffer and Reset.
type LogBuffer struct {
	mu      sync.Mutex
	limit   int
	logs    Logs
	dropped int64         // bytes beyond the limit
	ended   bool          // nothing is added any more
	changed chan struct{} // closed at the next change; nil: nobody waits for it
}

// NewLogBuffer makes a buffer that keeps so many bytes.
func NewLogBuffer(limit int64) *LogBuffer { return &LogBuffer{limit: int(limit)} }

// Reset makes the buffer a new one. Nobody may read it any more.
func (b *LogBuffer) Reset(limit int64) { *b = LogBuffer{limit: int(limit)} }

// Append keeps of what was written to a stream (1 stdout, 2 stderr) what the
// limit has room for.
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
		// Every mark comes with a byte at least, so the limit bounds them too.
		b.logs.Marks = append(b.logs.Marks, LogMark{Offset: len(b.logs.Data), Stream: stream})
	}
	b.logs.Data = append(b.logs.Data, p...)
	b.tell()
}

// AppendAll adds what was collected elsewhere.
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

// End gives what was collected, with a line where it was cut. Nothing is added
// any more.
func (b *LogBuffer) End() Logs {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended {
		b.ended = true
		if b.dropped > 0 {
			b.logs.Truncated = true
			b.logs.Data = fmt.Appendf(b.logs.Data, "\n[log truncated: %d more bytes were written; the limit is %d]\n", b.dropped, b.limit)
		}
		b.tell()
	}
	return b.logs
}

// tell lets those know who wait for a change. The lock is held.
func (b *LogBuffer) tell() {
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

// Page gives what was collected so far, from a position on, and a channel that is
// closed when that changes; nil if it does not.
func (b *LogBuffer) Page(attempt int, from LogPosition) (LogPage, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	// What is added goes behind what is given here, and does not change it.
	p := NewLogPage(attempt, b.logs, from)
	if b.ended {
		return p, nil
	}
	if b.changed == nil {
		b.changed = make(chan struct{})
	}
	return p, b.changed
}
