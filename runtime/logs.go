package runtime

import "sort"

// Logs is the output of a run to stdout and stderr, in the order in which it was written.
type Logs struct {
	Data      []byte    // bytes of both streams
	Marks     []LogMark // where the stream changes in Data
	Truncated bool      // the limit was reached; Data ends with a line that says so
}

// LogMark says that Data belongs to Stream (1 stdout, 2 stderr) from Offset on.
type LogMark struct {
	Offset int
	Stream uint8
}

// LogPosition is a position in the logs of an execution: an offset in bytes into the logs of an
// attempt. Zero is the start of the logs of the latest attempt.
type LogPosition struct {
	Attempt int
	Offset  int
}

// LogPage is the output of an attempt from a position on.
type LogPage struct {
	Attempt int // 0 before the first attempt has begun
	// Logs holds the output, with offsets relative to its Data. It must not be changed. Truncated
	// is set only once the attempt has ended.
	Logs  Logs
	Next  LogPosition // the position after this page
	State State       // state of the execution; if it is terminal, nothing follows Next
}

// NewLogPage returns the page of the logs of an attempt from a position on. A position in another
// attempt selects the start; one beyond the end selects nothing.
func NewLogPage(attempt int, logs Logs, from LogPosition) LogPage {
	if from.Attempt != attempt {
		from.Offset = 0
	}
	at := min(max(from.Offset, 0), len(logs.Data))
	return LogPage{Attempt: attempt, Logs: logs.from(at), Next: LogPosition{attempt, len(logs.Data)}}
}

// from returns the logs from an offset in Data on.
func (l Logs) from(offset int) Logs {
	rest := Logs{Truncated: l.Truncated}
	if offset == len(l.Data) {
		return rest
	}
	rest.Data = l.Data[offset:len(l.Data):len(l.Data)]
	// The last mark at or before offset names the stream of the byte at offset.
	after := sort.Search(len(l.Marks), func(i int) bool { return l.Marks[i].Offset > offset })
	if after > 0 {
		rest.Marks = make([]LogMark, 0, len(l.Marks)-after+1)
		rest.Marks = append(rest.Marks, LogMark{Stream: l.Marks[after-1].Stream})
	}
	for _, m := range l.Marks[after:] {
		rest.Marks = append(rest.Marks, LogMark{Offset: m.Offset - offset, Stream: m.Stream})
	}
	return rest
}
