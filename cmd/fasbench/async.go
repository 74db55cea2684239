package main

import (
	"cmp"
	"context"
	"fmt"
	goruntime "runtime"
	"sync"
	"time"
)

const (
	// asyncClients is the number of clients that wait for runs that await asyncTime, each for
	// asyncCalls of them, one after the other.
	asyncClients = 1_000
	asyncCalls   = 5
	asyncTime    = time.Second
	// asyncWaiters is the number of runs that await waitTime at once.
	asyncWaiters = bulkRuns
	asyncCode    = "import asyncio\n\n\nasync def main(args, context):\n    await asyncio.sleep(args[\"seconds\"])\n"
)

var asyncBench = bench{
	name: "async",
	how: "1,000 clients that each request a run of an `async def main` that awaits 1 s, five times one after the other, twice; the second time counts. If runs cost nothing, 1,000 would end per second. " +
		"Then one request for 10,000 runs that await 10 s, while a client calls the trivial function every 5 ms. The resident memory is the largest sample of `RssAnon` every 50 ms and of `Pss` in the middle.",
	rows: []row{
		{
			what: "1,000 async runs that await 1 s at once: runs per second", part: "rate",
			of: "runs", goal: "at least 900/s", holds: func(m measured) bool { return m.value.n >= 900 },
		},
		{
			what: "memory: 10,000 async runs that await 10 s at once", part: "memory",
			of: "resident", goal: "under 4 GB", holds: bytesAtMost(4 * gb), limit: "what a waiting run holds",
		},
		{
			what: "a trivial neighbour's p99 beside 10,000 async runs that await 10 s", part: "neighbour",
			of: "p99", goal: "at most 15 ms", holds: timeAtMost(15 * time.Millisecond), limit: "the processors: the start of the runs",
		},
	},
	measure: measureAsync,
}

// measureAsync measures runs that await a timer: how many end per second, and what many of them take
// while they wait.
func measureAsync(ctx context.Context, l *lab) ([]measured, error) {
	if err := needFiles(asyncClients + 200); err != nil {
		return nil, err
	}
	s, err := l.serve(ctx, function{Name: "hello", Code: helloCode()}, function{Name: "await", Timeout: 120, Code: asyncCode})
	if err != nil {
		return nil, err
	}
	defer s.stop()
	rate, err := s.measureAsyncRate(ctx)
	if err != nil {
		return nil, err
	}
	waiting, err := s.measureAsyncWaiters(ctx)
	return append([]measured{rate}, waiting...), err
}

// measureAsyncRate executes the calls of all clients twice, and measures the second time.
func (s *server) measureAsyncRate(ctx context.Context) (measured, error) {
	clients := make([]*client, asyncClients)
	show := s.request("GET", "/v1/functions/", nil) // the server bounds the connections that have not shown a token
	for i := range clients {
		clients[i] = newClient(s.address)
		defer clients[i].close()
		if _, err := clients[i].succeed(show); err != nil {
			return measured{}, err
		}
	}
	request := s.runRequest("await", fmt.Sprintf(`{"seconds": %g}`, asyncTime.Seconds()))
	var used usage
	for range 2 {
		var err error
		used, err = s.observe(goruntime.NumCPU(), func() error {
			var all sync.WaitGroup
			errs := make([]error, len(clients))
			for i, c := range clients {
				all.Go(func() {
					for range asyncCalls {
						if _, err := c.succeed(request); err != nil {
							errs[i] = err
							return
						}
					}
				})
			}
			all.Wait()
			return cmp.Or(errs...)
		})
		if err = cmp.Or(context.Cause(ctx), err); err != nil {
			return measured{}, err
		}
	}
	const runs = asyncClients * asyncCalls
	return measured{
		value: quantity{runs / used.length.Seconds(), perSecond}, limit: used.limit(),
		notes: []string{fmt.Sprintf("processor time of the server per run: %v", elapsed(used.server/runs))},
	}, nil
}

// measureAsyncWaiters executes a bulk of runs that all wait at once, beside a neighbour that calls the
// trivial function.
func (s *server) measureAsyncWaiters(ctx context.Context) ([]measured, error) {
	watched := watchMemory(s.process, residentLimit)
	defer watched.stop()
	calling, stop := context.WithCancel(ctx)
	defer stop()
	var times []time.Duration
	var failed error
	var neighbour sync.WaitGroup
	neighbour.Go(func() { times, failed = s.callSlowly(calling) })
	half := time.AfterFunc(waitTime, watched.countShared)
	defer half.Stop()
	took, _, err := s.executeBulk("await", fmt.Sprintf(`{"seconds": %g}`, 2*waitTime.Seconds()), asyncWaiters)
	stop()
	neighbour.Wait()
	peak := watched.stop()
	if err := cmp.Or(watched.exceeded(), context.Cause(ctx), err, failed); err != nil {
		return nil, err
	}
	return []measured{
		{
			value: quantity{float64(peak), inBytes},
			notes: []string{fmt.Sprintf("from the request until all %d have ended: %v, of which each waits for %v", asyncWaiters, elapsed(took), 2*waitTime)},
		},
		{
			value: elapsed(percentile(times, 0.99)),
			notes: []string{fmt.Sprintf("%d calls; median %v, p90 %v, longest %v", len(times), elapsed(median(times)), elapsed(percentile(times, 0.9)), elapsed(percentile(times, 1)))},
		},
	}, nil
}
