package runtime

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/faaspot/faaspot/test/linear"
)

// streams returns the stream of each byte of the logs, according to the marks.
func streams(l Logs) []byte {
	all := make([]byte, len(l.Data))
	for i, m := range l.Marks {
		end := len(l.Data)
		if i+1 < len(l.Marks) {
			end = l.Marks[i+1].Offset
		}
		for at := m.Offset; at < end; at++ {
			all[at] = m.Stream
		}
	}
	return all
}

// TestLogBuffer writes at random. Pages from any position contain what follows it, with the right
// streams, and a page that a reader has does not change.
func TestLogBuffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(0, 300).Draw(t, "limit")
		b := NewLogBuffer(int64(limit))
		var data, of []byte // the expected bytes and their streams
		dropped, marks := 0, 0
		var pages []Logs
		var copies [][]byte
		readPage := func(data []byte) {
			attempt := rapid.IntRange(1, 2).Draw(t, "attempt")
			from := LogPosition{rapid.IntRange(0, 2).Draw(t, "position's attempt"), rapid.IntRange(-5, len(data)+5).Draw(t, "offset")}
			p, _ := b.Page(attempt, from)
			at := 0
			if from.Attempt == attempt {
				at = min(max(from.Offset, 0), len(data))
			}
			if !bytes.Equal(p.Logs.Data, data[at:]) || p.Attempt != attempt || p.Next != (LogPosition{attempt, len(data)}) || p.Size != len(data) {
				t.Fatalf("from %+v of attempt %d: %+v, want %q", from, attempt, p, data[at:])
			}
			// The line that reports a cut belongs to the last stream, if there is any.
			if got := streams(p.Logs); len(of) > at && !bytes.Equal(got[:len(of)-at], of[at:]) {
				t.Fatalf("from %+v: streams %v, want %v", from, got, of[at:])
			}
			pages, copies = append(pages, p.Logs), append(copies, bytes.Clone(p.Logs.Data))
		}
		for range rapid.IntRange(0, 20).Draw(t, "writes") {
			stream := uint8(rapid.IntRange(1, 2).Draw(t, "stream"))
			p := []byte(rapid.StringN(0, 8, 8).Draw(t, "text"))
			b.Append(stream, p)
			switches := len(of) == 0 || of[len(of)-1] != stream
			room := limit - len(data) - LogMarkSize*marks
			if switches && len(of) > 0 {
				room -= LogMarkSize
			}
			if room = min(max(room, 0), len(p)); dropped > 0 {
				room = 0
			}
			if switches && room > 0 && len(of) > 0 {
				marks++
			}
			data = append(data, p[:room]...)
			of = append(of, bytes.Repeat([]byte{stream}, room)...)
			dropped += len(p) - room
			clear(p) // the guest reuses its memory
			readPage(data)
		}
		logs := b.End()
		if dropped > 0 {
			data = fmt.Appendf(data, "\n[log truncated: %d more bytes were written; the limit is %d]\n", dropped, limit)
		}
		if !bytes.Equal(logs.Data, data) || logs.Truncated != (dropped > 0) {
			t.Fatalf("End returned %+v, want %q", logs, data)
		}
		b.Append(1, []byte("late"))
		if diff := cmp.Diff(logs, b.End()); diff != "" {
			t.Fatal(diff)
		}
		readPage(data)
		for i, l := range pages {
			if !bytes.Equal(l.Data, copies[i]) {
				t.Fatalf("a page contained %q and changed to %q", copies[i], l.Data)
			}
		}

		again := NewLogBuffer(1 << 10)
		again.AppendAll(logs)
		if got := again.End(); len(logs.Marks) > 0 && !cmp.Equal(got, logs) {
			t.Fatalf("the copy contains %+v, want %+v", got, logs)
		}
	})
}

// TestLogMarksCount switches the stream with each byte: the marks take their share of the limit, and
// nothing is added after the first byte that was dropped.
func TestLogMarksCount(t *testing.T) {
	b := NewLogBuffer(1000)
	for i := range 5000 {
		b.Append(uint8(1+i%2), []byte("x"))
	}
	b.Append(1, []byte("x"))
	kept := 1 + 999/(LogMarkSize+1)
	want := strings.Repeat("x", kept) + fmt.Sprintf("\n[log truncated: %d more bytes were written; the limit is 1000]\n", 5001-kept)
	if l := b.End(); len(l.Marks) != kept || !l.Truncated || string(l.Data) != want {
		t.Errorf("%d marks of %d bytes: %q", len(l.Marks), kept, l.Data)
	}
}

