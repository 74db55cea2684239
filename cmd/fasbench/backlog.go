package main

import (
	"context"
	"fmt"
	"time"
)

const (
	// backlogRuns is the number of queued runs when the server restarts.
	backlogRuns = 100_000
	// backlogTime is how much longer that restart may take than one with an empty queue.
	backlogTime = 3 * time.Second
)

var backlogBench = bench{
	name: "backlog",
	how: "From starting the process of `fas serve` until it is ready, after it was killed (SIGKILL) with 100,000 runs queued, of which as many were executing as " +
		"memory allows, and with none. Medians.",
	rows: []row{{
		what: "server start with 100,000 executions queued / with none",
		of:   "queued", peer: "none", goal: "at most 3 s longer", holds: func(m measured) bool { return m.value.n-m.peer.n <= backlogTime.Seconds() },
		limit: "reading the queued runs",
	}},
	measure: measureBacklog,
}

// measureBacklog kills and restarts a server with many queued runs, and a server with none.
func measureBacklog(ctx context.Context, l *lab) ([]measured, error) {
	var with, without []time.Duration
	for _, of := range []struct {
		bulks int
		times *[]time.Duration
	}{{backlogRuns / bulkRuns, &with}, {0, &without}} {
		data, err := l.compiledData(ctx)
		if err != nil {
			return nil, err
		}
		s, err := l.serveIn(ctx, data)
		if err != nil {
			return nil, err
		}
		err = s.create(heldFunction())
		for range of.bulks {
			if err == nil {
				_, err = s.succeed(s.bulkRequest("held", "{}", bulkRuns))
			}
		}
		s.kill()
		for range l.rounds(5, 3) {
			if err != nil {
				return nil, err
			}
			began := time.Now()
			if s, err = l.serveIn(ctx, data); err == nil {
				*of.times = append(*of.times, time.Since(began))
				s.kill()
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return []measured{{
		value: elapsed(median(with)), peer: elapsed(median(without)),
		notes: []string{fmt.Sprintf("%v longer", elapsed(median(with)-median(without)))},
	}}, nil
}
