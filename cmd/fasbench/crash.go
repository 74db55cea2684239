package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

const (
	// crashRuns is the number of runs that are under way when the server is killed.
	crashRuns = 64
	// crashTime is the time within which another function's runs progress.
	crashTime = 500 * time.Millisecond
)

var crashBench = bench{
	name: "crash",
	how: "A server with 64 runs of 15 minutes is killed (SIGKILL) while all of them are executing, started again, and killed once more. The figure is the time " +
		"from the request for a background run of another function, right after the third server has become ready, to the end of that run. Median.",
	rows: []row{{
		what: "after two crashes with 64 runs under way, from ready until a run of another function has ended",
		of:   "median", goal: "at most 0.5 s", holds: timeAtMost(crashTime),
		limit: "how long runs that were executing at the crash are held back",
	}},
	measure: measureCrash,
}

// measureCrash kills a server twice while runs are under way, and measures how long a run of another
// function takes on the third one.
func measureCrash(ctx context.Context, l *lab) ([]measured, error) {
	var first, bulks []time.Duration
	for range l.rounds(5, 3) {
		data, err := l.compiledData(ctx)
		if err != nil {
			return nil, err
		}
		s, err := l.serveIn(ctx, data)
		if err != nil {
			return nil, err
		}
		held := heldFunction()
		held.Memory = 64 // so that all fit into the memory of a small machine
		if err = s.create(held); err == nil {
			err = s.create(function{Name: "hello", Code: helloCode()})
		}
		if err == nil {
			_, err = s.succeed(s.bulkRequest("held", "{}", crashRuns))
		}
		for range 2 {
			if err == nil {
				err = s.awaitStarted(crashRuns)
			}
			s.kill()
			if err != nil {
				return nil, err
			}
			if s, err = l.serveIn(ctx, data); err != nil {
				return nil, err
			}
		}
		took, err := s.queuedRun("hello", helloArgs)
		if err == nil {
			first = append(first, took)
			took, _, err = s.executeBulk("hello", helloArgs, 1_000)
			bulks = append(bulks, took)
		}
		s.kill()
		if err != nil {
			return nil, err
		}
	}
	return []measured{{
		value: elapsed(median(first)),
		notes: []string{fmt.Sprintf("longest %v; 1,000 further runs took %v", elapsed(percentile(first, 1)), elapsed(median(bulks)))},
	}}, nil
}

// awaitStarted waits until n executions are under way.
func (s *server) awaitStarted(n int) error {
	for deadline := time.Now().Add(readyTime); ; time.Sleep(5 * time.Millisecond) {
		body, err := s.succeed(s.request("GET", fmt.Sprintf("/v1/executions/?status=Started&limit=%d", n), nil))
		if err != nil {
			return err
		}
		var all []execution
		if err := json.Unmarshal(body, &all); err != nil || len(all) == n {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("only %d of %d runs are under way", len(all), n)
		}
	}
}

// queuedRun returns the time from the request for a background run to its end.
func (s *server) queuedRun(name, args string) (time.Duration, error) {
	began := time.Now()
	body, err := s.succeed(s.queueRequest(name, args))
	if err != nil {
		return 0, err
	}
	var id string
	if err := json.Unmarshal(body, &id); err != nil {
		return 0, err
	}
	if body, err = s.succeed(s.request("GET", "/v1/executions/"+id+"?wait=60", nil)); err != nil {
		return 0, err
	}
	var x execution
	if err := json.Unmarshal(body, &x); err != nil {
		return 0, err
	}
	if x.Status != "Success" {
		return 0, fmt.Errorf("execution %s has the status %s", x.ID, x.Status)
	}
	return time.Since(began), nil
}
