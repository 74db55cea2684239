package record

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/keys"
	"github.com/faaspot/faaspot/storage/internal/storetest"
	"github.com/faaspot/faaspot/test/linear"
)

// created is the time at which the executions of these tests were created.
var created = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

// instantOrNone draws a time, to the nanosecond, or the zero time.
func instantOrNone() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		if n := rapid.Int64().Draw(t, "nanoseconds"); n != 0 {
			return time.Unix(0, n).UTC()
		}
		return time.Time{}
	})
}

func blob(most int) *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) []byte {
		b := rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "bytes")
		n := rapid.IntRange(0, most).Draw(t, "size")
		if n == 0 {
			return nil
		}
		return bytes.Repeat(b, n/len(b)+1)[:n]
	})
}

func drawDone(t *rapid.T) runtime.Execution {
	number := func(label string) int { return rapid.Int().Draw(t, label) }
	x := runtime.Execution{
		ID:               storetest.ID(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "id"), 0)), created),
		Tenant:           runtime.Tenant(storetest.Text().Draw(t, "tenant")),
		Kind:             rapid.SampledFrom(Kinds[1:]).Draw(t, "kind"),
		FunctionID:       storetest.Text().Draw(t, "function id"),
		Function:         storetest.Text().Draw(t, "function"),
		Version:          rapid.Uint64().Draw(t, "version"),
		State:            rapid.SampledFrom(States[1:]).Draw(t, "state"),
		Created:          instantOrNone().Draw(t, "created"),
		Started:          instantOrNone().Draw(t, "started"),
		Finished:         instantOrNone().Draw(t, "finished"),
		Attempt:          number("attempt"),
		Retries:          number("retries"),
		FunctionFailures: number("function failures"),
		PlatformFailures: number("platform failures"),
		LostAttempts:     number("lost attempts"),
		CancelRequested:  rapid.Bool().Draw(t, "cancel"),
		Pinned:           rapid.Bool().Draw(t, "pinned"),
	}
	id, _ := keys.ParseID(x.ID)
	x.Caller = runtime.Caller{
		UserID:     storetest.Text().Draw(t, "user"),
		RID:        storetest.Text().Draw(t, "caller"),
		TraceID:    rapid.SampledFrom([]string{keys.OwnTrace(id), "4bf92f3577b34da6a3ce929d0e0e4736"}).Draw(t, "trace"),
		TraceOwner: storetest.Text().Draw(t, "trace owner"),
	}
	if rapid.Bool().Draw(t, "task") {
		x.Task = &runtime.TaskRef{
			JobExecution: storetest.ID(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "job execution"), 0)), created),
			Index:        rapid.IntRange(0, runtime.MaxTasks-1).Draw(t, "index"),
		}
	}
	if rapid.Bool().Draw(t, "a rerun") {
		x.RerunOf = storetest.ID(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "rerun"), 0)), created)
	}
	x.Result = blob(2*InlineSize).Draw(t, "result")
	x.ResultSize = len(x.Result)
	x.Usage = runtime.Usage{Duration: time.Duration(number("duration")), Memory: rapid.Int64().Draw(t, "memory"), Pages: number("pages")}
	for range rapid.IntRange(0, 3).Draw(t, "destinations") {
		x.Egress = append(x.Egress, runtime.Egress{
			Network: storetest.Text().Draw(t, "network"), Host: storetest.Text().Draw(t, "host"), Port: rapid.Uint16().Draw(t, "port"),
			Connections: number("connections"), Sent: rapid.Int64().Draw(t, "sent"), Received: rapid.Int64().Draw(t, "received"), Duration: time.Duration(number("open")),
		})
	}
	if rapid.Bool().Draw(t, "failed") {
		x.Failure = &runtime.Failure{
			Class:     runtime.Class(storetest.Text().Draw(t, "class")),
			Type:      storetest.Text().Draw(t, "type"),
			Message:   storetest.Text().Draw(t, "message"),
			Traceback: storetest.Text().Draw(t, "traceback"),
			Line:      number("line"),
			ExitCode:  number("exit code"),
		}
	}
	return x
}

