package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// processMain turns a function into a program: args in argv, result on the standard output.
const processMain = `
import json, sys
print(json.dumps(main(json.loads(sys.argv[1]), {}), separators=(",", ":")))
`

var latencyBench = bench{
	name: "latency",
	how: "One client on one connection that sends one request after the other, and `/usr/bin/python3 -I -S` started with the same function, args and " +
		"result, alternately. Medians of the medians of each repetition.",
	rows: []row{{
		what: "HTTP blocking run, one connection, median / native `python3 -I -S` process that runs the same function",
		of:   "faaspot", peer: "process", goal: "at most 1/50", holds: ratioAtMost(1.0 / 50),
		limit: "one connection: a round trip, the record, and one run",
	}},
	measure: measureLatency,
}

// measureLatency alternates between runs over HTTP and a process per run.
func measureLatency(ctx context.Context, l *lab) ([]measured, error) {
	if err := need(debianPython); err != nil {
		return nil, err
	}
	s, err := l.serve(ctx, function{Name: "hello", Code: helloCode()})
	if err != nil {
		return nil, err
	}
	defer s.stop()
	run := s.runRequest("hello", helloArgs)
	length := time.Duration(l.rounds(1000, 300)) * time.Millisecond
	var calls, processes []time.Duration
	for range l.rounds(5, 3) {
		times, err := s.repeat(ctx, run, length)
		if err != nil {
			return nil, err
		}
		calls = append(calls, median(times))
		times = nil
		for range l.rounds(30, 10) {
			began := time.Now()
			text, err := output(ctx, "", debianPython, "-I", "-S", "-c", helloCode()+processMain, helloArgs)
			if err != nil {
				return nil, err
			}
			times = append(times, time.Since(began))
			if strings.TrimSpace(string(text)) != helloResult {
				return nil, fmt.Errorf("the process printed %q", text)
			}
		}
		processes = append(processes, median(times))
	}
	return []measured{{value: elapsed(median(calls)), peer: elapsed(median(processes))}}, nil
}