// TestLogPages reads logs page by page, with streams that change at random intervals. The pages have
// every byte once with its stream, are bounded, and share the data.
func TestLogPages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const attempt = 3
		var logs Logs
		for range rapid.IntRange(0, 5).Draw(t, "stretches") {
			step := rapid.SampledFrom([]int{1, 2, 31, 5000, MaxLogPage - 1, MaxLogPage}).Draw(t, "step")
			for range rapid.IntRange(1, 300_000/(step+60)).Draw(t, "writes") {
				stream := uint8(1)
				if n := len(logs.Marks); n > 0 {
					stream = 3 - logs.Marks[n-1].Stream
				}
				logs.Marks = append(logs.Marks, LogMark{Offset: len(logs.Data), Stream: stream})
				logs.Data = append(logs.Data, bytes.Repeat([]byte{byte(step)}, step)...)
			}
		}
		var got Logs
		for from := (LogPosition{}); ; {
			p := NewLogPage(attempt, logs, from)
			if len(p.Logs.Data)+LogMarkSize*(len(p.Logs.Marks)-1) > MaxLogPage || p.Size != len(logs.Data) {
				t.Fatalf("from %v: a page of %d bytes and %d marks of %d bytes", from, len(p.Logs.Data), len(p.Logs.Marks), p.Size)
			}
			if len(p.Logs.Data) == 0 {
				break
			}
			if &p.Logs.Data[0] != &logs.Data[len(got.Data)] || cap(p.Logs.Data) != len(p.Logs.Data) {
				t.Fatalf("from %v: a copy, or one that can grow", from)
			}
			for _, m := range p.Logs.Marks {
				if n := len(got.Marks); n == 0 || got.Marks[n-1].Stream != m.Stream {
					got.Marks = append(got.Marks, LogMark{Offset: len(got.Data) + m.Offset, Stream: m.Stream})
				}
			}
			got.Data = append(got.Data, p.Logs.Data...)
			if from = p.Next; from != (LogPosition{attempt, len(got.Data)}) {
				t.Fatalf("after %d bytes the next position is %v", len(got.Data), from)
			}
		}
		if !bytes.Equal(got.Data, logs.Data) || !cmp.Equal(got.Marks, logs.Marks) {
			t.Fatalf("got %d bytes and %d marks of %d and %d", len(got.Data), len(got.Marks), len(logs.Data), len(logs.Marks))
		}
	})
}

// TestLinearLogs writes logs whose streams change with each byte, and has a reader read them page by
// page.
func TestLinearLogs(t *testing.T) {
	linear.Bytes(t, DefaultLogs, func(size int) func() {
		return func() {
			b := NewLogBuffer(int64(size))
			for i := range size {
				b.Append(uint8(1+i%2), []byte("x"))
			}
			b.End()
			for from := (LogPosition{}); ; {
				p, _ := b.Page(1, from)
				if from = p.Next; len(p.Logs.Data) == 0 {
					break
				}
			}
		}
	})
}

// TestReadersOfALogBuffer has readers wait for changes while one goroutine writes: each gets
// every byte once, and none waits forever.
func TestReadersOfALogBuffer(t *testing.T) {
	for round := range 50 {
		b := NewLogBuffer(20_000)
		var wg sync.WaitGroup
		got := make([][]byte, 4)
		for reader := range got {
			wg.Go(func() {
				var from LogPosition
				for {
					p, changed := b.Page(1, from)
					got[reader] = append(got[reader], p.Logs.Data...)
					if from = p.Next; changed == nil {
						return
					}
					<-changed
				}
			})
		}
		rng := rand.New(rand.NewPCG(uint64(round), 1))
		for i := range 300 {
			b.Append(uint8(1+rng.IntN(2)), bytes.Repeat([]byte{byte(i)}, rng.IntN(150)))
		}
		logs := b.End()
		wg.Wait()
		for reader, data := range got {
			if !bytes.Equal(data, logs.Data) {
				t.Fatalf("reader %d got %d bytes of %d", reader, len(data), len(logs.Data))
			}
		}
	}
}

func BenchmarkLogBuffer(b *testing.B) {
	line := []byte("one line of a log, as a function may print it\n")
	var logs LogBuffer
	b.ReportAllocs()
	for b.Loop() {
		logs.Reset(DefaultLogs)
		for range 1000 {
			logs.Append(1, line)
		}
		logs.End()
	}
}

