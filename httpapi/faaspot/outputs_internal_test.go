package faaspot

import (
	"bytes"
	goruntime "runtime"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// withResult returns an execution with a result of n bytes.
func withResult(n int) *runtime.Execution {
	result := append(append([]byte{'"'}, bytes.Repeat([]byte("x"), n-2)...), '"')
	return &runtime.Execution{
		ID: "01935f9e-7d5c-7000-8000-00000000abcd", Function: "hello", Kind: runtime.KindRun, Version: 7, State: runtime.StateSucceeded, Attempt: 1,
		Created: time.Unix(1, 0), Started: time.Unix(2, 0), Finished: time.Unix(3, 0), Caller: runtime.Caller{UserID: "ada", TraceID: "4bf92f3577b34da6a3ce929d0e0e4736"},
		ResultSize: n, Outcome: runtime.Outcome{Result: result},
	}
}

// TestResultsAreCopiedOnce counts the bytes that the form of a large execution takes.
func TestResultsAreCopiedOnce(t *testing.T) {
	if raceEnabled {
		t.Skip("a slice that grows is made twice then")
	}
	const size, other = 4 * runtime.MiB, 64 * runtime.KiB
	x := withResult(size)
	var before, after goruntime.MemStats
	goruntime.ReadMemStats(&before)
	text, err := appendExecution(nil, "http://api.test", x)
	goruntime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; err != nil || len(text) < size || n > size+other {
		t.Errorf("%d bytes in %d: %v", len(text), n, err)
	}
}

// BenchmarkCopy copies what BenchmarkExecution renders.
func BenchmarkCopy(b *testing.B) {
	x := withResult(runtime.MiB)
	b.SetBytes(runtime.MiB)
	for b.Loop() {
		_ = append([]byte(nil), x.Result...)
	}
}

// BenchmarkExecution renders an execution with a result of 1 MiB.
func BenchmarkExecution(b *testing.B) {
	x := withResult(runtime.MiB)
	b.SetBytes(runtime.MiB)
	for b.Loop() {
		if _, err := appendExecution(nil, "http://api.test", x); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkExecutions renders a page of 1,000 executions with results of 1 KiB.
func BenchmarkExecutions(b *testing.B) {
	all := make([]runtime.Execution, runtime.MaxPage)
	for i := range all {
		all[i] = *withResult(runtime.ListedResult)
	}
	for b.Loop() {
		if _, err := encodeExecutions("http://api.test", all); err != nil {
			b.Fatal(err)
		}
	}
}
