package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// firstViewTime is how long the first view of the console may take, 99 times out of 100.
const firstViewTime = 100 * time.Millisecond

// viewPause is the time between two loads of a view: a tenant may have 32 live lists at once, and the server looks
// twice a second for clients that have left.
const viewPause = 50 * time.Millisecond

// browserConnections is the number of connections that a browser opens to a server.
const browserConnections = 6

var firstViewBench = bench{
	name: "firstview",
	how: "A server on a store with 1,000,000 finished executions and 2,000 that are not done. What a view of the console reads is requested at once over new connections, " +
		"as a browser does: the session, the functions, and for the home page the statistics of an hour, the failures of an hour, the latest executions, the dead letters and the memory; " +
		"for the page of executions the live list until its beginning has arrived, and the next page. The figure is the time until all answers have arrived, at the 99th percentile.",
	rows: []row{
		{
			what: "first view of the console with 1,000,000 executions, home", part: "home", of: "p99", peer: "p50",
			goal: "at most 100 ms", holds: firstViewHolds, limit: "one browser on loopback",
		},
		{
			what: "first view of the console with 1,000,000 executions, executions", part: "executions", of: "p99", peer: "p50",
			goal: "at most 100 ms", holds: firstViewHolds, limit: "one browser on loopback",
		},
	},
	measure: measureFirstView,
}

func firstViewHolds(m measured) bool { return m.value.n <= firstViewTime.Seconds() }

// view is a request of a view of the console.
type view struct {
	path  string
	until string // what ends the answer of a stream; empty: its end
}

// measureFirstView loads the views of the console again and again, each as if it were the first.
func measureFirstView(ctx context.Context, l *lab) ([]measured, error) {
	s, err := l.serveHistory(ctx, manyExecutions, time.Now())
	if err != nil {
		return nil, err
	}
	defer s.stop()
	files := []view{{path: "/console/"}, {path: "/console/session"}, {path: "/v1/functions/"}}
	list := func(pairs ...string) string {
		query := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			query.Set(pairs[i], pairs[i+1])
		}
		return "/v1/executions/?" + query.Encode()
	}
	hour := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	var all []measured
	for _, of := range [][]view{
		append(files, view{path: "/v1/stats/?since=1h"}, view{path: list("status", "Failed", "created_after", hour, "limit", "100")},
			view{path: list("include_completed", "true", "limit", "12")}, view{path: "/v1/dlq/?limit=100"}, view{path: "/v1/server/memory"}),
		append(files, view{path: list("include_completed", "true", "limit", "200", "follow", "1"), until: "event: listed"},
			view{path: list("include_completed", "true", "limit", "400")}),
	} {
		var times []time.Duration
		for n := range 1 + l.rounds(120, 20) {
			time.Sleep(viewPause)
			took, err := s.load(ctx, of)
			if err != nil {
				return nil, err
			}
			if n > 0 { // the first one fills caches, as any request before it does
				times = append(times, took)
			}
		}
		all = append(all, measured{value: elapsed(percentile(times, 0.99)), peer: elapsed(median(times))})
	}
	return all, nil
}

// load requests all parts of a view at once over new connections, and returns the time until all answers
// have arrived.
func (s *server) load(ctx context.Context, of []view) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel() // which ends streams
	transport := &http.Transport{MaxConnsPerHost: browserConnections}
	defer transport.CloseIdleConnections()
	c := &http.Client{Transport: transport}
	errs := make([]error, len(of))
	var group sync.WaitGroup
	began := time.Now()
	for i, part := range of {
		group.Go(func() { errs[i] = s.part(ctx, c, part) })
	}
	group.Wait()
	return time.Since(began), errors.Join(errs...)
}

// part requests a part of a view and reads its answer.
func (s *server) part(ctx context.Context, c *http.Client, of view) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+of.path, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Token "+s.token)
	response, err := c.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", of.path, response.Status)
	}
	if of.until == "" {
		_, err := io.Copy(io.Discard, response.Body)
		return err
	}
	var text strings.Builder
	for buffer := make([]byte, 64<<10); !strings.Contains(text.String(), of.until); {
		n, err := response.Body.Read(buffer)
		text.Write(buffer[:n])
		if err != nil {
			return fmt.Errorf("%s ended without %q: %w", of.path, of.until, err)
		}
	}
	return nil
}