// timeOf returns the time of each byte of the logs, according to the marks.
func timeOf(l Logs) []time.Time {
	all := make([]time.Time, len(l.Data))
	for i, m := range l.Marks {
		end := len(l.Data)
		if i+1 < len(l.Marks) {
			end = l.Marks[i+1].Offset
		}
		for at := m.Offset; at < end; at++ {
			all[at] = l.Time(m)
		}
	}
	return all
}

// logWrite is a write to a log after a pause.
type logWrite struct {
	pause  time.Duration
	stream uint8
	text   string
	sent   bool // what there is goes to another buffer
}

// TestLogTimes writes lines with pauses. Each has the time of its first byte: to the millisecond up to half of the
// marks, and never a later one. Pages, and output that is sent in parts, have the same times.
func TestLogTimes(t *testing.T) {
	write := rapid.Custom(func(t *rapid.T) logWrite {
		return logWrite{
			time.Duration(rapid.SampledFrom([]int{0, 1, 300, 999, 1000, 3700, 700_000, 40_000_000}).Draw(t, "pause")) * time.Microsecond,
			uint8(rapid.SampledFrom([]int{1, 1, 1, 1, 2}).Draw(t, "stream")),
			rapid.SampledFrom([]string{"", "x", "a line\n", "two\nlines\n", "\n"}).Draw(t, "text"),
			rapid.IntRange(0, 9).Draw(t, "sent") == 0,
		}
	})
	rapid.Check(t, func(r *rapid.T) {
		limit := rapid.SampledFrom([]int{0, 100, 2000, 20_000, 100_000}).Draw(r, "limit")
		writes := rapid.SliceOfN(write, 0, 300).Draw(r, "writes")
		parts := rapid.SliceOfN(rapid.Float64Range(0, 1), 10, 10).Draw(r, "parts")
		failure := ""
		synctest.Test(t, func(*testing.T) { failure = checkLogTimes(limit, writes, parts) })
		if failure != "" {
			r.Fatal(failure)
		}
	})
}

// checkLogTimes makes writes, and returns what is wrong with the times.
func checkLogTimes(limit int, writes []logWrite, parts []float64) string {
	b, sent, at := NewLogBuffer(int64(limit)), NewLogBuffer(int64(limit)), LogPosition{Attempt: 1}
	began := time.Now()
	var want []time.Time // of each byte: when its line began, or the stream changed
	stream, ended, times := uint8(0), false, 0
	for _, w := range writes {
		time.Sleep(w.pause)
		if len(want) == 0 {
			began = time.Now().Truncate(time.Millisecond)
		}
		b.Append(w.stream, []byte(w.text))
		page, _ := b.Page(1, at)
		added := page.Size - len(want)
		if added == 0 {
			continue
		}
		when := time.Now().Truncate(time.Millisecond)
		if w.stream == stream && !ended {
			when = want[len(want)-1]
		} else if w.stream == stream {
			times++
		}
		for range added {
			want = append(want, when)
		}
		stream, ended = w.stream, strings.HasSuffix(w.text[:added], "\n")
		if w.sent {
			sent.AppendAll(page.Logs)
			at = page.Next
		}
	}
	logs := b.End()
	got := timeOf(logs)
	var last time.Time
	for i, when := range want {
		exact := times <= limit/logTimeShare/2
		if got[i].After(when) || got[i].Before(last) || got[i].Before(began) || exact && !got[i].Equal(when) {
			return fmt.Sprintf("byte %d of %d was written %v after the first and has %v; %d times of %d", i, len(want), when.Sub(began), got[i].Sub(began), times, limit/logTimeShare)
		}
		last = got[i]
	}
	switches := 0
	for i, m := range logs.Marks {
		if i == 0 || logs.Marks[i-1].Stream != m.Stream {
			switches++
		}
	}
	if n := len(logs.Marks) - switches; n > limit/logTimeShare || len(logs.Marks) > MaxLogMarks(limit, limit) {
		return fmt.Sprintf("%d marks, %d of them for times, with a limit of %d", len(logs.Marks), n, limit)
	}
	if diff := cmp.Diff(logs, sent.EndWith(logs.Slice(at.Offset, len(logs.Data)))); diff != "" {
		return "sent in parts, it differs:\n" + diff
	}
	for i := 0; i < len(parts); i += 2 {
		from := int(parts[i] * float64(len(logs.Data)))
		to := from + int(parts[i+1]*float64(len(logs.Data)-from))
		if diff := cmp.Diff(got[from:to], timeOf(logs.Slice(from, to))); diff != "" {
			return fmt.Sprintf("from %d to %d:\n%s", from, to, diff)
		}
		page := NewLogPage(1, logs, LogPosition{1, from})
		if diff := cmp.Diff(got[from:page.Next.Offset], timeOf(page.Logs)); diff != "" {
			return fmt.Sprintf("the page from %d:\n%s", from, diff)
		}
	}
	return ""
}

