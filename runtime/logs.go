package runtime

import (
	"iter"
	"slices"
	"sort"
	"time"
)

// Logs is the output of a run to stdout and stderr, in the order in which it was written.
type Logs struct {
	Data      []byte    // bytes of both streams
	Marks     []LogMark // where the stream changes in Data, or the time
	Truncated bool      // the limit was reached; Data ends with a line that says so
	Began     time.Time // when the first byte was written, in whole milliseconds; zero: the times are not known
}

// Time returns when the output at a mark was written, the zero time if that is not known.
func (l Logs) Time(m LogMark) time.Time {
	if l.Began.IsZero() {
		return l.Began
	}
	return l.Began.Add(time.Duration(m.Millis) * time.Millisecond)
}

const (
	// LogMarkSize is what a change of the stream counts towards the limit of logs, and each mark towards
	// the size of a page, in bytes: it takes 16 in memory, and as many as this in an event of a stream of
	// logs.
	LogMarkSize = 64
	// logTimeShare is the share of the limit of logs in marks without a change of the stream: one for so
	// many bytes of the limit. They do not count towards the limit. Each takes 16 bytes in memory, and 3 to
	// 7 in the store.
	logTimeShare = 512
	// MaxLogPage bounds the output in a page, in bytes with its marks. A reader that
	// does not read holds at most one page.
	MaxLogPage = 64 * KiB
)

// MaxLogMarks returns how many marks output can have under a limit in bytes, of which a rest is left for
// changes of the stream.
func MaxLogMarks(limit, rest int) int { return rest/LogMarkSize + 1 + limit/logTimeShare }

// LogMark says that Data belongs to Stream from Offset on, up to the next mark, and when it was written. A
// mark without a change of the stream is at the start of a line.
type LogMark struct {
	Offset int
	Millis uint32 // milliseconds after Began
	Stream uint8  // 1 stdout, 2 stderr
}

// Slice returns the part of the logs between two offsets in Data, which it shares.
func (l Logs) Slice(from, to int) Logs {
	part := Logs{Data: l.Data[from:to:to], Truncated: l.Truncated, Began: l.Began}
	if from == to {
		return part
	}
	// The last mark at or before an offset names the stream of the byte there.
	first := max(sort.Search(len(l.Marks), func(i int) bool { return l.Marks[i].Offset > from })-1, 0)
	behind := sort.Search(len(l.Marks), func(i int) bool { return l.Marks[i].Offset >= to })
	for _, m := range l.Marks[first:behind] {
		m.Offset = max(m.Offset-from, 0)
		part.Marks = append(part.Marks, m)
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
	return CutLogPage(attempt, logs, slices.Values(logs.Marks[max(first-1, 0):]), from)
}

// CutLogPage is [NewLogPage] for logs whose marks are not in memory. It takes marks only as far as
// the page goes, and ignores those of the logs.
func CutLogPage(attempt int, logs Logs, marks iter.Seq[LogMark], from LogPosition) LogPage {
	data := logs.Data
	at := from.in(attempt, len(data))
	p := LogPage{Attempt: attempt, Size: len(data), Logs: Logs{Truncated: logs.Truncated}}
	end := min(at+MaxLogPage, len(data))
	if at < end {
		var before LogMark // of the byte at the offset; its stream is 0 if there is none
		for m := range marks {
			if m.Offset <= at {
				before = LogMark{Millis: m.Millis, Stream: m.Stream}
				continue
			}
			if m.Offset >= end {
				break
			}
			if before.Stream != 0 {
				p.Logs.Marks = append(p.Logs.Marks, before)
				before = LogMark{}
			}
			if end = min(end, at+MaxLogPage-LogMarkSize*len(p.Logs.Marks)); m.Offset >= end {
				end = m.Offset // without the mark, there is room up to it
				break
			}
			m.Offset -= at
			p.Logs.Marks = append(p.Logs.Marks, m)
		}
		if before.Stream != 0 {
			p.Logs.Marks = append(p.Logs.Marks, before)
		}
		p.Logs.Data, p.Logs.Began = data[at:end:end], logs.Began
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
