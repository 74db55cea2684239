package main

import (
	"context"
	"time"
)

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
