package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// imageMiB is the size of the image of a function with much module-level state.
	imageMiB = 300
	// imageCallers is the number of clients that call it one request after the other.
	imageCallers = 4
)

var imageNeighbourBench = bench{
	name: "image",
	how: "Four clients that call a function with 300 MB of module-level state, one request after the other, and at the same time a client on one connection " +
		"that calls the trivial function, one request after the other.",
	rows: []row{{
		what: "a neighbour's p99 beside four callers of a function with an image of 300 MB",
		of:   "p99", goal: "at most 15 ms", holds: timeAtMost(15 * time.Millisecond),
		limit: "the processors: runs of the function with the image",
	}},
	measure: measureImageNeighbour,
}

// measureImageNeighbour measures how long a trivial run takes while others call a function with a
// large image.
func measureImageNeighbour(ctx context.Context, l *lab) ([]measured, error) {
	s, err := l.serve(ctx, function{Name: "hello", Code: helloCode()}, function{
		Name: "image", Memory: imageMiB + 100, Timeout: 30,
		Code: fmt.Sprintf("X = bytearray(b'\\x5a') * (%d << 20)\n\n\ndef main(args, context):\n    return 1\n", imageMiB),
	})
	if err != nil {
		return nil, err
	}
	defer s.stop()
	hello := s.runRequest("hello", helloArgs)
	alone, err := s.repeat(ctx, hello, settleTime)
	if err != nil {
		return nil, err
	}
	calling, stop := context.WithCancel(ctx)
	defer stop()
	calls := make([]int, imageCallers)
	failed := make([]error, imageCallers)
	var callers sync.WaitGroup
	for i := range imageCallers {
		callers.Go(func() {
			c := newClient(s.address)
			defer c.close()
			for calling.Err() == nil && failed[i] == nil {
				_, failed[i] = c.succeed(s.runRequest("image", "{}"))
				calls[i]++
			}
		})
	}
	_, err = s.repeat(ctx, hello, settleTime)
	var times []time.Duration
	if err == nil {
		times, err = s.repeat(ctx, hello, time.Duration(l.rounds(10, 4))*time.Second)
	}
	stop()
	callers.Wait()
	if err != nil {
		return nil, err
	}
	total := 0
	for i, err := range failed {
		if err != nil {
			return nil, err
		}
		total += calls[i]
	}
	return []measured{{
		value: elapsed(percentile(times, 0.99)),
		notes: []string{fmt.Sprintf("%d calls beside %d of the function with the image; median %v, p90 %v, longest %v; alone median %v, p99 %v", len(times), total,
			elapsed(median(times)), elapsed(percentile(times, 0.9)), elapsed(percentile(times, 1)), elapsed(median(alone)), elapsed(percentile(alone, 0.99)))},
	}}, nil
}
