package main

import (
	"context"
	"time"
)

const (
	// sleepConnections is the number of clients that wait for sleeping runs at once.
	sleepConnections = 64
	sleepCode        = "import time\n\n\ndef main(args, context):\n    time.sleep(0.002)\n"
)

// measureSleep alternates between runs that sleep for 2 ms and trivial runs, over HTTP and in bulks.
func measureSleep(ctx context.Context, l *lab) ([]measured, error) {
	if err := need("wrk"); err != nil {
		return nil, err
	}
	s, err := l.serve(ctx, function{Name: "hello", Code: helloCode()}, function{Name: "sleep", Code: sleepCode})
	if err != nil {
		return nil, err
	}
	defer s.stop()
	sleep := s.blockingTarget("sleep", "{}")
	sleep.connections = sleepConnections
	length := time.Duration(l.rounds(2, 1)) * time.Second
	var sleeping, trivial loads
	var sleepingBulk, trivialBulk bulks
	for range l.rounds(5, 3) {
		for _, measure := range []func() error{
			func() error { return sleeping.measure(ctx, l, sleep, length) },
			func() error { return trivial.measure(ctx, l, s.blockingTarget("hello", helloArgs), length) },
			func() error { return sleepingBulk.measure(s, "sleep", "{}") },
			func() error { return trivialBulk.measure(s, "hello", helloArgs) },
		} {
			if err := measure(); err != nil {
				return nil, err
			}
		}
	}
	return []measured{
		{
			value: quantity{sleeping.rate(), perSecond}, peer: quantity{trivial.rate(), perSecond}, limit: sleeping.usage.limit(),
			notes: []string{
				"what limits trivial runs: " + trivial.usage.limit(),
				"processor time of the server per run: " + elapsed(sleeping.cpu()).String() + ", trivial " + elapsed(trivial.cpu()).String(),
			},
		},
		{
			value: quantity{sleepingBulk.rate(), perSecond}, peer: quantity{trivialBulk.rate(), perSecond}, limit: sleepingBulk.usage.limit(),
			notes: []string{"what limits the trivial bulk: " + trivialBulk.usage.limit()},
		},
	}, nil
}
