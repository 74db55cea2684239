package sandbox

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// logSlack is the number of bytes by which the mark of a truncated log exceeds the limit.
const logSlack = 200

// outputFloods write more than is stored.
var outputFloods = map[string]string{
	"many large":    "for _ in range(200): print('x' * 10**6)",
	"many small":    "import sys\nfor _ in range(600_000): sys.stdout.write('x\\n')",
	"unbuffered":    "import os\nfor _ in range(10**5): os.write(2, b'0123456789abcdef')",
	"no line end":   "import sys\nfor _ in range(100): sys.stdout.write('x' * 10**6)",
	"one line":      "print('x' * 50_000_000)",
	"NULs":          "import os\nfor _ in range(300): os.write(1, bytes(10000))",
	"both in turns": "import os\nfor i in range(600_000): os.write(1 + i % 2, b'ab')",
}

func TestOutputFloods(t *testing.T) {
	for name, main := range outputFloods {
		t.Run(name, func(t *testing.T) {
			box := boxes["mapped"]
			p := deployed(t, box, body(main+"\nreturn 'went on'"), runtime.Limits{Timeout: time.Minute, Memory: 256 * runtime.MiB})
			defer box.Forget(p.FunctionID, p.Version)
			outcome := runInTime(t, box, p, "{}")
			checkClass(t, outcome, "")
			logs := outcome.Logs
			if string(outcome.Result) != `"went on"` || !logs.Truncated {
				t.Errorf("got %s, truncated: %v", outcome.Result, logs.Truncated)
			}
			// All changes of the stream but the first one count.
			n := len(logs.Data) + runtime.LogMarkSize*(len(untimed(logs).Marks)-1)
			if n < runtime.DefaultLogs-runtime.LogMarkSize || n > runtime.DefaultLogs+logSlack {
				t.Errorf("%d bytes are stored with %d marks", len(logs.Data), len(logs.Marks))
			}
			if end := logs.Data[max(len(logs.Data)-logSlack, 0):]; !bytes.Contains(end, []byte("truncated")) {
				t.Errorf("the end is %q", end)
			}
			checkMarks(t, logs)
		})
	}
}

// untimed returns logs as they are without the times of their lines.
func untimed(logs runtime.Logs) runtime.Logs {
	all := logs.Marks
	logs.Began, logs.Marks = time.Time{}, nil
	for i, m := range all {
		if i == 0 || m.Stream != all[i-1].Stream {
			logs.Marks = append(logs.Marks, runtime.LogMark{Offset: m.Offset, Stream: m.Stream})
		}
	}
	return logs
}

func checkMarks(t *testing.T, logs runtime.Logs) {
	t.Helper()
	if logs.Began.IsZero() || len(logs.Marks) > runtime.MaxLogMarks(runtime.DefaultLogs, runtime.DefaultLogs) {
		t.Errorf("%d marks, and the output began at %v", len(logs.Marks), logs.Began)
	}
	last := -1
	for i, m := range logs.Marks {
		if m.Offset <= last || m.Offset >= len(logs.Data) || m.Stream != 1 && m.Stream != 2 ||
			i > 0 && (m.Millis < logs.Marks[i-1].Millis || m.Stream == logs.Marks[i-1].Stream && (m.Millis == logs.Marks[i-1].Millis || logs.Data[m.Offset-1] != '\n')) {
			t.Fatalf("mark %d of %d is %+v, after offset %d", i, len(logs.Marks), m, last)
		}
		last = m.Offset
	}
}

