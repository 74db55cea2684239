package sandbox

import (
	"fmt"

	"github.com/faaspot/faaspot/runtime"
)

// logBuffer collects what a run writes to stdout and stderr, up to a limit.
type logBuffer struct {
	logs    runtime.Logs
	limit   int
	dropped int64
}

func (b *logBuffer) reset(limit int) { *b = logBuffer{limit: limit} }

// write keeps of p what the limit has room for.
func (b *logBuffer) write(stream int, p []byte) {
	room := b.limit - len(b.logs.Data)
	if room < len(p) {
		b.dropped += int64(len(p) - room)
		p = p[:room]
	}
	if len(p) == 0 {
		return
	}
	if n := len(b.logs.Marks); n == 0 || b.logs.Marks[n-1].Stream != uint8(stream) {
		// Every mark comes with a byte at least, so the limit bounds them too.
		b.logs.Marks = append(b.logs.Marks, runtime.LogMark{Offset: len(b.logs.Data), Stream: uint8(stream)})
	}
	b.logs.Data = append(b.logs.Data, p...)
}

// take gives what was collected, with a mark where it was cut.
func (b *logBuffer) take() runtime.Logs {
	if b.dropped > 0 {
		b.logs.Truncated = true
		b.logs.Data = fmt.Appendf(b.logs.Data, "\n[log truncated: %d more bytes were written; the limit is %d]\n", b.dropped, b.limit)
	}
	logs := b.logs
	b.logs = runtime.Logs{}
	return logs
}
