package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// bulkRuns is the number of runs in one request, the most that the API allows.
const bulkRuns = 10_000

var bulkBench = bench{
	name: "bulk",
	how: "One request for 10,000 runs of the trivial function, from sending it until all runs are finished, and `wrk` with 8 connections that wait for " +
		"runs of the same function on the same server, alternately. Medians of all repetitions.",
	rows: []row{{
		what: "bulk of 10,000 trivial runs, from the request until all are finished: runs per second / blocking runs per second over HTTP",
		of:   "bulk", peer: "blocking", goal: "at least 0.8x", holds: ratioAtLeast(0.8),
	}},
	measure: measureBulk,
}

// measureBulk alternates between bulks of background runs and blocking runs.
func measureBulk(ctx context.Context, l *lab) ([]measured, error) {
	if err := need("wrk"); err != nil {
		return nil, err
	}
	s, err := l.serve(ctx, function{Name: "hello", Code: helloCode()})
	if err != nil {
		return nil, err
	}
	defer s.stop()
	length := time.Duration(l.rounds(3, 1)) * time.Second
	var queued bulks
	var blocking loads
	for range l.rounds(7, 3) {
		if err := queued.measure(s, "hello", helloArgs); err != nil {
			return nil, err
		}
		if err := blocking.measure(ctx, l, s.blockingTarget("hello", helloArgs), length); err != nil {
			return nil, err
		}
	}
	return []measured{{
		value: quantity{queued.rate(), perSecond}, peer: quantity{blocking.rate(), perSecond}, limit: queued.usage.limit(),
		notes: []string{
			fmt.Sprintf("the response with the ids took %v", elapsed(median(queued.answered))),
			"what limits blocking runs: " + blocking.usage.limit(),
		},
	}}, nil
}

// bulks are the results of bulks of bulkRuns runs of one function.
type bulks struct {
	rates    []float64       // runs per second, of each bulk
	answered []time.Duration // until the response with the ids
	usage    usage
}

// rate returns the median of the bulks' rates.
func (b *bulks) rate() float64 { return median(b.rates) }

// measure executes a bulk and adds the result.
func (b *bulks) measure(s *server, name, args string) error {
	used, err := s.observe(1, func() error {
		took, answered, err := s.executeBulk(name, args, bulkRuns)
		b.rates, b.answered = append(b.rates, bulkRuns/took.Seconds()), append(b.answered, answered)
		return err
	})
	b.usage = b.usage.add(used)
	return err
}

// executeBulk submits a bulk of n runs of a function and waits until all of them have succeeded. It
// returns how long that took, and how long the response with their ids took.
func (s *server) executeBulk(name, args string, n int) (took, answered time.Duration, err error) {
	request := s.bulkRequest(name, args, n)
	if err := s.connect(); err != nil {
		return 0, 0, err
	}
	began := time.Now()
	body, err := s.succeed(request)
	if err != nil {
		return 0, 0, err
	}
	answered = time.Since(began)
	var ids []string
	if err := json.Unmarshal(body, &ids); err != nil {
		return 0, 0, err
	}
	if len(ids) != n {
		return 0, 0, fmt.Errorf("got %d ids for %d runs", len(ids), n)
	}
	// Runs of a function start in order, so the last one to finish is among the last ones.
	for {
		if _, err := s.succeed(s.request("GET", "/v1/executions/"+ids[n-1]+"?wait=60", nil)); err != nil {
			return 0, 0, err
		}
		took = time.Since(began)
		if done, err := s.succeeded(body, n); err != nil || done {
			return took, answered, err
		}
	}
}

// succeeded reports whether n executions have all succeeded. Their ids are a JSON array.
func (s *server) succeeded(ids []byte, n int) (bool, error) {
	body, err := s.succeed(s.request("POST", "/v1/executions/bulk/", ids))
	if err != nil {
		return false, err
	}
	var all []execution
	if err := json.Unmarshal(body, &all); err != nil {
		return false, err
	}
	done := 0
	for _, x := range all {
		switch x.Status {
		case "Success":
			done++
		case "Pending", "Started":
		default:
			return false, fmt.Errorf("execution %s has the status %s", x.ID, x.Status)
		}
	}
	return done == n, nil
}

// execution holds the fields of an execution's record that are read here.
type execution struct {
	ID      string `json:"uuid"`
	Status  string `json:"status"`
	Created string `json:"created"`
	Started string `json:"started"`
}

// drain waits until no run is queued or executing.
func (s *server) drain() error {
	for {
		body, err := s.succeed(s.request("GET", "/v1/executions/?limit=1", nil))
		if err != nil {
			return err
		}
		var open []execution
		if err := json.Unmarshal(body, &open); err != nil || len(open) == 0 {
			return err
		}
		if _, err := s.succeed(s.request("GET", "/v1/executions/"+open[0].ID+"?wait=10", nil)); err != nil {
			return err
		}
	}
}
