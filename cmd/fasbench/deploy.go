package main

import (
	"context"
	"fmt"
	"time"
)

var deployBench = bench{
	name: "deploy",
	how:  "`PUT /v1/functions/` of new small functions, one after the other on one connection, including the fsync. Median.",
	rows: []row{{
		what: "deploy of a small function",
		of:   "median", goal: "at most 20 ms", holds: timeAtMost(20 * time.Millisecond),
		limit: "one caller: the import of the module, and one fsync",
	}},
	measure: measureDeploy,
}

// measureDeploy deploys new functions, one after the other.
func measureDeploy(ctx context.Context, l *lab) ([]measured, error) {
	s, err := l.serve(ctx)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	var times []time.Duration
	for i := range l.rounds(200, 50) {
		if err := s.connect(); err != nil {
			return nil, err
		}
		began := time.Now()
		if err := s.create(function{Name: fmt.Sprintf("small%d", i), Code: helloCode()}); err != nil {
			return nil, err
		}
		times = append(times, time.Since(began))
	}
	return []measured{{
		value: elapsed(median(times)),
		notes: []string{fmt.Sprintf("%d functions; p90 %v, the first %v", len(times), elapsed(percentile(times, 0.9)), elapsed(times[0]))},
	}}, nil
}
