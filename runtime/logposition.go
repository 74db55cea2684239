package runtime

import (
	"sort"
)

// LogPosition is a place in the logs of an execution: so many bytes of what an
// attempt wrote. Zero is the beginning of whatever attempt is the latest.
type LogPosition struct {
	Attempt int
	Offset  int
}

// LogPage is what an attempt wrote from a position on.
type LogPage struct {
	Attempt int // 0 before the first has begun
	// Logs are what was written, with offsets in Data alone. They must not be
	// changed. Truncated is told once the attempt has ended.
	Logs  Logs
	Next  LogPosition // behind what is told here
	State State       // of the execution. If it is terminal there is nothing behind Next
}

func NewLogPage(attempt int, logs Logs, from LogPosition) LogPage {
	if from.Attempt != attempt {
		from.Offset = 0
	}
	at := min(max(from.Offset, 0), len(logs.Data))
	return LogPage{Attempt: attempt, Logs: logs.from(at), Next: LogPosition{attempt, len(logs.Data)}}
}

// from is what was written from an offset on, which is one of Data.
func (l Logs) from(offset int) Logs {
	rest := Logs{Truncated: l.Truncated}
	if offset == len(l.Data) {
		return rest
	}
	rest.Data = l.Data[offset:len(l.Data):len(l.Data)]
	// The mark before the first one behind offset is of what is at offset.
	behind := sort.Search(len(l.Marks), func(i int) bool { return l.Marks[i].Offset > offset })
	if behind > 0 {
		rest.Marks = make([]LogMark, 0, len(l.Marks)-behind+1)
		rest.Marks = append(rest.Marks, LogMark{Stream: l.Marks[behind-1].Stream})
	}
	for _, m := range l.Marks[behind:] {
		rest.Marks = append(rest.Marks, LogMark{Offset: m.Offset - offset, Stream: m.Stream})
	}
	return rest
}
