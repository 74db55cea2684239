package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

var acceptanceBench = bench{
	name: "acceptance",
	how: "Background runs of the trivial function on an otherwise idle server, one after the other. The figure is the time between `created` and " +
		"`started` of the execution, including both fsyncs. Median.",
	rows: []row{{
		what: "acceptance to start, idle server",
		of:   "median", goal: "at most 2 ms", holds: timeAtMost(2 * time.Millisecond),
		limit: "one caller: two fsyncs",
	}},
	measure: measureAcceptance,
}

// measureAcceptance submits one background run after the other and reads how long each waited
// before it started.
func measureAcceptance(ctx context.Context, l *lab) ([]measured, error) {
	s, err := l.serve(ctx, function{Name: "hello", Code: helloCode()})
	if err != nil {
		return nil, err
	}
	defer s.stop()
	request := s.queueRequest("hello", helloArgs)
	var waits, ends []time.Duration
	for range l.rounds(500, 100) {
		if err := s.connect(); err != nil {
			return nil, err
		}
		began := time.Now()
		body, err := s.succeed(request)
		if err != nil {
			return nil, err
		}
		var id string
		if err := json.Unmarshal(body, &id); err != nil {
			return nil, err
		}
		if body, err = s.succeed(s.request("GET", "/v1/executions/"+id+"?wait=10", nil)); err != nil {
			return nil, err
		}
		ends = append(ends, time.Since(began))
		var x execution
		if err := json.Unmarshal(body, &x); err != nil {
			return nil, err
		}
		wait, err := x.wait()
		if err != nil {
			return nil, err
		}
		waits = append(waits, wait)
	}
	return []measured{{
		value: elapsed(median(waits)),
		notes: []string{fmt.Sprintf("%d runs; p90 %v, longest %v; from the request to the response that the run is finished, median %v", len(waits),
			elapsed(percentile(waits, 0.9)), elapsed(percentile(waits, 1)), elapsed(median(ends)))},
	}}, nil
}

// wait returns how long a finished execution waited before it started.
func (x execution) wait() (time.Duration, error) {
	const layout = "2006-01-02 15:04:05.999999-07:00"
	created, err := time.Parse(layout, x.Created)
	if err != nil {
		return 0, err
	}
	started, err := time.Parse(layout, x.Started)
	if err != nil {
		return 0, err
	}
	if x.Status != "Success" {
		return 0, fmt.Errorf("execution %s has the status %s", x.ID, x.Status)
	}
	return started.Sub(created), nil
}