// A run that writes for the longest time uses no more marks than its share, which do not count towards the
// limit, and each line has a time that is too early by a thirtieth of what has passed, at most. One that prints
// at full speed uses one mark.
func TestLogTimesOfLongRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, began, line := NewLogBuffer(DefaultLogs), time.Now(), []byte("a line.\n")
		const lines = DefaultLogs / 8
		for range lines {
			b.Append(1, line)
			time.Sleep(MaxTimeout / lines)
		}
		logs := b.End()
		if n := len(logs.Marks); n > 1+DefaultLogs/logTimeShare || n < DefaultLogs/logTimeShare/2 || len(logs.Data) != DefaultLogs || logs.Truncated {
			t.Errorf("%d marks, %d bytes, truncated: %v", n, len(logs.Data), logs.Truncated)
		}
		for i, got := range timeOf(logs) {
			if at := time.Duration(i/len(line)) * (MaxTimeout / lines); at-got.Sub(began) > at/30 {
				t.Fatalf("a line is written after %v and has the time %v", at, got.Sub(began))
			}
		}
		b.Reset(DefaultLogs)
		for range 10_000 {
			b.Append(1, line)
		}
		if n := len(b.End().Marks); n != 1 {
			t.Errorf("%d marks for one time", n)
		}
	})
}

// Times are in order though the clock of the machine was set back, before and between the parts of a log.
func TestLogTimesAreInOrder(t *testing.T) {
	at := func(n time.Duration) time.Time { return time.Now().Add(n).Truncate(time.Millisecond) }
	part := func(began time.Time, stream uint8, millis uint32) Logs {
		return Logs{Data: []byte("a\n"), Began: began, Marks: []LogMark{{Stream: stream, Millis: millis}}}
	}
	check := func(name string, l Logs, want ...uint32) {
		t.Helper()
		var got []uint32
		for _, m := range l.Marks {
			got = append(got, m.Millis)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	b := NewLogBuffer(DefaultLogs)
	b.AppendAll(part(at(time.Hour), 1, 0)) // of a clock that is ahead
	b.Append(2, []byte("b\n"))
	check("before", b.End(), 0, 0)
	b.Reset(DefaultLogs)
	began := at(-time.Hour)
	b.AppendAll(part(began, 1, 5000))
	b.AppendAll(part(began, 2, 4000))
	check("between", b.EndWith(part(began.Add(-time.Minute), 1, 0)), 5000, 5000, 5000)
}

// What a buffer says that it takes is the memory of its bytes and marks.
func TestLogBufferSize(t *testing.T) {
	b := NewLogBuffer(DefaultLogs)
	for range 1000 {
		b.Append(1, []byte("x"))
		b.Append(2, []byte("y"))
	}
	if most := int64(2 * 2000 * (1 + 16)); b.Size() < 2000*(1+16) || b.Size() > most {
		t.Errorf("%d bytes, at most %d are taken", b.Size(), most)
	}
}

// Output that is sent in parts and put together again is what was written, with the same marks and the
// same line about a cut.
func TestLogBufferInParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := int64(rapid.IntRange(1, 300).Draw(t, "limit"))
		from, to, at := NewLogBuffer(limit), NewLogBuffer(limit), LogPosition{Attempt: 1}
		for range rapid.IntRange(0, 20).Draw(t, "writes") {
			from.Append(uint8(rapid.IntRange(1, 2).Draw(t, "stream")), rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(t, "data"))
			if rapid.Bool().Draw(t, "sent") {
				page, _ := from.Page(1, at)
				to.AppendAll(page.Logs)
				at = page.Next
			}
		}
		all := from.End()
		rest := all.Slice(at.Offset, len(all.Data))
		if diff := cmp.Diff(all, to.EndWith(rest)); diff != "" {
			t.Fatalf("it differs:\n%s", diff)
		}
		to.Append(1, []byte("late"))
		if diff := cmp.Diff(all, to.End()); diff != "" {
			t.Fatalf("it changed after its end:\n%s", diff)
		}
	})
}
