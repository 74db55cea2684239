package faaspot

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/test/linear"
)

// pagesOf returns a reader of logs that an engine keeps, and counts what it fetches.
func pagesOf(logs runtime.Logs, r logRenderer, fetched *int) *logReader {
	return &logReader{
		page: runtime.NewLogPage(1, logs, runtime.LogPosition{}), end: len(logs.Data), render: r, turn: func() (func(), error) { return func() {}, nil },
		next: func(from runtime.LogPosition) (runtime.LogPage, error) {
			*fetched++
			return runtime.NewLogPage(1, logs, from), nil
		},
	}
}

// alternating returns logs of n bytes whose streams change with each byte.
func alternating(n int) (logs runtime.Logs) {
	for i := range n {
		logs.Marks = append(logs.Marks, runtime.LogMark{Offset: i, Stream: uint8(1 + i%2)})
		logs.Data = append(logs.Data, 'x')
	}
	return logs
}

// manyTimes returns logs of n bytes in which every other byte has a time of its own.
func manyTimes(n int) (logs runtime.Logs) {
	logs.Began = time.UnixMilli(0)
	for i := range n / 2 {
		logs.Marks = append(logs.Marks, runtime.LogMark{Offset: 2 * i, Stream: 1, Millis: uint32(i)})
		logs.Data = append(logs.Data, "\n\n"...)
	}
	return logs
}

// validText replaces bytes that are not UTF-8 by U+FFFD.
func validText(text []byte) string { return strings.ToValidUTF8(string(text), "\ufffd") }

// wanted returns the entries of a response, from the whole logs.
func wanted(logs runtime.Logs, only wire.Stream, times bool) []wire.LogEntry[string] {
	entries := []wire.LogEntry[string]{}
	eachMark(logs, func(m runtime.LogMark, text []byte) {
		entry := wire.LogEntry[string]{Stream: streams[m.Stream], Text: validText(text)}
		if only != "" && entry.Stream != only {
			return
		}
		if times && !logs.Began.IsZero() {
			entry.Time = formatTime(logs.Began.Add(time.Duration(m.Millis) * time.Millisecond))
		}
		if n := len(entries); n > 0 && entries[n-1].Stream == entry.Stream && entries[n-1].Time == entry.Time {
			entries[n-1].Text += entry.Text
			return
		}
		entries = append(entries, entry)
	})
	return entries
}

// eachMark calls visit for what each mark begins.
func eachMark(logs runtime.Logs, visit func(m runtime.LogMark, text []byte)) {
	for i, m := range logs.Marks {
		end := len(logs.Data)
		if i+1 < len(logs.Marks) {
			end = logs.Marks[i+1].Offset
		}
		visit(m, logs.Data[m.Offset:end])
	}
}

// TestLogReader renders random logs of several pages, with characters and sequences of invalid bytes
// across the borders. The response is what the whole logs say.
func TestLogReader(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var logs runtime.Logs
		if rapid.Bool().Draw(t, "timed") {
			logs.Began = time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "began")).UTC()
		}
		millis := uint32(0)
		for range rapid.IntRange(0, 6).Draw(t, "stretches") {
			piece := rapid.SampledFrom([]string{"a", "\n", "é", "🐍", "\xf0\x9f", "\xff", "\x00\"\\", "<&>", "\u2028", "日"}).Draw(t, "piece")
			stream := uint8(rapid.IntRange(1, 2).Draw(t, "stream"))
			later := rapid.Uint32Range(0, 2).Draw(t, "later")
			if n := len(logs.Marks); n == 0 || logs.Marks[n-1].Stream != stream || !logs.Began.IsZero() && later > 0 && logs.Data[len(logs.Data)-1] == '\n' {
				millis += later
				logs.Marks = append(logs.Marks, runtime.LogMark{Offset: len(logs.Data), Stream: stream, Millis: millis})
			}
			logs.Data = append(logs.Data, strings.Repeat(piece, rapid.SampledFrom([]int{1, 2, 9000, 40_000}).Draw(t, "repeated"))...)
		}
		only := rapid.SampledFrom([]wire.Stream{"", wire.Stdout, wire.Stderr}).Draw(t, "only")
		times := rapid.Bool().Draw(t, "with times")
		var fetched int
		got, err := io.ReadAll(pagesOf(logs, &entryRenderer{only: only, times: times}, &fetched))
		if err != nil {
			t.Fatal(err)
		}
		var entries struct{ Entries []wire.LogEntry[string] }
		if err := json.Unmarshal(append([]byte(`{"entries":[`), got...), &entries); err != nil {
			t.Fatalf("%v in %.200q", err, got)
		}
		if diff := cmp.Diff(wanted(logs, only, times), entries.Entries); diff != "" {
			t.Fatal(diff)
		}
		raw, err := io.ReadAll(pagesOf(logs, &rawRenderer{only: only}, &fetched))
		var want []byte
		eachMark(logs, func(m runtime.LogMark, text []byte) {
			if only == "" || only == streams[m.Stream] {
				want = append(want, text...)
			}
		})
		if err != nil || !bytes.Equal(raw, want) {
			t.Fatalf("%d raw bytes of %d, %v", len(raw), len(want), err)
		}
	})
}