func TestOutputIsStoredAsWritten(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		p := deployed(t, box, body(`
import os, sys
print("one")
sys.stderr.write("\x1b[31mtwo\x1b[0m\0\n")
print("three", end="")
os.write(2, b"\xff\xfe")
sys.stdout.flush()
os.write(2, b"four")
print("rest without a line end", end="")`), runtime.Limits{})
		logs := run(t, box, p, "{}").Logs
		want := "one\n\x1b[31mtwo\x1b[0m\x00\n" + "\xff\xfe" + "three" + "four" + "rest without a line end"
		if string(logs.Data) != want || logs.Truncated {
			t.Errorf("got %q, want %q", logs.Data, want)
		}
		checkMarks(t, logs)
		var streams strings.Builder
		for _, m := range untimed(logs).Marks {
			streams.WriteByte('0' + m.Stream)
		}
		if streams.String() != "12121" {
			t.Errorf("streams %s", streams.String())
		}
	})
}

// Lines have the times at which they were written, whatever a run does between them.
func TestOutputHasTimes(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		p := deployed(t, box, body(`
import time
print("one")
time.sleep(0.02)
print("two", end="", flush=True)
time.sleep(0.02)
print(" and its end")
time.sleep(0.02)
print("three")`), runtime.Limits{})
		before := time.Now().Truncate(time.Millisecond)
		logs := run(t, box, p, "{}").Logs
		checkMarks(t, logs)
		if string(logs.Data) != "one\ntwo and its end\nthree\n" || len(logs.Marks) != 3 {
			t.Fatalf("got %q with the marks %v", logs.Data, logs.Marks)
		}
		if logs.Began.Before(before) || logs.Began.After(time.Now()) {
			t.Errorf("the output began at %v", logs.Began)
		}
		for i, least := range []uint32{0, 20, 60} {
			if m := logs.Marks[i]; m.Millis < least || m.Offset != []int{0, 4, 20}[i] {
				t.Errorf("line %d has the mark %+v", i, m)
			}
		}
		if end := logs.Time(logs.Marks[2]); end.After(time.Now()) {
			t.Errorf("the last line was written at %v", end)
		}
	})
}

func TestOutputAtTheLimit(t *testing.T) {
	box := boxes["mapped"]
	p := deployed(t, box, body("import os\nos.write(1, b'x' * args['n'])"), runtime.Limits{Logs: 1000})
	for args, truncated := range map[string]bool{`{"n":999}`: false, `{"n":1000}`: false, `{"n":1001}`: true} {
		logs := run(t, box, p, args).Logs
		if logs.Truncated != truncated || len(logs.Data) > 1000+logSlack {
			t.Errorf("%s: truncated %v, %d bytes", args, logs.Truncated, len(logs.Data))
		}
	}
}

// TestOutputOfFailures verifies that everything written before a failure is in the log, however the
// run ends.
func TestOutputOfFailures(t *testing.T) {
	box := boxes["mapped"]
	for _, end := range []string{"1 / 0", "import os; os._exit(0)", "import os; os.abort()", "while True: pass", "import sys; sys.exit()", "bytearray(10**9)"} {
		p := deployed(t, box, body("print('before')\n"+end), runtime.Limits{Timeout: 5 * runtime.MinTimeout})
		if got := string(runInTime(t, box, p, "{}").Logs.Data); got != "before\n" {
			t.Errorf("%s: logged %q", end, got)
		}
	}
}

// TestClosedStreams verifies that a function may close or replace its streams without any effect on
// its result.
func TestClosedStreams(t *testing.T) {
	box := boxes["mapped"]
	for _, main := range []string{
		"import sys; sys.stdout.close()",
		"import sys; print('x', end=''); sys.stdout.close(); sys.stderr.close()",
		"import sys; sys.stdout = sys.stderr = None",
		"import sys; del sys.stdout, sys.stderr",
		"import os; os.close(1); os.close(2)",
		"import os; print('x', end=''); os.close(1)",
		"import os; print('x', end=''); os.close(0); os.closerange(0, 50)",
		"import sys; sys.stdout.detach()",
		"import sys; sys.stdout.flush = lambda: 1 / 0",
		"import sys; sys.stdout.reconfigure(encoding='ascii')",
	} {
		if got := result(t, box, deployed(t, box, body(main+"\nreturn 1"), runtime.Limits{}), "{}"); got != "1" {
			t.Errorf("%s: got %s", main, got)
		}
	}
}
