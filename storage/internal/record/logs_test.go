package record

import (
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// The times of a full log take at most 14 KiB, however the lines and the pauses between them are spread.
func TestTimesInTheStore(t *testing.T) {
	const times = runtime.DefaultLogs / 512
	longest := uint32(runtime.MaxTimeout / time.Millisecond)
	size := func(marks []runtime.LogMark) int {
		return len(EncodeLogs(runtime.Logs{Data: make([]byte, runtime.DefaultLogs), Began: time.Unix(1, 0), Marks: marks}))
	}
	for _, pauses := range []uint32{0, 1, 20, 80, 500, times} { // of equal length, in which the run writes nothing
		for _, long := range []int{0, 1, 60, 127, 1000, times} { // lines of equal length; the others are short
			marks := []runtime.LogMark{{Stream: 1}}
			for i := range times {
				next := marks[i]
				next.Offset++
				if i < long {
					next.Offset += runtime.DefaultLogs/long - times/long - 1
				}
				next.Millis += 64
				if i < int(pauses) {
					next.Millis += longest/pauses - 64
				}
				marks = append(marks, next)
			}
			if last := marks[times]; last.Offset >= runtime.DefaultLogs || marks[1].Offset == 0 {
				t.Fatalf("the last mark is %+v", last)
			}
			if n := size(marks) - size(marks[:1]); n > 14*runtime.KiB {
				t.Errorf("%d long pauses, %d long lines: %d bytes", pauses, long, n)
			}
		}
	}
}
