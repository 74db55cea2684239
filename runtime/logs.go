package runtime

import (
	"iter"
	"slices"
	"sort"
)

// Logs is the output of a run to stdout and stderr, in the order in which it was written.
type Logs struct {
	Data      []byte    // bytes of both streams
	Marks     []LogMark // where the stream changes in Data
	Truncated bool      // the limit was reached; Data ends with a line that says so
}

const (
	// LogMarkSize is what a change of the stream counts towards the limit of logs and the size of a
	// page, in bytes: it takes 16 in memory, and as many as this in an event of a stream of logs.
	LogMarkSize = 64
	// MaxLogPage bounds the output in a page, in bytes with the changes of the stream. A reader that
	// does not read holds at most one page.
	MaxLogPage = 64 * KiB
)

// LogMark says that Data belongs to Stream (1 stdout, 2 stderr) from Offset on.
type LogMark struct {
	Offset int
	Stream uint8
}

// Slice returns the part of the logs between two offsets in Data, which it shares.
func (l Logs) Slice(from, to int) Logs {
	part := Logs{Data: l.Data[from:to:to], Truncated: l.Truncated}
	if from == to {
		return part
	}
	// The last mark at or before an offset names the stream of the byte there.
	first := max(sort.Search(len(l.Marks), func(i int) bool { return l.Marks[i].Offset > from })-1, 0)
	behind := sort.Search(len(l.Marks), func(i int) bool { return l.Marks[i].Offset >= to })
	for _, m := range l.Marks[first:behind] {
		part.Marks = append(part.Marks, LogMark{Offset: max(m.Offset-from, 0), Stream: m.Stream})
	}
	return part
}

// LogPosition is a position in the logs of an execution: an offset in bytes into the logs of an
// attempt. Zero is the start of the logs of the latest attempt.
type LogPosition struct {
	Attempt int
	Offset  int
}

// LogPage is the output of an attempt from a position on, at most [MaxLogPage] of it.
type LogPage struct {
	Attempt int // 0 before the first attempt has begun
	// Logs holds the output, with offsets relative to its Data. It must not be changed. Truncated
	// is set only once the attempt has ended.
	Logs  Logs
	Next  LogPosition // the position after this page
	Size  int         // bytes of all output of the attempt so far; if beyond Next, more can be read
	State State       // state of the execution; if it is terminal, nothing follows Size
}

// NewLogPage returns the page of the logs of an attempt from a position on. A position in another
// attempt selects the start; one beyond the end selects nothing. The page shares its data with the
// logs.
func NewLogPage(attempt int, logs Logs, from LogPosition) LogPage {
	at := from.in(attempt, len(logs.Data))
	// The last mark at or before the offset names the stream of the byte there.
	first := sort.Search(len(logs.Marks), func(i int) bool { return logs.Marks[i].Offset > at })
	return CutLogPage(attempt, logs.Data, slices.Values(logs.Marks[max(first-1, 0):]), logs.Truncated, from)
}

// CutLogPage is [NewLogPage] for logs whose marks are not in memory. It takes marks only as far as
// the page goes.
func CutLogPage(attempt int, data []byte, marks iter.Seq[LogMark], truncated bool, from LogPosition) LogPage {
	at := from.in(attempt, len(data))
	p := LogPage{Attempt: attempt, Size: len(data), Logs: Logs{Truncated: truncated}}
	end := min(at+MaxLogPage, len(data))
	if at < end {
		var before uint8 // the stream of the byte at the offset; 0: none
		for m := range marks {
			if m.Offset <= at {
				before = m.Stream
				continue
			}
			if m.Offset >= end {
				break
			}
			if before != 0 {
				p.Logs.Marks = append(p.Logs.Marks, LogMark{Stream: before})
				before = 0
			}
			if end = min(end, at+MaxLogPage-LogMarkSize*len(p.Logs.Marks)); m.Offset >= end {
				end = m.Offset // without the mark, there is room up to it
				break
			}
			p.Logs.Marks = append(p.Logs.Marks, LogMark{Offset: m.Offset - at, Stream: m.Stream})
		}
		if before != 0 {
			p.Logs.Marks = append(p.Logs.Marks, LogMark{Stream: before})
		}
		p.Logs.Data = data[at:end:end]
	}
	p.Next = LogPosition{attempt, end}
	return p
}

// in returns the offset of a position in the logs of an attempt with a size.
func (p LogPosition) in(attempt, size int) int {
	if p.Attempt != attempt {
		return 0
	}
	return min(max(p.Offset, 0), size)
}