func drawLogs(t *rapid.T) runtime.Logs {
	l := runtime.Logs{Data: blob(2*InlineSize).Draw(t, "logs"), Truncated: rapid.Bool().Draw(t, "truncated")}
	for range rapid.IntRange(0, 3).Draw(t, "marks") {
		l.Marks = append(l.Marks, runtime.LogMark{
			Offset: rapid.IntRange(0, 1<<30).Draw(t, "offset"),
			Stream: rapid.Byte().Draw(t, "stream"),
		})
	}
	if rapid.Bool().Draw(t, "timed") {
		l.Began = time.UnixMilli(rapid.Int64Range(0, maxMillis).Draw(t, "began")).UTC()
		for i := range l.Marks {
			l.Marks[i].Millis = rapid.Uint32().Draw(t, "millis")
		}
	}
	return l
}

func TestDoneExecutionsAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want, logs := drawDone(t), drawLogs(t)
		args := blob(2*InlineSize).Draw(t, "args")
		want.ArgsSize, want.DropArgs = len(args), len(args) > 0 && rapid.Bool().Draw(t, "drop args")
		if rapid.Bool().Draw(t, "large args") {
			want.ArgsSize, want.DropArgs, args = runtime.MaxKeptArgs+1, true, nil
		}
		given := want
		given.Logs, given.Args = logs, args
		id, _ := keys.ParseID(want.ID)
		value, encoded := EncodeDone(&given, id)
		got, err := DecodeDone(want.Tenant, id, value)
		if err != nil {
			t.Fatal(err)
		}
		if len(want.Result) > InlineSize {
			want.Result = nil
		}
		if diff := cmp.Diff(want, got.Execution); diff != "" {
			t.Fatal(diff)
		}
		if got.LogsBytes != uint64(len(encoded)) || len(encoded) <= InlineSize && !bytes.Equal(got.InlineLogs, encoded) {
			t.Fatalf("logs of %d bytes are read as %d, and %d of them are inline", len(encoded), got.LogsBytes, len(got.InlineLogs))
		}
		if !want.KeepsArgs() || len(args) > InlineSize {
			args = nil
		}
		if !bytes.Equal(got.InlineArgs, args) {
			t.Fatalf("args of %d bytes are read as %d", len(args), len(got.InlineArgs))
		}
		if len(encoded) == 0 {
			return
		}
		back, err := DecodeLogs(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(logs, back, cmp.Comparer(bytes.Equal)); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestUnfinishedExecutionsAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, args := drawDone(t), blob(2*InlineSize).Draw(t, "args")
		id, _ := keys.ParseID(x.ID)
		x.ArgsSize, x.DropArgs = len(args), rapid.Bool().Draw(t, "drop args")
		accepted, err := DecodeAccepted(EncodeAccepted(&x, id, args))
		if err != nil {
			t.Fatal(err)
		}
		var got2 runtime.Execution
		accepted.request.apply(&got2, id)
		if diff := cmp.Diff(x.Caller, got2.Caller); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(x.Task, got2.Task); diff != "" {
			t.Fatal(diff)
		}
		if accepted.ArgsSize != uint64(len(args)) || len(args) <= InlineSize && !bytes.Equal(accepted.InlineArgs, args) {
			t.Fatalf("args of %d bytes are read as %d, and %d of them are inline", len(args), accepted.ArgsSize, len(accepted.InlineArgs))
		}
		numbers := rapid.SliceOfN(rapid.Uint8(), 3, 3).Draw(t, "suspicion")
		x.Suspicion = runtime.Suspicion{Losses: numbers[0], Stretch: numbers[1], Charges: numbers[2], Probation: runtime.Probation(rapid.IntRange(0, 4).Draw(t, "probation"))}
		if rapid.Bool().Draw(t, "usual") {
			x.Suspicion = usualSuspicion(FailuresOf(&x))
		}
		lease := Lease{x.Function, x.Attempt, x.Started, FailuresOf(&x), x.CancelRequested, x.Version, x.Suspicion}
		if got, err := DecodeLease(lease.Encode()); err != nil || got != lease {
			t.Fatalf("%+v came back as %+v, %v", lease, got, err)
		}
		waiting := Waiting{x.Attempt, FailuresOf(&x), x.Finished, x.Version, x.Suspicion}
		if got, err := DecodeWaiting(waiting.Encode()); err != nil || got != waiting {
			t.Fatalf("%+v came back as %+v, %v", waiting, got, err)
		}
		promise := Idempotency{x.Created, [32]byte{1, 31: 9}, []keys.ID{id, id}}
		if got, err := DecodeIdempotency(promise.Encode()); err != nil || !cmp.Equal(got, promise, cmp.AllowUnexported(Idempotency{})) {
			t.Fatalf("%+v came back as %+v, %v", promise, got, err)
		}
		got := accepted.Execution(x.Tenant, id, Attempt{Lease: &lease})
		want := runtime.Execution{
			ID: x.ID, Tenant: x.Tenant, Kind: x.Kind, FunctionID: x.FunctionID, Function: x.Function, Version: x.Version,
			State: runtime.StateRunning, Created: x.Created, Started: x.Started, Attempt: x.Attempt, Retries: x.Retries,
			FunctionFailures: x.FunctionFailures, PlatformFailures: x.PlatformFailures, LostAttempts: x.LostAttempts, Suspicion: x.Suspicion,
			CancelRequested: x.CancelRequested, Caller: x.Caller, Task: x.Task, ArgsSize: len(args), DropArgs: x.DropArgs, RerunOf: x.RerunOf, Pinned: x.Pinned,
		}
		if x.CancelRequested {
			want.State = runtime.StateCancelling
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestCallerSpanIsStored tests that a queued execution, and the execution of a job, keep the span of their
// caller and its decision.
func TestCallerSpanIsStored(t *testing.T) {
	id := keys.ID{1, 6: 0x70, 8: 0x80}
	for _, c := range []runtime.Caller{
		{UserID: "u", TraceID: keys.OwnTrace(id)},
		{UserID: "u", TraceID: "4bf92f3577b34da6a3ce929d0e0e4736", ParentSpan: "00f067aa0ba902b7", Sampled: runtime.SamplingOn},
		{UserID: "u", TraceID: "4bf92f3577b34da6a3ce929d0e0e4736", ParentSpan: "00f067aa0ba902b7", Sampled: runtime.SamplingOff},
	} {
		x := runtime.Execution{Kind: runtime.KindRun, FunctionID: "i", Function: "f", Created: time.Unix(0, 5), Caller: c}
		r, err := DecodeAccepted(EncodeAccepted(&x, id, nil))
		if got := r.Execution("t", id, Attempt{}).Caller; err != nil || got != c {
			t.Errorf("an execution of %+v is stored as %+v, %v", c, got, err)
		}
		value, err := EncodeJobExecution(&runtime.JobExecution{ID: id.String(), Caller: c}, id)
		if err != nil {
			t.Fatal(err)
		}
		if j, err := DecodeJobExecution("t", id, value); err != nil || j.Caller != c {
			t.Errorf("an execution of a job of %+v is stored as %+v, %v", c, j.Caller, err)
		}
	}
	bad := EncodeAccepted(&runtime.Execution{Kind: runtime.KindRun, Caller: runtime.Caller{ParentSpan: "00f067aa0ba902b7", Sampled: 3}}, id, nil)
	if _, err := DecodeAccepted(bad); err == nil {
		t.Error("a decision that does not exist is read")
	}
}

// The stored bytes are a promise to later releases.
func TestExecutionEncodingIsStable(t *testing.T) {
	at := time.Unix(0, 5).UTC()
	x := runtime.Execution{
		Kind: runtime.KindRun, FunctionID: "i", Function: "f", Version: 1, State: runtime.StateFailed, Created: at, Started: at,
		Attempt: 1, Retries: 2, FunctionFailures: 3, PlatformFailures: 4, LostAttempts: 10, CancelRequested: true,
		Caller: runtime.Caller{UserID: "u", RID: "r", TraceID: "t", TraceOwner: "o"}, Task: &runtime.TaskRef{JobExecution: keys.ID{1, 6: 0x70, 8: 0x80}.String(), Index: 2},
		Outcome: runtime.Outcome{
			Failure: &runtime.Failure{Class: runtime.ClassError, Type: "T", Message: "M", Traceback: "B", Line: 6, ExitCode: -1},
			Usage:   runtime.Usage{Duration: 7, Memory: 8, Pages: 9},
			Logs:    runtime.Logs{Data: []byte("out"), Marks: []runtime.LogMark{{Offset: 0, Stream: 1}, {Offset: 2, Stream: 2}}, Truncated: true},
		},
	}
	usual, suspicion := runtime.Suspicion{Losses: 4}, runtime.Suspicion{Losses: 6, Stretch: 7, Charges: 8, Probation: runtime.ProbationAlone}
	done, logs := EncodeDone(&x, keys.ID{})
	task := "\x01" + string(make([]byte, 5)) + "\x70\x00\x80" + string(make([]byte, 7))
	rerun := x
	rerun.Args, rerun.ArgsSize, rerun.RerunOf = []byte("{}"), 2, x.Task.JobExecution
	doneRerun, _ := EncodeDone(&rerun, keys.ID{})
	rerun.DropArgs = true
	doneDropped, _ := EncodeDone(&rerun, keys.ID{})
	timed := runtime.Logs{Data: []byte("out"), Marks: []runtime.LogMark{{Stream: 1}, {Offset: 2, Stream: 2, Millis: 125}}, Truncated: true, Began: time.UnixMilli(5000)}
	traced := x
	traced.Caller.ParentSpan, traced.Caller.Sampled = "0102030405060708", runtime.SamplingOff
	end := "\x02\x0e\x10\x12\x01\x05error\x01T\x01M\x01B\x0c\x01"
	for _, test := range []struct{ what, got, want string }{
		{"accepted", string(EncodeAccepted(&x, keys.ID{}, []byte("{}"))), "\x06\x01\x01i\x01f\x01\x0a\x04\x01u\x01r\x01t\x01o\x01" + task + "\x02\x02{}"},
		{"accepted rerun", string(EncodeAccepted(&rerun, keys.ID{}, []byte("{}"))), "\x14\x01\x01i\x01f\x01\x0a\x04\x01u\x01r\x01t\x01o\x01" + task + "\x02\x03" + task + "\x02{}"},
		{"accepted of a span", string(EncodeAccepted(&traced, keys.ID{}, []byte("{}"))), "\x14\x01\x01i\x01f\x01\x0a\x04\x01u\x01r\x01t\x01o\x01" + task + "\x02\x08\x01\x02\x03\x04\x05\x06\x07\x08\x02\x02{}"},
		{"lease", string(Lease{"f", 1, at, Failures{2, 3, 4}, true, 5, usual}.Encode()), "\x05\x01f\x02\x0a\x04\x06\x08\x01\x05"},
		{"lease of a suspect", string(Lease{"f", 1, at, Failures{2, 3, 4}, true, 5, suspicion}.Encode()), "\x09\x01f\x02\x0a\x04\x06\x08\x01\x05\x06\x07\x08\x02"},
		{"waiting", string(Waiting{1, Failures{2, 3, 4}, at, 5, usual}.Encode()), "\x05\x02\x04\x06\x08\x0a\x05"},
		{"waiting suspect", string(Waiting{1, Failures{2, 3, 4}, at, 5, suspicion}.Encode()), "\x09\x02\x04\x06\x08\x0a\x05\x06\x07\x08\x02"},
		{"logs", string(logs), "\x03\x01\x02\x00\x01\x04\x02out"},
		{"logs with times", string(EncodeLogs(timed)), "\x17\x01\x88\x27\x02\x00\x01\x00\x04\x02\xfa\x01out"},
		{"done", string(done), "\x06\x01\x02\x01i\x01f\x01\x0a\x0a\x00\x02\x04\x06\x08\x14\x01\x01u\x01r\x01t\x01o\x01" + task + "\x02\x0e\x10\x12\x01\x05error\x01T\x01M\x01B\x0c\x01\x00\x0a" + string(logs)},
		{"done rerun", string(doneRerun), "\x14\x01\x02\x01i\x01f\x01\x0a\x0a\x00\x02\x04\x06\x08\x14\x01\x01u\x01r\x01t\x01o\x01" + task + end + "\x00\x02" + task + "\x02\x00\x0a" + string(logs) + "{}"},
		{"done without its args", string(doneDropped), "\x14\x01\x02\x01i\x01f\x01\x0a\x0a\x00\x02\x04\x06\x08\x14\x01\x01u\x01r\x01t\x01o\x01" + task + end + "\x00\x03" + task + "\x02\x00\x0a" + string(logs)},
		{"idempotency", string(Idempotency{At: at, IDs: []keys.ID{{1}}}.Encode()), "\x03\x0a" + string(make([]byte, 32)) + "\x01" + string(make([]byte, 15))},
	} {
		if test.got != test.want {
			t.Errorf("%s is written as %q, want %q", test.what, test.got, test.want)
		}
	}
}

// Records of earlier releases can be read: before lost attempts had a number of their own.
func TestOlderExecutionsAreRead(t *testing.T) {
	at := time.Unix(0, 5).UTC()
	lease, err := DecodeLease([]byte("\x03\x01f\x02\x0a\x04\x06\x01\x04"))
	if want := (Lease{"f", 1, at, Failures{function: 2, lost: 3}, true, 4, runtime.Suspicion{Losses: 3}}); err != nil || lease != want {
		t.Errorf("a lease is read as %+v, %v, want %+v", lease, err, want)
	}
	waiting, err := DecodeWaiting([]byte("\x03\x02\x04\x06\x0a"))
	if want := (Waiting{1, Failures{function: 2, lost: 3}, at, 0, runtime.Suspicion{Losses: 3}}); err != nil || waiting != want {
		t.Errorf("a waiting record is read as %+v, %v, want %+v", waiting, err, want)
	}
	done, err := DecodeDone("t", keys.ID{}, []byte("\x03\x01\x02\x01i\x01f\x01\x0a\x0a\x00\x02\x04\x06\x08\x01\x0e\x10\x12\x01\x05error\x01T\x01M\x01B\x0c\x01\x00\x00"))
	want := runtime.Execution{
		ID: keys.ID{}.String(), Tenant: "t", Kind: runtime.KindRun, FunctionID: "i", Function: "f", Version: 1,
		State: runtime.StateFailed, Created: at, Started: at, Attempt: 1, Retries: 2, FunctionFailures: 3, PlatformFailures: 4, CancelRequested: true,
		Caller: runtime.Caller{TraceID: keys.OwnTrace(keys.ID{})},
		Outcome: runtime.Outcome{
			Failure: &runtime.Failure{Class: runtime.ClassError, Type: "T", Message: "M", Traceback: "B", Line: 6, ExitCode: -1},
			Usage:   runtime.Usage{Duration: 7, Memory: 8, Pages: 9},
		},
	}
	if diff := cmp.Diff(want, done.Execution); err != nil || diff != "" {
		t.Errorf("a record of an execution that is done is read as %v, %s", err, diff)
	}
}

// A value that is cut or has additional bytes is refused.
func TestDamagedExecutionsAreRefused(t *testing.T) {
	x := runtime.Execution{Kind: runtime.KindRun, Function: "f", State: runtime.StateFailed, Outcome: runtime.Outcome{Failure: &runtime.Failure{}}}
	x.Logs = runtime.Logs{Marks: []runtime.LogMark{{Offset: 1, Stream: 1}}}
	done, logs := EncodeDone(&x, keys.ID{})
	timed := EncodeLogs(runtime.Logs{Marks: []runtime.LogMark{{Stream: 1, Millis: 300}}, Began: time.UnixMilli(5000)})
	x.ArgsSize, x.Args, x.RerunOf = 2, []byte("{}"), keys.ID{1, 6: 0x70, 8: 0x80}.String()
	doneRerun, _ := EncodeDone(&x, keys.ID{})
	for what, test := range map[string]struct {
		value  []byte
		decode func([]byte) error
		open   bool // all that follows is data
	}{
		"done":        {done, func(b []byte) error { _, err := DecodeDone("t", keys.ID{}, b); return err }, false},
		"done rerun":  {doneRerun, func(b []byte) error { _, err := DecodeDone("t", keys.ID{}, b); return err }, false},
		"accepted":    {EncodeAccepted(&x, keys.ID{}, []byte("{}")), func(b []byte) error { _, err := DecodeAccepted(b); return err }, false},
		"lease":       {Lease{}.Encode(), func(b []byte) error { _, err := DecodeLease(b); return err }, false},
		"waiting":     {Waiting{}.Encode(), func(b []byte) error { _, err := DecodeWaiting(b); return err }, false},
		"logs":        {logs, func(b []byte) error { _, err := DecodeLogs(b); return err }, true},
		"timed logs":  {timed, func(b []byte) error { _, err := DecodeLogs(b); return err }, true},
		"idempotency": {Idempotency{}.Encode(), func(b []byte) error { _, err := DecodeIdempotency(b); return err }, false},
	} {
		if err := test.decode(test.value); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		for n := range test.value {
			if test.decode(test.value[:n]) == nil {
				t.Errorf("%s: %d of %d bytes are read", what, n, len(test.value))
			}
		}
		if test.decode(append(bytes.Clone(test.value), 0)) == nil && !test.open {
			t.Errorf("%s is read with an additional byte", what)
		}
	}
	for i, bad := range []byte{EncodingJSON, 0, byte(len(States))} { // encoding, kind, state
		value := bytes.Clone(done)
		value[i] = bad
		if _, err := DecodeDone("t", keys.ID{}, value); err == nil {
			t.Errorf("byte %d is read as %d", i, bad)
		}
	}
}

func FuzzDecodeDone(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 300 { // successes and failures
		at := created.Add(time.Duration(i) * time.Millisecond)
		x := runtime.Execution{
			ID: storetest.ID(rng, at), Caller: runtime.Caller{UserID: "admin"}, Kind: runtime.KindRun, FunctionID: "0197a1b2-0000-7000-8000-000000000000",
			Function: "function", Version: 3, State: runtime.StateSucceeded, Created: at, Started: at, Finished: at.Add(5 * time.Millisecond),
			Outcome: runtime.Outcome{
				Result: []byte(`"Hello you"`),
				Usage:  runtime.Usage{Duration: 5 * time.Millisecond, Memory: 64 << 20, Pages: 50},
				Logs:   runtime.Logs{Data: []byte("a line\n"), Marks: []runtime.LogMark{{Stream: 1}}},
			},
		}
		if i%3 == 0 {
			x.State, x.Result, x.Failure = runtime.StateFailed, nil, &runtime.Failure{Class: runtime.ClassError, Type: "ValueError", Message: "no"}
		}
		if i%2 == 0 {
			x.Args, x.ArgsSize, x.DropArgs = []byte(`{"name":"you"}`), 14, i%4 == 0
		}
		value, _ := EncodeDone(&x, keys.ID{})
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		got, err := DecodeDone("t", keys.ID{}, value)
		if err == nil {
			x, err := DecodeEnded(value)
			if x.Tenant = "t"; err != nil || x.Kind != got.Kind || !cmp.Equal(x.EndedRun(), got.EndedRun()) {
				t.Fatalf("%+v was counted as %+v, %v", got.EndedRun(), x.EndedRun(), err)
			}
		}
		if err != nil || got.ResultBytes > InlineSize || got.LogsBytes > 0 {
			return
		}
		given := got.Execution
		given.Args = got.InlineArgs
		again, _ := EncodeDone(&given, keys.ID{})
		back, err := DecodeDone("t", keys.ID{}, again)
		if err != nil || !cmp.Equal(got.Execution, back.Execution) {
			t.Fatalf("%+v came back as %+v, %v", got, back, err)
		}
	})
}

func FuzzDecodeLogs(f *testing.F) {
	f.Add(EncodeLogs(runtime.Logs{Data: []byte("out"), Marks: []runtime.LogMark{{Offset: 1, Stream: 2}}}), 1)
	f.Add(EncodeLogs(runtime.Logs{Data: []byte("out"), Marks: []runtime.LogMark{{Stream: 1}, {Offset: 1, Stream: 1, Millis: 9}}, Began: time.UnixMilli(5000)}), 2)
	f.Fuzz(func(t *testing.T, value []byte, offset int) {
		got, err := DecodeLogs(value)
		page, pageErr := DecodeLogPage(value, 1, runtime.LogPosition{Attempt: 1, Offset: offset})
		if len(value) > 0 && (err == nil) != (pageErr == nil) {
			t.Fatalf("%v, but of a page %v", err, pageErr)
		}
		if err != nil {
			return
		}
		if at := min(max(offset, 0), len(got.Data)); !bytes.HasPrefix(got.Data[at:], page.Logs.Data) || page.Size != len(got.Data) {
			t.Fatalf("at %d of %q there is %q", offset, got.Data, page.Logs.Data)
		}
		encoded := EncodeLogs(got)
		if encoded == nil {
			return
		}
		if back, err := DecodeLogs(encoded); err != nil || !cmp.Equal(got, back) {
			t.Fatalf("%+v came back as %+v, %v", got, back, err)
		}
	})
}

// TestLogPagesAreReadBack reads logs page by page: the same pages as of the logs in memory.
func TestLogPagesAreReadBack(t *testing.T) {
	var logs runtime.Logs
	for i := range 6000 {
		logs.Marks = append(logs.Marks, runtime.LogMark{Offset: len(logs.Data), Stream: uint8(1 + i/2%2), Millis: uint32(i * i)})
		logs.Data = append(logs.Data, bytes.Repeat([]byte{byte(i)}, 1+i%50)...)
	}
	logs.Began = time.UnixMilli(5000).UTC()
	value := EncodeLogs(logs)
	pages := 0
	for from := (runtime.LogPosition{}); from.Offset < len(logs.Data); pages++ {
		got, err := DecodeLogPage(value, 2, from)
		if diff := cmp.Diff(runtime.NewLogPage(2, logs, from), got); err != nil || diff != "" {
			t.Fatal(err, diff)
		}
		from = got.Next
	}
	if pages < 3 {
		t.Errorf("%d pages", pages)
	}
	if got, err := DecodeLogPage(nil, 2, runtime.LogPosition{}); err != nil || got.Size != 0 || got.Attempt != 2 {
		t.Errorf("%+v of empty logs, %v", got, err)
	}
}

// TestLinearLogPages reads large logs of an older server, which did not count marks, page by page.
func TestLinearLogPages(t *testing.T) {
	linear.Bytes(t, runtime.DefaultLogs, func(size int) func() {
		var logs runtime.Logs
		for i := range size {
			logs.Marks = append(logs.Marks, runtime.LogMark{Offset: i, Stream: uint8(1 + i%2)})
		}
		logs.Data = make([]byte, size)
		value := EncodeLogs(logs)
		return func() {
			from := runtime.LogPosition{}
			for range 20 { // it has 500
				p, _ := DecodeLogPage(value, 1, from)
				from = p.Next
			}
		}
	})
}