// TestLogReaderHoldsAPage checks that a response that is not read further fetches no further page,
// and how much it holds.
func TestLogReaderHoldsAPage(t *testing.T) {
	t.Parallel()
	for name, logs := range map[string]runtime.Logs{
		"lines":       {Data: bytes.Repeat([]byte("a line\n"), runtime.MiB/7), Marks: []runtime.LogMark{{Stream: 1}}},
		"controls":    {Data: make([]byte, runtime.MiB), Marks: []runtime.LogMark{{Stream: 1}}},
		"alternating": alternating(32 * runtime.KiB),
		"times":       manyTimes(runtime.MiB),
	} {
		fetched := 0
		r := pagesOf(logs, &entryRenderer{times: true}, &fetched)
		buf := make([]byte, 1)
		for {
			_, err := r.Read(buf)
			if held := cap(r.out) + 16*cap(r.page.Logs.Marks); held > 256*runtime.KiB {
				t.Fatalf("%s: a response holds %d bytes besides the shared logs", name, held)
			}
			if fetched > len(logs.Data)/1024 {
				t.Fatalf("%s: %d pages of %d bytes", name, fetched, len(logs.Data))
			}
			if errors.Is(err, io.EOF) {
				break
			}
		}
		if fetched == 0 {
			t.Errorf("%s: all of it was in the first page", name)
		}
	}
}

// TestLogReaderBreaksOff checks that a response fails, and does not end as if it were whole, if the
// rest of the logs is gone.
func TestLogReaderBreaksOff(t *testing.T) {
	t.Parallel()
	logs := alternating(32 * runtime.KiB)
	gone := errors.New("gone")
	for name, next := range map[string]func(runtime.LogPosition) (runtime.LogPage, error){
		"an error":        func(runtime.LogPosition) (runtime.LogPage, error) { return runtime.LogPage{}, gone },
		"another attempt": func(from runtime.LogPosition) (runtime.LogPage, error) { return runtime.NewLogPage(2, logs, from), nil },
		"shorter logs": func(from runtime.LogPosition) (runtime.LogPage, error) {
			return runtime.NewLogPage(1, logs.Slice(0, len(logs.Data)-1), from), nil
		},
	} {
		var fetched int
		r := pagesOf(logs, &rawRenderer{}, &fetched)
		failed := 0
		r.next, r.fail = next, func(error) { failed++ }
		if _, err := io.ReadAll(r); err == nil || failed != 1 {
			t.Errorf("%s: %v, reported %d times", name, err, failed)
		}
	}
	// What the run writes during the response does not belong to it.
	var fetched int
	r := pagesOf(logs, &rawRenderer{}, &fetched)
	r.end -= 100
	if all, err := io.ReadAll(r); err != nil || len(all) != len(logs.Data)-100 {
		t.Errorf("%d bytes, %v", len(all), err)
	}
}

// TestLinearLogResponse renders logs whose streams change with each byte, of both streams and of one.
func TestLinearLogResponse(t *testing.T) {
	for _, only := range []wire.Stream{"", wire.Stdout} {
		linear.Bytes(t, runtime.DefaultLogs, func(size int) func() {
			logs := alternating(size / runtime.LogMarkSize)
			return func() {
				var fetched int
				_, _ = io.Copy(io.Discard, pagesOf(logs, &entryRenderer{only: only}, &fetched))
			}
		})
	}
}
