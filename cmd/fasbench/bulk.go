package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// bulkRuns is the number of runs in one request, the most that the API allows.
const bulkRuns = 10_000

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
	var bulks, blocking []float64
	var accepted []time.Duration
	for range l.rounds(7, 3) {
		took, answered, err := s.executeBulk(bulkRuns)
		if err != nil {
			return nil, err
		}
		bulks = append(bulks, bulkRuns/took.Seconds())
		accepted = append(accepted, answered)
		rate, err := l.wrk(ctx, blockingConnections, "http://"+s.address+"/v1/sync/functions/hello/rpc/", s.token, length)
		if err != nil {
			return nil, err
		}
		blocking = append(blocking, rate)
	}
	return []measured{{
		value: quantity{median(bulks), perSecond}, peer: quantity{median(blocking), perSecond},
		notes: []string{fmt.Sprintf("the response with the ids took %v", elapsed(median(accepted)))},
	}}, nil
}

// executeBulk submits a bulk of n runs and waits until all of them have succeeded. It returns how
// long that took, and how long the response with their ids took.
func (s *server) executeBulk(n int) (took, answered time.Duration, err error) {
	request := s.bulkRequest("hello", helloArgs, n)
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
