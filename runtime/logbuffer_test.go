package runtime

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
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
		limit := rapid.IntRange(0, 60).Draw(t, "limit")
		b := NewLogBuffer(int64(limit))
		var data, of []byte // the expected bytes and their streams
		dropped := 0
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
			if !bytes.Equal(p.Logs.Data, data[at:]) || p.Attempt != attempt || p.Next != (LogPosition{attempt, len(data)}) {
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
			room := min(limit-len(data), len(p))
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

// TestMarksAreBounded switches the stream with each byte: the limit bounds the marks too.
func TestMarksAreBounded(t *testing.T) {
	b := NewLogBuffer(1000)
	for i := range 5000 {
		b.Append(uint8(1+i%2), []byte("x"))
	}
	if l := b.End(); len(l.Marks) != 1000 || !l.Truncated || !strings.HasSuffix(string(l.Data), "[log truncated: 4000 more bytes were written; the limit is 1000]\n") {
		t.Errorf("%d marks, the end is %q", len(l.Marks), l.Data[1000:])
	}
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
