package main

import (
	"context"
	"time"
)

var startBench = bench{
	name: "start",
	how: "From starting the process of `fas serve` to the response of the first run. First ever: on an empty data folder, including the deployment of " +
		"the function. Later: on a data folder with the compiled guest and the function. Medians.",
	rows: []row{
		{what: "server start to first run: first ever", part: "first ever", of: "median", goal: "at most 5 s", holds: timeAtMost(5 * time.Second), limit: "the processors: compiling the guest"},
		{what: "server start to first run: later (compile cache present)", part: "later", of: "median", goal: "at most 0.5 s", holds: timeAtMost(500 * time.Millisecond), limit: "one processor: loading the compiled guest"},
	},
	measure: measureStart,
}

// measureStart starts a server on an empty data folder, and then again on the same folder.
func measureStart(ctx context.Context, l *lab) ([]measured, error) {
	var first, later []time.Duration
	for range l.rounds(3, 1) {
		data, err := l.newFolder("start")
		if err != nil {
			return nil, err
		}
		took, err := l.firstRun(ctx, data, true)
		if err != nil {
			return nil, err
		}
		first = append(first, took)
		for range l.rounds(3, 3) {
			took, err := l.firstRun(ctx, data, false)
			if err != nil {
				return nil, err
			}
			later = append(later, took)
		}
	}
	return []measured{{value: elapsed(median(first))}, {value: elapsed(median(later))}}, nil
}

// firstRun returns the time from starting a server to the response of its first run.
func (l *lab) firstRun(ctx context.Context, data string, create bool) (time.Duration, error) {
	began := time.Now()
	s, err := l.serveIn(ctx, data)
	if err != nil {
		return 0, err
	}
	defer s.stop()
	if create {
		if err := s.create(function{Name: "hello", Code: helloCode()}); err != nil {
			return 0, err
		}
	}
	if _, err := s.succeed(s.runRequest("hello", helloArgs)); err != nil {
		return 0, err
	}
	return time.Since(began), nil
}
