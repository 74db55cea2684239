package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

var jobBench = bench{
	name: "job",
	how: "One request for an execution of a job with 10,000 tasks of the trivial function, from sending it until the execution is finished, and a bulk of as " +
		"many runs of the same function on the same server, alternately. Medians of all repetitions.",
	rows: []row{{
		what: "job of 10,000 trivial tasks, from the request until it is finished: tasks per second / runs per second of a bulk",
		of:   "job", peer: "bulk", goal: "at least 0.8x", holds: ratioAtLeast(0.8),
	}},
	measure: measureJob,
}

// measureJob alternates between executions of a job and bulks of as many runs of the same function.
func measureJob(ctx context.Context, l *lab) ([]measured, error) {
	s, err := l.serve(ctx, function{Name: "hello", Code: helloCode()})
	if err != nil {
		return nil, err
	}
	defer s.stop()
	if err := s.connect(); err != nil {
		return nil, err
	}
	if _, err := s.succeed(s.jobRequest("POST", "/v0/jobs", `{"metadata":{"name":"hello"},"spec":{"function":"hello"}}`)); err != nil {
		return nil, err
	}
	var jobs []float64
	var used usage
	var queued bulks
	for range l.rounds(7, 3) {
		more, err := s.observe(1, func() error {
			took, err := s.executeJob(bulkRuns)
			jobs = append(jobs, bulkRuns/took.Seconds())
			return err
		})
		if err != nil {
			return nil, err
		}
		used = used.add(more)
		if err := queued.measure(s, "hello", helloArgs); err != nil {
			return nil, err
		}
	}
	return []measured{{
		value: quantity{median(jobs), perSecond}, peer: quantity{queued.rate(), perSecond}, limit: used.limit(),
		notes: []string{"what limits the bulk: " + queued.usage.limit()},
	}}, nil
}

// executeJob starts a job execution of n tasks and returns the time from the request until it has
// succeeded.
func (s *server) executeJob(n int) (time.Duration, error) {
	request := s.jobRequest("POST", "/v0/jobs/hello/executions", `{"tasks":[`+strings.Repeat(helloArgs+",", n-1)+helloArgs+`]}`)
	if err := s.connect(); err != nil {
		return 0, err
	}
	began := time.Now()
	body, err := s.succeed(request)
	if err != nil {
		return 0, err
	}
	var accepted struct {
		ID string `json:"executionId"`
	}
	if err := json.Unmarshal(body, &accepted); err != nil {
		return 0, err
	}
	for {
		body, err := s.succeed(s.jobRequest("GET", "/v0/jobs/hello/executions/"+accepted.ID+"?wait=60", ""))
		if err != nil {
			return 0, err
		}
		var x struct {
			Status string `json:"status"`
			Stats  struct {
				Success int `json:"success"`
			} `json:"stats"`
		}
		switch err := json.Unmarshal(body, &x); {
		case err != nil:
			return 0, err
		case x.Status == "succeeded" && x.Stats.Success == n:
			return time.Since(began), nil
		case x.Status != "running":
			return 0, fmt.Errorf("execution %s has the status %s with %d of %d tasks succeeded", accepted.ID, x.Status, x.Stats.Success, n)
		}
	}
}

// jobRequest returns a request to the jobs API.
func (s *server) jobRequest(method, path, body string) []byte {
	return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		method, path, s.address, s.token, len(body), body)
}
