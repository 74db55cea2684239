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

var sleepBench = bench{
	name: "sleep",
	how: "`wrk` with one thread and 64 connections that wait for runs of a function that sleeps for 2 ms, and with 8 connections for runs of the trivial function, " +
		"alternately. Likewise one request for 10,000 runs of each, from sending it until all are finished. Medians of all repetitions. If runs slept for exactly 2 ms and " +
		"cost nothing else, 64 connections would reach 32,000 per second.",
	rows: []row{
		{
			what: "blocking runs per second at a 2 ms sleep, 64 connections / trivial runs per second, 8 connections", part: "blocking",
			of: "sleeping", peer: "trivial", goal: "at least 0.6x", holds: ratioAtLeast(0.6),
		},
		{
			what: "bulk of 10,000 runs at a 2 ms sleep, runs per second / trivial bulk", part: "bulk",
			of: "sleeping", peer: "trivial", goal: "at least 0.4x", holds: ratioAtLeast(0.4),
		},
	},
	measure: measureSleep,
}

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
