package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	endlessLoops = 4
	loopCode     = "def main(args, context):\n    while True: pass\n"
	// settleTime is how long the neighbour calls before its times count: until the loops have
	// started and have used up the priority of new runs.
	settleTime = time.Second
)

var neighbourBench = bench{
	name: "neighbour",
	how: "Four runs of `while True: pass` over HTTP, and at the same time a client on one connection that calls the trivial function, one request " +
		"after the other.",
	rows: []row{{
		what: "a neighbour's p99 while four endless loops run",
		of:   "p99", goal: "at most 15 ms", holds: timeAtMost(15 * time.Millisecond),
		limit: "the processors: how long a loop may run before others get its processor",
	}},
	measure: measureNeighbour,
}

// measureNeighbour calls a function while endless loops occupy the processors.
func measureNeighbour(ctx context.Context, l *lab) ([]measured, error) {
	s, err := l.serve(ctx)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	length := time.Duration(l.rounds(10, 4)) * time.Second
	// The loops outlast the measurement, so that all of them run throughout.
	timeout := length + settleTime + 2*time.Second
	if err := s.create(function{Name: "loop", Code: loopCode, Timeout: timeout.Seconds()}); err != nil {
		return nil, err
	}
	if err := s.create(function{Name: "hello", Code: helloCode()}); err != nil {
		return nil, err
	}
	hello := s.runRequest("hello", helloArgs)
	alone, err := s.repeat(ctx, hello, settleTime)
	if err != nil {
		return nil, err
	}

	var loops sync.WaitGroup
	failed := make([]error, endlessLoops)
	for i := range failed {
		loops.Go(func() { failed[i] = s.loop(timeout) })
	}
	_, err = s.repeat(ctx, hello, settleTime)
	var times []time.Duration
	if err == nil {
		times, err = s.repeat(ctx, hello, length)
	}
	loops.Wait()
	if err != nil {
		return nil, err
	}
	for _, err := range failed {
		if err != nil {
			return nil, err
		}
	}
	return []measured{{
		value: elapsed(percentile(times, 0.99)),
		notes: []string{fmt.Sprintf("%d calls; median %v, p90 %v, longest %v; without the loops median %v, p99 %v", len(times), elapsed(median(times)),
			elapsed(percentile(times, 0.9)), elapsed(percentile(times, 1)), elapsed(median(alone)), elapsed(percentile(alone, 0.99)))},
	}}, nil
}

// loop runs the endless loop until its timeout stops it.
func (s *server) loop(timeout time.Duration) error {
	c := newClient(s.address) // one connection per loop
	defer c.close()
	c.timeout += timeout
	began := time.Now()
	status, body, err := c.do(s.runRequest("loop", "{}"))
	if err == nil && (status != http.StatusGatewayTimeout || time.Since(began) < timeout) {
		err = fmt.Errorf("the endless loop ended with status %d after %v: %s", status, time.Since(began), tail(body))
	}
	return err
}
